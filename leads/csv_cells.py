"""Cells that no spreadsheet runs as a formula, and names in one cell; both can be taken back letter for letter.

A cell that a spreadsheet could take for a formula gets an apostrophe in front; so does one that looks as if it had been
given one, or taking it back would not be exact.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

_DANGEROUS = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
_SHIELDED = re.compile(r"'+(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")


def shield(cell: str) -> str:
    if cell[:1].isalnum() or not cell:
        return cell  # nearly all of them
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def unshield(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _SHIELDED.match(cell) else cell


def joined(names: Iterable[str]) -> str:
    """Names in one cell, between semicolons. A semicolon, comma or backslash of a name itself, and white space at its ends,
    has a backslash before it."""
    return ";".join(map(_escaped, names))


def split(cell: str) -> tuple[str, ...]:
    """The names of a cell, each once; white space around them does not count."""
    parts = re.findall(r"(?:\\[\\;, ]|[^;])+", cell) if "\\" in cell else cell.split(";")
    return tuple(dict.fromkeys(name for part in parts if (name := unshield(_plain(part)))))


@lru_cache(maxsize=10_000)  # few names, many leads
def _escaped(name: str) -> str:
    name = shield(name)
    name = re.sub(r"[\\;,]", r"\\\g<0>", name)
    return re.sub(r"^ | $", r"\\ ", name)


def _plain(part: str) -> str:
    if "\\" not in part:
        return part.strip()
    bare = part.lstrip()
    return re.sub(r"\\([\\;, ])", r"\1", bare[: len(bare) - _loose(bare)])


def _loose(part: str) -> int:
    """How much white space at the end stands there without a backslash before it."""
    kept = part.rstrip()
    slashes = len(kept) - len(kept.rstrip("\\"))
    return max(len(part) - len(kept) - slashes % 2, 0)
