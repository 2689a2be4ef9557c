"""The rows of an import, loaded or checked batch by batch, in slices that may be cut off anywhere.

Each batch writes its leads, its bad rows, its counts and the new position in one transaction. What an import is told to do
(match, check, start, cancel) is `jobs`.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, BinaryIO

from django.db import reset_queries, transaction

from leads import clock, forgotten
from leads.bulk_sql import insert_new
from leads.filters import duplicates
from leads.importing import ids, values
from leads.importing.files import Record, records
from leads.importing.jobs import drop_working_rows, stop
from leads.importing.lead_rows import LeadRows
from leads.importing.transaction_rows import TransactionRows
from leads.importing.values import Bad
from leads.lock_conflicts import done_again
from leads.mirror import ActivityCause
from leads.models import Import, ImportKind, ImportReject, ImportRemark, ImportSeen, ImportState
from leads.models.remarks import Remark, remark

_SHOWN_CELL = 10_000
"""Characters of a cell that the reject file keeps."""


def work(
    job: Import,
    file: BinaryIO,
    *,
    until_s: float | None = None,
    on_progress: Callable[[Import], None] | None = None,
    batch: int = 1000,
) -> bool:
    """Go on with an import that is being checked or loaded, for about `until_s` seconds. True if there is more to do.

    Safe to run twice, also at once: a batch is written only by whoever still finds the import where it left it.
    """
    job.refresh_from_db()
    ends = None if until_s is None else time.monotonic() + until_s
    rows: Any = TransactionRows if job.kind == ImportKind.TRANSACTIONS else LeadRows
    reader = rows(job.account, job.headers, job.mapping, day_first=bool(job.day_first), options=job.options)
    found: Any = records(file, job.encoding, job.delimiter, job.position, job.line)
    try:
        while job.is_going:
            if not load_batch(job, reader, list(islice(found, batch))):
                return job.is_going
            reset_queries()  # with DEBUG on, Django would keep them all
            if on_progress is not None:
                on_progress(job)
            if ends is not None and time.monotonic() > ends:
                return job.is_going
    finally:
        found.close()
    return False


@done_again
def load_batch(job: Import, reader: Any, batch: list[Record]) -> bool:
    """Write one batch and the position behind it, together. False when somebody else did, or ended the import."""
    good, bad = _sort(reader, batch)
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        if (locked.position, locked.state) != (job.position, job.state):
            job.refresh_from_db()
            return False
        cells = {record.line: record.cells for record in batch}
        fresh, twice = _once(job, reader, good)
        bad += [(row.number, remark(reader.twice)) for row in twice]
        written = reader.write(
            fresh, at=clock.now(), dry_run=job.state == ImportState.CHECKING, cause=ActivityCause(import_job_id=job.pk)
        )
        bad += written.refused
        ImportReject.objects.bulk_create(
            [
                ImportReject(file=job, line=line, reason=_storable(reason), cells=_shown(cells[line], reason))
                for line, reason in sorted(bad, key=lambda each: each[0])
            ],
            batch_size=500,
        )
        _count(locked, batch, len(bad), written, reader.remarks)
        if not batch:
            locked.position = locked.size
            if locked.state == ImportState.CHECKING:
                locked.state = ImportState.CHECKED
            else:
                locked.state, locked.ended_at = ImportState.FINISHED, clock.now()
                locked.options = ids.without_people(locked.options)
                drop_working_rows(locked)
                duplicates.search_soon(locked.account_id)
        locked.save()
    job.refresh_from_db()
    if job.state == ImportState.LOADING and ids.is_foreign_by_now(job.counts):
        stop(job, _foreign(job))
        return False
    return True


def _foreign(job: Import) -> Remark:
    return remark(
        ImportRemark.FOREIGN_IDS,
        header=ids.header(job),
        line=f"{job.line:,}",
        differ=f"{job.counts['ids_differ']:,}",
        agree=f"{job.counts.get('ids_agree', 0):,}",
    )


def _count(job: Import, batch: list[Record], rejected: int, written: Any, remarks: Mapping[str, int]) -> None:
    job.rows += len(batch)
    job.rejected += rejected
    for name, number in remarks.items():
        noted = job.counts.setdefault("remarks", {})
        noted[name] = noted.get(name, 0) + number
    for name in ("created", "updated", "unchanged", "new_leads"):
        job.counts[name] = job.counts.get(name, 0) + getattr(written, name)
    for name in ("ids_agree", "ids_differ"):
        if number := getattr(written, name):
            job.counts[name] = job.counts.get(name, 0) + number
    if written.types:
        types = job.counts.setdefault("types", {})
        for type, number in written.types.items():
            types[type] = types.get(type, 0) + number
    if batch:
        job.position, job.line = min(batch[-1].position, job.size), batch[-1].next_line


def _sort(reader: Any, batch: list[Record]) -> tuple[list[Any], list[tuple[int, Remark]]]:
    good: list[Any] = []
    bad: list[tuple[int, Remark]] = []
    reader.remarks.clear()
    for record in batch:
        if record.problem:
            bad.append((record.line, record.problem))
            continue
        try:
            good.append(reader.read(record))
        except Bad as problem:
            bad.append((record.line, problem.remark))
    return good, bad


def _once(job: Import, reader: Any, rows: list[Any]) -> tuple[list[Any], list[Any]]:
    """The rows that name somebody for the first time in this file, and the others."""
    keys = [
        int.from_bytes(hashlib.blake2b(reader.key(row).encode(), digest_size=8).digest(), signed=True) for row in rows
    ]
    new = insert_new(ImportSeen, ["file", "key"], [(job.pk, key) for key in keys], returning=["key"])
    unseen = {key for (key,) in new}
    fresh: list[Any] = []
    twice: list[Any] = []
    for row, key in zip(rows, keys, strict=True):
        (fresh if key in unseen else twice).append(row)
        unseen.discard(key)
    return fresh, twice


def _shown(cells: list[str], reason: Remark) -> list[str]:
    """The cells as the reject file keeps them: nothing of a person who asked to be forgotten."""
    if reason == forgotten.REMARK:
        return []
    return [_storable(cell if len(cell) <= _SHOWN_CELL else f"{cell[:_SHOWN_CELL]}…") for cell in cells]


def _storable(value: Any) -> Any:
    """A text, or a remark, without what the database cannot hold."""
    if isinstance(value, Mapping):
        return {name: _storable(each) for name, each in value.items()}
    return values.UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value
