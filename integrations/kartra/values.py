"""Kartra's loose values made firm: ids, numbers, amounts, nothing-texts, JSON that is nearly JSON."""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.kartra.words import Trouble

NOTHING = frozenset({"", "n/a", "0000-00-00 00:00:00", "0000-00-00"})
MAX_TEXT = 100_000
MOST = Decimal("9999999999.99")
LONGEST_NUMBER = 300
_WHOLE = re.compile(r"0*([1-9][0-9]{0,19})(?:\.0+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)


def text(value: Any) -> str:
    """A scalar as trimmed-of-NUL text; what Kartra writes for "none" as "". Lone surrogates and NUL cannot be stored."""
    if value is None or isinstance(value, bool):
        return "" if value is None else str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    if isinstance(value, Mapping | list | tuple):
        return ""
    plain = str(value) if not isinstance(value, float) or not value.is_integer() else str(int(value))
    plain = plain.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]
    return "" if plain.strip().lower() in NOTHING else plain


def ident(value: Any) -> str:
    """An id as text: 1, "1", " 1 " and 1.0 are the same; "" for none and for 0."""
    plain = "" if isinstance(value, bool) else text(value).strip()
    return "" if plain == "0" or len(plain) > 32 else plain


def number_id(value: Any) -> str:
    """The id of a lead, which is a whole number above 0 in all that Kartra sends; "" for anything else."""
    found = _WHOLE.fullmatch(ident(value))
    return found[1] if found else ""


def whole(value: Any) -> int | None:
    """A whole number, or None for what is none."""
    plain = text(value).strip()
    try:
        number = Decimal(plain)
        return int(number) if number.is_finite() and abs(number) < 2**31 else None
    except (InvalidOperation, ValueError):
        return None


def amount(value: Any) -> Decimal | None:
    """An amount of money, or None for what is none. A comma between thousands is let pass; any other is not guessed at."""
    plain = text(value).strip()
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        number = Decimal(plain)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) <= MOST and "_" not in plain else None


def flag(value: Any) -> bool | None:
    """1/"1"/true → True, 0/"0"/false → False, else None."""
    plain = text(value).strip().lower()
    return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(plain)


SECRETS = frozenset({"secret", "secret_key", "secretkey"})


def is_secret(name: str) -> bool:
    """Whether a field of a message holds a secret, in whatever spelling: "_secret", "Secret-Key"."""
    return name.strip(" _-").lower().replace("-", "_").replace(" ", "_") in SECRETS


class NotJson(ValueError):
    """No JSON object can be found in the text, and why."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        super().__init__(trouble.label)


_OBJECT = re.compile(r"[{\[]")
_BEGINS = re.compile(r'\{\s*"|\[\s*[{\["]')


def json_of(raw: str, *, alone: bool = False) -> Any:
    """The JSON in a text that may have a mark, a PHP warning or white space before it and rubbish behind it; `alone`: white
    space at most.

    Raises NotJson. What is NaN or Infinity is left out, with its key; of a key that comes twice the last counts; nesting too
    deep to read is NotJson.
    """
    body = raw.lstrip("\ufeff \t\r\n\0")
    if body.startswith("<") and not re.search(r"</?b>|<br", body[:200], re.IGNORECASE):
        raise NotJson(Trouble.NOT_JSON_PAGE)
    decoder = json.JSONDecoder(parse_constant=lambda _: NO_NUMBER, parse_int=_int, parse_float=_float, strict=False)
    tries = 0
    for match in _OBJECT.finditer(body):
        tries += 1
        if tries > 50:
            break
        try:
            found, end = decoder.raw_decode(body, match.start())
        except (ValueError, RecursionError):
            if _BEGINS.match(body, match.start()):
                break  # it began as JSON: a piece out of the middle would tell something else
            continue
        if alone and (match.start() or body[end:].strip("\ufeff \t\r\n\0")):
            raise NotJson(Trouble.AROUND_JSON)
        if isinstance(found, dict) or match.start() == 0 or any(isinstance(inner, dict) for inner in found):
            return _without_no_numbers(found)
    raise NotJson(Trouble.JSON_MISSING)


NO_NUMBER = object()


def _float(digits: str) -> Any:
    number = float(digits)
    return number if math.isfinite(number) else NO_NUMBER


def _without_no_numbers(found: Any) -> Any:
    """The value without what is no number, and its keys. Changed in place."""
    inside = [found]
    while inside:
        outer = inside.pop()
        if isinstance(outer, dict):
            for key in [key for key, value in outer.items() if value is NO_NUMBER]:
                del outer[key]
            inside += [value for value in outer.values() if isinstance(value, dict | list)]
        elif isinstance(outer, list):
            outer[:] = [value for value in outer if value is not NO_NUMBER]
            inside += [value for value in outer if isinstance(value, dict | list)]
    return found


def _int(digits: str) -> Any:
    """A number too long to be one stays text: reading it would cost more than it can be worth."""
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def decoded(value: Any) -> Any:
    """A value that Kartra's pages call "string (JSON encoded)": decoded once more if it is such a string."""
    if isinstance(value, str) and value.strip()[:1] in ("{", "["):
        try:
            return json_of(value)
        except NotJson:
            return value
    return value


def rows(value: Any) -> list[Any]:
    """A list, whatever Kartra made of it: null, [], an object with index keys, a JSON string."""
    plain = decoded(value)
    if isinstance(plain, list):
        return plain
    if isinstance(plain, dict):
        return list(plain.values())
    return []
