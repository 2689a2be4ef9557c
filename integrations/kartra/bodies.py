"""A request's body made into fields, whatever it was: JSON, a form, a form with JSON in it, with or without a mark.

No content type is trusted. What cannot be understood raises `Unreadable` with the reason; nothing else is ever raised.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from integrations.kartra.values import NotJson, json_of
from integrations.kartra.words import Trouble, filled

MAX_FIELDS = 2000
DEEPEST = 200
BLANK = "\ufeff \t\r\n\0"
HOLDING_JSON = ("payload", "data", "json", "body")
"""Fields of a form in which a whole event may sit as JSON."""

_FORM = re.compile(r"[\w\[\]%.+-]+=")
_MULTIPART = re.compile(r"--([^\r\n]{1,100})\r?\nContent-[^\r\n]*\r?\n", re.IGNORECASE)
_NAME = re.compile(r"\bname=\"([^\"\r\n]*)\"", re.IGNORECASE)


class Unreadable(ValueError):
    """The body cannot be understood: why, as in KartraError."""

    def __init__(self, trouble: Trouble, **told: object) -> None:
        self.trouble, self.told = trouble, told
        self.message = filled(trouble, told)
        super().__init__(self.message)


def as_text(body: bytes) -> str:
    """The body as text: UTF-8, with or without mark; UTF-16 with a mark; else Latin-1."""
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return body.decode("utf-16", "replace")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. A form is taken for the object its bracketed names spell (`lead[id]=5`)."""
    plain = as_text(body).strip(BLANK)
    if not plain:
        raise Unreadable(Trouble.EMPTY_MESSAGE)
    if plain[:3].upper() in ("%7B", "%5B"):
        plain = unquote_plus(plain)
    pairs = _pairs(plain)
    if pairs is not None:
        form = dict(pairs)
        inner = next((form[key] for key in HOLDING_JSON if form.get(key, "").strip()), None)
        if inner is None:
            return _spelled(pairs)
        plain = inner
    found = _json(plain)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise Unreadable(Trouble.NO_OBJECT)
    return shallow(found)


def fields_of(body: bytes) -> Mapping[str, Any]:
    """The fields of a body that is a form; JSON of the same keys is taken too."""
    plain = as_text(body).strip(BLANK)
    if not plain:
        raise Unreadable(Trouble.EMPTY_MESSAGE)
    if plain[:1] in ("{", "["):
        return object_of(body)
    return dict(_pairs(plain) or _form(plain))


def shallow(value: Any) -> Any:
    """The value, or Unreadable if it is nested more deeply than anything of Kartra's."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return value
    raise Unreadable(Trouble.TOO_DEEP)


def _json(plain: str) -> Any:
    try:
        found = json_of(plain, alone=True)
    except NotJson as problem:
        if plain[:2] == '"{':  # JSON written into JSON once more
            try:
                return json_of(json_of(f"[{plain}]")[0])
            except (NotJson, TypeError, AttributeError, IndexError):
                pass
        raise Unreadable(Trouble.MESSAGE_UNREADABLE, why=problem.trouble) from None
    return found


# --- forms


def pairs_of(body: bytes) -> list[tuple[str, str]] | None:
    """The fields of a body that is a form, in order, each as often as it came; None if it is none."""
    return _pairs(as_text(body).strip(BLANK))


def _pairs(plain: str) -> list[tuple[str, str]] | None:
    """The fields of a form, urlencoded or in parts; None if it is no form."""
    parts = _MULTIPART.match(plain)
    if parts:
        return _in_parts(plain, parts[1])
    if plain[:1] not in ("{", "[") and _FORM.match(plain):
        return _form(plain)
    return None


def _form(plain: str) -> list[tuple[str, str]]:
    if plain.count("&") >= MAX_FIELDS:
        raise Unreadable(Trouble.TOO_MANY_FIELDS)
    try:
        return parse_qsl(plain, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        return parse_qsl(plain, keep_blank_values=True, encoding="latin-1")
    except ValueError:
        raise Unreadable(Trouble.FORM_UNREADABLE) from None


def _in_parts(plain: str, boundary: str) -> list[tuple[str, str]]:
    """The fields of a multipart form, as PHP's cURL sends an array."""
    found = []
    for part in plain.split(f"--{boundary}")[1 : MAX_FIELDS + 1]:
        head, separator, value = part.lstrip("\r\n").replace("\r\n\r\n", "\n\n", 1).partition("\n\n")
        name = _NAME.search(head)
        if separator and name:
            found.append((name[1], value.removesuffix("\n").removesuffix("\r")))
    return found


def _spelled(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """{"lead": {"id": "5"}} of `lead[id]=5`. Unreadable where no name has brackets or is `action`: then it is no event."""
    found: dict[str, Any] = {}
    bracketed = False
    for name, value in pairs:
        *path, last = name.replace("]", "").split("[", 10)
        bracketed = bracketed or bool(path) or last == "action"
        inner = found
        for key in path:
            held = inner.get(key)
            if not isinstance(held, dict):
                held = inner[key] = {}
            inner = held
        inner[last] = value
    if not bracketed:
        raise Unreadable(Trouble.NO_EVENT)
    return found
