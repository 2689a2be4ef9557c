"""An import from the file to the end: made, matched, checked, loaded, in slices that may be cut off anywhere.

Each batch writes its leads, its bad rows, its counts and the new position in one transaction. Nothing is sent to Kartra.
"""

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, BinaryIO

from django.db import reset_queries, transaction
from django.utils.translation import gettext as _

from leads import clock, forgotten
from leads.bulk_sql import insert_new
from leads.importing import columns, currencies, ids, values
from leads.importing.files import CannotImport, Record, records
from leads.importing.lead_rows import LeadRows
from leads.importing.survey import survey
from leads.importing.transaction_rows import TransactionRows
from leads.importing.values import Bad
from leads.lock_conflicts import done_again
from leads.models import Account, Import, ImportChunk, ImportKind, ImportReject, ImportSeen, ImportState

BATCH = 1000
SHOWN_CELL = 10_000
"""Characters of a cell that the reject file keeps."""


def unfinished(account: Account, kind: ImportKind, digest: str, mapping: Mapping[str, str]) -> Import | None:
    """An import of this very file and mapping from the command line that was interrupted while loading."""
    cut_off = Import.objects.filter(
        account=account, kind=kind, digest=digest, kept=False, state=ImportState.LOADING
    ).order_by("-pk")
    return next((job for job in cut_off if mapping.items() <= job.mapping.items()), None)


def match(
    job: Import,
    mapping: Mapping[str, str],
    *,
    day_first: bool | None = None,
    separator: str = "",
    clears: bool = False,
    currency: str = "",
    ids_said: str = "",
) -> None:
    """Say what the columns are, and remember it for the account. `separator`: what stands between names of tags and lists
    ("": semicolons, and what may be several names is bad); `clears`: empty cells clear the field; `currency`: what a sign
    means that several currencies have; `ids_said`: "kartra" where a person says that the ids are Kartra's. Raises
    CannotImport."""
    checked = columns.checked(job.kind, job.headers, mapping)
    if job.is_going or job.has_ended:
        raise CannotImport(_("This import is already under way; start another with the same file."))
    with transaction.atomic():
        columns.remember(job.account, job.kind, job.headers, checked)
        job.mapping, job.day_first = checked, day_first
        job.options = {"separator": separator, "clears": clears, "currency": _currency(currency)}
        if ids_said:
            job.options["ids"] = {"said": ids_said}
        job.save(update_fields=["mapping", "day_first", "options"])


def _currency(text: str) -> str:
    meant = currencies.meanings(text) if text else frozenset({""})
    if len(meant) != 1:
        raise CannotImport(_("“%(text)s” is not the code of one currency, such as USD or SEK.") % {"text": text[:20]})
    return next(iter(meant))


def say_ids(job: Import, said: str) -> bool:
    """A person says of a checked import that its ids are Kartra's ("kartra") or not ("not-kartra": the column is left out, and
    the file is to be checked again). False if it is under way or over."""
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        if locked.state not in (ImportState.NEW, ImportState.CHECKED):
            return False
        if said == "kartra":
            locked.options = {**locked.options, "ids": {**(locked.options.get("ids") or {}), "said": said}}
        else:
            target = "lead_id" if locked.kind == ImportKind.TRANSACTIONS else "id"
            mapping = {name: header for name, header in locked.mapping.items() if name != target}
            locked.mapping = columns.checked(locked.kind, locked.headers, mapping)
            columns.remember(locked.account, locked.kind, locked.headers, mapping)
            locked.options = {name: locked.options[name] for name in CHOSEN if name in locked.options}
        locked.save(update_fields=["mapping", "options"])
    job.refresh_from_db()
    return True


CHOSEN = ("separator", "clears", "currency")
"""What a person chose of how cells are read."""


def to_look_up(job: Import) -> list[ids.SampleRow]:
    """Rows that Kartra is to be asked about before its ids are believed."""
    return ids.to_look_up(job.options)


def looked_up(job: Import, answers: Iterable[tuple[ids.SampleRow, str]] | None) -> None:
    """Keep what Kartra said of them; None: it could not be asked."""
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        if locked.options.get("ids"):
            locked.options = ids.looked_up(locked.options, answers)
            locked.save(update_fields=["options"])
    job.refresh_from_db()


def check(job: Import, file: BinaryIO) -> bool:
    """Begin the dry run: go through the whole file and count what would happen. False if it is under way or over."""
    survey(job, file)
    return _begin(job, (ImportState.NEW, ImportState.CHECKED), ImportState.CHECKING)


def start(job: Import, file: BinaryIO | None = None) -> bool:
    """Begin to load. Safe to repeat: False if that has begun, or is over. Raises CannotImport while it is not clear whose the
    ids are."""
    if file is not None:
        survey(job, file)
    if not job.is_going and not job.has_ended and (words := ids.problem(job)):
        raise CannotImport(words)
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
        locked.state, locked.started_at = phase, clock.now()
        locked.position, locked.line, locked.rows, locked.rejected, locked.counts = (
            locked.data_start,
            locked.data_line,
            0,
            0,
            {},
        )
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
            locked.state, locked.why, locked.ended_at = state, why, clock.now()
            locked.options = ids.without_people(locked.options)
            locked.save(update_fields=["state", "why", "ended_at", "options"])
            _clear(locked)
    job.refresh_from_db()
    return ended


def _clear(job: Import) -> None:
    for rows in (ImportSeen.objects.filter(file=job), ImportChunk.objects.filter(file=job)):
        rows._raw_delete(rows.db)


def work(
    job: Import,
    file: BinaryIO,
    *,
    until_s: float | None = None,
    on_progress: Callable[[Import], None] | None = None,
    batch: int = BATCH,
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
        bad += [(row.number, reader.twice) for row in twice]
        written = reader.write(
            fresh, at=clock.now(), dry_run=job.state == ImportState.CHECKING, cause=f"import {job.pk}"
        )
        bad += written.refused
        ImportReject.objects.bulk_create(
            [
                ImportReject(file=job, line=line, reason=_sentence(reason), cells=_shown(cells[line], reason))
                for line, reason in sorted(bad)
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
                _clear(locked)
        locked.save()
    job.refresh_from_db()
    if job.state == ImportState.LOADING and ids.is_foreign_by_now(job.counts):
        stop(job, _foreign(job))
        return False
    return True


def _foreign(job: Import) -> str:
    words = _(
        "“%(header)s” is probably not Kartra's id: by line %(line)s %(differ)s rows name other people than their addresses, and "
        "%(agree)s agree. Import the file again without that column."
    )
    return words % {
        "header": ids.header(job),
        "line": f"{job.line:,}",
        "differ": f"{job.counts['ids_differ']:,}",
        "agree": f"{job.counts.get('ids_agree', 0):,}",
    }


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


def _sort(reader: Any, batch: list[Record]) -> tuple[list[Any], list[tuple[int, str]]]:
    good: list[Any] = []
    bad: list[tuple[int, str]] = []
    reader.remarks.clear()
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


def _sentence(reason: str) -> str:
    text = f"{reason[:1].upper()}{reason[1:]}"
    return _storable(text if text.endswith((".", "…")) else f"{text}.")


def _shown(cells: list[str], reason: str) -> list[str]:
    """The cells as the reject file keeps them: nothing of a person who asked to be forgotten."""
    if reason == forgotten.WORDS:
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
