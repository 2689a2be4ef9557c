"""Accounts: name, time zone, and whom no bulk action touches."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kartra_mirror.ui.unfold_adapter import ModelAdmin
from leads.models import Account, Segment


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    list_display = ["name", "time_zone", "created_at"]
    fields = ["name", "time_zone", "never_touched"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an account comes with its connection

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """To leave out always, only segments of the account itself can be chosen."""
        form = super().get_form(request, obj, change, **kwargs)
        if "never_touched" in form.base_fields:
            form.base_fields["never_touched"].queryset = Segment.objects.filter(account=obj).order_by("name")
            form.base_fields["never_touched"].widget.can_add_related = False
            form.base_fields["never_touched"].widget.can_change_related = False
            form.base_fields["never_touched"].widget.can_view_related = False
        return form
