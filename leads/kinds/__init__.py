"""The kinds of change: the one registry. How a kind is said to Kartra is in `integrations.translate`."""

from leads.kinds import lists, tags
from leads.kinds.base import BadParameters, Kind, Parameter, UnknownKind

ALL: dict[str, Kind] = {kind.name: kind for kind in (*tags.KINDS, *lists.KINDS)}


def get(name: str) -> Kind:
    """The kind of this name; UnknownKind (a ValueError that says which there are) if there is none."""
    try:
        return ALL[name]
    except KeyError:
        raise UnknownKind(f"There is no kind of change called {name}. There are: {', '.join(ALL)}.") from None


__all__ = ["ALL", "BadParameters", "Kind", "Parameter", "UnknownKind", "get"]
