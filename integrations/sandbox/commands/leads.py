"""Commands about a lead: itself, tags, lists, points, sequences, calendars, and the account's custom fields."""

import datetime as dt
import re
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.forms import as_list
from integrations.sandbox.store.account import ZONE, Account
from integrations.sandbox.store.events import custom_values, texts
from integrations.sandbox.store.rows import LEAD_TEXTS
from integrations.sandbox.store.switches import Switches

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CHOICES = ("drop_down", "radio_button", "checkbox")
TYPES = ("input_field", "text_area", *CHOICES)


def ok(code: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    return {
        "status": "Success",
        **({"message": message} if message else {}),
        **({"type": code} if code else {}),
        **more,
    }


def _text(entry: dict[str, Any], key: str, empty_code: str, call: Call) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(empty_code)
    if not value.strip() and call.switches["blank_parameters"] == "empty":
        raise Refused(empty_code)
    return value


def _thing(account: Account, kind: str, name: str, code: str, call: Call) -> dict[str, Any]:
    """What is called so, by the reading of the switch; letter for letter comes first."""
    found = account.store.thing(account.number, kind, name)
    how = call.switches["names"]
    if found is None and how != "exact":
        wanted = _matched(name, how)
        things = account.store.things(account.number, kind)
        found = next((thing for thing in things if _matched(thing["name"], how) == wanted), None)
    if found is None:
        raise Refused(code)
    return found


def _matched(name: str, how: str) -> str:
    return name.strip().casefold() if how == "any_case" else name.strip() if how == "trimmed" else name


# --- the lead itself


def get_lead(account: Account, given: Any, switches: Switches) -> dict[str, Any]:
    """Top-level `get_lead[email]`, or `[id]` where the switch allows it."""
    if not isinstance(given, dict):
        raise Refused("236", whole=True)
    id = str(given.get("id", "") or "").strip() if switches["get_lead_by_id"] else ""
    email = str(given.get("email", "") or "").strip()
    if not id and not email:
        raise Refused("206", whole=True)
    lead = account.store.lead(account.number, id=id) if id else account.store.lead(account.number, email=email)
    if lead is None:
        raise Refused("234", whole=True)
    if lead["deleted"]:
        raise Refused("245", whole=True)
    details = details_of(account, lead)
    if switches["tag_ids"]:
        ids = {thing["name"]: thing["id"] for thing in account.store.things(account.number, "tag")}
        details["tags"] = [{"tag_id": ids.get(name, 0), "tag_name": name} for name in lead["tags"]]
    if switches["membership_keys"] == "id":
        older = {"membership_id": "id", "membership_name": "name"}
        details["memberships"] = [{older.get(k, k): v for k, v in each.items()} for each in details["memberships"]]
    if switches["empty_choice"] == "text":
        for field in details["custom_fields"]:
            field["field_value"] = field["field_value"] or ""
    return {"status": "Success", "lead_details": details if switches["numbers"] else texts(details)}


def details_of(account: Account, lead: dict[str, Any]) -> dict[str, Any]:
    """A lead as it is read: the documented keys, relations by name."""
    ids = {
        kind: {thing["name"]: thing["id"] for thing in account.store.things(account.number, kind)}
        for kind in ("tag", "list", "sequence")
    }
    plain = (
        "first_name",
        "middle_name",
        "last_name",
        "email",
        "date_joined",
        "phone_country_code",
        "phone",
        "ip",
        "address",
        "zip",
        "city",
        "state",
        "country",
        "lead_picture",
        "score",
        "source",
        "source_id",
        "ip_country",
        "website",
        "facebook",
        "twitter",
        "linkedin",
        "lead_preferred_time_zone",
        "notes",
        "blacklisted",
        "company",
        "last_name2",
        "username",
    )
    return {
        "id": lead["id"],
        **{key: lead[key] for key in plain},
        "custom_fields": custom_values(lead, account.store.things(account.number, "custom_field")),
        **{key: lead[key] for key in lead if key.startswith("gdpr_")},
        "tags": [{"tag_name": name} for name in lead["tags"]],
        "lists": [
            {"list_id": ids["list"].get(name, 0), "list_name": name, "active": "1" if active else "0"}
            for name, active in lead["lists"].items()
        ],
        "sequences": [
            {
                "sequence_id": ids["sequence"].get(name, 0),
                "sequence_name": name,
                "step": s["step"],
                "status": s["status"],
            }
            for name, s in lead["sequences"].items()
        ],
        "memberships": lead["memberships"],
    }


def first(
    account: Account, call: Call, cmd: str, lead: dict[str, Any] | None, given: dict[str, Any]
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """create_lead, edit_lead, search_lead: (the lead the rest of the call is about, the result)."""
    if cmd == "search_lead":
        return lead, ok()
    fields = {key: value for key, value in given.items() if key in LEAD_TEXTS and isinstance(value, str)}
    custom = _custom(account, given.get("custom_fields"))
    if cmd == "create_lead":
        email = str(given.get("email", "") or "").strip()
        named = str(given.get("id", "") or "").strip()
        if named:  # with both the id wins, and there is no lead of it that could be made
            there = account.store.lead(account.number, id=named)
            raise Refused("243" if there is None else "245" if there["deleted"] else "244", whole=True)
        if not email or (call.switches["email_check"] and "@" not in email):
            raise Refused("206", whole=True)
        known = account.by_email(account.stored_email(email))
        if known is not None:
            raise Refused("245" if known["deleted"] else "244", whole=True)
        lead = account.create(email, fields, custom)
        return lead, ok(lead_details={"id": str(lead["id"])})
    assert lead is not None
    if call.switches["empty_field"] == "kept":
        fields = {key: value for key, value in fields.items() if value}
    new_email = str(given.get("new_email", "") or "").strip()
    if new_email:
        other = account.by_email(account.stored_email(new_email))
        if other is not None and other["id"] != lead["id"]:
            if call.switches["edit_to_known_email"]:
                raise Refused(str(call.switches["edit_to_known_email"]))
        else:
            found, changed = lead, new_email
            call.later(lambda: account.change_email(found, changed))
    target = lead
    call.later(lambda: account.edit(target, fields, custom))
    return lead, ok()


def _custom(account: Account, given: Any) -> dict[str, Any]:
    """The custom values of a write. Identifiers the account lacks are passed over without a word."""
    if given in (None, ""):
        return {}
    if not isinstance(given, dict):
        raise Refused("271")
    values: dict[str, Any] = {}
    known = {field["name"]: field for field in account.store.things(account.number, "custom_field")}
    for entry in as_list(given):
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("field_identifier"), str)
            or "field_value" not in entry
        ):
            raise Refused("271")
        field = known.get(entry["field_identifier"])
        if field is None:
            continue
        value = entry["field_value"]
        if field["type"] in CHOICES:
            chosen = [str(v) for v in as_list(value)] if isinstance(value, dict) else [value] if value else []
            values[field["name"]] = [v for v in chosen if v in {str(number) for number, _ in field["options"]}]
        else:
            values[field["name"]] = value if isinstance(value, str) else ""
    return values


# --- tags and lists


def assign_tag(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = _thing(account, "tag", _text(entry, "tag_name", "211", call), "212", call)["name"]
    call.later(lambda: account.tag(lead, name, True, heard=call.heard))
    return ok(str(call.switches["known_tag_again"]) if name in lead["tags"] else "103", "Tag added to lead")


def unassign_tag(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = _thing(account, "tag", _text(entry, "tag_name", "213", call), "214", call)["name"]
    call.later(lambda: account.tag(lead, name, False, heard=call.heard))
    if name not in lead["tags"] and call.switches["nothing_removed"] == "no_type":
        return ok()
    return ok("104", "Tag removed from lead")


def subscribe_list(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = _thing(account, "list", _text(entry, "list_name", "207", call), "231", call)["name"]
    call.later(lambda: account.list(lead, name, True, heard=call.heard))
    return ok("101", "Lead subscribed to list")


def unsubscribe_list(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = _thing(account, "list", _text(entry, "list_name", "208", call), "209", call)["name"]
    call.later(lambda: account.list(lead, name, False, heard=call.heard))
    if not lead["lists"].get(name) and call.switches["nothing_removed"] == "no_type":
        return ok()
    return ok("101", "Lead unsubscribed from list")


# --- points


LONGEST = 4000
"""Digits of points: whole numbers of any length, as far as they can be written."""


def _points(entry: dict[str, Any], empty: str, no_number: str, call: Call) -> int:
    value = _text(entry, "points", empty, call)
    form = r"-?[0-9]+" if call.switches["points_as"] == "digits" else r"\s*[-+]?[0-9]+(\.0*)?\s*"
    if not re.fullmatch(form, value) or len(value) > LONGEST:
        raise Refused(no_number)
    return int(value.partition(".")[0])


def give_points(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    points = _points(entry, "215", "227", call)
    below = bool(call.switches["score_below_zero"])
    call.later(lambda: account.points(lead, points, below_zero=below, heard=call.heard))
    return ok("105", "Points added to lead")


def remove_points(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    points = _points(entry, "217", "228", call)
    below = bool(call.switches["score_below_zero"])
    call.later(lambda: account.points(lead, -points, below_zero=below, heard=call.heard))
    return ok("106", "Points removed from lead")


# --- sequences


def subscribe_sequence(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    asked = _text(entry, "sequence_name", "226", call)
    step = _text(entry, "step", "225", call).strip()
    thing = _thing(account, "sequence", asked, "219", call)
    name = thing["name"]
    if not step.isalnum():
        raise Refused("229")
    if step not in thing["steps"]:
        raise Refused("230")
    call.later(lambda: account.sequence(lead, name, step, heard=call.heard))
    return ok("107", "Lead added to sequence")


def unsubscribe_sequence(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = _thing(account, "sequence", _text(entry, "sequence_name", "226", call), "220", call)["name"]
    call.later(lambda: account.sequence(lead, name, None, heard=call.heard))
    return ok()


# --- calendars


def _class(account: Account, entry: dict[str, Any], call: Call) -> tuple[str, str]:
    name, asked = _text(entry, "calendar_name", "255", call), _text(entry, "class_name", "256", call)
    calendar = _thing(account, "calendar", name, "257", call)
    how = call.switches["names"]
    priority_class = next((each for each in calendar["classes"] if _matched(each, how) == _matched(asked, how)), None)
    if priority_class is None:
        raise Refused("258")
    return calendar["name"], priority_class


def book(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name, priority_class = _class(account, entry, call)
    when = _when(str(entry.get("starting_date", "") or ""), str(entry.get("starting_hour", "") or ""))
    call.later(lambda: account.book(lead, name, priority_class, when, heard=call.heard))
    return ok("112", "Lead subscribed to class")


def _when(date: str, hour: str) -> str:
    if not date and not hour:
        return (dt.datetime.now(ZONE) + dt.timedelta(days=7)).strftime("%Y-%m-%d 10:00")
    day = re.fullmatch(r"(\d{2}) ([A-Z][a-z]{2}) (\d{4})", date)
    clock = re.fullmatch(r"(\d{2}):(\d{2})", hour or "00:00")
    try:
        if day is None or clock is None:
            raise ValueError
        when = dt.datetime(
            int(day[3]), MONTHS.index(day[2]) + 1, int(day[1]), int(clock[1]), int(clock[2]), tzinfo=ZONE
        )
    except ValueError:
        raise Refused("260") from None
    if when < dt.datetime.now(ZONE):
        raise Refused("261")
    return when.strftime("%Y-%m-%d %H:%M")


def cancel_booking(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name, priority_class = _class(account, entry, call)
    standing = [
        b for b in lead["bookings"] if (b["calendar"], b["class"], b["status"]) == (name, priority_class, "Active")
    ]
    if not standing:
        raise Refused("259")
    which = str(call.switches["cancels"])
    for _ in standing if which == "all" else standing[:1]:
        call.later(
            lambda: account.end_booking(lead, name, priority_class, heard=call.heard, earliest=which == "earliest")
        )
    return ok("113", "Lead unsubscribed from class")


# --- custom fields of the account


def custom_fields(account: Account) -> list[dict[str, Any]]:
    found = []
    for field in account.store.things(account.number, "custom_field"):
        entry = {"field_id": str(field["id"]), "field_identifier": field["name"], "field_type": field["type"]}
        if field["type"] in CHOICES:
            entry["field_value"] = [
                {"option_id": str(number), "option_value": words} for number, words in field["options"]
            ]
        found.append(entry)
    return found


def create_custom_field(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    identifier = _text(entry, "custom_field_identifier", "265", call)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", identifier):
        raise Refused("263")
    if account.store.thing(account.number, "custom_field", identifier) is not None:
        raise Refused("264")
    type = entry.get("custom_field_type")
    if type not in TYPES:
        raise Refused("269")
    names: list[str] = []
    if type in CHOICES:
        given = entry.get("custom_field_options")
        if given is not None and not isinstance(given, dict):
            raise Refused("270")
        for option in as_list(given):
            name = option.get("option_name") if isinstance(option, dict) else None
            if not isinstance(name, str) or not name.strip():
                raise Refused("272")
            names.append(name)
        if len(names) < 2:
            raise Refused("273")
    number = int(account.store.meta("options", 600))
    account.store.set_meta("options", number + len(names))
    options = [[number + index + 1, name] for index, name in enumerate(names)]
    account.store.add_thing(account.number, "custom_field", identifier, type=type, options=options)
    return ok("114", "Custom Field created")


HANDLERS = {
    "assign_tag": assign_tag,
    "unassign_tag": unassign_tag,
    "subscribe_lead_to_list": subscribe_list,
    "unsubscribe_lead_from_list": unsubscribe_list,
    "give_points_to_lead": give_points,
    "remove_points_from_lead": remove_points,
    "subscribe_lead_to_sequence_at_step": subscribe_sequence,
    "unsubscribe_lead_from_sequence": unsubscribe_sequence,
    "calendar_subscribe": book,
    "calendar_cancel": cancel_booking,
    "create_custom_field": create_custom_field,
}
NEEDS_LEAD = set(HANDLERS) - {"create_custom_field"}
