"""An Excel workbook (.xlsx) as CSV text. Hostile ones are refused by the directory of the file, before anything is unpacked.

openpyxl reads row by row (read-only mode), with defusedxml below it; no formula, macro or link is followed.
"""

import csv
import datetime as dt
import io
import re
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import openpyxl
from django.utils.translation import gettext as _

from leads.importing.files import BLOCK, MAX_COLUMNS, CannotImport

MB = 1024 * 1024
MOST_UNPACKED = 64 * MB
"""Bytes that all parts of a workbook may come to."""
MOST_STRINGS = 40 * MB
"""Bytes of the table of texts, the one part of which all is held at once."""
MOST_PART = 8 * MB
"""Bytes of any other part that is read as a whole."""
MOST_DIRECTORY = MB
MOST_PARTS = 5_000
MOST_RATIO = 200
"""How many times smaller than itself a large part may be packed; a sheet of one word comes to about 100."""
MOST_ROWS = 250_000

ZIP, OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_END, _END64 = b"PK\x05\x06", b"PK\x06\x07"
_TAIL = 22 + 65_535 + 20
_BREAKS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
"""Ends of lines in a cell: a row is one line of the text, so that lines and rows have the same numbers."""


@dataclass
class Sheet:
    """What is read of a workbook: its first sheet that is shown. `others`: how many more there are."""

    title: str
    others: int
    rows: Iterator[tuple[Any, ...]]


def is_workbook(file: BinaryIO) -> bool:
    """Whether it begins like a workbook of whatever age, or any other ZIP file."""
    file.seek(0)
    return file.read(4) in (ZIP, OLD)


def sheet_of(file: BinaryIO) -> Sheet:
    """The sheet that is read. Raises CannotImport."""
    check(file)
    file.seek(0)
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheets = [each for each in book.worksheets if each.sheet_state == "visible"]
        if not sheets:
            raise CannotImport(_("The workbook shows no sheet with rows."))
        sheet = sheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is believed by nobody
        rows = sheet.iter_rows(max_row=MOST_ROWS + 2, values_only=True)
    except CannotImport:
        raise
    except Exception as error:  # a damaged or hostile file: the parser may fail with anything
        raise _damaged() from error
    return Sheet(sheet.title, len(sheets) - 1, _rows(rows))


def _rows(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for number in range(MOST_ROWS + 2):
        try:
            row = next(rows, None)
        except Exception as error:
            raise _damaged() from error
        if row is None:
            return
        if any(value is not None for value in row[MAX_COLUMNS:]):
            words = _("Row %(row)s has more than %(most)s columns; is it the right file?")
            raise CannotImport(words % {"row": f"{number + 1:,}", "most": MAX_COLUMNS})
        yield row[:MAX_COLUMNS]
    raise CannotImport(too_many_words())


def too_many_words() -> str:
    words = _("The file holds more than %(most)s rows. Take fewer people at a time.")
    return words % {"most": f"{MOST_ROWS:,}"}


def as_csv(rows: Iterator[tuple[Any, ...]]) -> Iterator[bytes]:
    """The rows as CSV in UTF-8, in pieces; a row is a line. Raises CannotImport in the middle of a damaged file."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        cells = [_text(value) for value in row]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            writer.writerow(cells)
        else:
            text.write("\r\n")
        if text.tell() > BLOCK:
            yield text.getvalue().encode("utf-8", "replace")
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode("utf-8", "replace")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return _BREAKS.sub(" ", value).strip()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # a telephone number or an id
    if isinstance(value, dt.datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    return _BREAKS.sub(" ", str(value))


def check(file: BinaryIO) -> None:
    """Look at the directory of the file alone. Raises CannotImport for what is no workbook, is protected, holds macros, or
    would unpack to more than is read."""
    file.seek(0)
    if file.read(4) == OLD:
        raise CannotImport(
            _(
                "This workbook is protected by a password, or is of an old kind (.xls). Save it in Excel as .xlsx without a "
                "password, or as CSV, and try again."
            )
        )
    _check_end(file)
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, struct.error, NotImplementedError) as error:
        raise _damaged() from error
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names or "[Content_Types].xml" not in names:
        raise CannotImport(_("This is a ZIP file, not an Excel workbook. Unpack it and upload the file that is in it."))
    if any(part.flag_bits & 1 for part in parts):
        raise CannotImport(_("This workbook is protected by a password. Save it without one and try again."))
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise CannotImport(_("This workbook holds macros. Save it as .xlsx, which has none, or as CSV, and try again."))
    if (
        len(parts) > MOST_PARTS
        or any(map(_is_too_large, parts))
        or sum(part.file_size for part in parts) > MOST_UNPACKED
    ):
        raise _too_large()


def _check_end(file: BinaryIO) -> None:
    """How long the directory is, before it is read: each entry of it takes memory."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    if _END64 in tail:
        raise _too_large()
    if _END not in tail:
        raise _damaged()
    for after in tail.split(_END)[1:]:
        end = after[8:12]
        if len(end) == 4 and struct.unpack("<L", end)[0] > MOST_DIRECTORY:
            raise _too_large()


def _is_too_large(part: zipfile.ZipInfo) -> bool:
    if part.file_size > MB and part.file_size > MOST_RATIO * max(part.compress_size, 1):
        return True
    if part.filename == "xl/sharedStrings.xml":
        return part.file_size > MOST_STRINGS
    is_read_whole = part.filename.endswith((".xml", ".rels")) and not part.filename.startswith("xl/worksheets/")
    return is_read_whole and part.file_size > MOST_PART


def _too_large() -> CannotImport:
    return CannotImport(
        _("This workbook unpacks to more than can be read. Save the sheet with the addresses as CSV and upload that.")
    )


def _damaged() -> CannotImport:
    return CannotImport(
        _("This workbook is damaged and cannot be read. Open it in Excel, save it again or as CSV, and try that.")
    )
