"""What rows that are not about one lead keep of a person: bad rows of imports, drafts, segments, bulk actions, lines of who did
what.

Emptied when the person is forgotten; the rows themselves stay, for what they say of others.
"""

import json
import re
from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus

from django.contrib.admin.models import LogEntry
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from leads import forgotten, kinds, transitions
from leads.models import BulkRun, ImportReject, Lead, LeadChange, RunDraft, Segment, normal_email
from leads.models.remarks import sentence_of
from leads.texts import comparable

Row = TypeVar("Row", bound=Model)

BEYOND_ASCII = r"[^\x01-\x7f]|\\u"
"""A text, or JSON as the database holds it, with letters beyond ASCII."""


class Named:
    """Finds where somebody is named by one of these addresses, as a whole: `lada@example.com` is somebody else."""

    def __init__(self, keys: Collection[str]) -> None:
        self.keys = sorted(keys)
        either = "|".join(re.escape(key) for key in self.keys)
        self._whole = re.compile(rf"(?<![\w.+-])(?:{either})(?![\w-]|\.\w)")

    def stands_in(self, value: Any) -> bool:
        """Whether a text, or a text anywhere in JSON, names them."""
        if isinstance(value, dict):
            return any(self.stands_in(each) for each in value.items())
        if isinstance(value, list | tuple):
            return any(self.stands_in(each) for each in value)
        return isinstance(value, str) and self._whole.search(comparable(value)) is not None

    def rows(self, model: type[Row], *fields: str) -> QuerySet[Row]:
        """Rows to be looked at: those that may name them in one of the fields, as text, in an address or in JSON."""
        found = Q()
        for key in self.keys:
            for text in {key, quote(key), quote_plus(key), json.dumps(key)[1:-1]}:
                for field in fields:
                    found |= Q(**{f"{field}__icontains": text})
        for field in fields:  # where letters stand that are compared in another form, Python looks
            found |= Q(**{f"{field}__regex": BEYOND_ASCII})
        return model._default_manager.filter(found)


def blank(lead: Lead, addresses: Collection[str]) -> None:
    """Empty what names the person by one of these addresses, or by the id."""
    keys = {key for address in addresses if (key := normal_email(address))}
    _bad_rows(lead, keys)
    if keys:
        named = Named(keys)
        _drafts(lead, named)
        _segments(lead, named)
        _log(named)


def _bad_rows(lead: Lead, named: set[str]) -> None:
    """Bad rows of imports that name the person, in whatever column."""
    texts = [text for text in (*named, lead.kartra_id) if text]
    rows = ImportReject.objects.filter(file__account=lead.account).select_related("file")
    may_name = reduce(or_, (Q(cells__icontains=text) for text in texts), Q(cells__regex=BEYOND_ASCII))
    for row in rows.filter(may_name).iterator(chunk_size=500):
        job = row.file
        column = job.headers.index(job.mapping["id"]) if job.mapping.get("id") in job.headers else None
        same_id = column is not None and column < len(row.cells) and row.cells[column].strip() == lead.kartra_id
        if same_id or named & {normal_email(cell) for cell in row.cells}:
            row.cells, row.reason = [], forgotten.REMARK
            row.save(update_fields=["cells", "reason"])


def _drafts(lead: Lead, named: Named) -> None:
    """A list of people who are to be created loses this one; a draft whose filter names the person goes; of one where they
    were typed, what was typed goes."""
    for draft in named.rows(RunDraft, "selection", "listed", "parameters", "refused_why"):
        filtered = [draft.selection, parse_qsl(draft.listed, keep_blank_values=True)]
        if "people" in draft.selection:
            if draft.account_id == lead.account_id:
                _out_of_list(draft, named)
        elif named.stands_in(filtered):
            draft.delete()
        elif named.stands_in([draft.parameters, draft.refused_why]):
            draft.parameters, draft.refused_why, draft.asked_at = {}, "", None
            draft.save(update_fields=["parameters", "refused_why", "asked_at"])


def _out_of_list(draft: RunDraft, named: Named) -> None:
    if named.stands_in(draft.selection):
        kept = [each for each in draft.selection["people"] if not named.stands_in(each[1].get("email"))]
        draft.selection = {**draft.selection, "people": kept, "bad": []}
        draft.parameters = {**draft.parameters, "people": len(kept)}
    if named.stands_in([draft.parameters, draft.refused_why]):
        draft.parameters, draft.refused_why = {**draft.parameters, "form": {}}, ""
    draft.save(update_fields=["selection", "parameters", "refused_why"])


def _segments(lead: Lead, named: Named) -> None:
    """A segment of the account that is filtered by the person goes; one that is called after them gets a number for a name."""
    for segment in named.rows(Segment, "name", "selection").filter(account=lead.account_id):
        if named.stands_in(segment.selection):
            segment.delete()
        elif named.stands_in(segment.name):
            others = Segment.objects.filter(account=lead.account_id).exclude(pk=segment.pk)
            segment.name = _("Segment %(number)s") % {"number": segment.pk}
            while others.filter(name__iexact=segment.name).exists():
                segment.name += "*"
            segment.save(update_fields=["name"])


def _log(named: Named) -> None:
    """Who did what stays; what was filtered by, or typed, is emptied where it names the person."""
    for line in named.rows(LogEntry, "change_message"):
        text = line.change_message
        queries = [unquote_plus(word) for word in text.split() if "%" in word]
        if named.stands_in([text, *queries]):
            line.change_message = sentence_of(forgotten.REMARK)
            line.save(update_fields=["change_message"])


def runs_of(lead: Lead) -> list[int]:
    """The bulk actions that the lead is part of."""
    return list(LeadChange.objects.filter(lead=lead).exclude(run=None).values_list("run_id", flat=True).distinct())


def settle_runs(run_ids: Collection[int]) -> None:
    """After the lead's changes are gone: end what is over by that, and empty what was about nobody else."""
    for run in BulkRun.objects.filter(~Exists(LeadChange.objects.filter(run=OuterRef("pk"))), pk__in=run_ids):
        run.name = kinds.get_kind(run.kind).label
        run.parameters, run.why = {}, ""
        run.save(update_fields=["name", "parameters", "why"])
    for run_id in run_ids:
        transitions.finish_run_if_over(run_id)
