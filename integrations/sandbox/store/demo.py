"""Demo leads: the same for the same number, with everything an account can hold. Addresses are of example domains."""

import datetime as dt
import random
from typing import Any

from integrations.sandbox.store.account import MONTH, ZONE, Account, text_of
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
PRICES = (("Trail Course", "97.00"), ("Gear Guide", "19.00"), ("Gear Guide", "19.00"))
KNOWN_WELL = 25
"""So many leads, the newest ones, have a history; they are those of the list "Demo 25"."""
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
        leads = list(store.leads(account.number))
        for lead in leads[-KNOWN_WELL:] + leads[:-KNOWN_WELL][:: max(1, number // 200)]:
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
    lead = new_lead(f"{first}.{last}{index}@example.{('com', 'org')[index % 2]}".lower(), text_of(joined))
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
    if index >= number - KNOWN_WELL:
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
    """What the lead bought in the last three months: products, of which some are given back, and a plan that is paid monthly."""
    now = dt.datetime.now(ZONE)
    days = sorted((chance.randrange(1, 90) for _ in range(chance.choice((1, 1, 2, 3)))), reverse=True)
    for day in days:
        at = now - dt.timedelta(days=day, minutes=chance.randrange(600))
        product, price = chance.choice(PRICES)
        sale = account.charge(lead, "sale", product, price, heard=False, date=text_of(at))
        if chance.random() < 0.15:
            back = text_of(at + dt.timedelta(hours=chance.randrange(2, 20)))
            account.charge(lead, "partial_refund", product, "9.00", parent=sale, heard=False, date=back)
    if chance.random() < 0.35:
        _plan(account, lead, now, times=chance.randrange(1, 5), card_fails=chance.random() < 0.2)


def _plan(account: Account, lead: dict[str, Any], now: dt.datetime, *, times: int, card_fails: bool) -> None:
    """A plan that was charged so many times; the last time not with success, where the card fails."""
    start = now - MONTH * (times - 1) - dt.timedelta(days=lead["id"] % 27, hours=lead["id"] % 11)
    plan = account.subscribe_plan(lead, "Trail Club", "29.00", heard=False, start=start, paid=times)
    for number in range(1, times):
        type = "failed" if card_fails and number == times - 1 else "rebill"
        date = text_of(start + MONTH * number)
        account.charge(lead, type, "Trail Club", "29.00", subscription=plan, heard=False, date=date)


def lately(account: Account) -> None:
    """What happens in the account just now, with its events: bookings, tags, lists, sequences, access and a few sales of the leads
    that are known well."""
    now = dt.datetime.now(ZONE).replace(minute=0, second=0)
    leads = list(account.store.leads(account.number))[-KNOWN_WELL:]
    classes = [(calendar, each) for calendar, names in CALENDARS.items() for each in names]
    for index, lead in enumerate(leads):
        if index % 2 == 0:
            calendar, name = classes[index // 2 % len(classes)]
            when = text_of(now.replace(hour=9 + index % 8) + dt.timedelta(days=1 + index))
            account.book(lead, calendar, name, when, heard=True)
            if index % 10 == 4:
                account.end_booking(lead, calendar, name, heard=True)
        if index % 3 == 0:
            account.sequence(lead, "Course onboarding", "1", heard=True)
        if index % 4 == 1:
            account.tag(lead, "workshop 2026", True, heard=True)
            account.list(lead, "Webinar guests", True, heard=True)
        if index % 8 == 3:
            account.membership(lead, "Trail Club", "Gold", True, heard=True)
            account.charge(lead, "sale", "Gear Guide", "19.00")
