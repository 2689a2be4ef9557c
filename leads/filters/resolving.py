"""From a selection, or what is filtered by, to the leads that fit."""

import functools
import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from leads.filters.base import NOT, Impossible, Unreadable
from leads.filters.choosing import Accounts, Names
from leads.filters.groups import every
from leads.filters.registry import ALL, SEARCH, Wanted, condition_named, names_of
from leads.filters.searching import searchable, searched
from leads.filters.selection import (
    SEARCHING,
    SEGMENT,
    AllOf,
    AnyOf,
    CannotResolve,
    Everybody,
    Fits,
    InSegments,
    NoneOf,
    OnPeopleLists,
    Selection,
    WithIds,
    from_json,
    of_conditions,
)
from leads.models import Lead, PeopleList, PeopleListRow, Segment
from leads.models.people_list import MEANT


def resolve(selection: Selection, accounts: Accounts) -> QuerySet[Lead]:
    """The leads that are meant, as they are now, of these accounts. Raises CannotResolve where it cannot be told: what a
    condition names is no longer there, or a segment builds on itself."""
    leads = Lead.objects.all() if accounts is None else Lead.objects.filter(account__in=accounts)
    try:
        return _narrowed(leads, selection)
    except Impossible as problem:
        raise CannotResolve(str(problem)) from None
    except Unreadable:
        words = _("A filter behind this selection was deleted or cannot be read. Choose the leads again.")
        raise CannotResolve(words) from None


def matching(leads: QuerySet[Lead], wanted: Wanted) -> QuerySet[Lead]:
    """The leads that fit. What cannot be read, what is not known (any more), and a parameter nobody knows, fits nobody."""
    try:
        return _narrowed(leads, of_conditions(wanted))
    except Unreadable:
        return leads.none()


def why_impossible(wanted: Wanted) -> list[str]:
    """A sentence for each range that ends before it begins."""
    found, names = [], names_of([wanted])
    for given in every(wanted):
        for condition in ALL:
            for prefix in ("", NOT):
                try:
                    condition.read(given, names, prefix)
                except Impossible as problem:
                    found.append(str(problem))
                except Unreadable:
                    continue
    return found


def _narrowed(leads: QuerySet[Lead], selection: Selection) -> QuerySet[Lead]:
    """Those of the leads that are meant. Raises Unreadable. One query for each catalogue that is named."""
    if isinstance(selection, Everybody):
        return leads
    if _searches(selection):
        leads = searchable(leads)
    return leads.filter(_test(selection, _names(selection)))


def _names(selection: Selection) -> Names:
    conditions = [part.wanted for part in selection.all_parts() if isinstance(part, Fits)]
    segments = [_wanted_segments(part) for part in selection.all_parts() if isinstance(part, InSegments)]
    return names_of([*conditions, *segments])


def _searches(selection: Selection) -> bool:
    return any(isinstance(part, Fits) and part.condition == SEARCHING for part in selection.all_parts())


def _test(selection: Selection, names: Names) -> Q:
    """Whether a lead is meant, as a condition. Raises Unreadable."""
    match selection:
        case Everybody():
            return Q(pk__isnull=False)  # said in full: of an empty condition the opposite is empty, too
        case AllOf(of):
            return functools.reduce(operator.and_, (_test(part, names) for part in of))
        case AnyOf(of):
            return functools.reduce(operator.or_, (_test(part, names) for part in of))
        case NoneOf(left_out):
            return ~_test(left_out, names)
        case Fits(condition) if condition == SEARCHING:
            return searched(" ".join(selection.wanted.get(SEARCH, ())))
        case Fits(condition):
            return _fits(condition, selection.wanted, names)
        case InSegments():
            return _fits(SEGMENT, _wanted_segments(selection), names)
        case OnPeopleLists(pks):
            return _on_lists(pks)
        case WithIds(pks):
            return Q(pk__in=pks)
    raise Unreadable(selection)


def _on_lists(pks: tuple[int, ...]) -> Q:
    """Whether a row of one of these lists means the lead. A list that is gone is not understood, so that to leave it out leaves
    nobody in."""
    if PeopleList.objects.filter(pk__in=pks).count() != len(set(pks)):
        raise Unreadable(pks)
    rows = PeopleListRow.objects.filter(lead=OuterRef("pk"), people_list__in=pks, state__in=MEANT)
    return Q(Exists(rows))


def _wanted_segments(selection: InSegments) -> Wanted:
    return {SEGMENT: [str(pk) for pk in selection.pks]}


def _fits(name: str, wanted: Wanted, names: Names) -> Q:
    condition = condition_named(name)
    given = condition.read(wanted, names) if condition else None
    if condition is None or not given:
        raise Unreadable(name)
    return Q(condition.test(given))


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
    with _asked(segment) as selection:
        return _narrowed(Lead.objects.filter(account=segment.account_id), selection)


def is_member(segment: Segment) -> Q:
    """Whether a lead is one of them, as a condition. Raises Unreadable. Its conditions are those of the query itself, so that a
    database need not find the same leads twice; a search is a query of its own, for it looks at more than the lead's columns."""
    with _asked(segment) as selection:
        if _searches(selection):
            found = _narrowed(Lead.objects.filter(account=segment.account_id), selection)
            return Q(Exists(found.filter(pk=OuterRef("pk"))))
        return Q(account=segment.account_id) & _test(selection, _names(selection))


@contextmanager
def _asked(segment: Segment) -> Iterator[Selection]:
    if segment.pk in _asking.get() or len(_asking.get()) >= MOST_DEEP:
        raise Unreadable(segment.pk)
    token = _asking.set((*_asking.get(), segment.pk))
    try:
        yield from_json(segment.selection)
    except CannotResolve:
        raise Unreadable(segment.pk) from None
    finally:
        _asking.reset(token)
