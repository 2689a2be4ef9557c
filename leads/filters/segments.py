"""How segments build on one another: one may be a condition of others, never of itself, and it stays while others need it."""

from collections.abc import Mapping, Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads.filters import registry
from leads.filters.base import NOT
from leads.filters.choosing import WHOLE
from leads.filters.resolving import MOST_DEEP
from leads.models import Segment

REFERRING = ("segment", f"{NOT}segment")
NEW = 0
"""Stands for a segment that has no primary key yet."""


class CannotHold(ValueError):
    """The segment cannot hold this. The text is a sentence for people."""


def built_on(conditions: Mapping[str, Sequence[str]]) -> set[int]:
    """The segments that these conditions name, by primary key."""
    texts = (text for name in REFERRING for text in conditions.get(name, ()))
    return {int(text) for text in texts if WHOLE.fullmatch(text)}


def users_of(segment: Segment) -> list[Segment]:
    """The segments that build on this one, by name. One query over those that build on any."""
    return [each for each in _building().order_by("name") if segment.pk in built_on(each.conditions)]


def refined(segment: Segment, conditions: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """What the segment is to hold when it is replaced by these conditions. The segment itself among them stands for what
    it holds so far. Raises CannotHold where the two cannot be put together, or where it would build on itself, or segments
    on one another too deeply."""
    found = {name: list(values) for name, values in conditions.items()}
    if found.get("segment") == [str(segment.pk)]:
        del found["segment"]
        _check_apart(segment, found)
        found = {**segment.conditions, **found}
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


def _check_apart(segment: Segment, conditions: Mapping[str, Sequence[str]]) -> None:
    """CannotHold if a condition stands in both and differs: of two values of one condition any would do, where both are meant."""
    stored = segment.conditions
    groups = [
        (condition.label, [f"{prefix}{part.name}" for part in condition.parts])
        for condition in registry.ALL
        for prefix in ("", NOT)
    ]
    for label, names in [*groups, (_("Search"), [registry.SEARCH])]:
        one, other = ({name: list(each[name]) for name in names if name in each} for each in (stored, conditions))
        if one and other and one != other:
            words = _(
                "The segment %(name)s has a condition “%(label)s” already, so this one cannot be added to it. Open the "
                "segment as a filter and change it there, or choose another name."
            )
            raise CannotHold(words % {"name": segment.name, "label": label})


def _building() -> QuerySet[Segment]:
    return Segment.objects.filter(conditions__has_any_keys=list(REFERRING))


def _below() -> dict[int, set[int]]:
    """What each segment that builds on others builds on. One query."""
    return {pk: built_on(conditions) for pk, conditions in _building().values_list("pk", "conditions")}


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
            "At most %(most)s segments can build on one another in a row. Use the conditions themselves, not the segment "
            "that has them."
        )
        raise CannotHold(words % {"most": MOST_DEEP})
