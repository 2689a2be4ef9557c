"""What rows that are not about one lead keep of a person: bad rows of imports, drafts, segments, recipes, schedules, bulk
actions, lines of who did what.

Emptied when the person is forgotten; the rows themselves stay, for what they say of others.
"""

from collections import Counter
from collections.abc import Collection

from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from leads import forgotten, kinds, transitions
from leads.erasure import people_lists, plans, reject_files, texts, uploads
from leads.models import BulkRun, ImportReject, Lead, LeadChange, RunDraft, Segment
from leads.models.remarks import sentence_of
from leads.person import parts, places
from leads.person.naming import Person


def blank(lead: Lead, person: Person) -> parts.Counts:
    """Empty whatever names the person and is not the lead's own: rows of ours, of other apps, and files. How many, by table."""
    counts: parts.Counts = Counter()
    counts += _bad_rows(person) + _drafts(person) + _segments(person) + plans.blank(person) + _log(person)
    counts += texts.blank(person) + people_lists.blank(person) + uploads.blank(person) + reject_files.blank(person)
    for part in parts.PARTS:
        counts += part.blank(person)
    return counts


def _bad_rows(person: Person) -> parts.Counts:
    found = list(places.rejects(person))
    for row in found:
        row.cells, row.reason = [], forgotten.REMARK
    ImportReject.objects.bulk_update(found, ["cells", "reason"], batch_size=500)
    return Counter({ImportReject._meta.label_lower: len(found)})


def _drafts(person: Person) -> parts.Counts:
    """A list of people who are to be created loses this one; a draft whose filter names the person goes; of one where they
    were typed, what was typed goes."""
    number = 0
    for draft in places.drafts(person):
        number += 1
        if "people" in draft.selection:
            _out_of_list(draft, person)
        elif person.is_in([draft.selection, places.filter_of(draft)]):
            draft.delete()
        else:
            draft.parameters, draft.refused_why, draft.asked_at = {}, "", None
            draft.save(update_fields=["parameters", "refused_why", "asked_at"])
    return Counter({RunDraft._meta.label_lower: number})


def _out_of_list(draft: RunDraft, person: Person) -> None:
    kept = [each for each in draft.selection["people"] if not person.is_in(each[1])]
    name = person.without(str(draft.selection.get("file", "")))
    draft.selection = {**draft.selection, "people": kept, "file": name, "bad": []}
    draft.parameters = {**draft.parameters, "people": len(kept)}
    if person.is_in([draft.parameters, draft.refused_why]):
        draft.parameters, draft.refused_why = {**draft.parameters, "form": {}}, ""
    if person.is_in(draft.listed):
        draft.listed = ""
    draft.save(update_fields=["selection", "parameters", "refused_why", "listed"])


def _segments(person: Person) -> parts.Counts:
    """A segment of the account that is filtered by the person goes; one that is called after them gets a number for a name."""
    number = 0
    for segment in places.segments(person):
        number += 1
        if person.is_in(segment.selection):
            segment.delete()
            continue
        others = Segment.objects.filter(account=segment.account_id).exclude(pk=segment.pk)
        segment.name = plans.free_name(others, _("Segment %(number)s") % {"number": segment.pk})
        segment.save(update_fields=["name"])
    return Counter({Segment._meta.label_lower: number})


def _log(person: Person) -> parts.Counts:
    """Who did what stays; what was filtered by, or typed, is emptied where it names the person."""
    number = 0
    for line in places.log_lines(person):
        number += 1
        line.change_message = sentence_of(forgotten.REMARK)
        line.object_repr = person.without(line.object_repr) or "…"
        line.save(update_fields=["change_message", "object_repr"])
    return Counter({"admin.logentry": number})


def runs_of(lead: Lead) -> list[int]:
    """The bulk actions that the lead is part of."""
    return list(LeadChange.objects.filter(lead=lead).exclude(run=None).values_list("run_id", flat=True).distinct())


def settle_runs(run_ids: Collection[int]) -> None:
    """After the lead's changes are gone: end what is over by that, and empty what was about nobody else."""
    for run in BulkRun.objects.filter(~Exists(LeadChange.objects.filter(run=OuterRef("pk"))), pk__in=run_ids):
        run.name = kinds.get_kind(run.kind).label
        run.parameters, run.why = {}, ""
        run.paused_why = ""
        run.save(update_fields=["name", "parameters", "why", "paused_why"])
    for run_id in run_ids:
        transitions.finish_run_if_over(run_id)
