"""Tags, lists, sequences, calendars and the like: what the account has, and how many leads have it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from kartra_mirror.ui import costly
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, ReadOnlyInline
from kartra_mirror.ui.unfold_adapter import RelatedDropdownFilter, search_media, style
from leads import access
from leads.filters.choosing import MOST_CHOICES
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


class ComparedThingAdmin(JoinedThingAdmin):
    """Things whose leads can be compared with those of another; `noun` is what an address calls it."""

    noun = ""
    change_form_outer_before_template = "admin/data/compare_with.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        more = {"compare_key": f"{self.noun}-{object_id}"}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})
        return answer


@admin.register(Tag)
class TagAdmin(ComparedThingAdmin):
    ties, key, noun = LeadTag, "tag", "tag"


@admin.register(MailingList)
class MailingListAdmin(ComparedThingAdmin):
    noun = "list"
    ties, key, only = ListSubscription, "mailing_list", {"active": True}


@admin.register(Sequence)
class SequenceAdmin(JoinedThingAdmin):
    ties, key = SequenceEnrollment, "sequence"


@admin.register(Page)
class PageAdmin(ThingAdmin):
    """Pages."""


class BuyersForm(forms.Form):
    """Who bought a product and is not on a list: its parameters are those of the leads list, which it opens."""

    bought = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, product: Product, lists: QuerySet[MailingList]) -> None:
        super().__init__(initial={"bought": product.pk})
        chosen = [(each.pk, str(each)) for each in lists.filter(account=product.account_id)[:MOST_CHOICES]]
        label = _("Buyers who are not on the list")
        self.fields["not_list"] = forms.ChoiceField(choices=[("", _("Choose a list")), *chosen], label=label)
        style(self)


@admin.register(Product)
class ProductAdmin(ThingAdmin):
    """A product leads to its buyers who are not on a list."""

    change_form_outer_before_template = "admin/data/buyers_not_on.html"

    @property
    def media(self) -> Any:
        return super().media + search_media()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        product, user = self.get_object(request, object_id), request.user
        may_see = user.has_perm("leads.view_lead") and user.has_perm("leads.view_mailinglist")
        lists = access.only_mine(MailingList.objects.order_by("name"), user)
        more = {"buyers": BuyersForm(product, lists) if product is not None and may_see else None}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})
        return answer


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
