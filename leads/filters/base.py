"""What a filter of leads has to say about itself: its inputs, its test, its words."""

import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Exists, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.filters.choosing import WHOLE, Accounts, Names, Vocabulary

Given = Mapping[str, Any]
MOST_VALUES = 500
"""So many values can be given to one input: more than an address holds."""

NOT = "not_"
"""The prefix of a parameter that leaves out who fits."""


class Unreadable(ValueError):
    """A value that cannot be meant. Then nobody fits: a filter that is not understood must never widen a set."""


class Impossible(Unreadable):
    """A range that ends before it begins. The text is a sentence for people."""


@dataclass(frozen=True)
class Part:
    """One input of a condition, and the name of its parameter in an address.

    `type`: "ids" and "texts" may be given several times and "choice" once, of what `vocabulary` knows; the others once.
    """

    name: str
    label: Any  # lazy, as are the words of choices
    type: Literal["ids", "texts", "choice", "text", "number", "day"]
    vocabulary: Vocabulary | None = None
    help_text: Any = ""
    every: bool = False  # all of several values are meant, not any
    upto: str = ""  # the part at the other end, where it is the beginning of a range

    def read(self, values: Sequence[str], names: Names) -> Any:
        """The value meant, None where nothing was given. Raises Unreadable."""
        values = [value for value in values if value != ""]
        if not values:
            return None
        if len(values) > MOST_VALUES or any("\x00" in value for value in values):
            raise Unreadable(self.name)
        if self.type == "number":
            return _whole(values[-1])
        if self.type == "day":
            return _day(values[-1])
        meant = [_whole(value) for value in values] if self.type == "ids" else values
        if self.vocabulary is not None and not {str(each) for each in meant} <= set(names[self.vocabulary]):
            raise Unreadable(self.name)
        return list(dict.fromkeys(meant)) if self.type in ("ids", "texts") else meant[-1]

    def shown(self, value: Any, accounts: Accounts, names: Names) -> str:
        """The value in words. What belongs to no account of these keeps its number."""
        values = [str(each) for each in (value if isinstance(value, list) else [value])]
        words = _("%(first)s and %(last)s") if self.every else _("%(first)s or %(last)s")
        told = [str(name) for name in self.told(values, accounts, names).values()]
        return functools.reduce(lambda first, last: words % {"first": first, "last": last}, told)

    def told(self, values: Sequence[str], accounts: Accounts, names: Names) -> dict[str, Any]:
        """What the values are called, each; one without a name that may be said is told as it is."""
        known = names.get(self.vocabulary, {}) if self.vocabulary else {}
        called = {value: known[value].told(accounts) if value in known else None for value in values}
        return {value: value if name is None else name for value, name in called.items()}


@dataclass(frozen=True)
class Condition:
    """One thing leads can be filtered by. It applies when any of its parts is given; `test(given)` is the query.

    `words(given in words)` says it of those who fit, `not_words` of those left out: "on the list Buyers", "not on …".
    """

    name: str
    label: Any
    group: Any
    parts: tuple[Part, ...]
    test: Callable[[Given], Q | Exists]
    words: Callable[[Mapping[str, str]], str]

    def read(self, given: Mapping[str, Sequence[str]], names: Names, prefix: str = "") -> dict[str, Any]:
        """The values that were given for it, by part. Raises Unreadable; of a range that cannot be, Impossible."""
        found = {part.name: part.read(given.get(f"{prefix}{part.name}", ()), names) for part in self.parts}
        values = {name: value for name, value in found.items() if value is not None}
        for part in self.parts:
            if part.name in values and part.upto in values and values[part.name] > values[part.upto]:
                told = {"label": self.label, "first": _shown(values[part.name]), "last": _shown(values[part.upto])}
                raise Impossible(
                    _("%(label)s: from %(first)s to %(last)s ends before it begins, so no lead fits.") % told
                )
        return values

    def said(self, given: Given, accounts: Accounts, names: Names) -> str:
        """Who fits, in words. Raises Unreadable."""
        parts = {part.name: part.shown(given[part.name], accounts, names) for part in self.parts if part.name in given}
        return self.words(parts)


def _shown(value: Any) -> str:
    return date_format(value, "j M Y") if isinstance(value, dt.date) else f"{value:,}"


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise Unreadable(text) from None
    if not 1900 <= day.year < 3000:  # midnight elsewhere may lie beyond what a date can be
        raise Unreadable(text)
    return day


def _whole(text: str) -> int:
    if not WHOLE.fullmatch(text):
        raise Unreadable(text)
    return int(text)


def midnight(day: dt.date, *, after: int = 0) -> dt.datetime:
    """The beginning of the day (or so many days later) in TIME_ZONE, whoever reads: a segment means the same people to all."""
    begins = dt.datetime.combine(day + dt.timedelta(days=after), dt.time.min)
    return timezone.make_aware(begins, timezone.get_default_timezone())


def between(field: str, given: Given, first: str, last: str) -> Q:
    """From one day to another, both included."""
    found = Q(**{f"{field}__isnull": False})
    if first in given:
        found &= Q(**{f"{field}__gte": midnight(given[first])})
    if last in given:
        found &= Q(**{f"{field}__lt": midnight(given[last], after=1)})
    return found


def spanned(what: Any, given: Mapping[str, str], first: str, last: str) -> str:
    """ "… from … to …", as much of it as was given."""
    words = {
        (True, True): _("%(what)s from %(first)s to %(last)s"),
        (True, False): _("%(what)s from %(first)s"),
        (False, True): _("%(what)s to %(last)s"),
        (False, False): "%(what)s",
    }[first in given, last in given]
    return words % {"what": what, "first": given.get(first), "last": given.get(last)}
