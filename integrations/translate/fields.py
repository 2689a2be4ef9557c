"""Fields of a lead on their way to Kartra: they travel in `lead[…]` of one leading create_lead or edit_lead."""

import functools
from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import State, WireFormat, Witness, named
from leads.fields import WRITABLE
from leads.models import normal_email

CUSTOM = "custom."


def lead_fields(parameters: Mapping[str, Any], *, email_as: str = "email") -> dict[str, Any]:
    """The parameters as Kartra's keys under `lead`. Custom fields by identifier, choices by option id; nothing chosen is
    an empty text, which clears the field."""
    fields: dict[str, Any] = {}
    custom: list[dict[str, Any]] = []
    for name, value in parameters.items():
        if name.startswith(CUSTOM):
            custom.append({"field_identifier": name.removeprefix(CUSTOM), "field_value": value if value else ""})
        else:
            fields[email_as if name == "email" else name] = value
    if custom:
        fields["custom_fields"] = custom
    return fields


def lead_parameters(fields: dict[str, Any], *, email_as: str = "email") -> dict[str, Any]:
    """The reverse of `lead_fields`: what is no field of a lead stays in `fields`."""
    parameters = named(email=email_as, **{name: name for name in WRITABLE})(fields)
    custom = fields.get("custom_fields")
    if not isinstance(custom, dict):
        return parameters
    for place, entry in list(custom.items()):
        if not isinstance(entry, dict) or entry.keys() != {"field_identifier", "field_value"}:
            continue
        name, value = f"{CUSTOM}{entry['field_identifier']}", entry["field_value"]
        chosen = list(value.values()) if isinstance(value, dict) else [value]
        if name not in parameters and all(isinstance(each, str) for each in chosen):
            parameters[name] = chosen if isinstance(value, dict) else value
            del custom[place]
    if not custom:
        del fields["custom_fields"]
    return parameters


def _shows(parameters: Mapping[str, Any], facts: Any) -> State:
    """The named fields as the read tells them: text, of choices the option ids. A field that Kartra did not tell is left
    out; None is a custom field that is not among those it told: it has none of that name."""
    told: dict[str, Any] = {}
    for name in parameters:
        if name.startswith(CUSTOM):
            if facts.custom_values is not None:
                value = facts.custom_values.get(name.removeprefix(CUSTOM))
                told[name] = [str(option[0]) for option in value] if isinstance(value, list) else value
        elif facts.fields.get(name) is not None:
            told[name] = facts.fields[name]
    return told


def same_value(name: str, told: Any, wanted: Any) -> bool:
    """Whether a field holds what was wanted. One chosen option stands as a list or alone; Kartra's own domain stands for any
    in an address, as in test mode."""
    if name == "email":
        return normal_email(told or "") == normal_email(wanted or "") or _is_kartras_own(told or "", wanted or "")
    if isinstance(told, list) or isinstance(wanted, list):
        chosen = [value if isinstance(value, list) else [value] for value in (told, wanted)]
        return {str(v) for v in chosen[0] if v} == {str(v) for v in chosen[1] if v}
    return _plain(told) == _plain(wanted)


def _is_kartras_own(told: str, wanted: str) -> bool:
    local, _, domain = normal_email(told).rpartition("@")
    return domain == "kartra.com" and local == normal_email(wanted).rpartition("@")[0]


def _plain(value: Any) -> str:
    return str("" if value is None else value).replace("\r\n", "\n").strip()


WITNESS = Witness(shows=_shows, makes=lambda parameters, state: {**state, **parameters}, nothing=lambda parameters: {})

WIRE_FORMATS = {
    "create_lead": WireFormat(
        commands=frozenset({"create_lead"}),
        action=lambda parameters: commands.create_lead(),
        parameters=named(),
        witness=WITNESS,
        lead_fields=lead_fields,
        lead_parameters=lead_parameters,
    ),
    "update_lead": WireFormat(
        commands=frozenset({"edit_lead"}),
        action=lambda parameters: commands.edit_lead(),
        parameters=named(),
        witness=WITNESS,
        lead_fields=lambda parameters: lead_fields(parameters, email_as="new_email"),
        lead_parameters=functools.partial(lead_parameters, email_as="new_email"),
    ),
}
