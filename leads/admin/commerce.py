"""Transactions and recurring subscriptions."""

from django.contrib import admin

from kartra_mirror.admin.unfold_adapter import ReadOnlyAdmin, RelatedDropdownFilter
from leads.models import RecurringSubscription, Transaction


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    list_display = ["kartra_id", "type", "lead", "product", "full_amount", "at", "reported"]
    list_filter = [("account", RelatedDropdownFilter), "type", ("product", RelatedDropdownFilter), "reported"]
    search_fields = ["=kartra_id", "=lead__kartra_id", "lead__email"]
    list_select_related = ["lead", "product", "account"]
    date_hierarchy = "at"


@admin.register(RecurringSubscription)
class RecurringSubscriptionAdmin(ReadOnlyAdmin):
    list_display = ["kartra_id", "status", "lead", "product", "next_payment_amount", "next_payment_at", "started_at"]
    list_filter = [("account", RelatedDropdownFilter), "status", ("product", RelatedDropdownFilter)]
    search_fields = ["=kartra_id", "=lead__kartra_id", "lead__email"]
    list_select_related = ["lead", "product", "account"]
