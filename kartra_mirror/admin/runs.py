"""Bulk actions in the admin: the list, the page of a run with its live progress, and steering it.

They stand here and not in `leads.admin` because they show Kartra's speed and what stops sending.
"""

import math
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst

from integrations import switch
from integrations.calls import rate_of
from integrations.models import Connection
from integrations.settle import remedy
from kartra_mirror.admin import prepare
from kartra_mirror.admin.unfold_adapter import ChoicesDropdownFilter, ReadOnlyAdmin, RelatedDropdownFilter
from leads import kinds, runs
from leads.models import OPEN, Account, BulkRun, ChangeStatus, Reason, RunState
from leads.words import RUN_WORDS, STATUS_WORDS

RESULTS_SHOWN = 20


def connection_of(account: Account) -> Connection | None:
    """The account's connection, if it has one."""
    return Connection.objects.filter(account=account).select_related("account", "sending_by").first()


def seconds_for(account: Account, calls: int) -> int:
    """How long so many calls take at the account's speed."""
    connection = connection_of(account)
    rate = rate_of(connection) if connection else 19.5
    return 0 if math.isinf(rate) else math.ceil(calls / rate)


def progress_of(run: BulkRun) -> dict[str, Any]:
    """How far a run is: counts by status (they add up to its members), ended, percent, time left, why nothing moves."""
    counts = run.changes.counts()
    members = sum(counts.values())
    still = sum(counts[status] for status in (ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN))
    connection = connection_of(run.account)
    ends = run.ended_at or timezone.now()
    passed_s = max((ends - run.created_at).total_seconds(), 0.001)
    sent = counts[ChangeStatus.ACCEPTED] + counts[ChangeStatus.REJECTED]
    left_s = seconds_for(run.account, still) if run.state == RunState.RUNNING and still else 0
    return {
        "state": run.state,
        "state_words": RUN_WORDS[run.state],
        "has_ended": run.has_ended,
        "members": members,
        "finished": members - still,
        "percent": 100 if not members else math.floor((members - still) * 100 / members),
        "counts": [{"status": s, "words": STATUS_WORDS[s], "number": n} for s, n in counts.items()],
        "per_second": round(sent / passed_s, 1),
        "left_s": left_s,
        "why_not": switch.why_not_sending(connection) if connection and not run.has_ended else "",
    }


def failures_of(run: BulkRun) -> list[dict[str, Any]]:
    """What was refused or needs a decision, by cause, most frequent first, with what to do."""
    rows = (
        run.changes.filter(Q(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED]) | Q(reason=Reason.GONE))
        .order_by()
        .values("kind", "status", "reason", "code", "message")
        .annotate(number=Count("pk"))
        .order_by("-number")[:20]
    )
    return [
        {
            **row,
            "remedy": remedy(row["code"]) or ("Nothing more is sent for it." if row["reason"] == Reason.GONE else ""),
            "words": "deleted in Kartra" if row["reason"] == Reason.GONE else STATUS_WORDS[row["status"]],
            "label": kinds.get(row["kind"]).label,
        }
        for row in rows
    ]


def running_badge(request: HttpRequest) -> str:
    """How many bulk actions are under way; nothing when there are none."""
    number = BulkRun.objects.under_way().count()
    return str(number) if number else ""


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin):
    list_display = ["name", "account", "state", "members", "done", "created_by", "created_at"]
    list_filter = [("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter)]
    search_fields = ["name", "why"]
    list_select_related = ["account", "created_by"]
    change_form_template = "admin/leads/bulkrun/page.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("account__connection", "created_by", "cancelled_by")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        listed = getattr(response, "context_data", {}).get("cl")
        if listed is not None:
            self._count(list(listed.result_list))
        return response

    def _count(self, runs: list[BulkRun]) -> None:
        """Members and finished ones of a page of runs, in one query."""
        totals: dict[int, list[int]] = {run.pk: [0, 0] for run in runs}
        rows = BulkRun.objects.filter(pk__in=totals).values_list("pk", "changes__status").annotate(n=Count("changes"))
        for pk, status, number in rows.order_by():
            totals[pk][0] += number
            totals[pk][1] += number if status not in OPEN else 0
        for run in runs:
            run._totals = totals[run.pk]  # type: ignore[attr-defined]

    @admin.display(description="leads")
    def members(self, run: BulkRun) -> str:
        return f"{run._totals[0]:,}"  # type: ignore[attr-defined]

    @admin.display(description="finished")
    def done(self, run: BulkRun) -> str:
        total, done = run._totals  # type: ignore[attr-defined]
        return f"{done * 100 // total if total else 100} %"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("prepare/<uuid:key>/", view(prepare.page), name="leads_bulkrun_prepare"),
            path("<int:pk>/progress/", view(self.progress_view), name="leads_bulkrun_progress"),
            path("<int:pk>/steer/", view(self.steer_view), name="leads_bulkrun_steer"),
            *super().get_urls(),
        ]

    def _run(self, request: HttpRequest, pk: int) -> BulkRun:
        run = self.get_queryset(request).filter(pk=pk).first()
        if run is None:
            raise Http404
        if not self.has_view_permission(request, run):
            raise PermissionDenied
        return run

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The run's page."""
        run = self._run(request, int(object_id)) if object_id.isdecimal() and len(object_id) < 18 else None
        if run is None:
            raise Http404
        kind = kinds.get(run.kind)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": run.name,
            "run": run,
            "sentence": capfirst(kind.sentence(run.parameters)),
            "progress": progress_of(run),
            "failures": failures_of(run),
            "results": run.changes.filter(settled_at__isnull=False)
            .select_related("lead")
            .order_by("-settled_at")[:RESULTS_SHOWN],
            "may_steer": request.user.has_perm("leads.steer_bulkrun"),
            "changes_url": f"{reverse('admin:leads_leadchange_changelist')}?run__id__exact={run.pk}",
        }
        return TemplateResponse(request, self.change_form_template, context)

    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        """What the page polls."""
        return JsonResponse(progress_of(self._run(request, pk)))

    def steer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel, pause or resume."""
        run = self._run(request, pk)
        if not request.user.has_perm("leads.steer_bulkrun"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(run.get_absolute_url())
        wanted = request.POST.get("do", "")
        if wanted == "cancel":
            done = runs.cancel(run, by=request.user)
        elif wanted == "pause":
            done = runs.pause(run, why=f"Paused by {request.user}.")
        elif wanted == "resume":
            done = runs.resume(run)
        else:
            raise Http404
        run.refresh_from_db()
        words = f"The bulk action is {RUN_WORDS[run.state]}."
        self.message_user(
            request, words if done else f"Nothing to do: {words}", messages.SUCCESS if done else messages.WARNING
        )
        return HttpResponseRedirect(run.get_absolute_url())
