"""Which leads: a small tree of conditions, segments and ids, a value that is stored as JSON with a version.

Nothing is asked of the database here; `leads.filters.resolve` turns it into leads. What cannot be read is refused with
words: no selection that is not understood is ever everybody.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from leads.filters.base import MOST_VALUES, NOT, Unreadable
from leads.filters.choosing import WHOLE
from leads.filters.groups import apart, together
from leads.filters.registry import ALL, SEARCH, Wanted, condition_named, parameters

VERSION = 1
MOST_NESTED = 10
MOST_PARTS = 500
MOST_IDS = 5000
"""So many leads a stored selection may name one by one; a page shows far fewer to be ticked."""
LARGEST_ID = 2**63 - 1
SEARCHING = "search"
"""The condition of the words that are searched for; it stands in no filter, but is one of a selection."""
SEGMENT = "segment"


class CannotResolve(ValueError):
    """It cannot be told which leads are meant. The text is a sentence for people."""


class Selection(ABC):
    """Which leads. Each kind of node says its own JSON, without the version."""

    @abstractmethod
    def node(self) -> dict[str, Any]:
        """Its JSON, without the version."""

    def parts(self) -> Sequence["Selection"]:
        """The selections it is made of."""
        return ()

    def all_parts(self) -> Iterator["Selection"]:
        """It, and everything below it."""
        yield self
        for part in self.parts():
            yield from part.all_parts()


@dataclass(frozen=True)
class Everybody(Selection):
    """Every lead of whichever accounts it is resolved for. It has to be said: an empty list never means it."""

    def node(self) -> dict[str, Any]:
        return {"everybody": True}


@dataclass(frozen=True)
class AllOf(Selection):
    """Leads that are in each of these."""

    of: tuple[Selection, ...]

    def node(self) -> dict[str, Any]:
        return {"all": [part.node() for part in self.of]}

    def parts(self) -> Sequence[Selection]:
        return self.of


@dataclass(frozen=True)
class AnyOf(Selection):
    """Leads that are in at least one of these."""

    of: tuple[Selection, ...]

    def node(self) -> dict[str, Any]:
        return {"any": [part.node() for part in self.of]}

    def parts(self) -> Sequence[Selection]:
        return self.of


@dataclass(frozen=True)
class NoneOf(Selection):
    """Leads that are not in this one."""

    left_out: Selection

    def node(self) -> dict[str, Any]:
        return {"not": self.left_out.node()}

    def parts(self) -> Sequence[Selection]:
        return (self.left_out,)


@dataclass(frozen=True)
class Fits(Selection):
    """Leads that fit a condition of `leads.filters`, by its name; `values` are the texts given to its parts, as
    ((part, (text, …)), …)."""

    condition: str
    values: tuple[tuple[str, tuple[str, ...]], ...]

    def node(self) -> dict[str, Any]:
        return {"condition": self.condition, "values": {name: list(texts) for name, texts in self.values}}

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        return dict(self.values)


@dataclass(frozen=True)
class InSegments(Selection):
    """Leads that are in any of these segments, by primary key."""

    pks: tuple[int, ...]

    def node(self) -> dict[str, Any]:
        return {"segments": list(self.pks)}


@dataclass(frozen=True)
class OnPeopleLists(Selection):
    """Leads that a row of any of these lists of people means, by the primary keys of the lists."""

    pks: tuple[int, ...]

    def node(self) -> dict[str, Any]:
        return {"people": list(self.pks)}


@dataclass(frozen=True)
class WithIds(Selection):
    """These leads, by primary key."""

    pks: tuple[int, ...]

    def node(self) -> dict[str, Any]:
        return {"ids": list(self.pks)}


def fits(condition: str, wanted: Wanted) -> Fits:
    return Fits(condition, tuple((name, tuple(texts)) for name, texts in wanted.items()))


def as_json(selection: Selection) -> dict[str, Any]:
    return {"version": VERSION, "leads": selection.node()}


def from_json(stored: Any) -> Selection:
    """The selection that was stored. Raises CannotResolve."""
    if not isinstance(stored, dict) or type(stored.get("version")) is not int or stored["version"] != VERSION:
        raise CannotResolve(
            _("This selection was saved in a form that this version does not know. Choose the leads again.")
        )
    if set(stored) != {"version", "leads"}:
        raise _unreadable()
    selection = _read(stored["leads"], 1)
    if sum(1 for _part in selection.all_parts()) > MOST_PARTS:
        raise CannotResolve(_("These leads were chosen by too many conditions at once. Choose them again, by fewer."))
    return selection


def _read(node: Any, level: int) -> Selection:
    if level > MOST_NESTED:
        raise CannotResolve(
            _("The conditions by which these leads were chosen are nested too deeply. Choose them again.")
        )
    if not isinstance(node, dict):
        raise _unreadable()
    match node:
        case {"everybody": True, **more} if not more:
            return Everybody()
        case {"all": list(given), **more} if not more and 0 < len(given) <= MOST_PARTS:
            return AllOf(tuple(_read(each, level + 1) for each in given))
        case {"any": list(given), **more} if not more and 0 < len(given) <= MOST_PARTS:
            return AnyOf(tuple(_read(each, level + 1) for each in given))
        case {"not": given, **more} if not more:
            return NoneOf(_read(given, level + 1))
        case {"condition": str(name), "values": dict(values), **more} if not more:
            return _read_condition(name, values)
        case {"segments": list(given), **more} if not more and 0 < len(given) <= MOST_VALUES:
            return InSegments(_read_ids(given))
        case {"people": list(given), **more} if not more and 0 < len(given) <= MOST_VALUES:
            return OnPeopleLists(_read_ids(given))
        case {"ids": list(given), **more} if not more:
            if len(given) > MOST_IDS:
                words = _("More than %(most)s leads are named one by one. Choose them by a filter instead.")
                raise CannotResolve(words % {"most": f"{MOST_IDS:,}"})
            return WithIds(_read_ids(given))
    raise _unreadable()


def _read_condition(name: str, values: Mapping[Any, Any]) -> Fits:
    condition = condition_named(name) if name != SEGMENT else None
    if condition is None and name != SEARCHING:
        words = _("“%(name)s” is no condition that leads can be filtered by here. Choose the leads again.")
        raise CannotResolve(words % {"name": name[:100]})
    known = {part.name for part in condition.parts} if condition else {SEARCH}
    if not values or not set(values) <= known:
        raise _unreadable()
    for texts in values.values():
        if not isinstance(texts, list) or not 0 < len(texts) <= MOST_VALUES:
            raise _unreadable()
        if not all(isinstance(text, str) for text in texts):
            raise _unreadable()
    return fits(name, values)


def _read_ids(given: Sequence[Any]) -> tuple[int, ...]:
    if not all(type(each) is int and 0 <= each <= LARGEST_ID for each in given):
        raise _unreadable()
    return tuple(given)


def _unreadable() -> CannotResolve:
    return CannotResolve(_("This selection cannot be read. Choose the leads again."))


def of_conditions(wanted: Wanted) -> Selection:
    """The selection of what is filtered by, as an address or a segment says it: all of it must hold, and of each of its or
    groups one alternative. Raises Unreadable."""
    plain, groups = apart(wanted)
    found: list[Selection] = []
    if text := " ".join(plain.pop(SEARCH, ())):
        found.append(fits(SEARCHING, {SEARCH: [text]}))
    found += _leaves(plain)
    for rows in groups:
        alternatives = tuple(_all_of(leaves) for row in rows if (leaves := _leaves(row)))
        found += [AnyOf(alternatives)] if alternatives else []
    return _all_of(found)


def _all_of(parts: Sequence[Selection]) -> Selection:
    return AllOf(tuple(parts)) if len(parts) > 1 else parts[0] if parts else Everybody()


def _leaves(wanted: Wanted) -> list[Selection]:
    """The conditions that are given, one after the other. Raises Unreadable."""
    if unknown := set(wanted) - parameters():
        raise Unreadable(unknown)
    found: list[Selection] = []
    for condition in ALL:
        for prefix in ("", NOT):
            given = {part.name: [v for v in wanted.get(f"{prefix}{part.name}", ()) if v] for part in condition.parts}
            given = {name: texts for name, texts in given.items() if texts}
            if given:
                leaf = _in_segments(given[SEGMENT]) if condition.name == SEGMENT else fits(condition.name, given)
                found.append(NoneOf(leaf) if prefix else leaf)
    return found


def _in_segments(texts: Sequence[str]) -> InSegments:
    if len(texts) > MOST_VALUES or not all(WHOLE.fullmatch(text) for text in texts):
        raise Unreadable(SEGMENT)
    return InSegments(tuple(dict.fromkeys(int(text) for text in texts)))


def as_conditions(selection: Selection) -> dict[str, list[str]]:
    """The opposite of `of_conditions`: what it says as an address says it. Raises CannotResolve where no address can."""
    parts = _parts_of(selection)
    groups = [[_said(_parts_of(row), searching=False) for row in part.of] for part in parts if isinstance(part, AnyOf)]
    return together(_said([part for part in parts if not isinstance(part, AnyOf)]), groups)


def _parts_of(selection: Selection) -> Sequence[Selection]:
    return selection.of if isinstance(selection, AllOf) else () if isinstance(selection, Everybody) else (selection,)


def _said(parts: Sequence[Selection], *, searching: bool = True) -> dict[str, list[str]]:
    """Conditions that must all hold, as parameters. Raises CannotResolve. Words are searched for in no or group."""
    if not searching and not parts:  # everybody, as an alternative
        raise _unreadable()
    found: dict[str, list[str]] = {}
    for part in parts:
        prefix, leaf = (NOT, part.left_out) if isinstance(part, NoneOf) else ("", part)
        if isinstance(leaf, InSegments):
            said = {f"{prefix}{SEGMENT}": [str(pk) for pk in leaf.pks]}
        elif isinstance(leaf, Fits) and not (leaf.condition == SEARCHING and (prefix or not searching)):
            said = {f"{prefix}{name}": list(texts) for name, texts in leaf.values}
        else:
            raise _unreadable()
        if set(said) & set(found):
            raise _unreadable()
        found |= said
    return found
