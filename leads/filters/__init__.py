"""Filters of leads: the one registry, used by the leads list, by segments and by commands.

What is filtered by is a mapping {parameter: [texts]}, as an address's query says it; a parameter with `not_` before it
leaves out who fits. All that is given must hold; what stands in an or group has its number before it (`groups`). What is
kept of it is a `Selection`, and `resolve` tells its leads.
"""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from leads.filters import money, own, registry, state, ties
from leads.filters.base import NOT, Condition, Impossible, Part, Unreadable
from leads.filters.choosing import Accounts, Names
from leads.filters.groups import apart, inner, prefix_of
from leads.filters.registry import ALL, SEARCH, Wanted, is_parameter, names_of, parameters
from leads.filters.resolving import matching, members, of_segment, resolve, why_impossible
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


@dataclass(frozen=True)
class Told:
    """A condition as a phrase, and the parameters that say it."""

    words: str
    parameters: tuple[str, ...]


def in_words(wanted: Wanted, accounts: Accounts, names: Names | None = None) -> list[str]:
    """Each condition as a phrase: "has the tag VIP", "not on the list Buyers". `accounts`: whose names may be said; `names`:
    what `names_of` found, where many are told at once."""
    return [each.words for each in told(wanted, accounts, names)]


def told(wanted: Wanted, accounts: Accounts, names: Names | None = None) -> list[Told]:
    """The same, with what each is said by; an or group is told as one."""
    names = names_of([wanted]) if names is None else names
    plain, groups = apart(wanted)
    said = [
        Told(_("“%(text)s” in the name, address, phone or company") % {"text": text}, (SEARCH,))
        for text in plain.get(SEARCH, ())
        if text
    ]
    said += _told(plain, accounts, names)
    numbers = sorted({name.split(".")[0] for name in wanted if inner(name) != name}, key=lambda name: int(name[2:]))
    for number, rows in zip(numbers, groups, strict=True):
        alternatives = [[each.words for each in _told(row, accounts, names)] for row in rows]
        words = [_(" and ").join(alternative) for alternative in alternatives if alternative]
        if words:
            own = tuple(name for name in wanted if name.startswith(f"{number}."))
            said.append(Told(_(" or ").join(words), own))
    return said


def _told(wanted: Wanted, accounts: Accounts, names: Names) -> list[Told]:
    said = []
    for condition in ALL:
        for prefix in ("", NOT):
            parameters = tuple(f"{prefix}{part.name}" for part in condition.parts)
            try:
                given = condition.read(wanted, names, prefix)
                words = condition.said(given, accounts, names) if given else ""
            except Impossible as problem:
                said.append(Told(str(problem), parameters))
                continue
            except Unreadable:
                words = _("%(label)s: a value that cannot be read, so no lead matches") % {"label": condition.label}
                said.append(Told(words, parameters))
                continue
            if words:
                said.append(Told(_("not: %(words)s") % {"words": words} if prefix else words, parameters))
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
    "Told",
    "Unreadable",
    "apart",
    "in_words",
    "inner",
    "is_parameter",
    "matching",
    "members",
    "names_of",
    "of_segment",
    "prefix_of",
    "resolve",
    "search",
    "told",
    "why_impossible",
]
