"""Form bodies as PHP reads them: `a[b][0]=x` becomes nested maps, `a[]` counts up, later keys overwrite earlier ones."""

from typing import Any
from urllib.parse import parse_qsl

MAX_FIELDS = 5000
MAX_DEPTH = 60


def parse(body: bytes) -> dict[str, Any]:
    """The nested map of a urlencoded body. Rubbish gives an odd map, never an exception."""
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    found: dict[str, Any] = {}
    for key, value in pairs:
        _put(found, _path(key), value)
    return found


def _path(key: str) -> list[str]:
    name, bracket, rest = key.partition("[")
    if not bracket:
        return [name]
    parts = [name]
    rest = bracket + rest
    while rest.startswith("[") and "]" in rest and len(parts) < MAX_DEPTH:
        inner, _, rest = rest[1:].partition("]")
        parts.append(inner)
    return parts


def _put(found: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        key = part if part != "" else str(len(found))
        inner = found.get(key)
        if not isinstance(inner, dict):
            inner = found[key] = {}
        found = inner
    last = path[-1]
    found[last if last != "" or len(path) == 1 else str(len(found))] = value


def as_list(value: Any) -> list[Any]:
    """An array with index keys as a list, in the order of the keys as numbers where they are numbers."""
    if not isinstance(value, dict):
        return []
    return [value[key] for key in sorted(value, key=lambda k: (0, int(k), "") if k.isdecimal() else (1, 0, k))]
