"""Calls to Kartra."""

from django.contrib import admin

from integrations.models import ApiCall, Attempt
from kartra_mirror.admin.unfold_adapter import (
    ChoicesDropdownFilter,
    ReadOnlyAdmin,
    ReadOnlyInline,
    RelatedDropdownFilter,
)


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("change", "position", "command", "proof", "code", "message", "verify_at")
    readonly_fields = ("change", "position", "command", "proof", "code", "message", "verify_at")
    show_change_link = False


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin):
    list_display = ["claimed_at", "commands", "lead", "cause", "outcome", "code", "elapsed_ms", "connection"]
    list_filter = [
        ("connection", RelatedDropdownFilter), ("cause", ChoicesDropdownFilter), ("outcome", ChoicesDropdownFilter), "writes",
    ]  # fmt: skip
    search_fields = ["=lead__kartra_id", "lead__email", "commands", "=code"]
    list_select_related = ["lead", "connection__account"]
    inlines = [AttemptInline]
