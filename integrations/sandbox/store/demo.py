"""Demo leads: the same for the same number, with everything an account can hold. Addresses are of example domains."""

import datetime as dt
import random
from typing import Any

from integrations.sandbox.store.account import ZONE, Account
from integrations.sandbox.store.rows import new_lead

TAGS = (
    "buyer",
    "webinar-may",
    "VIP",
    "newsletter",
    "trial",
    "refunded",
    "affiliate",
    "cold",
    "beta group",
    "podcast",
    "workshop 2026",
    "needs call",
)
LISTS = (
    "Demo 25",
    "Spring newsletter",
    "Course waitlist",
    "Buyers",
    "Webinar guests",
    "Partners",
    "Blog readers",
    "Old imports",
)
SEQUENCES = {"Welcome series": 5, "Win back": 3, "Course onboarding": 8, "Webinar follow-up": 4, "Upsell": 3}
CALENDARS = {"Coaching": ["Intro call", "Deep dive"], "Support": ["Office hours"]}
PRODUCTS = ("Trail Course", "Gear Guide", "Trail Club")
MEMBERSHIPS = {"Trail Club": ["Bronze", "Gold"]}
PAGES = ("Landing A", "Thank you", "Webinar registration")
FIRST = (
    "Ada",
    "Ben",
    "Carla",
    "Dimitri",
    "Elena",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Liam",
    "Mara",
    "Nils",
    "Olga",
    "Pablo",
    "Quinn",
    "Rosa",
    "Samir",
    "Tove",
    "Uma",
    "Viktor",
    "Wanda",
    "Xenia",
    "Yusuf",
    "Zoe",
)
LAST = (
    "Lind",
    "Moss",
    "Okafor",
    "Petrov",
    "Ruiz",
    "Sato",
    "Tran",
    "Ueda",
    "Vance",
    "Weber",
    "Young",
    "Zimmer",
    "Abara",
    "Berg",
    "Costa",
    "Dahl",
    "Ebner",
    "Fox",
    "Gray",
    "Holt",
)
PLACES = (
    ("United States", "Bend", "Oregon", "1"),
    ("Germany", "Bonn", "", "49"),
    ("Spain", "Vigo", "Galicia", "34"),
    ("Canada", "Guelph", "Ontario", "1"),
    ("Japan", "Nara", "", "81"),
    ("United Kingdom", "York", "", "44"),
)


def fill(account: Account, number: int) -> None:
    """Fill an empty account with `number` leads and the catalogue around them."""
    chance = random.Random(2026)
    store = account.store
    with store.together():
        catalogue(account)
        for index in range(number):
            store.add_lead(account.number, _lead(account, chance, index, number))
        for lead in list(store.leads(account.number))[:: max(1, number // 200)]:
            _money(account, chance, lead)


def catalogue(account: Account) -> None:
    """Tags, lists, sequences, calendars, products, memberships, pages, custom fields of all five types."""
    store, number = account.store, account.number
    for kind, names in (("tag", TAGS), ("list", LISTS), ("product", PRODUCTS), ("page", PAGES)):
        for name in names:
            store.add_thing(number, kind, name)
    for name, steps in SEQUENCES.items():
        store.add_thing(number, "sequence", name, steps=[str(step + 1) for step in range(steps)])
    for name, classes in CALENDARS.items():
        store.add_thing(number, "calendar", name, classes=classes)
    for name, levels in MEMBERSHIPS.items():
        store.add_thing(number, "membership", name, levels=levels)
    for name, type, options in (
        ("shirt_size", "drop_down", [[610, "Small"], [611, "Large"]]),
        ("interests", "checkbox", [[620, "Running"], [621, "Cooking"]]),
        ("contact_by", "radio_button", [[630, "Email"], [631, "Phone"]]),
        ("crm_ref", "input_field", []),
        ("remarks", "text_area", []),
    ):
        store.add_thing(number, "custom_field", name, type=type, options=options)


def _lead(account: Account, chance: random.Random, index: int, number: int) -> dict[str, Any]:
    first, last = FIRST[index % len(FIRST)], LAST[(index // len(FIRST)) % len(LAST)]
    joined = dt.datetime(2023, 12, 1, 9, tzinfo=ZONE) + dt.timedelta(minutes=chance.randrange(60 * 24 * 1000))
    lead = new_lead(
        f"{first}.{last}{index}@example.{('com', 'org')[index % 2]}".lower(), joined.strftime("%Y-%m-%d %H:%M:%S")
    )
    country, city, state, code = chance.choice(PLACES)
    lead.update(
        first_name=first,
        last_name=last,
        country=country,
        city=city,
        state=state,
        phone_country_code=code,
        phone=f"555{index:05d}",
        score=chance.randrange(0, 150),
        company=f"{last} Studio" if index % 7 == 0 else "",
        source=chance.choice(["api", "import", "single-optin", "checkout"]),
        zip=f"{chance.randrange(10000, 99999)}",
        username=f"{first}{last}{index}".lower(),
    )
    lead["custom"] = {
        "crm_ref": f"A-{1000 + index}",
        "shirt_size": chance.choice([["610"], ["611"], []]),
        "interests": chance.choice([["620"], ["621"], ["620", "621"], []]),
    }
    lead["tags"] = [tag for tag in TAGS if chance.random() < 0.12]
    if index < 25:
        lead["lists"]["Demo 25"] = True
    if index % 4 == 1:
        lead["lists"]["Spring newsletter"] = True
    for name in LISTS[2:]:
        if chance.random() < 0.1:
            lead["lists"][name] = chance.random() < 0.8
    if chance.random() < 0.3:
        name = chance.choice(list(SEQUENCES))
        step = str(chance.randrange(SEQUENCES[name]) + 1)
        lead["sequences"][name] = {
            "step": step,
            "status": chance.choice(["active", "active", "unsubscribed"]),
            "starts": 1,
        }
    if chance.random() < 0.15:
        lead["memberships"].append(
            {
                "membership_id": 5,
                "membership_name": "Trail Club",
                "level_id": 501,
                "level_name": chance.choice(["Bronze", "Gold"]),
                "active": "1",
            }
        )
    return lead


def _money(account: Account, chance: random.Random, lead: dict[str, Any]) -> None:
    date = f"2026-0{chance.randrange(1, 9)}-1{chance.randrange(0, 9)} 11:20:31"
    sale = account.charge(lead, "sale", "Trail Course", "97.00", heard=False, date=date)
    if chance.random() < 0.2:
        account.charge(lead, "partial_refund", "Trail Course", "20.00", parent=sale, heard=False)
    if chance.random() < 0.4:
        account.subscribe_plan(lead, "Trail Club", "29.00", heard=False)
