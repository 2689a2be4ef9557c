"""Kartra's lead → the mirror's facts. Kartra's dates have no zone; the account's zone makes them UTC."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from typing import Any

from integrations.kartra.profile import LeadProfile
from integrations.kartra.values import flag, is_secret, whole
from leads.fields import BY_NAME, LeadField
from leads.mirror import LeadFacts, MembershipFact
from leads.models import SAFETY_FIELD, Account, Lead

MOST_EXTRA = 200
LONGEST_EXTRA = 10_000
"""Of what a lead has beside the known keys: so many keys, and texts of so many characters."""


def utc_of(text: str, account: Account) -> dt.datetime | None:
    """A naive Kartra date ("2026-02-11 14:05:09") as UTC; None for none or for what is no date."""
    try:
        naive = dt.datetime.fromisoformat(text.strip())
        aware = naive if naive.tzinfo else naive.replace(tzinfo=account.zone)
        return aware.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def utc_in(text: str, zone: str, account: Account) -> dt.datetime | None:
    """A naive date of an event in the zone the event names ("America/Detroit"), else in the account's, as UTC."""
    try:
        naive = dt.datetime.fromisoformat(text.strip())
        return naive.replace(tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)
    except (ValueError, OverflowError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return utc_of(text, account)


def _value(field: LeadField, text: str, account: Account) -> Any:
    """A text of Kartra as the mirror's column keeps it. What is longer than the column cannot be one of Kartra's values."""
    if field.value == "number":
        return whole(text)
    if field.value == "flag":
        return flag(text)
    if field.value == "moment":
        return utc_of(text, account)
    return text[: Lead._meta.get_field(field.name).max_length]  # type: ignore[union-attr]


def facts_of(profile: LeadProfile, account: Account, *, authority: bool) -> LeadFacts:
    """What a profile tells. `authority`: it is a `get_lead`, whose relations are all there are; an event's profile has
    none, so whatever it says of them is left out."""
    fields: dict[str, Any] = {}
    for name, text in profile.fields.items():
        fields[name] = text.strip()[:320] if name == "email" else _value(BY_NAME[name], text, account)
    custom = None
    if profile.custom_fields is not None:
        custom = {
            identifier: value.text if value.options is None else [list(option) for option in value.options]
            for identifier, value in profile.custom_fields.items()
            if identifier != SAFETY_FIELD
        }
    return LeadFacts(
        kartra_id=profile.id,
        fields=fields,
        custom_values=custom,
        custom_whole=authority and custom is not None,
        extra=_small(profile.extra) or None,
        tags=frozenset(name[:500] for name in profile.tags) if authority and profile.tags is not None else None,
        lists={each.name[:500]: each.active for each in profile.lists}
        if authority and profile.lists is not None
        else None,
        sequences={each.name[:500]: (each.step[:32], each.status[:32]) for each in profile.sequences}
        if authority and profile.sequences is not None
        else None,
        memberships=tuple(
            MembershipFact(m.membership_name[:500], m.level_name[:500], m.active, m.membership_id, m.level_id)
            for m in profile.memberships
        )
        if authority and profile.memberships is not None
        else None,
    )


def _small(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Keys that nobody knows, as far as they are of a size that a lead's can be. The message itself keeps all."""
    first = dict(list(extra.items())[:MOST_EXTRA])
    return {key: plain(value) for key, value in first.items() if len(str(value)) <= LONGEST_EXTRA}


def plain(value: Any) -> Any:
    """JSON that every database can store: no NUL, no lone surrogate, no number that is none. And no secret of a message."""
    if isinstance(value, dict):
        return {plain(str(key)): plain(inner) for key, inner in value.items() if not is_secret(str(key))}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**63:
        return str(value)[:100] if value.bit_length() < 10_000 else None
    return value
