"""What a filter offers to be chosen, and what a value that was given is called: fixed words, names of a catalogue, what occurs."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.core.cache import cache
from django.db.models import Exists, OuterRef, QuerySet

from leads.models import Account
from leads.texts import visible

Choices = list[tuple[str, Any]]
Accounts = frozenset[int] | None
"""The accounts whose names may be shown; None: all."""
MOST_CHOICES = 1000
MOST_OCCURRING = 300
KEPT_S = 60

WHOLE = re.compile(r"-?\d{1,17}", re.ASCII)


@dataclass(frozen=True)
class Name:
    """What a value is called. Where there are several accounts, `of` says in which; a name of no account is everybody's."""

    text: Any
    account: int | None = None
    of: str = ""

    def told(self, accounts: Accounts) -> Any | None:
        """The name for one who may see these accounts; None where it is not theirs to see."""
        if self.account is None:
            return self.text
        if accounts is not None and self.account not in accounts:
            return None
        several = accounts is None or len(accounts) > 1
        return f"{self.text} ({self.of})" if self.of and several else self.text


class Vocabulary(Protocol):
    """The values of one input."""

    def offered(self, accounts: Accounts) -> Choices:
        """Values to choose from, with their names: as many as a form can hold."""

    def called(self, values: Collection[str]) -> Mapping[str, Name]:
        """The names of those of the values that are known, however many are offered. One query at the most."""


Names = Mapping[Vocabulary, Mapping[str, Name]]


class Fixed:
    """These and no others."""

    def __init__(self, choices: Choices) -> None:
        self.choices = choices

    def offered(self, accounts: Accounts) -> Choices:
        return self.choices

    def called(self, values: Collection[str]) -> dict[str, Name]:
        return {value: Name(words) for value, words in self.choices if value in values}


class Named:
    """The rows of a catalogue by primary key; `path` are the names on the way to a row, its own last."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], *path: str) -> None:
        self.rows, self.path = rows, path or ("name",)
        self.account = f"{self.path[0].removesuffix('name')}account"

    def offered(self, accounts: Accounts) -> Choices:
        shown = self.rows() if accounts is None else self.rows().filter(**{f"{self.account}__in": accounts})
        found = self._names(shown.order_by(*self.path)[:MOST_CHOICES])
        return [(value, name.told(accounts)) for value, name in found.items()]

    def called(self, values: Collection[str]) -> dict[str, Name]:
        return self._names(self.rows().filter(pk__in=[int(value) for value in values if WHOLE.fullmatch(value)]))

    def _names(self, rows: QuerySet[Any]) -> dict[str, Name]:
        another = Exists(Account.objects.exclude(pk=OuterRef(self.account)))
        told = rows.annotate(another=another).values_list(
            "pk", self.account, f"{self.account}__name", "another", *self.path
        )
        return {
            str(pk): Name(": ".join(map(visible, names)), account, of if another else "")
            for pk, account, of, another, *names in told
        }


class Occurring:
    """The values that occur in a column; `account` leads from a row to its account. Any other value can be meant too: it may
    occur tomorrow. Kept for a minute: on a long table they cost a look at every row."""

    def __init__(self, rows: Callable[[], QuerySet[Any]], field: str, account: str) -> None:
        self.rows, self.field, self.account = rows, field, account

    def offered(self, accounts: Accounts) -> Choices:
        shown = self.rows() if accounts is None else self.rows().filter(**{f"{self.account}__in": accounts})
        whose = sorted(accounts) if accounts is not None else "all"
        key = f"filter choices {shown.model._meta.label} {self.field} {whose}"
        return cache.get_or_set(key.replace(" ", "-"), lambda: self._values(shown), KEPT_S) or []

    def _values(self, rows: QuerySet[Any]) -> Choices:
        found: Iterable[str] = (
            rows.exclude(**{self.field: ""}).order_by(self.field).values_list(self.field, flat=True).distinct()
        )[:MOST_OCCURRING]
        return [(value, value) for value in found]

    def called(self, values: Collection[str]) -> dict[str, Name]:
        return {value: Name(value) for value in values}
