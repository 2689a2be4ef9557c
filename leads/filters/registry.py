"""The conditions that leads can be filtered by, and what the values given to them are called. `leads.filters` registers them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from leads.filters.base import MOST_VALUES, NOT, Condition
from leads.filters.choosing import Names, Vocabulary
from leads.filters.groups import every, inner

Wanted = Mapping[str, Sequence[str]]
"""What is filtered by, as an address says it: {parameter: [texts]}."""

SEARCH = "q"

ALL: list[Condition] = []
"""Every condition, in the order in which pages show them."""


def parameters() -> frozenset[str]:
    """The names of all inputs."""
    return frozenset(f"{prefix}{part.name}" for condition in ALL for part in condition.parts for prefix in ("", NOT))


def is_parameter(name: str) -> bool:
    """Whether an address narrows the leads by it, alone or in an or group."""
    return name == SEARCH or inner(name) in parameters()


def condition_named(name: str) -> Condition | None:
    return next((condition for condition in ALL if condition.name == name), None)


def names_of(many: Iterable[Wanted]) -> Names:
    """What the values given in any of these are called: one query for each catalogue that they are of, however many they are."""
    asked: dict[Vocabulary, set[str]] = {}
    for wanted in (each for whole in many for each in every(whole)):
        for part in (part for condition in ALL for part in condition.parts):
            for prefix in ("", NOT):
                given = [value for value in wanted.get(f"{prefix}{part.name}", ()) if value and "\x00" not in value]
                if given and part.vocabulary:
                    asked.setdefault(part.vocabulary, set()).update(given[:MOST_VALUES])
    return defaultdict(dict, {vocabulary: vocabulary.called(values) for vocabulary, values in asked.items()})
