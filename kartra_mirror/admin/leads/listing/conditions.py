"""The conditions of a filter while it is made: where each stands, and what adding, turning and removing one makes of them.

A filter in the making is a mapping as of an address ({parameter: [texts]}), in which a condition without a value yet is
there as an empty text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from leads import filters
from leads.filters import NOT, Condition, apart, inner, prefix_of
from leads.filters.groups import GROUPED, together

Making = dict[str, list[str]]
MOST_GROUPS = 99
"""The last number that an or group or an alternative can have."""
BY_PART = {
    f"{left_out}{part.name}": (each, left_out) for each in filters.ALL for part in each.parts for left_out in ("", NOT)
}


@dataclass(frozen=True)
class Place:
    """A condition, where it stands ("or1.2." for an alternative of a group, "" for what must hold) and whether it leaves out."""

    prefix: str
    left_out: str
    condition: Condition

    @property
    def key(self) -> str:
        return f"{self.prefix}{self.left_out}{self.condition.name}"

    def names(self, left_out: str | None = None) -> list[str]:
        """Of its parameters."""
        way = self.left_out if left_out is None else left_out
        return [f"{self.prefix}{way}{part.name}" for part in self.condition.parts]

    @property
    def group(self) -> tuple[int, int]:
        """The numbers of its group and of its alternative; of what must hold, none."""
        found = GROUPED.fullmatch(f"{self.prefix}x")
        return (int(found[1]), int(found[2])) if found else (0, 0)


def places(making: Mapping[str, Sequence[str]]) -> list[Place]:
    """Each condition once, in the order in which they were given."""
    found = dict.fromkeys(
        Place(name.removesuffix(inner(name)), BY_PART[inner(name)][1], BY_PART[inner(name)][0])
        for name in making
        if inner(name) in BY_PART
    )
    return list(found)


def changed(making: Making, order: str) -> Making:
    """The filter after what a button says: "add WHERE CONDITION", "remove KEY", "turn KEY", "any", "all GROUP". What cannot be
    done leaves it as it is."""
    verb, *words = order.split(" ")
    by_key = {place.key: place for place in places(making)}
    match verb, words:
        case "remove", [key] if key in by_key:
            return {name: values for name, values in making.items() if name not in by_key[key].names()}
        case "turn", [key] if key in by_key and may_turn(making, by_key[key]):
            place = by_key[key]
            other = "" if place.left_out else NOT
            renamed = dict(zip(place.names(), place.names(other), strict=True))
            return {renamed.get(name, name): values for name, values in making.items()}
        case "add", [where, name]:
            return _added(making, where, name)
        case "any", []:
            return _alternatives(making)
        case "all", [number] if number in numbers_that_may_all_hold(making):
            plain = {inner(name): values for name, values in making.items() if name.startswith(f"or{number}.")}
            kept = {name: values for name, values in making.items() if not name.startswith(f"or{number}.")}
            return {**kept, **plain}
    return making


def may_turn(making: Mapping[str, Sequence[str]], place: Place) -> bool:
    """Whether the same condition does not stand there the other way round."""
    return not set(place.names("" if place.left_out else NOT)) & set(making)


def offered(making: Mapping[str, Sequence[str]], where: str) -> Iterator[Condition]:
    """The conditions that can be added: among those that must hold each has room once, and once to leave out."""
    for condition in filters.ALL:
        if where or not all(set(Place("", way, condition).names()) & set(making) for way in ("", NOT)):
            yield condition


def numbers_that_may_all_hold(making: Mapping[str, Sequence[str]]) -> set[str]:
    """The or groups whose conditions could stand among those that must hold: none of them twice."""
    found, plain = set(), [name for name in making if inner(name) == name]
    for number in {place.group[0] for place in places(making)} - {0}:
        names = plain + [inner(name) for name in making if name.startswith(f"or{number}.")]
        if len(names) == len(set(names)):
            found.add(str(number))
    return found


def _added(making: Making, where: str, name: str) -> Making:
    """`where` is "all", the name of a group ("or2"), or "or" for a new one."""
    condition = next((each for each in filters.ALL if each.name == name), None)
    groups = [place.group for place in places(making)]
    if condition is None:
        return making
    if where == "all":
        free = [way for way in ("", NOT) if not set(Place("", way, condition).names()) & set(making)]
        return {**making, Place("", free[0], condition).names()[0]: [""]} if free else making
    number = max(group for group, _row in [*groups, (0, 0)]) + 1
    row = 1
    if where != "or":
        known = [each for each in groups if where == f"or{each[0]}"]
        if not known:
            return making
        number, row = known[0][0], max(row for _group, row in known) + 1
    if max(number, row) > MOST_GROUPS:
        return making
    return {**making, Place(prefix_of(number, row), "", condition).names()[0]: [""]}


def _alternatives(making: Making) -> Making:
    """What must hold becomes a group of which one must."""
    plain, groups = apart(making)
    kept = {name: plain.pop(name) for name in [filters.SEARCH] if name in plain}
    rows = [{name: plain[name] for name in place.names() if name in plain} for place in places(plain)]
    return together(kept, [rows, *groups] if rows else groups)
