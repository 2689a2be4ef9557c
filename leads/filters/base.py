"""What a filter of leads has to say about itself: its inputs, its test, its words."""

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.core.cache import cache
from django.db.models import Exists, Q
from django.utils import timezone
from django.utils.translation import gettext as _

Given = Mapping[str, Any]
Choices = list[tuple[str, Any]]
Accounts = frozenset[int] | None
"""The accounts whose names may be shown; None: all."""
MOST_CHOICES = 1000
KEPT_S = 60

NOT = "not_"
"""The prefix of a parameter that leaves out who fits."""


class Unreadable(ValueError):
    """A value that cannot be meant. Then nobody fits: a filter that is not understood must never widen a set."""


@dataclass(frozen=True)
class Part:
    """One input of a condition, and the name of its parameter in an address.

    `type`: "ids" and "texts" may be given several times and "choice" once, of the choices; the others once.
    """

    name: str
    label: Any  # lazy, as are the words of choices
    type: Literal["ids", "texts", "choice", "text", "number", "day"]
    choices: Callable[[Accounts], Choices] | None = None
    help_text: Any = ""
    every: bool = False  # all of several values are meant, not any

    def read(self, values: Sequence[str]) -> Any:
        """The value meant, None where nothing was given. Raises Unreadable."""
        values = [value for value in values if value != ""]
        if not values:
            return None
        if any("\x00" in value for value in values):
            raise Unreadable("NUL")
        if self.type == "texts":
            return list(values)
        if self.type == "ids":
            return [_whole(value) for value in values]
        if self.type == "number":
            return _whole(values[-1])
        if self.type == "day":
            return _day(values[-1])
        return values[-1]

    def shown(self, value: Any, accounts: Accounts) -> str:
        """The value in words. What belongs to no account of these keeps its number."""
        labels = dict(self.choices(accounts)) if self.choices else {}
        values = value if isinstance(value, list) else [value]
        words = _("%(first)s and %(last)s") if self.every else _("%(first)s or %(last)s")
        told = [str(labels.get(str(each), each)) for each in values]
        return functools.reduce(lambda first, last: words % {"first": first, "last": last}, told)


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

    def read(self, given: Mapping[str, Sequence[str]], prefix: str = "") -> dict[str, Any]:
        """The values that were given for it, by part. Raises Unreadable."""
        found = {part.name: part.read(given.get(f"{prefix}{part.name}", ())) for part in self.parts}
        return {name: value for name, value in found.items() if value is not None}

    def said(self, given: Given, accounts: Accounts) -> str:
        parts = {part.name: part.shown(given[part.name], accounts) for part in self.parts if part.name in given}
        return self.words(parts)


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        raise Unreadable(text) from None
    if not 1900 <= day.year < 3000:  # midnight elsewhere may lie beyond what a date can be
        raise Unreadable(text)
    return day


def _whole(text: str) -> int:
    if not re.fullmatch(r"-?\d{1,17}", text):
        raise Unreadable(text)
    return int(text)


def fixed(choices: Choices) -> Callable[[Accounts], Choices]:
    return lambda accounts: choices


def named(rows: Callable[[], Any], *path: str) -> Callable[[Accounts], Choices]:
    """Choices out of a catalogue: primary key, and the names on the way to it; the account's too where there are several."""
    path = path or ("name",)
    owner = f"{path[0].removesuffix('name')}account"

    def choices(accounts: Accounts) -> Choices:
        shown = rows() if accounts is None else rows().filter(**{f"{owner}__in": accounts})
        listed = list(shown.order_by(*path).values_list("pk", f"{owner}__name", *path)[:MOST_CHOICES])
        many = len({account for _pk, account, *_names in listed}) > 1
        return [
            (str(pk), f"{': '.join(names)} ({account})" if many else ": ".join(names)) for pk, account, *names in listed
        ]

    return choices


def distinct(rows: Callable[[], Any], field: str, account: str) -> Callable[[Accounts], Choices]:
    """Choices out of the values that occur; `account` leads from a row to its account. Kept for a minute: on a long
    table they cost a look at every row."""

    def choices(accounts: Accounts) -> Choices:
        shown = rows() if accounts is None else rows().filter(**{f"{account}__in": accounts})
        key = f"filter choices {shown.model._meta.label} {field} {sorted(accounts) if accounts is not None else 'all'}"
        return cache.get_or_set(key.replace(" ", "-"), lambda: _values(shown, field), KEPT_S) or []

    return choices


def _values(rows: Any, field: str) -> Choices:
    found: Iterable[str] = rows.exclude(**{field: ""}).order_by(field).values_list(field, flat=True).distinct()[:300]
    return [(value, value) for value in found]


def midnight(day: dt.date, *, after: int = 0) -> dt.datetime:
    """The beginning of the day (or so many days later) in the reader's zone."""
    return timezone.make_aware(dt.datetime.combine(day + dt.timedelta(days=after), dt.time.min))


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
