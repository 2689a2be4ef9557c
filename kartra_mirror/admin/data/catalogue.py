"""Tags, lists, sequences, calendars and the like: what the account has, and how many leads have it."""

from typing import Any

from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kartra_mirror.ui import costly
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, ReadOnlyInline
from kartra_mirror.ui.unfold_adapter import RelatedDropdownFilter
from leads.models import (
    Calendar,
    CalendarClass,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipLevel,
    Page,
    Product,
    Sequence,
    SequenceEnrollment,
    Tag,
)


class ThingAdmin(ReadOnlyAdmin):
    """What all of them show. `ties` and `key` name the table that joins leads to the thing, for the numbers."""

    list_display = ["name", "account", "first_seen_at", "missing_since"]
    list_filter = [("account", RelatedDropdownFilter), ("missing_since", admin.EmptyFieldListFilter)]
    search_fields = ["name"]
    list_select_related = ["account"]


class JoinedThingAdmin(ThingAdmin):
    """Things that leads have: with their number, counted for the shown page alone."""

    ties: Any = None
    key = ""
    only: dict[str, Any] = {}
    list_display = ["name", "leads_number", "account", "first_seen_at", "missing_since"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().changelist_view(request, extra_context)
        listed = getattr(response, "context_data", {}).get("cl")
        if listed is not None:
            shown = list(listed.result_list)
            rows = self.ties.objects.filter(**{f"{self.key}__in": shown}, **self.only).values_list(self.key)
            key = f"leads-of-{self.key}-{hash(tuple(thing.pk for thing in shown))}"
            numbers = costly.kept(key, lambda: dict(rows.annotate(n=Count("pk")).order_by()))
            for thing in shown:
                thing._leads = numbers.get(thing.pk, 0)
        return response

    @admin.display(description=_("leads"))
    def leads_number(self, thing: Any) -> str:
        filtered = {"tag": "tag", "mailing_list": "list", "sequence": "sequence"}[self.key]
        url = f"{reverse('admin:leads_lead_changelist')}?{filtered}={thing.pk}"
        return format_html('<a href="{}">{}</a>', url, f"{getattr(thing, '_leads', 0):,}")


@admin.register(Tag)
class TagAdmin(JoinedThingAdmin):
    ties, key = LeadTag, "tag"


@admin.register(MailingList)
class MailingListAdmin(JoinedThingAdmin):
    ties, key, only = ListSubscription, "mailing_list", {"active": True}


@admin.register(Sequence)
class SequenceAdmin(JoinedThingAdmin):
    ties, key = SequenceEnrollment, "sequence"


@admin.register(Page, Product)
class PlainThingAdmin(ThingAdmin):
    """Pages and products."""


class ClassInline(ReadOnlyInline):
    model = CalendarClass


@admin.register(Calendar)
class CalendarAdmin(ThingAdmin):
    inlines = [ClassInline]


class LevelInline(ReadOnlyInline):
    model = MembershipLevel


@admin.register(Membership)
class MembershipAdmin(ThingAdmin):
    inlines = [LevelInline]
