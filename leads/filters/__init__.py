"""Filters of leads: the one registry, used by the leads list, by segments and by commands.

What is filtered by is a mapping {parameter: [texts]}, as an address's query says it; a parameter with `not_` before it
leaves out who fits. All that is given must hold. What is kept of it is a `Selection`, and `resolve` tells its leads.
"""

from django.utils.translation import gettext as _

from leads.filters import money, own, registry, state, ties
from leads.filters.base import NOT, Condition, Part, Unreadable
from leads.filters.choosing import Accounts, Names
from leads.filters.registry import ALL, SEARCH, Wanted, names_of, parameters
from leads.filters.resolving import matching, members, of_segment, resolve
from leads.filters.searching import SEARCHED, search
from leads.filters.selection import CannotResolve, Selection
from leads.filters.state import WISHES

registry.ALL[:] = [
    *state.CONDITIONS[:1],
    *ties.CONDITIONS,
    *money.CONDITIONS,
    *own.CONDITIONS,
    *state.CONDITIONS[1:],
]
PARAMETERS = parameters()


def in_words(wanted: Wanted, accounts: Accounts, names: Names | None = None) -> list[str]:
    """Each condition as a phrase: "has the tag VIP", "not on the list Buyers". `accounts`: whose names may be said; `names`:
    what `names_of` found, where many are told at once."""
    names = names_of([wanted]) if names is None else names
    said = [
        _("“%(text)s” in the name, address, phone or company") % {"text": text}
        for text in wanted.get(SEARCH, ())
        if text
    ]
    for condition in ALL:
        for prefix in ("", NOT):
            try:
                given = condition.read(wanted, names, prefix)
                words = condition.said(given, accounts, names) if given else ""
            except Unreadable:
                said.append(_("%(label)s: a value that cannot be read, which fits nobody") % {"label": condition.label})
                continue
            if words:
                said.append(_("not: %(words)s") % {"words": words} if prefix else words)
    return said


__all__ = [
    "ALL",
    "NOT",
    "PARAMETERS",
    "SEARCH",
    "SEARCHED",
    "WISHES",
    "CannotResolve",
    "Condition",
    "Names",
    "Part",
    "Selection",
    "Unreadable",
    "in_words",
    "matching",
    "members",
    "names_of",
    "of_segment",
    "resolve",
    "search",
]
