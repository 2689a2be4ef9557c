"""What an import is told to do: matched, checked, started, cancelled, stopped. `uploads` makes it, `batches` goes through its rows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from leads import clock
from leads.importing import columns, currencies, ids
from leads.importing.files import CannotImport
from leads.importing.survey import survey
from leads.models import Account, Import, ImportChunk, ImportKind, ImportReject, ImportSeen, ImportState
from leads.models.remarks import Remark


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
        for rows in (ImportReject.objects.filter(file=job), ImportSeen.objects.filter(file=job)):
            rows._raw_delete(rows.db)  # what the phase before left, and this one makes anew
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


def cancel(job: Import) -> bool:
    """Stop here. What was loaded stays: it is what Kartra exported. False if it was over."""
    return _end(job, ImportState.CANCELLED, {})


def stop(job: Import, why: Remark) -> bool:
    """It cannot go on; say why."""
    return _end(job, ImportState.STOPPED, why)


def _end(job: Import, state: ImportState, why: Remark) -> bool:
    with transaction.atomic():
        locked = Import.objects.select_for_update().get(pk=job.pk)
        ended = not locked.has_ended
        if ended:
            locked.state, locked.why, locked.ended_at = state, why, clock.now()
            locked.options = ids.without_people(locked.options)
            locked.save(update_fields=["state", "why", "ended_at", "options"])
            drop_working_rows(locked)
    job.refresh_from_db()
    return ended


REJECT_FILE = "reject_file"
"""Among the options: where a file of the bad rows was left."""


def keep_reject_path(job: Import, path: Path) -> None:
    """Keep where the bad rows were written to, so that somebody who is forgotten is taken out there too."""
    job.options = {**job.options, REJECT_FILE: str(path.resolve())}
    job.save(update_fields=["options"])


def drop_working_rows(job: Import) -> None:
    """Drop what only an import that goes on needs: the file and whom it has named."""
    for rows in (ImportSeen.objects.filter(file=job), ImportChunk.objects.filter(file=job)):
        rows._raw_delete(rows.db)
