"""What stands in a cell, made firm: dates of all kinds, numbers, amounts, names. `Bad` says what is wrong."""

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from leads.clock import is_at_a_change, is_skipped
from leads.csv_cells import split
from leads.importing import currencies
from leads.models import RowRemark
from leads.models.remarks import remark, sentence_of

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
_BEFORE_OFFSET = re.compile(r" (?=[+-]\d\d:?\d\d$)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


class Bad(ValueError):
    """The cell does not hold what its column should. `remark` says what stands there."""

    def __init__(self, code: RowRemark, **places: Any) -> None:
        self.remark = remark(code, **places)
        super().__init__(sentence_of(self.remark))


_SHORTENED = re.compile(r"[+-]?\d([.,]\d+)?[eE]\+?\d{1,3}", re.ASCII)


MAY_BE_SHORTENED = re.compile(r"\d[eE]\+?\d", re.ASCII)
"""Stands in every such number; for a look at many cells at once."""


def is_shortened(cell: str) -> bool:
    """Whether a spreadsheet has made a short number of a long one: 4.47912E+11 was a phone number or an id."""
    return _SHORTENED.fullmatch(cell.strip()) is not None and ("+" in cell or "." in cell or "," in cell)


def shortened(cell: str) -> Bad:
    """What is wrong with such a cell."""
    return Bad(RowRemark.SHORTENED, cell=_short(cell.strip()))


def names(cell: str) -> tuple[str, ...]:
    """Names between semicolons, each once."""
    return tuple(name[:MAX_NAME] for name in split(cell))


def whole(cell: str) -> int | None:
    """A whole number that a column holds; None for none. Thousands may be grouped."""
    if len(cell) < 10 and cell.isascii() and cell.isdecimal():
        return int(cell)  # nearly all of them
    if cell.lower() in NOTHING:
        return None
    if is_shortened(cell):
        raise shortened(cell)
    plain = re.sub(rf"(?<=\d)[,{_GROUPS}](?=\d{{3}})", "", cell)
    plain = re.sub(r"\.0+$", "", plain)
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", plain) or abs(int(plain)) > 2**31 - 1:
        raise Bad(RowRemark.NO_NUMBER, cell=_short(cell))
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
    raise Bad(RowRemark.NO_FLAG, cell=_short(cell))


@dataclass(frozen=True)
class Amount:
    """An amount of money and the code or sign of its currency as it stands there, "" where none does."""

    number: Decimal
    currency: str = ""


_MINUS = "-−‐‑–"
_GROUPS = " \u00a0\u202f\u2009\u2007'’ʼ`"
"""What else than dots and commas may stand between the thousands."""


def amount(cell: str) -> Amount | None:
    """An amount of money; None for none. Brackets or a minus on either side mean minus. Never guessed: where a dot or comma
    could mean thousands or cents alike, it is bad."""
    if cell.lower() in NOTHING:
        return None
    if is_shortened(cell):
        raise shortened(cell)
    plain = cell.strip()
    negative = plain.startswith("(") and plain.endswith(")")
    if negative:
        plain = plain[1:-1].strip()
    match = re.fullmatch(rf"([^0-9]*?)([0-9](?:[0-9.,{_GROUPS}]*[0-9])?)([^0-9]*)", plain)
    if match is None:
        raise Bad(RowRemark.NO_AMOUNT, cell=_short(cell))
    before, digits, after = match[1], match[2], match[3]
    signs = [each for each in before + after if each in f"{_MINUS}+"]
    if len(signs) > 1:
        raise Bad(RowRemark.NO_AMOUNT, cell=_short(cell))
    negative = negative != (bool(signs) and signs[0] in _MINUS)
    currency = " ".join(re.sub(rf"[{re.escape(_MINUS)}+]", " ", f"{before} {after}").split()).strip(".,") or ""
    if currency and not currencies.meanings(currency):
        raise Bad(RowRemark.UNKNOWN_SIGN, cell=_short(cell), currency=currency[:20])
    number = Decimal(_point(digits, cell))
    if number > MOST:
        raise Bad(RowRemark.TOO_LARGE_AMOUNT, cell=_short(cell))
    number = number.quantize(CENT, ROUND_HALF_UP)
    return Amount(-number if negative else number, currency)


def _point(digits: str, cell: str) -> str:
    """The digits with a point before the cents and nothing between the thousands."""
    if re.search(rf"[{_GROUPS}]", digits):
        if not re.fullmatch(rf"\d{{1,3}}(?:[{_GROUPS}]\d{{2,3}})*[{_GROUPS}]\d{{3}}(?:[.,]\d{{1,2}})?", digits):
            raise Bad(RowRemark.NO_AMOUNT, cell=_short(cell))
        return re.sub(rf"[{_GROUPS}]", "", digits).replace(",", ".")
    if re.fullmatch(r"\d+(\.\d{1,2}|\.\d{4,})?", digits) or re.fullmatch(r"0\.\d+", digits):
        return digits
    if re.fullmatch(r"\d+,\d{1,2}", digits):
        return digits.replace(",", ".")
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        raise Bad(RowRemark.TWO_READINGS, cell=_short(cell))
    for thousands, point in ((",", "."), (".", ",")):
        if re.fullmatch(rf"[1-9]\d{{0,2}}(?:\{thousands}\d{{2,3}})*\{thousands}\d{{3}}(?:\{point}\d{{1,2}})?", digits):
            return digits.replace(thousands, "").replace(point, ".")
    raise Bad(RowRemark.NO_AMOUNT, cell=_short(cell))


@dataclass(frozen=True)
class Moment:
    """A date as UTC. `doubled`: the clocks there show that hour twice; the first is meant."""

    at: dt.datetime
    doubled: bool = False


def moment(cell: str, zone: zoneinfo.ZoneInfo, *, day_first: bool = False) -> Moment | None:
    """A date, with or without a time; None for none. Without an offset of its own it is in `zone`; an hour that the clocks
    there pass over is bad."""
    if cell.lower() in NOTHING or cell.startswith("0000"):
        return None
    found = _iso(cell) or _in_words(cell) or _numeric(cell, day_first)
    if found is None or not 1970 <= found.year <= 2100:
        raise Bad(RowRemark.NO_DATE, cell=_short(cell))
    if found.tzinfo:
        return Moment(found.astimezone(dt.UTC))
    doubled = is_at_a_change(found, zone) and ":" in cell
    if doubled and is_skipped(found, zone):
        raise Bad(RowRemark.SKIPPED_HOUR, cell=_short(cell), zone=zone.key)
    return Moment(found.replace(tzinfo=zone).astimezone(dt.UTC), doubled)


def order_of(cell: str) -> bool | None:
    """Whether a date in numbers shows that days come first (True) or months (False); None when it shows neither."""
    match = _NUMERIC.fullmatch(cell)
    if match is None or match[2] == ".":
        return None
    first, second = int(match[1]), int(match[3])
    return first > 12 if (first > 12) != (second > 12) else None


def is_ambiguous(cell: str) -> bool:
    """Whether a date in numbers is another day when months come first than when days do."""
    match = _NUMERIC.fullmatch(cell)
    return match is not None and match[2] != "." and match[1] != match[3] and order_of(cell) is None


def _iso(cell: str) -> dt.datetime | None:
    if not cell[:4].isdecimal() or not cell.isascii() or cell.isdecimal():
        return None
    try:
        return dt.datetime.fromisoformat(_BEFORE_OFFSET.sub("", cell).removesuffix(" UTC"))
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
