"""Fields of a lead on their way to Kartra: they travel in `lead[…]` of one leading create_lead or edit_lead."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import Encoding
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


def _same(told: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        chosen = {str(option[0]) for option in told} if isinstance(told, list) else {str(told)} - {""}
        return chosen == set(wanted)
    if isinstance(told, list):
        return [str(option[0]) for option in told] == ([wanted] if wanted else [])
    return _plain(told) == _plain(wanted)


def _plain(value: Any) -> str:
    return str("" if value is None else value).replace("\r\n", "\n").strip()


def _done(parameters: Mapping[str, Any], facts: Any, before: Mapping[str, Any]) -> bool:
    """Every field that Kartra tells of is as it was wanted, and it tells of at least one. What a read does not show
    cannot be proven, and sending it again does no harm."""
    told = 0
    for name, value in parameters.items():
        if name == "email":
            seen = facts.fields.get("email")
            if seen is None:
                continue
            same = normal_email(seen) == normal_email(value) or _local_part(seen) == _local_part(value)
        elif name.startswith(CUSTOM):
            if facts.custom_values is None or name.removeprefix(CUSTOM) not in facts.custom_values:
                continue
            same = _same(facts.custom_values[name.removeprefix(CUSTOM)], value)
        elif name in facts.fields:
            same = _same(facts.fields[name], value)
        else:
            continue
        told += 1
        if not same:
            return False
    return told > 0


def _local_part(email: str) -> str:
    """In test mode Kartra replaces the domain of an address by its own."""
    local, _, domain = normal_email(email).rpartition("@")
    return local if domain == "kartra.com" else email


ENCODINGS = {
    "create_lead": Encoding(
        commands=frozenset({"create_lead"}),
        action=lambda parameters: commands.create_lead(),
        done=_done,
        lead_fields=lead_fields,
    ),
    "update_lead": Encoding(
        commands=frozenset({"edit_lead"}),
        action=lambda parameters: commands.edit_lead(),
        done=_done,
        lead_fields=lambda parameters: lead_fields(parameters, email_as="new_email"),
    ),
}
