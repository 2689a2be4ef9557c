"""The kinds of change: the one registry. How a kind is said to Kartra is in `integrations.translate`."""

from leads.kinds import billing, calendars, lists, points, profile, sequences, tags
from leads.kinds.base import BadParameters, Kind, UnknownKind, warnings
from leads.kinds.billing import refund_amounts

ALL: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        *profile.KINDS, *tags.KINDS, *lists.KINDS, *points.KINDS, *sequences.KINDS, *calendars.KINDS, *billing.KINDS,
    )
}  # fmt: skip

IN_BULK: dict[str, Kind] = {name: kind for name, kind in ALL.items() if not kind.money and name != profile.CREATE.name}
"""Kinds that can be asked for on a selection of leads."""


def get(name: str) -> Kind:
    """The kind of this name; UnknownKind (a ValueError that says which there are) if there is none."""
    try:
        return ALL[name]
    except KeyError:
        raise UnknownKind(f"There is no kind of change called {name}. There are: {', '.join(ALL)}.") from None


__all__ = ["ALL", "IN_BULK", "BadParameters", "Kind", "UnknownKind", "get", "refund_amounts", "warnings"]
