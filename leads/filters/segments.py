"""How segments build on one another: one may be a condition of others, never of itself, and it stays while others need it."""

from collections.abc import Iterable, Mapping, Sequence

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads import filters
from leads.filters.base import NOT
from leads.filters.choosing import WHOLE
from leads.models import Segment

REFERRING = ("segment", f"{NOT}segment")


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
    it holds so far. Raises CannotHold where the two cannot be put together, or where it would build on itself."""
    found = {name: list(values) for name, values in conditions.items()}
    if found.get("segment") == [str(segment.pk)]:
        del found["segment"]
        _check_apart(segment, found)
        found = {**segment.conditions, **found}
    if segment.pk in _reached(built_on(found)):
        words = _("The segment %(name)s cannot be a part of itself. Choose another name.")
        raise CannotHold(words % {"name": segment.name})
    return found


def _check_apart(segment: Segment, conditions: Mapping[str, Sequence[str]]) -> None:
    """CannotHold if a condition stands in both and differs: of two values of one condition any would do, where both are meant."""
    stored = segment.conditions
    groups = [
        (condition.label, [f"{prefix}{part.name}" for part in condition.parts])
        for condition in filters.ALL
        for prefix in ("", NOT)
    ]
    for label, names in [*groups, (_("Search"), [filters.SEARCH])]:
        one, other = ({name: list(each[name]) for name in names if name in each} for each in (stored, conditions))
        if one and other and one != other:
            words = _(
                "The segment %(name)s has a condition “%(label)s” already, so this one cannot be added to it. Open the "
                "segment as a filter and change it there, or choose another name."
            )
            raise CannotHold(words % {"name": segment.name, "label": label})


def _building() -> QuerySet[Segment]:
    return Segment.objects.filter(conditions__has_any_keys=list(REFERRING))


def _reached(ahead: Iterable[int]) -> set[int]:
    """These segments and all that they build on, however far. One query."""
    steps = {pk: built_on(conditions) for pk, conditions in _building().values_list("pk", "conditions")}
    ahead, reached = set(ahead), set[int]()
    while ahead:
        reached |= ahead
        ahead = set().union(*(steps.get(pk, set()) for pk in ahead)) - reached
    return reached
