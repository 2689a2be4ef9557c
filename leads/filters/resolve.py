"""From what is filtered by to the leads that fit, and what the values given are called. Conditions are registered by `leads.filters`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar

from django.db.models import Q, QuerySet

from leads.filters.base import MOST_VALUES, NOT, Condition, Unreadable
from leads.filters.choosing import Names, Vocabulary
from leads.filters.searching import MOST_WORDS, search, words_of
from leads.models import Lead, Segment

Wanted = Mapping[str, Sequence[str]]

SEARCH = "q"

ALL: list[Condition] = []
"""Every condition, in the order in which pages show them."""


def parameters() -> frozenset[str]:
    """The names of all inputs."""
    return frozenset(f"{prefix}{part.name}" for condition in ALL for part in condition.parts for prefix in ("", NOT))


def names_of(many: Iterable[Wanted]) -> Names:
    """What the values given in any of these are called: one query for each catalogue that they are of, however many they are."""
    asked: dict[Vocabulary, set[str]] = {}
    for wanted in many:
        for part in (part for condition in ALL for part in condition.parts):
            for prefix in ("", NOT):
                given = [value for value in wanted.get(f"{prefix}{part.name}", ()) if value and "\x00" not in value]
                if given and part.vocabulary:
                    asked.setdefault(part.vocabulary, set()).update(given[:MOST_VALUES])
    return defaultdict(dict, {vocabulary: vocabulary.called(values) for vocabulary, values in asked.items()})


def matching(leads: QuerySet[Lead], wanted: Wanted) -> QuerySet[Lead]:
    """The leads that fit. What cannot be read, what is not known (any more), and a parameter nobody knows, fits nobody."""
    try:
        return _narrowed(leads, wanted)
    except Unreadable:
        return leads.none()


def _narrowed(leads: QuerySet[Lead], wanted: Wanted) -> QuerySet[Lead]:
    """As `matching`. Raises Unreadable."""
    if unknown := set(wanted) - parameters() - {SEARCH}:
        raise Unreadable(unknown)
    text = " ".join(wanted.get(SEARCH, ()))
    if len(words_of(text)) > MOST_WORDS:
        raise Unreadable(SEARCH)
    leads = search(leads, text)
    names = names_of([wanted])
    for condition in ALL:
        for prefix in ("", NOT):
            given = condition.read(wanted, names, prefix)
            if given:
                test = Q(condition.test(given))
                leads = leads.filter(~test if prefix else test)
    return leads


MOST_DEEP = 3
"""So many segments can build on one another in a row: each is a query within a query, which databases take only so far."""

_asking: ContextVar[tuple[int, ...]] = ContextVar("segments being asked", default=())


def of_segment(segment: Segment) -> QuerySet[Lead]:
    """The leads of a segment, as they are now. One that is not understood, or builds on itself or on too many in a row, is
    empty."""
    try:
        return members(segment)
    except Unreadable:
        return Lead.objects.none()


def members(segment: Segment) -> QuerySet[Lead]:
    """As `of_segment`, for other conditions to build on: raises Unreadable, so that to leave out what is not
    understood leaves nobody in."""
    if segment.pk in _asking.get() or len(_asking.get()) >= MOST_DEEP:
        raise Unreadable(segment.pk)
    token = _asking.set((*_asking.get(), segment.pk))
    try:
        return _narrowed(Lead.objects.filter(account=segment.account_id), segment.conditions)
    finally:
        _asking.reset(token)
