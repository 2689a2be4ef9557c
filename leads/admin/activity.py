"""The timeline over all leads."""

from django.contrib import admin

from kartra_mirror.admin.unfold_adapter import ChoicesDropdownFilter, ReadOnlyAdmin, RelatedDropdownFilter
from leads.models import Activity


@admin.register(Activity)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ["at", "lead", "what", "source"]
    list_filter = [("account", RelatedDropdownFilter), ("source", ChoicesDropdownFilter)]
    search_fields = ["=lead__kartra_id", "kind"]
    list_select_related = ["lead", "account"]
    fields = ["lead", "kind", "at", "between_from", "source", "details", "cause", "change"]

    @admin.display(description="what", ordering="kind")
    def what(self, activity: Activity) -> str:
        return activity.label
