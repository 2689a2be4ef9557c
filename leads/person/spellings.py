"""A text as it may have been meant: without percent signs, escapes of JSON, entities of HTML and base64, several times over.

Plain Python. Every step goes through a text once, so that no input costs more than linear time. Not undone: quoted-printable,
encryption, archives other than gzip, text in pictures.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from html.entities import html5
from urllib.parse import unquote_plus

from leads.texts import comparable

ROUNDS = 4
"""So often a text may have been escaped; Kartra's own messages are twice at most."""
MOST_UNPACKED = 4 * 1024 * 1024
"""Bytes that a compressed body is unpacked to."""

_WORD = re.compile(r"[^\s\"'<>&?=;,{}()\[\]|]+")
_ESCAPE = re.compile(r"(?:\\{1,8}|%)(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_SLASH = re.compile(r"\\{1,8}/")
_SPACE = re.compile(r"\\{1,8}[nrtbf]")
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([a-zA-Z]{2,8}));?")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")


def readings(text: str) -> Iterator[str]:
    """The text in the form in which it is compared: as it stands, then with more and more of its escapes undone, and what
    stands in it as base64."""
    for each in _unescaped(text):
        yield comparable(each)
    for inner in _from_base64(text):
        for each in _unescaped(inner):
            yield comparable(each)


def readings_of_bytes(body: bytes) -> Iterator[str]:
    """As `readings`, of bytes in whatever encoding, compressed or not."""
    for text in _texts(body):
        yield from readings(text)
    if (inner := _unpacked(body)) is not None:
        for text in _texts(inner):
            yield from readings(text)


def _unescaped(text: str) -> Iterator[str]:
    yield text
    for _ in range(ROUNDS):
        before, text = text, _once(text)
        if text == before:
            return
        yield text


def _once(text: str) -> str:
    """One layer of escapes less."""
    if "%" in text:
        text = _WORD.sub(_percent, text)
    if "\\" in text or "%u" in text:
        text = _SPACE.sub(" ", _SLASH.sub("/", _joined(_ESCAPE.sub(_code, text))))
    return _ENTITY.sub(_entity, text) if "&" in text else text


def _percent(found: "re.Match[str]") -> str:
    """A plus is a space only where its word has percent signs: elsewhere it is a part of the address."""
    word = found[0]
    if "%" not in word:
        return word
    try:
        return unquote_plus(word, errors="strict")
    except UnicodeDecodeError:
        return unquote_plus(word, encoding="latin-1")


def _code(found: "re.Match[str]") -> str:
    return chr(int(found[1] or found[2], 16))


def _joined(text: str) -> str:
    """With characters that were escaped in two halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _entity(found: "re.Match[str]") -> str:
    if found[3]:
        return html5.get(f"{found[3]};", found[0])
    number = int(found[1]) if found[1] else int(found[2], 16)
    return chr(number) if 0 < number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]


def _from_base64(text: str) -> Iterator[str]:
    found = []
    for match in _BASE64.finditer(text):
        piece = match[0].replace("-", "+").replace("_", "/")
        try:
            found.append(base64.b64decode(piece[: len(piece) // 4 * 4] + _rest(piece), validate=True))
        except (ValueError, binascii.Error):
            continue
    if found:
        yield b"\n".join(found).decode("utf-8", "replace")


def _rest(piece: str) -> str:
    """The last letters with the padding that they lack; one alone says nothing."""
    rest = piece[len(piece) // 4 * 4 :]
    return rest + "=" * (4 - len(rest)) if len(rest) > 1 else ""


def _texts(body: bytes) -> Iterator[str]:
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield body.decode("utf-16", "replace")
        return
    try:
        yield body.decode("utf-8-sig")
    except UnicodeDecodeError:
        yield body.decode("utf-8", "replace")
        yield body.decode("latin-1")
    if b"\0" in body:  # UTF-16 without a mark, or text with zeros in it
        for encoding in ("utf-16-le", "utf-16-be"):
            yield body.decode(encoding, "replace")
        yield body.replace(b"\0", b"").decode("latin-1")


def _unpacked(body: bytes) -> bytes | None:
    """What is in a gzip or zlib body, as far as it came."""
    if body[:2] != b"\x1f\x8b" and body[:1] != b"\x78":
        return None
    try:
        return zlib.decompressobj(wbits=47).decompress(body, MOST_UNPACKED)
    except zlib.error:
        return None
