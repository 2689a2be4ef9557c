"""Nested values as the fields of a form, with PHP's brackets, as Kartra reads them. What is said is left to `commands`."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any


def flatten(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested values as PHP's form fields, in order: {"lead": {"id": 5}} → [("lead[id]", "5")]. None is left out."""
    return [pair for key, inner in value.items() for pair in _flat(key, inner)]


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{path}[{key}]", inner)
    elif isinstance(value, str):
        yield path, value
    elif isinstance(value, bool):
        yield path, "1" if value else "0"
    elif isinstance(value, Decimal):
        yield path, f"{value:f}"
    elif isinstance(value, int | float | dt.date | dt.datetime):
        yield path, str(value)
    elif isinstance(value, Sequence):
        for index, inner in enumerate(value):
            yield from _flat(f"{path}[{index}]", inner)
    else:
        raise TypeError(f"{path}: a {type(value).__name__} cannot be sent.")
