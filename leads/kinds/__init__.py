"""The kinds of change: the one registry. How a kind is said to Kartra is in `integrations.translate`."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from leads.kinds import base, billing, calendars, lists, points, profile, sequences, several, tags
from leads.kinds.base import BadParameters, Kind, Parameters, UnknownKind
from leads.kinds.billing import refund_amounts
from leads.models import Account

ALL: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *profile.KINDS, *tags.KINDS, *lists.KINDS, *points.KINDS, *sequences.KINDS, *calendars.KINDS, *billing.KINDS,
    )
}  # fmt: skip

IN_BULK: dict[str, Kind] = {name: kind for name, kind in ALL.items() if not kind.money and name != profile.CREATE.name}
"""Kinds that can be asked for on a selection of leads."""


SEVERAL = several.SEVERAL


def get(name: str) -> Kind:
    """The kind of this name; UnknownKind (a ValueError that says which there are) if there is none."""
    if name == SEVERAL.name:
        return SEVERAL
    try:
        return ALL[name]
    except KeyError:
        raise UnknownKind(
            _("There is no kind of change called %(name)s. There are: %(names)s.")
            % {"name": name, "names": ", ".join(ALL)}
        ) from None


def permissions(kind: Kind, parameters: Parameters) -> set[str]:
    """The permissions it takes: of the kinds chosen, and of every single change they consist of."""
    chosen = {part.permission for part, _ in kind.parts(parameters)}
    return chosen | {get(name).permission for name, _ in kind.single_steps(parameters)}


def warnings(parameters: Mapping[str, Any], account: Account | None = None) -> list[str]:
    """What a person should know before this is sent: texts that Kartra's firewall may refuse; with the account, an hour that
    its clocks show twice."""
    doubled = calendars.time_warning(account, parameters) if account is not None else ""
    return [*base.warnings(parameters), *filter(None, [doubled])]


def together(parts: list[tuple[Kind, Mapping[str, Any]]]) -> tuple[Kind, dict[str, Any]]:
    """One kind as it is, several as one."""
    if len(parts) == 1:
        return parts[0][0], dict(parts[0][1])
    return SEVERAL, {"steps": [[kind.name, dict(given)] for kind, given in parts]}


__all__ = [
    "ALL",
    "IN_BULK",
    "SEVERAL",
    "BadParameters",
    "Kind",
    "UnknownKind",
    "get",
    "permissions",
    "refund_amounts",
    "together",
    "warnings",
]
