"""Accounts: name and time zone."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from kartra_mirror.ui.unfold_adapter import ModelAdmin
from leads.models import Account


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    list_display = ["name", "time_zone", "created_at"]
    fields = ["name", "time_zone"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an account comes with its connection

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
