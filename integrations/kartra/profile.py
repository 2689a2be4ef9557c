"""A lead as Kartra tells it, in `get_lead` and in events. Source: articles 15369017 and the captured deliveries."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.kartra.values import decoded, flag, ident, rows, text

SCALARS = (
    "email",
    "first_name",
    "middle_name",
    "last_name",
    "last_name2",
    "username",
    "phone_country_code",
    "phone",
    "company",
    "address",
    "zip",
    "city",
    "state",
    "country",
    "ip",
    "ip_country",
    "lead_picture",
    "website",
    "facebook",
    "twitter",
    "linkedin",
    "instagram",
    "google_plus",
    "lead_preferred_time_zone",
    "sales_tax_id",
    "business_type",
    "notes",
    "source",
    "source_id",
    "referring_id",
    "score",
    "blacklisted",
    "date_joined",
    "gdpr_lead_status",
    "gdpr_lead_status_date",
    "gdpr_lead_status_ip",
    "gdpr_lead_communications",
)
NAMES_OF = {
    "tags": ("tag_name", "name"),
    "lists": ("list_name", "name"),
    "sequences": ("sequence_name", "name"),
    "memberships": ("membership_name", "name", "membership_id", "id"),
}
"""How an entry of a relation is called."""
RELATIONS = ("custom_fields", "tags", "lists", "sequences", "memberships")


@dataclass(frozen=True)
class ListState:
    """A list the lead is on (`active`), or has left."""

    name: str
    active: bool
    id: str = ""


@dataclass(frozen=True)
class SequenceState:
    """A sequence the lead is in; `step` and `status` in Kartra's own words."""

    name: str
    step: str
    status: str
    id: str = ""


@dataclass(frozen=True)
class MembershipState:
    """Access to one level of a membership."""

    membership_id: str
    membership_name: str
    level_id: str
    level_name: str
    active: bool | None
    """None: not told."""


@dataclass(frozen=True)
class CustomValue:
    """The value of a custom field: `text`, or the chosen `options` as ((option id, option text), …)."""

    type: str
    text: str = ""
    options: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True)
class LeadProfile:
    """One lead as told. `fields` holds the documented scalar keys that were there, as text ("" for none); the relations
    are None when they were not told at all; `extra` holds keys nobody has documented, as they came."""

    id: str
    fields: Mapping[str, str]
    custom_fields: Mapping[str, CustomValue] | None = None
    tags: tuple[str, ...] | None = None
    lists: tuple[ListState, ...] | None = None
    sequences: tuple[SequenceState, ...] | None = None
    memberships: tuple[MembershipState, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    deleted: bool = False
    """It says of itself that it is deleted."""

    @property
    def email(self) -> str:
        return self.fields.get("email", "").strip()

    def __repr__(self) -> str:
        return f"LeadProfile(id={self.id!r})"


def profile_of(raw: Mapping[str, Any]) -> LeadProfile:
    """Read a lead object leniently: ids and numbers as text or number, relations as lists, objects or JSON strings."""
    known = {"id", *SCALARS, *RELATIONS}
    return LeadProfile(
        id=ident(raw.get("id")),
        fields={key: text(raw[key]) for key in SCALARS if key in raw and not isinstance(raw[key], dict | list)},
        custom_fields=_custom_fields(raw["custom_fields"]) if _told(raw, "custom_fields") else None,
        tags=_tags(raw["tags"]) if _told(raw, "tags") else None,
        lists=_lists(raw["lists"]) if _told(raw, "lists") else None,
        sequences=_sequences(raw["sequences"]) if _told(raw, "sequences") else None,
        memberships=_memberships(raw["memberships"]) if _told(raw, "memberships") else None,
        deleted=flag(raw.get("lead_deleted")) is True,
        extra={str(key)[:200]: value for key, value in raw.items() if key not in known},
    )


def _told(raw: Mapping[str, Any], key: str) -> bool:
    """Whether a relation was told: a list, an object, or JSON of one, in which every entry can be read. Anything else, null
    too, is not "none": nothing may be taken from a lead because of it."""
    if key not in raw or not isinstance(decoded(raw[key]), list | dict):
        return False
    names = NAMES_OF.get(key)
    return names is None or all(_named(entry, *names) for entry in rows(raw[key]))


def _named(entry: Any, *keys: str) -> str:
    """The name in an entry that is an object with one of `keys`, or the plain name itself."""
    if isinstance(entry, Mapping):
        for key in keys:
            if key in entry:
                return text(entry[key])
        return ""
    return text(entry)


def _tags(raw: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for entry in rows(raw) if (name := _named(entry, "tag_name", "name"))))


def _lists(raw: Any) -> tuple[ListState, ...]:
    found: dict[str, ListState] = {}
    for entry in rows(raw):
        if name := _named(entry, "list_name", "name"):
            inner = entry if isinstance(entry, Mapping) else {}
            active = flag(inner.get("active", 1))
            found[name] = ListState(name, active is not False, ident(inner.get("list_id")))
    return tuple(found.values())


def _sequences(raw: Any) -> tuple[SequenceState, ...]:
    found: dict[str, SequenceState] = {}
    for entry in rows(raw):
        if name := _named(entry, "sequence_name", "name"):
            inner = entry if isinstance(entry, Mapping) else {}
            found[name] = SequenceState(
                name, text(inner.get("step")), text(inner.get("status")), ident(inner.get("sequence_id"))
            )
    return tuple(found.values())


def membership_of(raw: Mapping[str, Any]) -> MembershipState:
    """One membership entry, in either of the two key styles seen."""
    return MembershipState(
        membership_id=ident(raw.get("membership_id", raw.get("id"))),
        membership_name=text(raw.get("membership_name", raw.get("name"))),
        level_id=ident(raw.get("level_id")),
        level_name=text(raw.get("level_name")),
        active=flag(raw.get("active")),
    )


def _memberships(raw: Any) -> tuple[MembershipState, ...]:
    entries = (membership_of(entry) for entry in rows(raw) if isinstance(entry, Mapping))
    return tuple(entry for entry in entries if entry.membership_name or entry.membership_id)


def _holds_options(value: Any) -> bool:
    """Whether an object is a list of options with index keys."""
    inner = list(value.values()) if isinstance(value, dict) else []
    return all(isinstance(each, dict) for each in inner) and any(map(any, options_of(inner)))


def _custom_fields(raw: Any) -> dict[str, CustomValue]:
    found: dict[str, CustomValue] = {}
    for entry in rows(raw):
        if not isinstance(entry, Mapping) or not (identifier := text(entry.get("field_identifier"))):
            continue
        kind, value = text(entry.get("field_type")), entry.get("field_value")
        if kind not in ("input_field", "text_area"):
            value = decoded(value)
        if isinstance(value, list) or _holds_options(value):
            found[identifier] = CustomValue(kind, options=options_of(value))
        elif isinstance(value, dict):  # no options: kept as it came
            found[identifier] = CustomValue(kind, text=text(json.dumps(value, ensure_ascii=False)) if value else "")
        elif kind in ("drop_down", "radio_button", "checkbox"):
            found[identifier] = CustomValue(kind, options=((("", text(value)),) if text(value) else ()))
        else:
            found[identifier] = CustomValue(kind, text=text(value))
    return found


def options_of(raw: Any) -> tuple[tuple[str, str], ...]:
    """((option id, option text), …) of a `field_value` list; plain texts have no id."""
    return tuple(
        (ident(option.get("option_id")), text(option.get("option_value")))
        if isinstance(option, Mapping)
        else ("", text(option))
        for option in rows(raw)
        if isinstance(option, Mapping) or text(option)
    )
