"""Doing a bulk action again: a new draft of the same kinds and parameters, for the same selection as it is now."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from kartra_mirror.admin.bulk import approvals, draft_view
from kartra_mirror.admin.bulk.draft_forms import kind_of
from leads import kinds
from leads.access import RequestUser
from leads.filters import selection
from leads.models import BulkRun, RunDraft


def can_be_done_again(run: BulkRun, user: RequestUser) -> bool:
    """Whether this person may: it has ended, its selection is known, and they may do each change of it to as many leads."""
    draft = _draft_of(run) if run.has_ended else None
    if draft is None or not all(name in kinds.IN_BULK for name in draft.kinds):
        return False
    needed = kinds.permissions(kind_of(draft), draft.parameters["clean"])
    return all(map(user.has_perm, needed)) and not approvals.why_not_alone(user, run.account, _size(run))


def page(request: HttpRequest, run: BulkRun) -> HttpResponse:
    """POST makes the draft and shows what it would do now; 403 without the rights."""
    draft = _draft_of(run)
    if request.method != "POST":
        return redirect(run)
    if draft is None or not can_be_done_again(run, request.user):
        raise PermissionDenied
    here = selection.fits("account", {"account": (str(run.account_id),)})
    chosen = selection.AllOf((selection.from_json(draft.selection), here))
    new = draft_view.new_draft(request, kinds.get_kind(draft.kind), chosen, listed=draft.listed)
    ticks = {**draft.parameters.get("choices", {}), "mail": draft.parameters.get("mail")}
    new.more = draft.more
    new.account = run.account
    new.parameters = {"form": {**draft.parameters["form"], "why": ""}, **draft_view.ticked(request, ticks)}
    try:
        new.parameters["clean"] = kind_of(draft).clean(run.account, draft.parameters["clean"])
    except kinds.BadParameters as problem:
        messages.warning(request, problem.words)
    new.save()
    return redirect(new)


def _draft_of(run: BulkRun) -> RunDraft | None:
    """What it was started from; None for one that creates people of a file, for one that no page has started, and for the first
    few of a larger one, whose draft may say something else by now."""
    draft = RunDraft.objects.filter(run=run).exclude(tried=run).order_by("created_at").first()
    known = draft is not None and "people" not in draft.selection and "clean" in draft.parameters
    return draft if known else None


def _size(run: BulkRun) -> int:
    """How many people it was about."""
    return max(run.changes.order_by().values("lead").distinct().count(), run.expected)
