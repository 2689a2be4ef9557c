"""Leads in the admin: the list with its actions, and the addresses of a lead's pages. Forms record changes, no fact."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy, ngettext

from integrations.notify import notify_worker
from kartra_mirror.admin.bulk import create_from_file, draft_view, from_recipe
from kartra_mirror.admin.bulk.runs import tell_ended
from kartra_mirror.admin.data import exports
from kartra_mirror.admin.leads import lead_create, lead_page, lead_read, segments
from kartra_mirror.admin.leads.listing import addresses, beside, columns, filters as lead_filters
from kartra_mirror.admin.leads.listing.rows import LeadRows
from kartra_mirror.admin.leads.one_lead import ask
from kartra_mirror.admin.privacy import export_person, forget
from kartra_mirror.admin.queue.decisions import told
from kartra_mirror.ui import coverage, filter_notes, kartra_lookup
from kartra_mirror.ui.throughput import connection_of
from kartra_mirror.ui.unfold_adapter import ModelAdmin, search_media
from leads import access, clock, filters, kinds, mirror
from leads.changes import conflicts, moved_names
from leads.filters.selection import WithIds
from leads.models import Account, Lead, LeadChange, Reason

MAIN_ACTIONS = {
    kinds.ASSIGN_TAG.name: ("tag", gettext_lazy("Tag")),
    kinds.SUBSCRIBE_LIST.name: ("list", gettext_lazy("List")),
    kinds.SUBSCRIBE_SEQUENCE.name: ("seq", gettext_lazy("Sequence")),
    kinds.GIVE_POINTS.name: ("star", gettext_lazy("Points")),
    kinds.UPDATE.name: ("pen", gettext_lazy("Field")),
}
"""What is done most with ticked leads: its icon and its short name."""


@admin.action(description=gettext_lazy("Update from Kartra"))
def read_again(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Lead]) -> None:
    """Have the chosen leads read, as soon as the speed limit allows."""
    leads = Lead.objects.filter(pk__in=queryset.order_by().values("pk"))
    number = mirror.mark_all_dirty(leads, clock.now())
    for account in Account.objects.filter(leads__in=leads).distinct():
        if connection := connection_of(account):
            notify_worker("refresh_leads", connection.pk)
    words = ngettext(
        "%(number)s lead will be updated from Kartra as soon as its speed limit allows.",
        "%(number)s leads will be updated from Kartra as soon as its speed limit allows.",
        number,
    )
    modeladmin.message_user(request, words % {"number": f"{number:,}"}, messages.SUCCESS)


@admin.register(Lead)
class LeadAdmin(LeadRows, ModelAdmin):
    list_display = [columns.FIRST, *columns.USUAL]
    list_display_links = ["who"]
    list_filter = [lead_filters.LeadFilter]
    search_fields = [*filters.SEARCHED, "=kartra_id"]
    search_help_text = gettext_lazy("Email, name, phone, company or Kartra id")
    ordering = ["-pk"]
    actions = [*(draft_view.draft_action(kind) for kind in kinds.IN_BULK.values()), read_again, exports.export]
    actions_selection_counter = True
    show_facets = admin.ShowFacets.NEVER
    change_list_template = "admin/leads/lead_list.html"

    @property
    def media(self) -> Any:
        return super().media + search_media()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(kinds.CREATE.permission))

    def has_change_permission(self, request: HttpRequest, obj: Lead | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Lead | None = None) -> bool:
        return False

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("leads.export_lead"))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found = super().get_actions(request)
        if request.user.has_perm(access.BULK):
            found |= from_recipe.actions(request)
        return {
            name: action
            for name, action in found.items()
            if name != "delete_selected"
            and (name not in kinds.ALL or request.user.has_perm(kinds.ALL[name].permission))
        }

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Lead], search_term: str
    ) -> tuple[QuerySet[Lead], bool]:
        return filters.search(queryset, search_term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with what it is filtered by in words and the segments at hand."""
        user = request.user
        tell_ended(request)
        conditions = segments.conditions_of(request.GET.urlencode())
        context = {
            "impossible": filters.why_impossible(conditions),
            "sales_unread": filter_notes.of_sales(conditions, user),
            "second_profiles": filter_notes.of_second_profiles(conditions, user),
            "moved": moved_names.in_conditions(conditions, access.accounts_of(user)),
            "may_ask_for": kartra_lookup.can_be_asked(request.GET.get("q", "")),
            "known": coverage.sentences(user),
            "conditions": lead_filters.chips(request, conditions),
            "segment": segments.shown(conditions, user),
            "conditions_query": segments.query_of(conditions),
            "may_save": bool(conditions) and user.has_perm("leads.add_segment"),
            **(extra_context or {}),
        }
        response = super().changelist_view(request, context)
        if (found := getattr(response, "context_data", {})) and found.get("action_form"):
            found.update(_actions(found["action_form"]))
        return response

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("find/", view(self.find_view), name="leads_lead_find"),
            *addresses.of(self),
            path("read-sales/", view(self.read_sales_view), name="leads_lead_read_sales"),
            path("newcomers/", view(self.newcomers_view), name="leads_lead_newcomers"),
            path("export/", view(self.export_view), name="leads_lead_export"),
            path("<int:pk>/read/", view(self.read_view), name="leads_lead_read"),
            path("<int:pk>/read-money/", view(self.read_money_view), name="leads_lead_read_money"),
            path("<int:pk>/held/", view(self.held_view), name="leads_lead_held"),
            path("<int:pk>/forget/", view(self.forget_view), name="leads_lead_forget"),
            path("<int:pk>/parts/", view(self.parts_view), name="leads_lead_parts"),
            path("<int:pk>/ask/<slug:kind>/", view(self.ask_view), name="leads_lead_ask"),
            path("<int:pk>/prepare/<slug:kind>/", view(self.prepare_view), name="leads_lead_prepare"),
            path("<int:pk>/decide/<int:change>/<slug:answer>/", view(self.decide_view), name="leads_lead_decide"),
            *super().get_urls(),
        ]

    def read_sales_view(self, request: HttpRequest) -> HttpResponse:
        """Have the transactions read that a filter by sales misses."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return lead_read.sales_now(request)

    def _lead(self, request: HttpRequest, pk: int | str) -> Lead:
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = str(pk)
        lead = (
            Lead.objects.select_related("account").filter(pk=text).first()
            if text.isdecimal() and len(text) < 18
            else None
        )
        if lead is None:
            raise Http404
        return lead

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Create a lead in Kartra."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return lead_create.page(request, self.admin_site.each_context(request))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one lead: facts and wishes side by side."""
        lead = self._lead(request, object_id)
        context = {**self.admin_site.each_context(request), "beside": beside.of(request, self, lead)}
        return lead_page.page(request, lead, context)

    def find_view(self, request: HttpRequest) -> HttpResponse:
        """Ask Kartra whether it has a lead."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return kartra_lookup.lead_page(request, self.admin_site.each_context(request))

    def newcomers_view(self, request: HttpRequest) -> HttpResponse:
        """Create the people of a file in Kartra."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        return create_from_file.upload(request, self.admin_site.each_context(request))

    def export_view(self, request: HttpRequest) -> Any:
        """Chosen leads as a file."""
        return exports.page(request, self.admin_site.each_context(request))

    def held_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """All data of this person."""
        return export_person.page(request, self._lead(request, pk), self.admin_site.each_context(request))

    def forget_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Erase this person for good."""
        return forget.page(request, self._lead(request, pk), self.admin_site.each_context(request))

    def parts_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The parts of an open page as they are now."""
        return lead_page.parts(request, self._lead(request, pk))

    def ask_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """The small form for one kind of change of this lead."""
        lead = self._lead(request, pk)
        if kind not in ask.ASKED:
            raise Http404
        return ask.page(request, lead, ask.ASKED[kind])

    def prepare_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """Begin a change of this one lead: a draft like that of a bulk action."""
        lead = self._lead(request, pk)
        if kind not in kinds.IN_BULK:
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(lead.get_absolute_url())
        return redirect(draft_view.new_draft(request, kinds.get_kind(kind), WithIds((lead.pk,))))

    def read_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Update this lead from Kartra now."""
        return lead_read.now(request, self._lead(request, pk))

    def read_money_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Read this lead's transactions and subscriptions from Kartra now."""
        return lead_read.money_now(request, self._lead(request, pk))

    def decide_view(self, request: HttpRequest, pk: int, change: int, answer: str) -> HttpResponse:
        """A person's answer about a change that needs a decision."""
        lead = self._lead(request, pk)
        row = LeadChange.objects.filter(lead=lead, pk=change).first()
        if row is None or answer not in conflicts.ANSWERS:
            raise Http404
        own = kinds.get_kind(row.kind).permission
        if not request.user.has_perm(own) or not (
            row.reason == Reason.CONFLICT or request.user.has_perm("leads.decide_change")
        ):
            raise PermissionDenied
        if request.method == "POST":
            try:
                decided = conflicts.decide(row, answer, by=request.user, why=request.POST.get("decision_why", ""))
                self.message_user(request, told(decided), messages.SUCCESS)
            except conflicts.CannotDecide as problem:
                self.message_user(request, str(problem), messages.ERROR)
        return HttpResponseRedirect(lead.get_absolute_url())


def _actions(form: Any) -> dict[str, Any]:
    """The actions on ticked leads: the frequent ones as buttons, all as a menu; of what this person may do."""
    offered = {value: words for value, words in form.fields["action"].choices if value}
    buttons = [
        {"value": value, "words": offered[value], "icon": icon, "short": short}
        for value, (icon, short) in MAIN_ACTIONS.items()
        if value in offered
    ]
    return {
        "main_actions": buttons,
        "more_actions": [{"value": value, "words": words} for value, words in offered.items()],
    }
