"""Text → the people that it names: of a table by its columns, of any other text line by line, whatever stands between addresses.

Positions are byte offsets, as in `leads.importing.files`; memory does not grow with the text.
"""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from leads.csv_cells import unshield
from leads.importing import columns
from leads.importing.files import ADDRESS_WITHIN, CannotImport, Layout, Record, layout_of, records
from leads.importing.lead_rows import check_address
from leads.importing.values import UNSTORABLE, Bad
from leads.models import Account, ImportKind, RowRemark
from leads.models.remarks import Remark, remark
from leads.texts import clean_email, lookalikes, without_invisible

LINE = 1 << 16
"""Characters of a line of addresses that are read at once."""
MOST_WRITTEN = 300
MOST_CELL = 2_000
LOOKED_AT = 200
"""Rows by which the column of addresses is found where no heading says which it is."""
FIRST_NAME, LAST_NAME = "First name", "Last name"
"""The headers under which a name beside an address is kept."""

_PARTS = re.compile(r'(?:"[^"\n]*"|<[^<>\n]*>|[^,;\t|"<]|["<])+')
"""What stands between separators, those within quotation marks and angle brackets passed over."""
_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<email>[^<>]*)>[\s.,;]*")
_AROUND = " \t\"'“”„‘’«»()[]{}.,;:"


@dataclass(frozen=True, slots=True)
class Entry:
    """One person as the text names them, or why that cannot be read. `values` is {header: cell} of what else is said."""

    line: int
    written: str
    email: str = ""
    kartra_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    problem: Remark = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """A row or line with whom it names; `position` and `next_line` are where the next one begins."""

    people: Sequence[Entry]
    position: int
    next_line: int


@dataclass(frozen=True)
class Reading:
    """How a text is read: `mapping` is {field: header} of a table, {} where it is read line by line."""

    layout: Layout
    mapping: Mapping[str, str]

    @property
    def is_table(self) -> bool:
        return "email" in self.mapping or "id" in self.mapping


def reading_of(account: Account, file: BinaryIO) -> Reading:
    """Find out how a text is read. Raises CannotImport where nothing in it is an address."""
    layout = layout_of(file, named=False)
    mapping = columns.suggest(account, ImportKind.LEADS, layout.headers)
    if "id" in mapping and not columns.says_kartra(mapping["id"]):
        del mapping["id"]  # it may be the number of a seat at a webinar
    if not layout.headers or (len(layout.headers) == 1 and "id" not in mapping):
        return Reading(replace(layout, headers=(), delimiter=""), {})
    if "email" not in mapping and (header := _column_of_addresses(file, layout)):
        mapping = {target: other for target, other in mapping.items() if other != header} | {"email": header}
    if "email" not in mapping and "id" not in mapping:
        raise CannotImport(_("No column holds email addresses. Add one, or paste the addresses alone."))
    return Reading(layout, mapping)


def _column_of_addresses(file: BinaryIO, layout: Layout) -> str:
    """The heading of the column with the most addresses; "" where there are none."""
    rows = records(file, layout.encoding, layout.delimiter, layout.start, layout.line)
    counts = [0] * len(layout.headers)
    for record in islice(rows, LOOKED_AT):
        for place, cell in enumerate(record.cells[: len(counts)]):
            counts[place] += ADDRESS_WITHIN.search(cell) is not None
    return layout.headers[counts.index(max(counts))] if max(counts) else ""


def passages(file: BinaryIO, reading: Reading, position: int, line: int) -> Iterator[Passage]:
    """The rows or lines from a position on; empty ones are passed over. The file stays open."""
    if reading.is_table:
        table = _Table(reading)
        rows = records(file, reading.layout.encoding, reading.layout.delimiter, position, line)
        return (Passage([table.read(row)], row.position, row.next_line) for row in rows)
    return _lines(file, reading.layout.encoding, position, line)


class _Table:
    def __init__(self, reading: Reading) -> None:
        self.headers = reading.layout.headers
        index = {header: number for number, header in enumerate(self.headers)}
        self.email, self.id = (index.get(reading.mapping.get(name, "")) for name in ("email", "id"))

    def read(self, record: Record) -> Entry:
        cells = [_storable(cell) for cell in record.cells]
        whole = _short(" · ".join(filter(None, cells)))
        if record.problem:
            return Entry(record.line, whole, problem=record.problem)
        email, id = (
            cells[place] if place is not None and place < len(cells) else "" for place in (self.email, self.id)
        )
        named = {
            header: cell[:MOST_CELL]
            for place, (header, cell) in enumerate(zip(self.headers, cells, strict=False))
            if cell and place not in (self.email, self.id)
        }
        id = clean_email(unshield(id)).lstrip("0")
        if any("@" in cell for cell in cells[len(self.headers) :]):
            cause = remark(RowRemark.TOO_MANY_CELLS, cells=f"{len(cells):,}", width=f"{len(self.headers):,}")
            return Entry(record.line, whole, problem=cause)
        if id and not (id.isascii() and id.isdigit() and len(id) <= 32):
            return Entry(record.line, whole, problem=remark(RowRemark.NO_NUMBER_ID, id=id[:80]))
        if not email:
            cause = {} if id else remark(RowRemark.NOBODY)
            return Entry(record.line, whole, kartra_id=id, values=named, problem=cause)
        if len(parts_of(email)) > 1:
            return Entry(record.line, whole, problem=remark(RowRemark.SEVERAL_ADDRESSES))
        entry = read_part(email, record.line)
        return replace(entry, kartra_id=id, values={**entry.values, **named})


def _lines(file: BinaryIO, encoding: str, position: int, line: int) -> Iterator[Passage]:
    """A line at a time; a very long one piece by piece, cut where something stands between addresses."""
    errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
    file.seek(position)
    text = io.TextIOWrapper(file, encoding, errors, newline="")
    rest, ended = "", False
    try:
        while not ended:
            piece = text.readline(LINE)
            ended = not piece
            rest += piece
            if not ended and piece[-1] not in "\r\n":
                cut = max(rest.rfind(mark) for mark in ",;\t| ") + 1
                if not cut and len(rest) < 4 * LINE:
                    continue
                whole, rest = rest[: cut or len(rest)], rest[cut or len(rest) :]
            else:
                whole, rest = rest, ""
            if not whole:
                continue
            position += len(whole.encode(encoding, errors))
            people = [read_part(each, line) for each in parts_of(whole)]
            line += whole[-1] in "\r\n"
            yield Passage(people, position, line)
    finally:
        text.detach()


def parts_of(text: str) -> list[str]:
    """The pieces of a line that each name somebody. A piece without an address belongs to the name behind it ("Moss, Ada
    <ada@example.com>"), or to nobody where the line has an address; a line without one is a piece."""
    whole = _storable(text)
    if "@" not in whole:
        return [whole] if whole else []
    if whole.count("@") == 1 and "<" not in whole:
        return _apart(whole) if re.search(r"[,;\t|]", whole) else [whole]
    return _apart(whole)


def _apart(line: str) -> list[str]:
    found: list[str] = []
    before: list[str] = []
    for match in _PARTS.finditer(line):
        part = match[0].strip()
        if "@" not in part:
            before += [part] if part else []
            continue
        words = part.split()
        if "<" in part:
            found.append(", ".join([*before, part]))
        elif len(words) > 1 and all("@" in word for word in words):
            found += words
        else:
            found.append(part)
        before = []
    return found


def read_part(part: str, line: int) -> Entry:
    """Whom a piece names: an address, a name with an address in angle brackets, or a name beside an address."""
    part = _storable(part)
    written = _short(part)
    if match := _NAMED.fullmatch(part):
        name, email = match["name"], match["email"]
    else:
        words = part.split()
        addresses = [word for word in words if "@" in word]
        email = addresses[0] if len(addresses) == 1 else part
        name = " ".join(word for word in words if word not in addresses) if len(addresses) == 1 else ""
    email = clean_email(unshield(email)).strip(_AROUND)
    email = re.sub(r"^mailto:", "", email, flags=re.IGNORECASE)
    try:
        check_address(email)
        if "\ufffd" in email or ("." not in email.rpartition("@")[2].strip(".") and not lookalikes(email)):
            raise Bad(RowRemark.NO_ADDRESS, email=(email or written)[:80])
    except Bad as problem:
        return Entry(line, written, problem=problem.remark)
    return Entry(line, written, email=email, values=_name_of(name))


def _name_of(text: str) -> dict[str, str]:
    """First and last name; with a comma between them the last comes first."""
    name = " ".join(without_invisible(text).split()).strip(_AROUND)[:MOST_WRITTEN]
    if not name:
        return {}
    last, comma, first = name.partition(",")
    if not comma:
        first, _space, last = name.partition(" ")
    told = {FIRST_NAME: first.strip(), LAST_NAME: last.strip()}
    return {header: value for header, value in told.items() if value}


def _storable(text: str) -> str:
    """A text without what the database cannot hold."""
    return UNSTORABLE.sub("\ufffd", text.replace("\0", "")).strip()


def _short(text: str) -> str:
    return text if len(text) <= MOST_WRITTEN else f"{text[:MOST_WRITTEN]}…"


def as_layout(stored: Any) -> Reading:
    """How the text of a list was found to be read, from what the list keeps."""
    layout = Layout(stored.encoding, stored.delimiter, tuple(stored.headers), stored.data_start, 0)
    return Reading(
        layout if stored.delimiter else replace(layout, headers=()), stored.mapping if stored.delimiter else {}
    )
