"""Requested changes: what was wanted, and what became of it."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from kartra_mirror.frame import parts
from kartra_mirror.ui import trail
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, SearchedByLead, said, to_the_second
from kartra_mirror.ui.unfold_adapter import (
    ChoicesDropdownFilter,
    CodeFilter,
    DropdownFilter,
    ExactTextFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from leads import access, changes, kinds, labels
from leads.labels import STATUS_WORDS, overtaken_words
from leads.models import BulkRun, ChangeStatus, LeadChange, RunState

RUNS_SHOWN = 50


class KindFilter(DropdownFilter):
    title, parameter_name = gettext_lazy("kind"), "kind"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [(kind.name, kind.label) for kind in kinds.ALL.values()]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(kind=self.value()) if self.value() else queryset


class RunFilter(DropdownFilter):
    """The newest bulk actions of the person's accounts, and the one that is chosen."""

    title, parameter_name = gettext_lazy("bulk action"), "run__id__exact"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        runs = access.only_mine(BulkRun.objects.all(), request.user)
        chosen = request.GET.get(self.parameter_name, "")
        newest = list(runs.values_list("pk", "name")[:RUNS_SHOWN])
        if chosen.isdecimal() and len(chosen) < 18 and int(chosen) not in dict(newest):
            newest += runs.filter(pk=chosen).values_list("pk", "name")
        return [(str(pk), f"{name} ({pk})") for pk, name in newest]

    def has_output(self) -> bool:
        return True  # else a bulk action that is not theirs would be no filter at all

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        chosen = self.value()
        if not chosen:
            return queryset
        return queryset.filter(run=chosen) if chosen.isdecimal() and len(chosen) < 18 else queryset.none()


class AboutFilter(ExactTextFilter):
    """The tag, list, sequence or id that a change is about, as it is written."""

    title, parameter_name = gettext_lazy("tag, list or sequence"), "about"

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        name = (self.value() or "").strip()
        return queryset.filter(family__endswith=f":{name}") if name else queryset


@admin.register(LeadChange)
class LeadChangeAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["what", "whom", "became", "kartras_words", "requested_by", "in_run", "requested", "settled"]
    list_filter = [
        ("requested_at", RangeDateTimeFilter),
        ("status", ChoicesDropdownFilter),
        KindFilter,
        AboutFilter,
        CodeFilter,
        RunFilter,
        ("account", RelatedDropdownFilter),
    ]
    list_filter_submit = True
    ordering = ["-pk"]
    list_select_related = ["lead", "requested_by", "run", "account", "superseded_by__requested_by"]
    readonly_fields = ["what", "became", "waits_for", said, "evidence", "requested", "settled"]
    fields = [
        "what",
        "lead",
        "became",
        "waits_for",
        "reason",
        "code",
        said,
        "run",
        "requested_by",
        "why",
        "requested",
        "settled",
        "evidence",
    ]

    change_form_template = "admin/queue/change_page.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel_view)
        return [path("<int:pk>/cancel/", view, name="leads_leadchange_cancel"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        change = self.get_object(request, object_id)
        may = change is not None and change.status == ChangeStatus.WAITING and may_change(request.user, change)
        return super().change_view(request, object_id, form_url, {"may_cancel": may, **(extra_context or {})})

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Cancel a change that still waits. Only a POST does anything."""
        change = access.only_mine(LeadChange.objects.filter(pk=pk), request.user).select_related("lead").first()
        if change is None:
            raise Http404
        if not may_change(request.user, change):
            raise PermissionDenied
        if request.method == "POST":
            try:
                cancelled = changes.cancel(change, by=request.user)
            except changes.CannotCancel as problem:
                self.message_user(request, str(problem), messages.ERROR)
            else:
                if request.headers.get("HX-Request") == "true":  # the lead's page tells it itself
                    return HttpResponse(status=204, headers={"HX-Trigger": "lead-changed"})
                words = ngettext("%(number)s change is cancelled.", "%(number)s changes are cancelled.", cancelled)
                self.message_user(request, words % {"number": f"{cancelled:,}"}, messages.SUCCESS)
        return HttpResponseRedirect(change.get_absolute_url())

    requested = to_the_second("requested_at", gettext_lazy("requested at"))
    settled = to_the_second("settled_at", gettext_lazy("ended at"))

    def behind(self, row: LeadChange, user: access.RequestUser) -> Any:
        return trail.of_change(row, user)

    @admin.display(description=gettext_lazy("bulk action"), ordering="run")
    def in_run(self, change: LeadChange) -> str:
        if change.run is None:
            return "—"
        return format_html('<a class="link" href="{}">{}</a>', change.run.get_absolute_url(), change.run)

    @admin.display(description=gettext_lazy("what"))
    def what(self, change: LeadChange) -> str:
        return capfirst(str(change))

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def became(self, change: LeadChange) -> str:
        words = STATUS_WORDS[change.status]
        if change.status == ChangeStatus.SUPERSEDED:
            words = overtaken_words(change)
        if change.reason and change.reason not in ("already_so",):
            words = f"{words}: {change.get_reason_display()}"
        return format_html('<span class="badge {}">{}</span>', parts.look(change.status), words)

    @admin.display(description=gettext_lazy("Kartra's words"))
    def kartras_words(self, change: LeadChange) -> str:
        return f"{change.words} ({change.code})" if change.code else change.words

    @admin.display(description=gettext_lazy("waits for"))
    def waits_for(self, change: LeadChange) -> str:
        """What holds a queued change back."""
        if change.status == ChangeStatus.WAITING and change.needs_read(change.lead):
            return _("for a check with Kartra: our old copy shows no need for it")
        holder = change.held_by()
        if change.run and change.run.state == RunState.PAUSED:
            return _("bulk action %(run)s is paused") % {"run": change.run_id}
        if holder is None:
            return "—"
        if holder.run and holder.run.state == RunState.PAUSED and holder.status == ChangeStatus.WAITING:
            return _("held by bulk action %(run)s (%(name)s), which is paused") % {
                "run": holder.run_id,
                "name": holder.run,
            }
        words = _("held by an earlier request that is %(status)s: %(change)s")
        return words % {"status": STATUS_WORDS[holder.status], "change": holder}

    @admin.display(description=gettext_lazy("what was seen"))
    def evidence(self, change: LeadChange) -> str:
        return format_html('<pre class="raw" tabindex="0">{}</pre>', "\n".join(_lines(change)) or _("Nothing yet."))


def may_change(user: access.RequestUser, change: LeadChange) -> bool:
    return bool(user.has_perm(kinds.get_kind(change.kind).permission))


def _lines(change: LeadChange) -> list[str]:
    """The attempts of a change, one line for each thing that was seen."""
    found = []
    for attempt in change.attempts.select_related("call"):
        words = _("Attempt %(id)s in call %(call)s: %(proof)s")
        found.append(words % {"id": attempt.pk, "call": attempt.call_id, "proof": attempt.get_proof_display()})
        for entry in attempt.evidence:
            rest = labels.also_seen(entry)
            what = labels.what_was_seen(entry)
            at = labels.at_second(entry["at"]) if entry.get("at") else ""
            found.append(f"  {at}  {what}{f' ({rest})' if rest else ''}")
    return found
