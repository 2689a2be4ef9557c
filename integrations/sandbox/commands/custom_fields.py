"""Custom fields: of the account, and the values that a write gives to a lead."""

import re
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import ok, parameter_text
from integrations.sandbox.forms import as_list
from integrations.sandbox.store.account import Account

CHOICES = ("drop_down", "radio_button", "checkbox")
TYPES = ("input_field", "text_area", *CHOICES)


def custom_values_of_write(account: Account, given: Any) -> dict[str, Any]:
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


def custom_fields_of(account: Account) -> list[dict[str, Any]]:
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
    identifier = parameter_text(entry, "custom_field_identifier", "265", call)
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
