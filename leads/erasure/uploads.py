"""Uploaded files that wait in the database to be loaded, and texts of lists of people to be read: what names a person is made
blank in place.

As many bytes stay as there were, so what is under way goes on where it was; a blank row is passed over. The digest of the file is
that of what was uploaded.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator

from leads.importing.files import records
from leads.importing.uploads import open_chunks
from leads.models import Import, PeopleList
from leads.person.naming import Person
from leads.person.parts import Counts

Kept = Import | PeopleList
PACKED = "xlsx"
"""A workbook that nobody has unpacked yet: whoever is forgotten stays out when its rows are read, and then it is gone."""
_SEPARATED = re.compile(r"([,;\t|]+)")
"""What stands between people in one line."""


def blank(person: Person) -> Counts:
    """Make blank whatever names the person in the account's waiting files. How many files held something."""
    counts: Counts = Counter()
    kept: list[Kept] = list(
        Import.objects.filter(account=person.account_id, kept=True, chunks__isnull=False).distinct()
    )
    lists = PeopleList.objects.filter(account=person.account_id, chunks__isnull=False).exclude(encoding=PACKED)
    kept += lists.distinct()
    for job in kept:
        counts[job.chunks.model._meta.label_lower] += _blank_in(job, person)
    return counts


def _blank_in(job: Kept, person: Person) -> bool:
    piece = len(_content(job, 0))
    spans = list(_rows(job, person, piece) if job.delimiter else _tokens(job, person, piece))
    for start, end in spans:
        _overwrite(job, start, end, piece)
    return bool(spans)


def _rows(job: Kept, person: Person, piece: int) -> Iterator[tuple[int, int]]:
    """Where rows of a table begin and end that name the person."""
    began, line = job.data_start, job.data_line if isinstance(job, Import) else 1
    file = open_chunks(job.chunks.all(), job.size, piece=piece)
    for record in records(file, job.encoding, job.delimiter, job.data_start, line):
        if not person.may_be_in_text("\n".join(record.cells)):
            pass
        elif person.is_in_cells(record.cells) or _is_id_of(job, record.cells, person):
            yield began, record.position
        began = record.position


def _tokens(job: Kept, person: Person, piece: int) -> Iterator[tuple[int, int]]:
    """Where a text of addresses names the person: the line, or what stands between separators in a line of several."""
    errors = "replace" if job.encoding.startswith("utf-16") else "surrogateescape"
    file = open_chunks(job.chunks.all(), job.size, piece=piece)
    file.seek(job.data_start)
    at = job.data_start
    for text in _pieces(file.read(job.size).decode(job.encoding, errors)):
        length = len(text.encode(job.encoding, errors))
        if person.may_be_in_text(text) and person.is_in(text):
            yield at, at + length
        at += length


def _pieces(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        yield from (_SEPARATED.split(line) if line.count("@") > 1 else [line])


def _is_id_of(job: Kept, cells: list[str], person: Person) -> bool:
    """Whether the cell in a column that is called after an id is the person's, however short."""
    named = [job.mapping.get(name) for name in ("id", "lead_id")]
    places = [place for place, header in enumerate(job.headers) if header in named or header.lower().endswith("id")]
    own = person.kartra_id
    return bool(own) and any(place < len(cells) and cells[place].strip().lstrip("0") == own for place in places)


def _overwrite(job: Kept, start: int, end: int, piece: int) -> None:
    """Blanks for all between two positions, in the encoding of the file."""
    file = open_chunks(job.chunks.all(), job.size, piece=piece)
    file.seek(start)
    blanks = _blanks(file.read(end - start), job.encoding)
    for number in range(start // piece, (end - 1) // piece + 1):
        content, offset = _content(job, number), number * piece
        first, last = max(start - offset, 0), min(end - offset, len(content))
        content = content[:first] + blanks[offset + first - start : offset + last - start] + content[last:]
        job.chunks.filter(number=number).update(content=zlib.compress(content, 1))


def _blanks(row: bytes, encoding: str) -> bytes:
    """As many bytes of blanks; ends of lines stay, so that the lines behind keep their numbers."""
    width = 2 if encoding.startswith("utf-16") else 1
    kept = {end.encode(encoding) for end in "\r\n"}
    signs = (row[place : place + width] for place in range(0, len(row), width))
    return b"".join(sign if sign in kept else " ".encode(encoding) for sign in signs)[: len(row)]


def _content(job: Kept, number: int) -> bytes:
    content = job.chunks.values_list("content", flat=True).get(number=number)
    return zlib.decompress(bytes(content))
