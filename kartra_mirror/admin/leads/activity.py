"""The timeline over all leads."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy as _

from kartra_mirror.admin.leads import outside_changes
from kartra_mirror.ui import trail, trail_links
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, SearchedByLead, to_the_second
from kartra_mirror.ui.unfold_adapter import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from leads.access import RequestUser
from leads.models import Activity
from leads.models.activity import ALONE, all_words


class KindFilter(DropdownFilter):
    """What happened, by the names that our own lines and Kartra's events have."""

    title, parameter_name = _("what happened"), "kind"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [
            ("changed_in_kartra", gettext("changed in Kartra without us")),
            ("field_changed", gettext("field changed by us")),
            *((name, gettext(words)) for name, words in ALONE.items()),
            *all_words().items(),
        ]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["moment", "whom", "what", "source", "because"]
    list_filter = [
        ("at", RangeDateTimeFilter),
        KindFilter,
        ("source", ChoicesDropdownFilter),
        ("account", RelatedDropdownFilter),
    ]
    list_select_related = ["lead", "account", "change__run"]
    readonly_fields = ["what", "moment", "happened"]
    fields = ["what", "lead", "moment", "between_from", "source", "happened", "details"]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.without_us_view)
        return [path("without-us/", page, name="leads_activity_without_us"), *super().get_urls()]

    def without_us_view(self, request: Any) -> Any:
        return outside_changes.page(request, {**self.admin_site.each_context(request), "opts": self.opts})

    moment = to_the_second("at", _("at"))

    def behind(self, row: Activity, user: RequestUser) -> Any:
        return trail.of_activity(row, user)

    @admin.display(description=_("kind"))
    def happened(self, activity: Activity) -> str:
        return activity.happened

    @admin.display(description=_("what"), ordering="kind")
    def what(self, activity: Activity) -> str:
        return capfirst(activity.label)

    @admin.display(description=_("because of"))
    def because(self, activity: Activity) -> str:
        """The change behind it, else the message, call or import."""
        if activity.change is not None:
            return _linked(activity.change.get_absolute_url(), str(activity.change.run or gettext("requested change")))
        found = trail_links.of_cause(activity, None)
        return _linked(found.url, found.words) if found else "—"


def _linked(url: str, words: str) -> str:
    return format_html('<a class="link" href="{}">{}</a>', url, words)
