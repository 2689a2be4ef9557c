"""Calls to Kartra."""

from django.contrib import admin

from integrations.models import ApiCall, Attempt
from kartra_mirror.admin.unfold_adapter import (
    ChoicesDropdownFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    RelatedDropdownFilter,
    SearchedByLead,
)


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("change", "position", "command", "proof", "code", "message", "verify_at")
    readonly_fields = ("change", "position", "command", "proof", "code", "message", "verify_at")
    show_change_link = False


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["claimed_at", "commands", "lead", "cause", "outcome", "code", "elapsed_ms", "connection"]
    list_filter = [
        ("connection", RelatedDropdownFilter), ("cause", ChoicesDropdownFilter), ("outcome", ChoicesDropdownFilter), "writes",
    ]  # fmt: skip
    list_select_related = ["lead", "connection__account"]
    inlines = [AttemptInline]
