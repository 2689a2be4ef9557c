"""What other apps hold of a person: each adds a part, and whoever shows or forgets a person asks all of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from leads.models import Lead
from leads.person.naming import KnownBy, Person

Counts = Counter[str]
"""Rows by table, {"leads.activity": 3}."""


@dataclass(frozen=True)
class Section:
    """Rows of one kind that are held of a person: the name of the kind, its words, {name of a value: value} for each."""

    name: str
    words: Any
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """What one app does for a person: what its rows tell of them besides; what it holds, as sections; emptying what would be
    left when the lead and all that hangs on it is gone."""

    known_by: Callable[[Lead], Iterable[KnownBy]]
    held: Callable[[Lead, Person], Iterable[Section]]
    blank: Callable[[Person], Counts]


PARTS: list[Part] = []


def add(part: Part) -> None:
    """Safe to repeat."""
    if part not in PARTS:
        PARTS.append(part)


def known_by(lead: Lead) -> list[KnownBy]:
    return [each for part in PARTS for each in part.known_by(lead)]
