"""Filters of leads: the one registry, used by the leads list, by segments and by commands.

What is filtered by is a mapping {parameter: [texts]}, as an address's query says it; a parameter with `not_` before it
leaves out who fits. All that is given must hold.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from leads.filters import money, own, state, ties
from leads.filters.base import NOT, Accounts, Condition, Part, Unreadable
from leads.filters.searching import SEARCHED, search
from leads.filters.state import WISHES
from leads.models import Lead, Segment

Wanted = Mapping[str, Sequence[str]]

ALL: tuple[Condition, ...] = (
    *state.CONDITIONS[:1],
    *ties.CONDITIONS,
    *money.CONDITIONS,
    *own.CONDITIONS,
    *state.CONDITIONS[1:],
)
SEARCH = "q"

PARAMETERS: frozenset[str] = frozenset(
    f"{prefix}{part.name}" for condition in ALL for part in condition.parts for prefix in ("", NOT)
)


def matching(leads: QuerySet[Lead], wanted: Wanted) -> QuerySet[Lead]:
    """The leads that fit. What cannot be read, and a parameter nobody knows, fits nobody."""
    if set(wanted) - PARAMETERS - {SEARCH}:
        return leads.none()
    for text in wanted.get(SEARCH, ()):
        leads = search(leads, text)
    for condition in ALL:
        for prefix in ("", NOT):
            try:
                given = condition.read(wanted, prefix)
            except Unreadable:
                return leads.none()
            if given:
                test = Q(condition.test(given))
                leads = leads.filter(~test if prefix else test)
    return leads


_asking: ContextVar[tuple[int, ...]] = ContextVar("segments being asked", default=())


def of_segment(segment: Segment) -> QuerySet[Lead]:
    """The leads of a segment, as they are now."""
    leads = Lead.objects.filter(account=segment.account_id)
    if segment.pk in _asking.get():
        return leads.none()
    token = _asking.set((*_asking.get(), segment.pk))
    try:
        return matching(leads, segment.conditions)
    finally:
        _asking.reset(token)


def in_words(wanted: Wanted, accounts: Accounts) -> list[str]:
    """Each condition as a phrase: "has the tag VIP", "not on the list Buyers". `accounts`: whose names may be said."""
    said = [
        _("“%(text)s” in the name, address, phone or company") % {"text": text}
        for text in wanted.get(SEARCH, ())
        if text
    ]
    for condition in ALL:
        for prefix in ("", NOT):
            try:
                given = condition.read(wanted, prefix)
            except Unreadable:
                said.append(_("%(label)s: a value that cannot be read, which fits nobody") % {"label": condition.label})
                continue
            if given:
                words = condition.said(given, accounts)
                said.append(_("not: %(words)s") % {"words": words} if prefix else words)
    return said


__all__ = [
    "ALL",
    "NOT",
    "PARAMETERS",
    "SEARCH",
    "SEARCHED",
    "WISHES",
    "Condition",
    "Part",
    "in_words",
    "matching",
    "of_segment",
    "search",
]
