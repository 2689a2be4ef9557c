"""Uploaded files that wait in the database to be loaded: the rows that name a person are made blank in place.

As many bytes stay as there were, so an import that is under way goes on where it was; a blank row is passed over. The digest
of the file is that of what was uploaded.
"""

import zlib
from collections import Counter

from leads.importing.files import records
from leads.importing.uploads import open_kept
from leads.models import Import, ImportChunk
from leads.person.naming import Person
from leads.person.parts import Counts


def blank(person: Person) -> Counts:
    """Make blank every row of the account's waiting files that names the person. How many files held one."""
    number = 0
    for job in Import.objects.filter(account=person.account_id, kept=True, chunks__isnull=False).distinct():
        number += _blank_rows(job, person)
    return Counter({ImportChunk._meta.label_lower: number})


def _blank_rows(job: Import, person: Person) -> bool:
    piece = len(_content(ImportChunk.objects.get(file=job, number=0)))
    spans, began = [], job.data_start
    file = open_kept(job, piece=piece)
    for record in records(file, job.encoding, job.delimiter, job.data_start, job.data_line):
        if not person.may_be_in_text("\n".join(record.cells)):
            pass
        elif person.is_in_cells(record.cells) or _is_id_of(job, record.cells, person):
            spans.append((began, record.position))
        began = record.position
    for start, end in spans:
        _overwrite(job, start, end, piece)
    return bool(spans)


def _is_id_of(job: Import, cells: list[str], person: Person) -> bool:
    """Whether the cell in a column that is called after an id is the person's, however short."""
    named = [job.mapping.get(name) for name in ("id", "lead_id")]
    places = [place for place, header in enumerate(job.headers) if header in named or header.lower().endswith("id")]
    own = person.kartra_id
    return bool(own) and any(place < len(cells) and cells[place].strip().lstrip("0") == own for place in places)


def _overwrite(job: Import, start: int, end: int, piece: int) -> None:
    """Blanks for all between two positions, in the encoding of the file."""
    file = open_kept(job, piece=piece)
    file.seek(start)
    blanks = _blanks(file.read(end - start), job.encoding)
    for number in range(start // piece, (end - 1) // piece + 1):
        chunk = ImportChunk.objects.get(file=job, number=number)
        content, offset = _content(chunk), number * piece
        first, last = max(start - offset, 0), min(end - offset, len(content))
        content = content[:first] + blanks[offset + first - start : offset + last - start] + content[last:]
        chunk.content = zlib.compress(content, 1)
        chunk.save(update_fields=["content"])


def _blanks(row: bytes, encoding: str) -> bytes:
    """As many bytes of blanks; ends of lines stay, so that the lines behind keep their numbers."""
    width = 2 if encoding.startswith("utf-16") else 1
    kept = {end.encode(encoding) for end in "\r\n"}
    signs = (row[place : place + width] for place in range(0, len(row), width))
    return b"".join(sign if sign in kept else " ".encode(encoding) for sign in signs)[: len(row)]


def _content(chunk: ImportChunk) -> bytes:
    return zlib.decompress(bytes(chunk.content))
