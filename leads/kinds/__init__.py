"""Every kind of change, one file a noun; importing this room fills the registry of `leads.kind`.

How a kind is said to Kartra is in `integrations.translate`."""

from collections.abc import Mapping, Sequence
from typing import Any

from leads.kind import (
    BadParameters,
    ChangeKind,
    Parameters,
    UnknownKind,
    get_kind,
    register,
    warnings as warnings_of_text,
)
from leads.kinds import calendars, lists, points, profile, refunds, sequences, several, subscriptions, tags
from leads.kinds.already_words import PARTS, Already
from leads.kinds.calendars import SUBSCRIBE_CALENDAR
from leads.kinds.lists import SUBSCRIBE_LIST
from leads.kinds.points import GIVE_POINTS
from leads.kinds.profile import CREATE, UPDATE
from leads.kinds.recipes import recipe_kind
from leads.kinds.refunds import REFUND
from leads.kinds.sequences import SUBSCRIBE_SEQUENCE
from leads.kinds.subscriptions import CANCEL
from leads.kinds.tags import ASSIGN_TAG
from leads.models import Account

ALL: dict[str, ChangeKind] = {
    kind.name: kind
    for kind in (
        *profile.KINDS,
        *tags.KINDS,
        *lists.KINDS,
        *points.KINDS,
        *sequences.KINDS,
        *calendars.KINDS,
        *refunds.KINDS,
        *subscriptions.KINDS,
    )
}

IN_BULK: dict[str, ChangeKind] = {name: kind for name, kind in ALL.items() if kind.in_bulk}
"""Kinds that can be asked for on a selection of leads."""

SEVERAL = several.SEVERAL

register(*ALL.values(), SEVERAL)


def permissions(kind: ChangeKind, parameters: Parameters) -> set[str]:
    """The permissions it takes: of the kinds chosen, and of every single change they consist of."""
    chosen = {part.permission for part, _ in kind.parts(parameters)}
    return chosen | {get_kind(name).permission for name, _ in kind.single_steps(parameters)}


def already_words_of(names: Sequence[str]) -> Already | None:
    """How these kinds together say that they have nothing to do; None where none of them is ever so already."""
    found = [words for name in names if (words := get_kind(name).already_words) is not None]
    return (PARTS if len(names) > 1 else found[0]) if found else None


def warnings(parameters: Mapping[str, Any], account: Account | None = None) -> list[str]:
    """What a person should know before this is sent: texts that Kartra's firewall may refuse; with the account, an hour that
    its clocks show twice."""
    doubled = calendars.time_warning(account, parameters) if account is not None else ""
    return [*warnings_of_text(parameters), *filter(None, [doubled])]


def together(parts: list[tuple[ChangeKind, Mapping[str, Any]]]) -> tuple[ChangeKind, dict[str, Any]]:
    """One kind as it is, several as one."""
    if len(parts) == 1:
        return parts[0][0], dict(parts[0][1])
    return SEVERAL, {"steps": [[kind.name, dict(given)] for kind, given in parts]}


__all__ = [
    "ALL",
    "ASSIGN_TAG",
    "CANCEL",
    "CREATE",
    "GIVE_POINTS",
    "IN_BULK",
    "REFUND",
    "SEVERAL",
    "SUBSCRIBE_CALENDAR",
    "SUBSCRIBE_LIST",
    "SUBSCRIBE_SEQUENCE",
    "UPDATE",
    "BadParameters",
    "ChangeKind",
    "UnknownKind",
    "already_words_of",
    "get_kind",
    "permissions",
    "recipe_kind",
    "together",
    "warnings",
]
