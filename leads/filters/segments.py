"""How segments build on one another: one may be a condition of others, never of itself, and it stays while others need it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads.filters import registry
from leads.filters.base import NOT, Unreadable
from leads.filters.choosing import WHOLE
from leads.filters.groups import apart, every, together
from leads.filters.registry import Wanted
from leads.filters.resolving import MOST_DEEP, why_impossible
from leads.filters.selection import CannotResolve, InSegments, as_conditions, as_json, from_json, of_conditions
from leads.models import RunDraft, Segment

BUILDING = '"segments"'
"""Stands in the JSON of every selection that names one."""
REFERRING = ("segment", f"{NOT}segment")
NEW = 0
"""Stands for a segment that has no primary key yet."""


class CannotHold(ValueError):
    """The segment cannot hold this. The text is a sentence for people."""


def conditions_of(stored: Any) -> dict[str, list[str]]:
    """What a segment's selection says, as an address says it. Raises CannotResolve."""
    return as_conditions(from_json(stored))


def as_kept(conditions: Wanted) -> dict[str, Any]:
    """What a segment keeps of these conditions. Raises CannotHold for what no filter can mean."""
    for words in why_impossible(conditions):
        raise CannotHold(words)
    try:
        return as_json(of_conditions(conditions))
    except Unreadable:
        raise CannotHold(_("This filter cannot be read, so no lead matches. Filter the leads again.")) from None


def known_conditions(stored: Any) -> dict[str, list[str]]:
    """As `conditions_of`, for what is said of names beside the segment; of one that is not understood there is none."""
    try:
        return conditions_of(stored)
    except CannotResolve:
        return {}


def built_on(conditions: Mapping[str, Sequence[str]]) -> set[int]:
    """The segments that these conditions name, by primary key."""
    texts = (text for each in every(conditions) for name in REFERRING for text in each.get(name, ()))
    return {int(text) for text in texts if WHOLE.fullmatch(text)}


def users_of(segment: Segment) -> list[Segment]:
    """The segments that build on this one, by name. One query over those that build on any."""
    return [each for each in _building().order_by("name") if segment.pk in built_on_stored(each.selection)]


def drafts_on(segment: Segment) -> list[RunDraft]:
    """The bulk actions that are prepared and not started, and mean it. One query over those that mean any segment."""
    prepared = RunDraft.objects.filter(started_at=None, refused_at=None, selection__icontains=BUILDING)
    return [each for each in prepared if segment.pk in built_on_stored(each.selection)]


def refined(segment: Segment, conditions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What the segment is to hold when it is replaced by these conditions. The segment itself among them stands for what
    it holds so far. Raises CannotHold where the two cannot be put together, or where it would build on itself, or segments
    on one another too deeply."""
    found = {name: list(values) for name, values in conditions.items()}
    if found.get("segment") == [str(segment.pk)]:
        del found["segment"]
        before = _held(segment)
        (held, groups), (added, more) = apart(before), apart(found)
        _check_apart(segment, held, added)
        found = together({**held, **added}, [*groups, *more])
    below = {**_below(), segment.pk: built_on(found)}
    if segment.pk in _reached(built_on(found), below):
        words = _("The segment %(name)s cannot be a part of itself. Choose another name.")
        raise CannotHold(words % {"name": segment.name})
    for pk in below:
        if segment.pk in _reached({pk}, below):
            _check_depth({pk}, below)
    return found


def check_new(conditions: Mapping[str, Sequence[str]]) -> None:
    """CannotHold for conditions of a new segment that build on others too deeply."""
    _check_depth({NEW}, {**_below(), NEW: built_on(conditions)})


def _held(segment: Segment) -> dict[str, list[str]]:
    """What it holds so far. Raises CannotHold."""
    try:
        return conditions_of(segment.selection)
    except CannotResolve as problem:
        raise CannotHold(str(problem)) from None


def _check_apart(segment: Segment, before: Wanted, conditions: Wanted) -> None:
    """CannotHold if a condition stands in both and differs: of two values of one condition any would do, where both are meant."""
    groups = [
        (condition.label, [f"{prefix}{part.name}" for part in condition.parts])
        for condition in registry.ALL
        for prefix in ("", NOT)
    ]
    for label, names in [*groups, (_("Search"), [registry.SEARCH])]:
        one, other = ({name: list(each[name]) for name in names if name in each} for each in (before, conditions))
        if one and other and one != other:
            words = _(
                "The segment %(name)s has a condition “%(label)s” already, so this one cannot be added to it. Open the "
                "segment as a filter and change it there, or choose another name."
            )
            raise CannotHold(words % {"name": segment.name, "label": label})


def _building() -> QuerySet[Segment]:
    """Those that may build on others."""
    return Segment.objects.filter(selection__icontains=BUILDING)


def built_on_stored(stored: Any) -> set[int]:
    """The segments that a stored selection names."""
    try:
        parts = from_json(stored).all_parts()
        return {pk for part in parts if isinstance(part, InSegments) for pk in part.pks}
    except CannotResolve:
        return set()


def _below() -> dict[int, set[int]]:
    """What each segment that builds on others builds on. One query."""
    return {pk: built_on_stored(stored) for pk, stored in _building().values_list("pk", "selection")}


def _reached(start: set[int], below: Mapping[int, set[int]]) -> set[int]:
    """These segments and all that they build on, however far."""
    ahead, reached = start, set[int]()
    while ahead:
        reached |= ahead
        ahead = set().union(*(below.get(pk, set()) for pk in ahead)) - reached
    return reached


def _check_depth(ahead: set[int], below: Mapping[int, set[int]]) -> None:
    for _level in range(MOST_DEEP):
        ahead = set().union(*(below.get(pk, set()) for pk in ahead))
    if ahead:
        words = _(
            "At most %(most)s segments can build on one another in a row. Use the conditions themselves, not "
            "the segment "
            "that has them."
        )
        raise CannotHold(words % {"most": MOST_DEEP})
