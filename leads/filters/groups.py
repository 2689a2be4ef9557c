"""Or groups, as an address says them: `or1.2.tag=5` is the tag of the second alternative of the first group.

Of each group at least one alternative must hold, with all of its conditions; all groups, and the plain conditions beside them."""

import re
from collections.abc import Iterator, Mapping, Sequence

GROUPED = re.compile(r"or([1-9]\d?)\.([1-9]\d?)\.(\w{1,60})", re.ASCII)
Given = Mapping[str, Sequence[str]]
Alternatives = list[dict[str, Sequence[str]]]


def prefix_of(group: int, row: int) -> str:
    """What stands before the parameters of an alternative."""
    return f"or{group}.{row}."


def inner(name: str) -> str:
    """The parameter that a name of an address means: "tag" of "or1.2.tag"."""
    found = GROUPED.fullmatch(name)
    return found[3] if found else name


def apart(wanted: Given) -> tuple[dict[str, Sequence[str]], list[Alternatives]]:
    """The plain conditions, and the groups with their alternatives, in the order of their numbers."""
    plain: dict[str, Sequence[str]] = {}
    groups: dict[int, dict[int, dict[str, Sequence[str]]]] = {}
    for name, values in wanted.items():
        if found := GROUPED.fullmatch(name):
            groups.setdefault(int(found[1]), {}).setdefault(int(found[2]), {})[found[3]] = values
        else:
            plain[name] = values
    return plain, [[rows[number] for number in sorted(rows)] for _group, rows in sorted(groups.items())]


def together(plain: Given, groups: Sequence[Sequence[Given]], *, first: int = 1) -> dict[str, list[str]]:
    """The opposite of `apart`; the groups are numbered from `first` on."""
    found = {name: list(values) for name, values in plain.items()}
    for group, rows in enumerate(groups, start=first):
        for row, given in enumerate(rows, start=1):
            found |= {f"{prefix_of(group, row)}{name}": list(values) for name, values in given.items()}
    return found


def every(wanted: Given) -> Iterator[Given]:
    """The plain conditions, then each alternative of each group, without their numbers."""
    plain, groups = apart(wanted)
    yield plain
    for rows in groups:
        yield from rows
