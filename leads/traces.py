"""What rows that are not about one lead keep of a person: bad rows of imports, drafts, bulk actions, lines of who did what.

Emptied when the person is forgotten; the rows themselves stay, for what they say of others.
"""

from collections.abc import Collection
from functools import reduce
from operator import or_
from urllib.parse import quote, quote_plus

from django.contrib.admin.models import LogEntry
from django.db.models import Exists, OuterRef, Q

from leads import kinds, runs
from leads.models import BulkRun, ImportReject, Lead, LeadChange, RunDraft, normal_email


def blank(lead: Lead, addresses: Collection[str], words: str) -> None:
    """Empty what names the person by one of these addresses, or by the id. `words` stand where a reason stood."""
    named = {key for address in addresses if (key := normal_email(address))}
    _bad_rows(lead, named, words)
    _drafts(lead, named)
    _log(named, words)


def _bad_rows(lead: Lead, named: set[str], words: str) -> None:
    """Bad rows of imports that name the person, in whatever column."""
    texts = [text for text in (*named, lead.kartra_id) if text]
    rows = ImportReject.objects.filter(file__account=lead.account).select_related("file")
    for row in rows.filter(reduce(or_, (Q(cells__icontains=text) for text in texts))):
        job = row.file
        column = job.headers.index(job.mapping["id"]) if job.mapping.get("id") in job.headers else None
        same_id = column is not None and column < len(row.cells) and row.cells[column].strip() == lead.kartra_id
        if same_id or named & {normal_email(cell) for cell in row.cells}:
            row.cells, row.reason = [], words
            row.save(update_fields=["cells", "reason"])


def _drafts(lead: Lead, named: set[str]) -> None:
    """A list of people who are to be created loses this one; a draft whose filter names the person goes."""
    written = {form for key in named for form in (key, quote(key), quote_plus(key))}
    if not written:
        return
    for draft in RunDraft.objects.filter(reduce(or_, (Q(selection__icontains=form) for form in written))):
        if "people" not in draft.selection:
            draft.delete()
        elif draft.account_id == lead.account_id:
            people = draft.selection["people"]
            kept = [each for each in people if normal_email(each[1].get("email")) not in named]
            draft.selection = {**draft.selection, "people": kept, "bad": []}
            draft.parameters = {**draft.parameters, "people": len(kept)}
            draft.save(update_fields=["selection", "parameters"])


def _log(named: set[str], words: str) -> None:
    """Who did what stays; what was filtered by, or typed, is emptied where it names the person."""
    for key in named:
        for form in {key, quote(key), quote_plus(key)}:
            LogEntry.objects.filter(change_message__icontains=form).update(change_message=words)


def runs_of(lead: Lead) -> list[int]:
    """The bulk actions that the lead is part of."""
    return list(LeadChange.objects.filter(lead=lead).exclude(run=None).values_list("run_id", flat=True).distinct())


def settle_runs(run_ids: Collection[int]) -> None:
    """After the lead's changes are gone: end what is over by that, and empty what was about nobody else."""
    for run in BulkRun.objects.filter(~Exists(LeadChange.objects.filter(run=OuterRef("pk"))), pk__in=run_ids):
        run.name = kinds.get(run.kind).label
        run.parameters, run.why = {}, ""
        run.save(update_fields=["name", "parameters", "why"])
    for run_id in run_ids:
        runs.finish_if_over(run_id)
