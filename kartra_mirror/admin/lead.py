"""Leads in the admin: the list with its filters and actions, and the page of one lead. Facts only: forms record changes."""

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join

from integrations import calls, refresh
from integrations.kartra.errors import KartraError
from integrations.models import ApiCall, Cause
from kartra_mirror.admin import prepare
from kartra_mirror.admin.runs import connection_of
from kartra_mirror.admin.unfold_adapter import DropdownFilter, ModelAdmin, RelatedDropdownFilter
from leads import kinds
from leads.models import (
    Account,
    ChangeStatus,
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Sequence,
    SequenceEnrollment,
    Tag,
)
from leads.words import STATUS_WORDS

WISHES = (
    (ChangeStatus.WAITING, "queued"),
    (ChangeStatus.SENDING, "sending"),
    (ChangeStatus.UNKNOWN, "checking"),
    (ChangeStatus.UNDECIDED, "needs your decision"),
)
TIMELINE = 50

PROFILE = (
    "first_name", "middle_name", "last_name", "last_name2", "company", "phone_country_code", "phone", "address", "zip",
    "city", "state", "country", "website", "facebook", "twitter", "linkedin", "instagram", "google_plus", "ip",
    "ip_country", "lead_preferred_time_zone", "sales_tax_id", "business_type", "username", "source", "date_joined",
    "blacklisted", "gdpr_lead_status", "gdpr_lead_status_date", "gdpr_lead_communications", "notes",
)  # fmt: skip


def label_of(name: str) -> str:
    """What a column of the lead is called."""
    return str(getattr(Lead._meta.get_field(name), "verbose_name", name))


class _ThingFilter(DropdownFilter):
    """Leads that have a thing of the catalogue, chosen by name. `ties` joins leads to it by its column `key`."""

    model: type[Any]
    ties: type[Any]
    key: str
    only: ClassVar[dict[str, Any]] = {}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        many = Account.objects.count() > 1
        rows = self.model.objects.order_by("name").values_list("pk", "name", "account__name")[:1000]
        return [(str(pk), f"{name} ({account})" if many else name) for pk, name, account in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        value = self.value()
        if not value or not value.isdecimal() or len(value) > 18:
            return queryset
        return queryset.filter(
            Exists(self.ties.objects.filter(**{self.key: int(value)}, **self.only, lead=OuterRef("pk")))
        )


class TagFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "tag", "tag", Tag, LeadTag, "tag"


class ListFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "list", "list", MailingList, ListSubscription, "mailing_list"
    only: ClassVar[dict[str, Any]] = {"active": True}


class SequenceFilter(_ThingFilter):
    title, parameter_name, model, ties, key = "sequence", "sequence", Sequence, SequenceEnrollment, "sequence"


class WishFilter(DropdownFilter):
    title, parameter_name = "requested change", "wish"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        return [(str(status.value), words) for status, words in WISHES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        if self.value() not in [status.value for status, _ in WISHES]:
            return queryset
        return queryset.filter(Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status=self.value())))


class StateFilter(DropdownFilter):
    title, parameter_name = "state of our copy", "copy"
    CHOICES: ClassVar[dict[str, tuple[str, dict[str, Any]]]] = {
        "here": ("in Kartra", {"gone_at": None}),
        "gone": ("deleted in Kartra", {"gone_at__isnull": False}),
        "due": ("update due", {"dirty_at__isnull": False}),
        "unread": ("never read", {"read_at": None}),
        "no_id": ("Kartra id not known", {"kartra_id": None}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        return [(key, words) for key, (words, _) in self.CHOICES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        choice = self.CHOICES.get(self.value() or "")
        return queryset.filter(**choice[1]) if choice else queryset


class CountryFilter(DropdownFilter):
    title, parameter_name = "country", "country"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[Any, str]]:
        names = Lead.objects.exclude(country="").order_by("country").values_list("country", flat=True).distinct()[:300]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        return queryset.filter(country=self.value()) if self.value() else queryset


@admin.register(Lead)
class LeadAdmin(ModelAdmin):
    list_display = ["who", "email", "kartra_id", "country", "score", "wishes", "as_of"]
    list_display_links = ["who"]
    list_filter = [
        ("account", RelatedDropdownFilter), TagFilter, ListFilter, SequenceFilter, CountryFilter, WishFilter, StateFilter,
    ]  # fmt: skip
    search_fields = ["email", "first_name", "last_name", "phone", "company", "=kartra_id"]
    search_help_text = "Email, name, phone, company or Kartra id"
    ordering = ["-pk"]
    actions = [prepare.draft_action(kind) for kind in kinds.IN_BULK.values()]
    actions_selection_counter = True
    change_form_template = "admin/leads/lead/page.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Lead | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Lead | None = None) -> bool:
        return False

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        user: Any = request.user
        found = super().get_actions(request)
        return {
            name: action
            for name, action in found.items()
            if name != "delete_selected" and (name not in kinds.ALL or user.has_perm(kinds.ALL[name].permission))
        }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lead]:
        return (
            super()
            .get_queryset(request)
            .defer("extra", "custom_values", "notes")
            .annotate(
                **{
                    f"has_{status.value}": Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status=status))
                    for status, _ in WISHES
                }
            )
        )

    @admin.display(description="lead", ordering="last_name")
    def who(self, lead: Lead) -> str:
        name = lead.name or lead.email or f"lead {lead.kartra_id}"
        return format_html("{} {}", name, _badge("deleted in Kartra", "bad")) if lead.gone_at else name

    @admin.display(description="requested")
    def wishes(self, lead: Lead) -> str:
        badges = [_badge(words, status.value) for status, words in WISHES if getattr(lead, f"has_{status.value}")]
        return format_html_join(" ", "{}", ((badge,) for badge in badges)) or "—"

    @admin.display(description="as of", ordering="read_at")
    def as_of(self, lead: Lead) -> Any:
        if lead.dirty_at:
            return _badge("update due", "waiting")
        return lead.read_at or _badge("never read", "waiting")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/read/", view(self.read_view), name="leads_lead_read"),
            path("<int:pk>/prepare/<slug:kind>/", view(self.prepare_view), name="leads_lead_prepare"),
            *super().get_urls(),
        ]

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

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of one lead: facts and wishes side by side."""
        lead = self._lead(request, object_id)
        user: Any = request.user
        wishes = lead.changes.select_related("requested_by", "run").order_by("-pk")[:TIMELINE]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(lead),
            "lead": lead,
            "profile": [
                (label_of(name), value) for name in PROFILE if (value := getattr(lead, name)) not in ("", None)
            ],
            "custom": [
                (identifier, ", ".join(str(option[1]) for option in value) if isinstance(value, list) else value)
                for identifier, value in sorted(lead.custom_values.items())
                if value
            ],
            "tags": lead.leadtags.select_related("tag", "change__run", "change__requested_by").order_by("tag__name"),
            "lists": lead.listsubscriptions.select_related("mailing_list", "change__run").order_by(
                "-active", "mailing_list__name"
            ),
            "sequences": lead.sequenceenrollments.select_related("sequence").order_by("sequence__name"),
            "memberships": lead.membershipgrants.select_related("level__membership"),
            "transactions": lead.transactions.select_related("product")[:TIMELINE],
            "subscriptions": lead.recurring_subscriptions.select_related("product")[:TIMELINE],
            "addresses": lead.emails.all()[:10],
            "wishes": [(change, STATUS_WORDS[change.status]) for change in wishes],
            "timeline": lead.activities.select_related("change__run")[:TIMELINE],
            "calls": ApiCall.objects.filter(lead=lead).exclude(writes=False, cause=Cause.REFRESH)[:20],
            "kinds": [kind for kind in kinds.IN_BULK.values() if user.has_perm(kind.permission)],
            "may_read": connection_of(lead.account) is not None,
        }
        return TemplateResponse(request, self.change_form_template, context)

    def prepare_view(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """Begin a change of this one lead: a draft like that of a bulk action."""
        lead = self._lead(request, pk)
        if kind not in kinds.IN_BULK:
            raise Http404
        if request.method != "POST":
            return HttpResponseRedirect(lead.get_absolute_url())
        return redirect(prepare.new_draft(request, kinds.get(kind), {"query": "", "ids": [lead.pk]}))

    def read_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Update this lead from Kartra now."""
        lead = self._lead(request, pk)
        connection = connection_of(lead.account)
        if request.method != "POST" or connection is None:
            return HttpResponseRedirect(lead.get_absolute_url())
        try:
            result = refresh.read_lead(connection, lead=lead, made_by=request.user)
        except KartraError as error:
            self.message_user(request, calls.in_words(error), messages.ERROR)
            return HttpResponseRedirect(lead.get_absolute_url())
        if result.gone:
            self.message_user(request, "Kartra says that this lead is deleted.", messages.WARNING)
        elif not result.found:
            self.message_user(request, "Kartra has no lead of this address any more.", messages.WARNING)
        elif not result.applied:
            words = "A change of ours went out moments ago; the lead is read again by itself shortly."
            self.message_user(request, words, messages.INFO)
        else:
            number = len(result.taken.differences) if result.taken else 0
            words = (
                f"{number:,} thing{'' if number == 1 else 's'} had changed in Kartra."
                if number
                else "Nothing had changed."
            )
            self.message_user(request, f"Updated from Kartra. {words}", messages.SUCCESS)
        return HttpResponseRedirect((result.lead or lead).get_absolute_url())


def _badge(words: str, kind: str) -> str:
    return format_html('<span class="km-badge km-{}">{}</span>', kind, words)
