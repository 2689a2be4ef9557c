"""The timeline over all leads."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from kartra_mirror.admin.unfold_adapter import (
    ChoicesDropdownFilter,
    ReadOnlyAdmin,
    RelatedDropdownFilter,
    SearchedByLead,
)
from leads.admin import drift
from leads.models import Activity


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["at", "lead", "what", "source"]
    list_filter = [("account", RelatedDropdownFilter), ("source", ChoicesDropdownFilter)]
    list_select_related = ["lead", "account"]
    fields = ["lead", "kind", "at", "between_from", "source", "details", "cause", "change"]

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.without_us_view)
        return [path("without-us/", page, name="leads_activity_without_us"), *super().get_urls()]

    def without_us_view(self, request: Any) -> Any:
        return drift.page(request, {**self.admin_site.each_context(request), "opts": self.opts})

    @admin.display(description=_("what"), ordering="kind")
    def what(self, activity: Activity) -> str:
        return activity.label
