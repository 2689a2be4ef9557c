"""What lists and pages of facts share: looked at, not edited; searched by the lead that they are about, with what is behind each row.

What every list has in common is `ModelAdmin` in `unfold_adapter`.
"""

import functools
import operator
from collections.abc import Sequence
from typing import Any

from django.contrib.admin.options import BaseModelAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from kartra_mirror.ui.unfold_adapter import ModelAdmin, TabularInline, display
from leads.access import RequestUser
from leads.filters.searching import of_leads
from leads.models.remarks import Worded


@display(description=gettext_lazy("message"))
def said(row: Worded) -> str:
    """What we say of a row, or Kartra said."""
    return row.words or "—"


class SearchedByLead(ModelAdmin):
    """A list of what happened to leads: searched by whom it is about, and where that is nobody, by `own_texts`. Each row's
    page ends with what is behind it and what came of it."""

    change_form_after_template = "admin/ui/trail.html"

    search_help_text = gettext_lazy("Email, name or Kartra id of the lead")
    search_fields: Sequence[str] = ["=lead__kartra_id"]
    own_texts: Sequence[str] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = of_leads(queryset, search_term)
        if found is not None:
            return found, False
        own = functools.reduce(
            operator.or_, (Q(**{name: search_term.strip()}) for name in self.own_texts), Q(pk__in=[])
        )
        return queryset.filter(own), False

    def behind(self, row: Any, user: RequestUser) -> Any:
        """The sections of a row's page that say what is behind it."""
        return []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        behind = self.behind(row, request.user) if row is not None else []
        answer: HttpResponse = super().change_view(
            request, object_id, form_url, {"behind": behind, **(extra_context or {})}
        )
        return answer

    @display(description=gettext_lazy("lead"), ordering="lead")
    def whom(self, row: Any) -> str:
        if row.lead is None:
            return "—"
        return format_html('<a class="link" href="{}">{}</a>', row.lead.get_absolute_url(), row.lead)


def to_the_second(name: str, label: Any) -> Any:
    """A column or field of a list: a moment with its second, in the reader's zone."""

    @display(description=label, ordering=name)
    def moment(self: Any, row: Any) -> str:
        at = getattr(row, name)
        return date_format(timezone.localtime(at), "j M Y H:i:s") if at else "—"

    return moment


class _LookOnly(BaseModelAdmin):
    """Rows that people look at. Nothing here can be added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_LookOnly, ModelAdmin):
    """A list and a page of facts."""

    actions: Any = None


class ReadOnlyInline(_LookOnly, TabularInline):
    """Facts of another table on a page."""

    extra = 0
    show_change_link = True
    can_delete = False
