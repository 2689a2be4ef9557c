"""An import from the file to the end: made, matched, checked, loaded, in slices that may be cut off anywhere.

Each batch writes its leads, its bad rows, its counts and the new position in one transaction. Nothing is sent to Kartra.
"""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from django.db import reset_queries, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from leads import forgetting
from leads.importing import columns, values
from leads.importing.files import CannotImport, Record, records
from leads.importing.lead_rows import LeadRows
from leads.importing.transaction_rows import TransactionRows
from leads.importing.values import Bad
from leads.inserting import insert_new
from leads.models import Account, Import, ImportChunk, ImportKind, ImportReject, ImportSeen, ImportState
from leads.passing import done_again

BATCH = 1000
SHOWN_CELL = 10_000
"""Characters of a cell that the reject file keeps."""


def unfinished(account: Account, kind: ImportKind, digest: str, mapping: Mapping[str, str]) -> Import | None:
    """An import of this very file and mapping from the command line that was interrupted while loading."""
    cut_off = Import.objects.filter(
        account=account, kind=kind, digest=digest, kept=False, state=ImportState.LOADING
    ).order_by("-pk")
    return next((job for job in cut_off if mapping.items() <= job.mapping.items()), None)


def match(job: Import, mapping: Mapping[str, str], *, day_first: bool | None = None) -> None:
    """Say what the columns are, and remember it for the account. Raises CannotImport."""
    checked = columns.checked(job.kind, job.headers, mapping)
    if job.is_going or job.has_ended:
        raise CannotImport(_("This import is already under way; start another with the same file."))
    with transaction.atomic():
        columns.remember(job.account, job.kind, job.headers, checked)
        job.mapping, job.day_first = checked, day_first
        job.save(update_fields=["mapping", "day_first"])


def check(job: Import, file: BinaryIO) -> bool:
    """Begin the dry run: go through the whole file and count what would happen. False if it is under way or over."""
    if job.day_first is None:
        job.day_first = _date_order(job, file)
        Import.objects.filter(pk=job.pk).update(day_first=job.day_first)
    return _begin(job, (ImportState.NEW, ImportState.CHECKED), ImportState.CHECKING)


def start(job: Import, file: BinaryIO | None = None) -> bool:
    """Begin to load. Safe to repeat: False if that has begun, or is over."""
    if job.day_first is None and file is not None:
        job.day_first = _date_order(job, file)
        Import.objects.filter(pk=job.pk).update(day_first=job.day_first)
    return _begin(job, (ImportState.NEW, ImportState.CHECKED), ImportState.LOADING)


def _begin(job: Import, before: Sequence[ImportState], phase: ImportState) -> bool:
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        if locked.state not in before:
            job.refresh_from_db()
            return False
        _forget(job)
        if phase == ImportState.LOADING and locked.state == ImportState.CHECKED:
            locked.expected = {**locked.counts, "rows": locked.rows, "rejected": locked.rejected}
        locked.state, locked.started_at = phase, timezone.now()
        locked.position, locked.line, locked.rows, locked.rejected, locked.counts = (
            locked.data_start, locked.data_line, 0, 0, {},
        )  # fmt: skip
        locked.save()
    job.refresh_from_db()
    return True


def _forget(job: Import) -> None:
    """Drop what a phase left behind it that the next one makes anew."""
    for rows in (ImportReject.objects.filter(file=job), ImportSeen.objects.filter(file=job)):
        rows._raw_delete(rows.db)


def cancel(job: Import) -> bool:
    """Stop here. What was loaded stays: it is what Kartra exported. False if it was over."""
    return _end(job, ImportState.CANCELLED, "")


def stop(job: Import, why: str) -> bool:
    """It cannot go on; say why."""
    return _end(job, ImportState.STOPPED, why)


def _end(job: Import, state: ImportState, why: str) -> bool:
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        ended = not locked.has_ended
        if ended:
            locked.state, locked.why, locked.ended_at = state, why, timezone.now()
            locked.save(update_fields=["state", "why", "ended_at"])
            _clear(locked)
    job.refresh_from_db()
    return ended


def _clear(job: Import) -> None:
    for rows in (ImportSeen.objects.filter(file=job), ImportChunk.objects.filter(file=job)):
        rows._raw_delete(rows.db)


def work(
    job: Import, file: BinaryIO, *, until_s: float | None = None, on_progress: Callable[[Import], None] | None = None
) -> bool:
    """Go on with an import that is being checked or loaded, for about `until_s` seconds. True if there is more to do.

    Safe to run twice, also at once: a batch is written only by whoever still finds the import where it left it.
    """
    job.refresh_from_db()
    ends = None if until_s is None else time.monotonic() + until_s
    rows: Any = TransactionRows if job.kind == ImportKind.TRANSACTIONS else LeadRows
    reader = rows(job.account, job.headers, job.mapping, day_first=bool(job.day_first))
    found: Any = records(file, job.encoding, job.delimiter, job.position, job.line)
    try:
        while job.is_going:
            batch = list(islice(found, BATCH))
            if not _load(job, reader, batch):
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
def _load(job: Import, reader: Any, batch: list[Record]) -> bool:
    """Write one batch and the position behind it, together. False when somebody else did, or ended the import."""
    good, bad = _sort(reader, batch)
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        if (locked.position, locked.state) != (job.position, job.state):
            job.refresh_from_db()
            return False
        cells = {record.line: record.cells for record in batch}
        fresh, twice = _once(job, reader, good)
        bad += [(row.number, reader.twice) for row in twice]
        written = reader.write(
            fresh, at=timezone.now(), dry_run=job.state == ImportState.CHECKING, cause=f"import {job.pk}"
        )
        bad += written.refused
        ImportReject.objects.bulk_create(
            [
                ImportReject(file=job, line=line, reason=_sentence(reason), cells=_shown(cells[line], reason))
                for line, reason in sorted(bad)
            ],
            batch_size=500,
        )
        _count(locked, batch, len(bad), written)
        if not batch:
            locked.position = locked.size
            if locked.state == ImportState.CHECKING:
                locked.state = ImportState.CHECKED
            else:
                locked.state, locked.ended_at = ImportState.FINISHED, timezone.now()
                _clear(locked)
        locked.save()
    job.refresh_from_db()
    return True


def _count(job: Import, batch: list[Record], rejected: int, written: Any) -> None:
    job.rows += len(batch)
    job.rejected += rejected
    for name in ("created", "updated", "unchanged", "new_leads"):
        job.counts[name] = job.counts.get(name, 0) + getattr(written, name)
    if written.types:
        types = job.counts.setdefault("types", {})
        for type, number in written.types.items():
            types[type] = types.get(type, 0) + number
    if batch:
        job.position, job.line = min(batch[-1].position, job.size), batch[-1].next_line


def _sort(reader: Any, batch: list[Record]) -> tuple[list[Any], list[tuple[int, str]]]:
    good: list[Any] = []
    bad: list[tuple[int, str]] = []
    for record in batch:
        try:
            if record.problem:
                raise Bad(record.problem)
            good.append(reader.read(record))
        except Bad as problem:
            bad.append((record.line, str(problem)))
    return good, bad


def _once(job: Import, reader: Any, rows: list[Any]) -> tuple[list[Any], list[Any]]:
    """The rows that name somebody for the first time in this file, and the others."""
    keys = [
        int.from_bytes(hashlib.blake2b(reader.key(row).encode(), digest_size=8).digest(), signed=True) for row in rows
    ]
    seen = set(ImportSeen.objects.filter(file=job, key__in=keys).values_list("key", flat=True))
    fresh: list[Any] = []
    twice: list[Any] = []
    new = []
    for row, key in zip(rows, keys, strict=True):
        (twice if key in seen else fresh).append(row)
        if key not in seen:
            new.append((job.pk, key))
            seen.add(key)
    insert_new(ImportSeen, ["file", "key"], new)
    return fresh, twice


def _date_order(job: Import, file: BinaryIO) -> bool:
    """Whether dates in numbers are written day first, as the file's own dates show; months come first where none does."""
    target = "at" if job.kind == ImportKind.TRANSACTIONS else "date_joined"
    if target not in job.mapping:
        return False
    column = job.headers.index(job.mapping[target])
    for record in records(file, job.encoding, job.delimiter, job.data_start, job.data_line):
        cell = record.cells[column].strip() if column < len(record.cells) else ""
        if cell and not cell[:4].isdecimal() and (order := values.order_of(cell)) is not None:
            return order
    return False


def _sentence(reason: str) -> str:
    text = f"{reason[:1].upper()}{reason[1:]}"
    return _storable(text if text.endswith((".", "…")) else f"{text}.")


def _shown(cells: list[str], reason: str) -> list[str]:
    """The cells as the reject file keeps them: nothing of a person who asked to be forgotten."""
    if reason == forgetting.WORDS:
        return []
    return [_storable(cell if len(cell) <= SHOWN_CELL else f"{cell[:SHOWN_CELL]}…") for cell in cells]


def _storable(text: str) -> str:
    return values.UNSTORABLE.sub("\ufffd", text)


def forget_old(at: dt.datetime) -> None:
    """Drop files that nobody started within a week, and bad rows of imports that ended 90 days ago."""
    begun = Import.objects.filter(state__in=[ImportState.NEW, ImportState.CHECKING, ImportState.CHECKED])
    begun.filter(created_at__lt=at - dt.timedelta(days=7)).delete()
    ended = Import.objects.filter(ended_at__lt=at - dt.timedelta(days=90))
    ImportReject.objects.filter(file__in=ended).delete()
