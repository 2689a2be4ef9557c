"""A body as Kartra sent it, made readable: JSON indented, a form field by field. Nothing is read into it or left out: texts,
numbers and names that come twice stand as they came. Secret keys are hidden. What is neither stays as it is.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote_plus

from django.utils.translation import gettext as _

from integrations.kartra.bodies import BLANK, Unreadable, as_text, pairs_of
from integrations.kartra.values import is_secret

MOST = 200_000
"""Characters that are shown."""
DEEPEST = 40
"""So far it is indented; what is nested more deeply stays at that."""

_NAME = r"(?<![a-z])secret[_-]*+(?:key[_-]*+)?"
"""A field whose value nobody is shown, in whatever spelling; whatever signs stand before it."""
_SECRETS = (
    re.compile(rf'({_NAME}"\s*:\s*")(?:[^"\\]|\\.)*', re.IGNORECASE),
    re.compile(rf'({_NAME}"\s*:\s*)[^"\s,}}]+', re.IGNORECASE),
    re.compile(rf"({_NAME}(?:\]|%5D)?\s*=\s*)[^&\r\n]*", re.IGNORECASE),
    re.compile(rf"({_NAME}%22(?:%3A|:)(?:%20|\+)*%22)(?:(?!%22).)*", re.IGNORECASE),
)
"""A secret key with its value, as JSON, as a form, and as JSON in percent signs. None goes through more than white space
before it may fail, so that a body is gone through once."""
_PART = re.compile(rf'name="[^"]*{_NAME}\]?"', re.IGNORECASE)
_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*\\?"?|[^\s",:{}\[\]]+|[,:{}\[\]]', re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """`pretty` is empty where the body is as readable as it came."""

    raw: str
    pretty: str = ""


def shown(body: bytes) -> Shown:
    """The body for a person. Never fails, whatever it holds."""
    text = as_text(body)
    raw = text[:MOST]
    for secret in _SECRETS:
        raw = secret.sub(lambda found: found[1] + _hidden(), raw)
    raw = _safe(_without_parts(raw))
    pretty = _pretty(body, text.strip(BLANK))
    return Shown(raw, _safe(pretty) if pretty and pretty != text.strip() else "")


def _without_parts(text: str) -> str:
    """Of a form in parts: without the line of a secret key's value, which comes after the blank line that ends its headers."""
    lines, in_headers, ended = [], False, False
    for line in text.split("\n"):
        plain = line.removesuffix("\r")
        lines.append(_hidden() + line[len(plain) :] if ended and plain else line)
        in_headers, ended = plain != "" and (in_headers or _PART.search(plain) is not None), in_headers and not plain
    return "\n".join(lines)


def without_secret(body: bytes, secret: str, instead: str = "found-right") -> bytes:
    """The body with another value where this secret key's is, in whatever spelling; so that it need not be kept once it was found
    right."""
    value = "".join(map(_spellings, secret))
    found = re.compile(rf"(secret(?:_|-|%5f)?key{BETWEEN}){value}(?![0-9a-z])", re.IGNORECASE)
    return found.sub(lambda match: match[1] + instead, body.decode("latin-1")).encode("latin-1")


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """The text with "(hidden)" wherever one of these stands in it, in whatever spelling. What is empty or lost hides nothing."""
    any_of_them = "|".join(
        "".join(map(_spellings, secret)) for secret in sorted(secrets, key=len, reverse=True) if secret
    )
    if not any_of_them:
        return text
    found = re.compile(any_of_them, re.IGNORECASE | re.ASCII)
    in_utf_8 = text.encode("utf-8", "surrogatepass").decode("latin-1")
    instead = _hidden().encode().decode("latin-1")
    return found.sub(lambda _match: instead, in_utf_8).encode("latin-1").decode("utf-8", "surrogatepass")


BETWEEN = r"(?:[^0-9a-z&%]|%(?!26)[0-9a-f]{2}){1,20}"
"""What may stand between a secret key's name and its value: signs and white space, but not the end of the field."""


def _spellings(letter: str) -> str:
    """A pattern of the bytes (as Latin-1) by which a letter may be written: as it is, in percent signs, as JSON escapes it, and the
    last in percent signs."""
    in_utf_8 = letter.encode("utf-8", "replace")
    percent = "".join(f"%{byte:02x}" for byte in in_utf_8)
    as_it_is = f"(?:{re.escape(in_utf_8.decode('latin-1'))}|{percent})"
    units = letter.encode("utf-16-be", "replace")
    escaped = "".join(rf"{BACKSLASH}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    escaped = rf"{BACKSLASH}{as_it_is}|{escaped}" if letter in '"\\/' else escaped
    return rf"(?:{escaped}|{as_it_is}{'|' + re.escape('+') if letter == ' ' else ''})"


BACKSLASH = r"(?:\\|%5c)"


def indented(text: str) -> str:
    """JSON on lines of its own for each value, or "" if it is none. Only white space between tokens is changed."""
    try:
        json.loads(text)
    except RecursionError:
        return ""
    except ValueError as problem:
        if "digits" not in str(problem):  # a number too long for Python is a number all the same
            return ""
    lines: list[str] = []
    line, depth, length, name, opened, after_name = "", 0, 0, "", False, False
    for piece in _PIECE.findall(text):
        closes = piece in ("]", "}")
        depth -= closes
        if (closes and not opened) or (opened and not closes):
            lines.append(line)
            length += len(line)
            line = "  " * min(depth, DEEPEST)
        opened = piece in ("[", "{")
        depth += opened
        line += _hidden() if after_name and is_secret(name) and not opened else ": " if piece == ":" else piece
        after_name = piece == ":"
        name = name if after_name else _name(piece)
        if piece == ",":
            lines.append(line)
            length += len(line)
            line = "  " * min(depth, DEEPEST)
        if length > MOST:
            break
    return "\n".join([*lines, line])[:MOST]


def _name(piece: str) -> str:
    """The text of a piece, for the case that it is a name."""
    try:
        found = json.loads(piece) if piece[:1] == '"' else ""
    except ValueError:
        return ""
    return str(found).lower()


def _pretty(body: bytes, text: str) -> str:
    if text[:3].upper() in ("%7B", "%5B"):
        text = unquote_plus(text)
    if text[:1] in ("{", "["):
        return indented(text)
    try:
        pairs = pairs_of(body)
    except Unreadable:
        return ""
    if pairs is None:
        return ""
    lines = []
    for name, value in pairs:
        inner = indented(value) if value.lstrip()[:1] in ("{", "[") else ""
        told = _hidden() if is_secret(name.rpartition("[")[2].rstrip("]")) else f"\n{inner}" if inner else value
        lines.append(f"{name}: {told}")
    return "\n".join(lines)[:MOST]


def _hidden() -> str:
    return _("(hidden)")


def _safe(text: str) -> str:
    """Without halves of characters, which no page can be written with."""
    return text.encode("utf-8", "replace").decode()
