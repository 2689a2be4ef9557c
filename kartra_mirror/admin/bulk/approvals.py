"""Bulk actions that are larger than their author may start: a colleague is asked, who starts or refuses them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from leads import access, clock
from leads.models import Account, RunDraft

APPROVE = "leads.approve_bulkrun"
SHOWN = 200


def may_approve(user: access.RequestUser) -> bool:
    return bool(user.has_perm(APPROVE))


def find(request: HttpRequest, key: Any) -> RunDraft | None:
    """The person's own draft, or one that waits for somebody like them; another's is not found."""
    draft = RunDraft.objects.select_related("run", "tried", "created_by").filter(key=key).first()
    if draft is None or draft.created_by_id == request.user.pk:
        return draft
    if not access.works_in(request.user, draft.account_id):
        return None
    return draft if may_approve(request.user) and (draft.asked_at or draft.run) else None


def waiting(user: access.RequestUser) -> QuerySet[RunDraft]:
    """Drafts of others, in the person's accounts, that wait for this person's yes or no."""
    if not may_approve(user):
        return RunDraft.objects.none()
    drafts = RunDraft.objects.asked_for().exclude(created_by=user.pk).select_related("created_by")
    return access.only_mine(drafts, user).defer("selection").order_by("asked_at")


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """All that wait for this person's yes or no."""
    if not may_approve(request.user):
        raise PermissionDenied
    more = {"title": _("Approvals"), "asked_for": waiting(request.user)[:SHOWN]}
    return TemplateResponse(request, "admin/bulk/approvals.html", {**context, **more})


def why_not_alone(user: access.RequestUser, account: Account, size: int) -> str:
    """Why this person may not start it alone; empty if they may."""
    try:
        access.check_account(user, account)
        access.check_run(user, size)
    except access.NotAllowed as problem:
        return str(problem)
    return ""


def ask(request: HttpRequest, draft: RunDraft, account: Account, back: str, leads: int | None = None) -> HttpResponse:
    """Ask a colleague to start it, on so many `leads` by now. Asking twice is asking once."""
    if draft.created_by_id != request.user.pk:
        raise PermissionDenied
    RunDraft.objects.filter(pk=draft.pk, asked_at=None, started_at=None).update(
        account=account,
        asked_at=clock.now(),
        refused_at=None,
        refused_by=None,
        refused_why="",
        parameters={**draft.parameters, "leads": leads},
    )
    messages.success(request, _("Your managers see it under To do and can start it."))
    return HttpResponseRedirect(back)


def refuse(request: HttpRequest, draft: RunDraft) -> HttpResponse:
    """A no, with the reason; its author sees both."""
    if not may_approve(request.user) or draft.created_by_id == request.user.pk:
        raise PermissionDenied
    RunDraft.objects.filter(pk=draft.pk, asked_at__isnull=False, refused_at=None, started_at=None).update(
        refused_at=clock.now(), refused_by=request.user, refused_why=request.POST.get("refused_why", "")[:1000]
    )
    messages.info(request, _("Declined. %(person)s sees your reason.") % {"person": draft.created_by})
    return redirect("admin:leads_bulkrun_changelist")
