"""An import as it is made: from a file, its columns matched as far as they are plain, its bytes kept for the workers."""

import hashlib
import io
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO

from django.db.models import QuerySet

from leads.access import Author, user_of
from leads.csv_cells import shield
from leads.importing import columns
from leads.importing.files import BLOCK, layout_of, records
from leads.models import Account, Import, ImportChunk, ImportKind, ImportReject


def digest_of(file: BinaryIO) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := file.read(BLOCK):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def create(
    account: Account,
    kind: ImportKind,
    file: BinaryIO,
    name: str,
    *,
    by: Author = None,
    keep: bool = False,
    piece: int = BLOCK,
) -> Import:
    """An import of this file, its columns matched as far as they are plain. `keep`: store the bytes, for the workers,
    in pieces of so many. Raises CannotImport; then nothing is stored."""
    digest, size = digest_of(file)
    layout = layout_of(file)
    job = Import.objects.create(
        account=account,
        kind=kind,
        file_name=name[-255:],
        size=size,
        digest=digest,
        encoding=layout.encoding,
        delimiter=layout.delimiter,
        headers=list(layout.headers),
        data_start=layout.start,
        data_line=layout.line,
        position=layout.start,
        line=layout.line,
        mapping=columns.suggest(account, kind, layout.headers),
        created_by=user_of(by),
    )
    if keep:
        file.seek(0)
        number = 0
        while block := file.read(piece):  # each in a transaction of its own: a large file must not hold the database
            ImportChunk.objects.create(file=job, number=number, content=zlib.compress(block, 1))
            number += 1
        job.kept = True
        job.save(update_fields=["kept"])
    return job


def open_kept(job: Import, *, piece: int = BLOCK) -> BinaryIO:
    """The uploaded file of an import, read from the database piece by piece, as large as they were stored."""
    return open_chunks(ImportChunk.objects.filter(file=job), job.size, piece=piece)


def open_chunks(rows: QuerySet[Any], length: int, *, piece: int = BLOCK) -> BinaryIO:
    """A file that was stored in compressed pieces, each a row with its `number` and `content`; `length` in bytes."""
    return io.BufferedReader(_Chunks(rows, length, piece), piece)


class _Chunks(io.RawIOBase):
    """The stored pieces of a file as one that can seek."""

    def __init__(self, rows: QuerySet[Any], length: int, size: int) -> None:
        self.rows, self.length, self.size = rows, length, size
        self.at, self.number, self.piece = 0, -1, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.length}[whence]
        return self.at

    def readinto(self, buffer: Any) -> int:
        number, start = divmod(self.at, self.size)
        if number != self.number:
            found = self.rows.filter(number=number).values_list("content", flat=True).first()
            self.number, self.piece = number, zlib.decompress(bytes(found)) if found is not None else b""
        part = self.piece[start : start + len(buffer)]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


def samples(job: Import, file: BinaryIO, number: int = 3) -> list[list[str]]:
    """The first rows, for the page where columns are matched."""
    rows = records(file, job.encoding, job.delimiter, job.data_start, job.data_line)
    return [record.cells for record in islice((r for r in rows if not r.problem), number)]


def reject_lines(job: Import) -> Iterator[list[str]]:
    """The reject file: the header, then every bad row with its line, the reason and its cells (shielded from spreadsheets)."""
    yield ["line", "reason", *(shield(header) for header in job.headers)]
    for row in ImportReject.objects.filter(file=job).order_by("line").iterator(chunk_size=1000):
        yield [str(row.line), row.words, *(shield(cell) for cell in row.cells)]
