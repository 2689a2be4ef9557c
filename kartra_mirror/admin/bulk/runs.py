"""Bulk actions in the admin: the list, the page of a run with its live progress, and steering it.

They stand here and not in `leads.admin` because they show Kartra's speed and what stops sending.
"""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.bulk import again, approvals, create_from_file, draft_view, run_files, undo
from kartra_mirror.admin.bulk.progress import (
    BEING_CANCELLED,
    failures_of,
    progress_of,
    results_of,
    tried_again,
)
from kartra_mirror.frame import menu
from kartra_mirror.ui import throughput
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.unfold_adapter import ChoicesDropdownFilter, RelatedDropdownFilter
from leads import access, clock, kinds
from leads.changes import moved_names, runs, side_effects
from leads.labels import RUN_WORDS
from leads.models import OPEN, BulkRun, ChangeStatus, LeadChange, Occurrence, Reason, RunDraft
from leads.schedules import recipes

MANY = 5000
"""Of so many changes the page asks more rarely how far they are."""


def tell_ended(request: HttpRequest) -> None:
    """Say once to its author that a bulk action has ended, and how."""
    since = clock.now() - dt.timedelta(days=2)
    ended = BulkRun.objects.ended().filter(created_by=request.user.pk, told_at=None, ended_at__gt=since)
    for run in access.only_mine(ended, request.user)[:5]:
        if BulkRun.objects.filter(pk=run.pk, told_at=None).update(told_at=clock.now()):
            counts = run.counts()
            bad = counts[ChangeStatus.REJECTED] + counts[ChangeStatus.UNDECIDED]
            level = messages.WARNING if bad else messages.SUCCESS
            words = _("“%(run)s” is %(state)s: %(done)s done.")
            if bad:
                words = _("“%(run)s” is %(state)s: %(done)s done, %(bad)s not: see why.")
            told = {"done": f"{counts[ChangeStatus.ACCEPTED]:,}", "bad": f"{bad:,}"}
            said = words % {"run": run.name, "state": RUN_WORDS[run.state], **told}
            words = format_html('{} <a href="{}">{}</a>', said, run.get_absolute_url(), _("Look at it"))
            messages.add_message(request, level, words)


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin):
    list_display = ["name", "account", "state", "members", "done", "created_by", "created_at"]
    list_filter = [("state", ChoicesDropdownFilter), ("account", RelatedDropdownFilter)]
    search_fields = ["name", "why"]
    list_select_related = ["account", "created_by"]
    change_form_template = "admin/bulk/run_page.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return (
            super()
            .get_queryset(request)
            .select_related(
                "account__connection", "created_by", "cancelled_by", "approved_by", "undoes", "recipe_version__recipe"
            )
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        tell_ended(request)
        response = super().changelist_view(request, extra_context)
        listed = getattr(response, "context_data", {}).get("cl")
        if listed is not None:
            self._count(list(listed.result_list))
        return response

    def _count(self, runs: list[BulkRun]) -> None:
        """Members and finished ones of a page of runs, in one query."""
        by_pk = {run.pk: run for run in runs}
        totals: dict[int, list[int]] = {run.pk: [0, 0] for run in runs}
        rows = BulkRun.objects.filter(pk__in=totals).values_list("pk", "changes__status").annotate(n=Count("changes"))
        for pk, status, number in rows.order_by():
            totals[pk][0] += number
            cancelled = status == ChangeStatus.CANCELLED and by_pk[pk].state in BEING_CANCELLED
            totals[pk][1] += number if status not in OPEN and not cancelled else 0
        for run in runs:
            run._totals = totals[run.pk]  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("requested changes"))
    def members(self, run: BulkRun) -> str:
        return f"{run._totals[0]:,}"  # type: ignore[attr-defined]

    @admin.display(description=gettext_lazy("finished"))
    def done(self, run: BulkRun) -> str:
        total, done = run._totals  # type: ignore[attr-defined]
        return f"{done * 100 // total if total else 100} %"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("prepare/<uuid:key>/", view(self.prepare_view), name="leads_bulkrun_prepare"),
            path("<int:pk>/progress/", view(self.progress_view), name="leads_bulkrun_progress"),
            path("<int:pk>/undo/", view(self.undo_view), name="leads_bulkrun_undo"),
            path("<int:pk>/csv/", view(self.csv_view), name="leads_bulkrun_csv"),
            path("<int:pk>/steer/", view(self.steer_view), name="leads_bulkrun_steer"),
            path("<int:pk>/again/", view(self.again_view), name="leads_bulkrun_again"),
            *super().get_urls(),
        ]

    def prepare_view(self, request: HttpRequest, key: Any) -> HttpResponse:
        """A bulk action before it starts: on chosen leads, or on people of a file who are to be created."""
        draft = approvals.find(request, key)
        if draft is None:
            raise Http404
        if draft.run is not None:
            return HttpResponseRedirect(draft.run.get_absolute_url())
        return create_from_file.page(request, draft) if "people" in draft.selection else draft_view.page(request, draft)

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
        if run.has_ended and run.created_by_id == request.user.pk:
            BulkRun.objects.filter(pk=run.pk, told_at=None).update(told_at=clock.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": run.name,
            **self._facts(request, run),
        }
        return TemplateResponse(request, self.change_form_template, context)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the page asks for again and again: all that moves on it, the numbers of the menu too."""
        context = {**menu.of(request), **self._facts(request, self._run(request, pk))}
        return TemplateResponse(request, "admin/bulk/run_progress.html", context)

    def _facts(self, request: HttpRequest, run: BulkRun) -> dict[str, Any]:
        told = progress_of(run)
        return {
            "run": run,
            "sentence": run.name
            if run.undoes_id or not run.parameters
            else kinds.get_kind(run.kind).sentence(run.parameters),
            "progress": told,
            "every": "1s" if told["members"] < MANY else "4s",
            "took": throughput.about((run.ended_at - run.created_at).total_seconds()) if run.ended_at else "",
            "moved": []
            if run.has_ended or run.undoes_id
            else moved_names.in_change(run.account_id, kinds.get_kind(run.kind), run.parameters),
            "failures": failures_of(run),
            "again": tried_again(run),
            "may_keep": request.user.has_perm("leads.add_recipe") and recipes.can_be_kept(run),
            "occurrence": Occurrence.objects.select_related("schedule").filter(run=run).first(),
            "may_do_again": again.can_be_done_again(run, request.user),
            "results": results_of(run),
            "may_steer": request.user.has_perm("leads.steer_bulkrun"),
            "may_export": request.user.has_perm(access.EXPORT),
            "others": RunDraft.objects.filter(tried=run, started_at=None, created_by=request.user.pk).first(),
            "partner": run.partner(),
            "undone": list(run.undone_by.all()[:3]),
            "next": side_effects.happened_next(run)[:15] if run.has_ended else [],
            "changes_url": f"{reverse('admin:leads_leadchange_changelist')}?run__id__exact={run.pk}",
        }

    def undo_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What an undo would do, and its start."""
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return undo.page(request, self._run(request, pk), context)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A new draft of the same."""
        return again.page(request, self._run(request, pk))

    def csv_view(self, request: HttpRequest, pk: int) -> Any:
        """A group of the run's leads as a file: all, or those of a status, reason, code."""
        run = self._run(request, pk)
        if not request.user.has_perm(access.EXPORT):
            raise PermissionDenied
        wanted = {
            name: request.GET[name]
            for name, known in (
                ("status", ChangeStatus.values),
                ("reason", Reason.values),
                ("code", None),
                ("kind", kinds.ALL),
            )
            if request.GET.get(name) and (known is None or request.GET[name] in known)
        }
        group = LeadChange.objects.filter(run=run, **wanted)
        name = "-".join(wanted.values()) or "all"
        self.log_change(request, run, _("Downloaded as CSV: %(name)s") % {"name": name})
        return run_files.response(run, group, "".join(each for each in name if each.isalnum() or each in "-_"))

    def steer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel, pause or resume."""
        run = self._run(request, pk)
        if not request.user.has_perm("leads.steer_bulkrun"):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseRedirect(run.get_absolute_url())
        wanted = request.POST.get("do", "")
        if wanted == "cancel":
            done = runs.cancel(run, by=request.user, within_s=runs.CANCELLED_AT_ONCE_S)
        elif wanted == "pause":
            done = runs.pause(run, why=_("Paused by %(person)s.") % {"person": request.user})
        elif wanted == "resume":
            done = runs.resume(run)
        else:
            raise Http404
        if not done:  # else the page shows it, and goes on showing how it is
            run.refresh_from_db()
            words = _("Nothing was changed: the bulk action is %(state)s.") % {"state": RUN_WORDS[run.state]}
            self.message_user(request, words, messages.WARNING)
        return HttpResponseRedirect(run.get_absolute_url())
