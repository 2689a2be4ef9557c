"""What stands in a cell, made firm: dates of all kinds, numbers, amounts, names. `Bad` says in words what is wrong."""

import datetime as dt
import re
import zoneinfo
from collections.abc import Collection
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils.translation import gettext as _

from leads.shielding import split

MAX_NAME = 500
NOTHING = frozenset({"", "n/a", "null", "none", "-"})
CENT = Decimal("0.01")
MOST = Decimal("9999999999.99")  # what the column of an amount holds

UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters, and the marks of bytes that are no text in the file's encoding."""

_TIME = r"(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([AaPp]\.?[Mm]\.?)?)?"
_NUMERIC = re.compile(rf"(\d{{1,2}})([/.\-])(\d{{1,2}})\2(\d{{4}}|\d{{2}}){_TIME}", re.ASCII)
_YEAR_FIRST = re.compile(rf"(\d{{4}})[/.](\d{{1,2}})[/.](\d{{1,2}}){_TIME}", re.ASCII)
_DAY_NAMED = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?(\d{{1,2}})(?:st|nd|rd|th)?[ \-.]+([A-Za-z]{{3,9}})\.?,?[ \-]+(\d{{4}}){_TIME}", re.ASCII
)
_MONTH_NAMED = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?([A-Za-z]{{3,9}})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}}){_TIME}", re.ASCII
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


class Bad(ValueError):
    """The cell does not hold what its column should. The text says what stands there."""


def names(cell: str) -> tuple[str, ...]:
    """Names between semicolons, each once."""
    return tuple(name[:MAX_NAME] for name in split(cell))


def names_among(cell: str, known: Collection[str]) -> tuple[str, ...]:
    """The same, of things of the account. Raises Bad for a name that nobody knows and that holds a comma: it is more likely
    that the file separates its names by commas. A comma that belongs to a name may have a backslash before it."""
    found = names(cell)
    for name in found:
        if "," in name and "\\," not in cell and name not in known:
            words = _(
                "“%(cell)s” holds a comma. Write several names with semicolons between them (VIP;buyer); if it is one name, "
                "create it in Kartra first and update the catalogue here"
            )
            raise Bad(words % {"cell": _short(name)})
    return found


def whole(cell: str) -> int | None:
    """A whole number that a column holds; None for none. Thousands may be grouped."""
    if cell.lower() in NOTHING:
        return None
    plain = re.sub(r"(?<=\d)[, \u00a0\u202f](?=\d{3})", "", cell)
    plain = re.sub(r"\.0+$", "", plain)
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", plain) or abs(int(plain)) > 2**31 - 1:
        raise Bad(_("%(cell)s is no number") % {"cell": _short(cell)})
    return int(plain)


def flag(cell: str) -> bool | None:
    """Yes or no; None for none."""
    plain = cell.lower()
    if plain in NOTHING:
        return None
    if plain in ("1", "yes", "true", "y"):
        return True
    if plain in ("0", "no", "false", "n"):
        return False
    raise Bad(_("%(cell)s is neither yes nor no") % {"cell": _short(cell)})


def amount(cell: str) -> Decimal | None:
    """An amount of money; None for none. Currency signs and thousands are let pass, brackets mean minus. Never guessed:
    where a dot or comma could mean thousands or cents alike, it is bad."""
    if cell.lower() in NOTHING:
        return None
    plain = re.sub(r"^(\()?\s*|[\s\u00a0\u202f]|[$€£¥]|\b[A-Z]{3}\b", r"\1", cell)
    negative = plain.startswith("(") and plain.endswith(")")
    plain = plain.strip("()")
    if plain.startswith(("-", "+", "−")):
        negative, plain = negative != (plain[0] != "+"), plain[1:]
    if not re.fullmatch(r"[0-9][0-9.,']*", plain):
        raise Bad(_("%(cell)s is no amount") % {"cell": _short(cell)})
    plain = plain.replace("'", "")
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", plain):
        raise Bad(
            _("%(cell)s can be read in two ways; write it with two digits after the point") % {"cell": _short(cell)}
        )
    if "," in plain and "." in plain:
        thousands, point = (",", ".") if plain.rindex(".") > plain.rindex(",") else (".", ",")
        plain = plain.replace(thousands, "").replace(point, ".")
    elif re.fullmatch(r"\d{1,3}(,\d{3})+", plain):
        plain = plain.replace(",", "")
    elif re.fullmatch(r"\d+,\d{1,2}", plain):
        plain = plain.replace(",", ".")
    try:
        number = Decimal(plain).quantize(CENT, ROUND_HALF_UP)
    except InvalidOperation:
        raise Bad(_("%(cell)s is no amount") % {"cell": _short(cell)}) from None
    if number > MOST:
        raise Bad(_("%(cell)s is too large an amount") % {"cell": _short(cell)})
    return -number if negative else number


def moment(cell: str, zone: zoneinfo.ZoneInfo, *, day_first: bool = False) -> dt.datetime | None:
    """A date, with or without a time, as UTC; None for none. Without an offset of its own it is in `zone`."""
    if cell.lower() in NOTHING or cell.startswith("0000"):
        return None
    found = _iso(cell) or _in_words(cell) or _numeric(cell, day_first)
    if found is None or not 1970 <= found.year <= 2100:
        raise Bad(_("the date %(cell)s cannot be read") % {"cell": _short(cell)})
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(dt.UTC)


def order_of(cell: str) -> bool | None:
    """Whether a date in numbers shows that days come first (True) or months (False); None when it shows neither."""
    match = _NUMERIC.fullmatch(cell)
    if match is None or match[2] == ".":
        return None
    first, second = int(match[1]), int(match[3])
    return first > 12 if (first > 12) != (second > 12) else None


def _iso(cell: str) -> dt.datetime | None:
    if not cell[:4].isdecimal() or not cell.isascii() or cell.isdecimal():
        return None
    try:
        return dt.datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", cell).removesuffix(" UTC"))
    except ValueError:
        match = _YEAR_FIRST.fullmatch(cell)
        return _made(match[1], match[2], match[3], match.groups()[3:]) if match else None


def _in_words(cell: str) -> dt.datetime | None:
    if match := _DAY_NAMED.fullmatch(cell):
        day, month, year = match[1], match[2], match[3]
    elif match := _MONTH_NAMED.fullmatch(cell):
        month, day, year = match[1], match[2], match[3]
    else:
        return None
    number = _MONTHS.get(month[:3].lower())
    return _made(year, number, day, match.groups()[3:]) if number else None


def _numeric(cell: str, day_first: bool) -> dt.datetime | None:
    match = _NUMERIC.fullmatch(cell)
    if match is None:
        return None
    first, sign, second, year = match[1], match[2], match[3], match[4]
    if day_first or sign == ".":
        first, second = second, first
    return _made(f"20{year}" if len(year) == 2 else year, first, second, match.groups()[4:])


def _made(year: object, month: object, day: object, time: tuple[str | None, ...]) -> dt.datetime | None:
    hour, minute, second, half = time
    hours = int(hour or 0)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half[0] in "Pp" else 0)
    try:
        return dt.datetime(int(str(year)), int(str(month)), int(str(day)), hours, int(minute or 0), int(second or 0))
    except ValueError:
        return None


def _short(cell: str) -> str:
    return f"“{cell}”" if len(cell) <= 40 else f"“{cell[:40]}…”"
