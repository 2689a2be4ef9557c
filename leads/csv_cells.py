"""Cells that no spreadsheet runs as a formula, and names in one cell; both can be taken back letter for letter.

A cell that a spreadsheet could take for a formula gets an apostrophe in front; so does one that looks as if it had been
given one, or taking it back would not be exact. Where spreadsheets part cells by semicolons, what stands behind one within a
cell is a cell of its own there, and gets its apostrophe too.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

_INVISIBLE = (
    "\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What has no shape of its own, and may be passed over on the way to a formula: format and control characters, fillers."""
_FORMULA = rf"[\s{_INVISIBLE}]*[=+\-@＝＋－＠]"
_DANGEROUS = re.compile(rf"'*(?:{_FORMULA}|[\t\r\n])")
_SHIELDED = re.compile(rf"'+(?:{_FORMULA}|[\t\r\n])")
_DANGEROUS_WITHIN = re.compile(rf";('*{_FORMULA})")
_SHIELDED_WITHIN = re.compile(rf";'('*{_FORMULA})")


def shield(cell: str) -> str:
    if ";" in cell:
        cell = _DANGEROUS_WITHIN.sub(r";'\1", cell)
    if not cell or (cell[0].isascii() and cell[0].isalnum()):
        return cell  # nearly all of them
    return f"'{cell}" if _DANGEROUS.match(cell) else cell


def unshield(cell: str) -> str:
    if ";'" in cell:
        cell = _SHIELDED_WITHIN.sub(r";\1", cell)
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
