"""A CSV as bytes → rows, whatever wrote it: encoding, delimiter and header are found, and one bad row never hides the next.

Positions are byte offsets, so that reading can go on anywhere; memory does not grow with the file.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.utils.translation import gettext as _, gettext_lazy

from leads.models import RowRemark
from leads.models.remarks import Remark, remark, sentence_of

BLOCK = 1 << 20
SAMPLE = 1 << 16
MAX_RECORD = 1 << 20
"""Characters of a row that are still read as one; a longer one is bad."""
MAX_SKIP = 1 << 26
"""How far the end of a row that is too long is looked for."""
MAX_COLUMNS = 500
DELIMITERS = ",;\t|"
KEPT_OF_BAD = 2_000
"""Characters of an unreadable row that the reject file shows."""

ADDRESS_WITHIN = re.compile(r"[^\s<>@,;:\"]@[^\s<>@,;:\".]")
"""Stands in every text that holds an email address."""

csv.field_size_limit(MAX_RECORD * 2)

_NOT_TEXT = {
    b"PK\x03\x04": gettext_lazy("an Excel workbook or a ZIP file"),
    b"\xd0\xcf\x11\xe0": gettext_lazy("an old Excel workbook"),
    b"%PDF": gettext_lazy("a PDF file"),
    b"\x89PNG": gettext_lazy("a picture"),
    b"\xff\xd8\xff": gettext_lazy("a picture"),
    b"GIF8": gettext_lazy("a picture"),
    b"\x1f\x8b": gettext_lazy("a compressed file"),
    b"SQLite": gettext_lazy("a database"),
}


class CannotImport(ValueError):
    """The file cannot be loaded as it is. The text says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Layout:
    """How a file is to be read. `start` and `line`: where the first row after the header begins."""

    encoding: str
    delimiter: str
    headers: tuple[str, ...]
    start: int
    line: int


@dataclass(frozen=True, slots=True)
class Record:
    """A row: its cells, or as much of it as can be shown and the `problem`. `line` is the first of its lines in the
    file, counted from 1; `position` and `next_line` are where the next row begins."""

    line: int
    cells: list[str]
    problem: Remark
    position: int
    next_line: int


def layout_of(file: BinaryIO, *, named: bool = True) -> Layout:
    """Find out how the file is to be read. Reads all of it once. Raises CannotImport. Unless its columns have to be `named`, a
    file whose first row holds an address has no headers, and begins with that row."""
    file.seek(0)
    encoding, mark = _encoding(file)
    start, line, delimiter = mark, 1, ""
    file.seek(mark)
    sample = file.read(SAMPLE * 4).decode(encoding, _errors(encoding))
    if match := re.match(r"sep=([,;\t|])(\r\n|\n|\r)", sample):  # as Excel writes and wants it
        delimiter, start, line = match[1], mark + len(match[0].encode(encoding)), 2
        sample = sample[match.end() :]
    delimiter = delimiter or _delimiter(sample)
    for record in records(file, encoding, delimiter, start, line):
        if not named and any(ADDRESS_WITHIN.search(cell) for cell in record.cells):
            return Layout(encoding, delimiter, (), start, line)
        if record.problem:
            raise CannotImport(
                _("The line of column names cannot be read. %(problem)s") % {"problem": sentence_of(record.problem)}
            )
        return Layout(encoding, delimiter, _headers(record.cells), record.position, record.next_line)
    raise CannotImport(_("The file is empty."))


def _headers(cells: list[str]) -> tuple[str, ...]:
    """The column names, each once: a second "Email" is "Email (2)", one without a name "column 7"."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) > MAX_COLUMNS:
        raise CannotImport(
            _("The file has %(cells)s columns; up to %(most)s can be read. Is it the right file?")
            % {"cells": f"{len(cells):,}", "most": MAX_COLUMNS}
        )
    if any(re.fullmatch(r"[^@\s]++@[^@\s][^@\s.]*+\.[^@\s]++", cell.strip()) for cell in cells):
        raise CannotImport(
            _(
                "The first line holds an email address, so it is a lead, not the names of the columns. Put a "
                "line of column "
                "names on top of the file."
            )
        )
    found: list[str] = []
    taken: set[str] = set()
    for number, cell in enumerate(cells, start=1):
        header = name = _clean(cell).strip()[:200] or f"column {number}"
        again = 1
        while header.casefold() in taken:
            again += 1
            header = f"{name} ({again})"
        taken.add(header.casefold())
        found.append(header)
    return tuple(found)


def _clean(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]+", " ", text)


def _encoding(file: BinaryIO) -> tuple[str, int]:
    """The name of the encoding, and how many bytes of mark stand before the text."""
    sample = file.read(SAMPLE)
    for start, what in _NOT_TEXT.items():
        if sample.startswith(start):
            raise CannotImport(
                _("This is %(what)s, not a CSV file. Save it as CSV (in Excel: “CSV UTF-8”) and try again.")
                % {"what": what}
            )
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise CannotImport(_("The file is in UTF-32. Save it as CSV in UTF-8 and try again."))
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8", 3
    if sample.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le", 2
    if sample.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be", 2
    if not sample.strip(b"\0 \t\r\n"):
        raise CannotImport(_("The file is empty."))
    for encoding, odd, even in (("utf-16-le", 1, 0), ("utf-16-be", 0, 1)):
        if sample[odd::2].count(0) > len(sample) // 5 and sample[even::2].count(0) < len(sample) // 50:
            return encoding, 0
    controls = sum(sample.count(bytes([byte])) for byte in range(32) if byte not in (9, 10, 11, 12, 13))
    if controls > max(20, len(sample) // 50):
        raise CannotImport(_("This is not a text file. Export the leads in Kartra as CSV and import that file."))
    return _eight_bit(file, sample), 0


def _eight_bit(file: BinaryIO, block: bytes) -> str:
    """UTF-8, or Windows' Latin letters where more bytes speak against UTF-8 than for it."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    good = bad = 0
    while block:
        if not block.isascii() or decoder.getstate()[0]:
            text = decoder.decode(block)
            wrong = len(re.findall("[\udc80-\udcff]", text))
            bad += wrong
            good += len(re.findall("[^\x00-\x7f]", text)) - wrong
        block = file.read(BLOCK)
    bad += len(decoder.decode(b"", final=True))
    return "cp1252" if bad > good else "utf-8"


def _delimiter(sample: str) -> str:
    """The one that splits the header and most of the first rows into the same number of cells; the comma when none does."""
    lines = sample.splitlines(keepends=True)[:200]
    best, best_score = ",", (0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        except csv.Error:
            continue
        if rows and rows[0] > 1:
            score = (rows.count(rows[0]), rows[0])
            if score > best_score:
                best, best_score = delimiter, score
    return best


def _errors(encoding: str) -> str:
    """Undecodable bytes are marked in a way that keeps the count of bytes."""
    return "replace" if encoding.startswith("utf-16") else "surrogateescape"


class _TooLong(Exception):
    pass


class _Lines:
    """The lines of a file from a position on, counting bytes. One row is read between two calls of `begin`."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self.file, self.encoding, self.errors = file, encoding, _errors(encoding)
        self.text: io.TextIOWrapper | None = None

    def seek(self, position: int, line: int) -> None:
        if self.text is not None:
            self.text.detach()
        self.file.seek(position)
        self.text = io.TextIOWrapper(self.file, self.encoding, self.errors, newline="")
        self.position, self.line = position, line
        self.begin()

    def begin(self) -> None:
        """A new row begins here."""
        self.began, self.began_line = self.position, self.line
        self.second: tuple[int, int] | None = None
        self.first, self.length, self.quotes = "", 0, 0

    def read(self) -> str:
        """The next line or a long piece of one; "" at the end."""
        assert self.text is not None
        piece = self.text.readline(MAX_RECORD)
        self.position += len(piece.encode(self.encoding, self.errors))
        ended = piece[-1:] in ("\n", "\r")
        self.line += ended
        self.length += len(piece)
        self.quotes += piece.count('"')
        if not self.first:
            self.first = piece
        if self.second is None and (ended or not piece):
            self.second = (self.position, self.line)
        return piece

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        piece = self.read()
        if not piece:
            raise StopIteration
        if self.length >= MAX_RECORD:
            raise _TooLong
        return piece

    def skip(self) -> bool:
        """Go to the end of a row that is too long. False: a quotation mark in it is never closed."""
        ended = self.second is not None
        while not ended or self.quotes % 2:
            piece = self.read()
            ended = piece[-1:] in ("\n", "\r")
            if not piece or (self.length > MAX_SKIP and ended):
                return self.quotes % 2 == 0
        return True

    def close(self) -> None:
        if self.text is not None:
            self.text.detach()
            self.text = None


def records(file: BinaryIO, encoding: str, delimiter: str, position: int, line: int) -> Iterator[Record]:
    """The rows from a position on; empty lines are passed over. The file must be able to seek; it stays open."""
    lines = _Lines(file, encoding)
    lines.seek(position, line)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        while True:
            lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _TooLong) as error:
                problem = _problem_of(error)
                shown, began = lines.first[:KEPT_OF_BAD].rstrip("\r\n"), lines.began_line
                if not isinstance(error, _TooLong) or not lines.skip():
                    # Only the line where it began is bad: a forgotten quotation mark must not swallow those behind it.
                    lines.seek(*(lines.second or (lines.position, lines.line)))
                yield Record(began, [shown], problem, lines.position, lines.line)
                reader = csv.reader(lines, delimiter=delimiter, strict=True)
                continue
            if any(cell and not cell.isspace() for cell in cells):
                yield Record(lines.began_line, cells, {}, lines.position, lines.line)
    finally:
        lines.close()


def _problem_of(error: Exception) -> Remark:
    if isinstance(error, _TooLong):
        return remark(RowRemark.TOO_LONG, most=f"{MAX_RECORD:,}")
    return remark(RowRemark.NEVER_CLOSED if "unexpected end" in str(error) else RowRemark.ODD_QUOTE)
