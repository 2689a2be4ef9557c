"""Messages from Kartra."""

import contextlib
import json

from django.contrib import admin
from django.utils.html import format_html

from integrations.kartra.notices import as_text
from integrations.models import Delivery
from kartra_mirror.admin.unfold_adapter import ChoicesDropdownFilter, ReadOnlyAdmin, RelatedDropdownFilter


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "action", "channel", "lead", "status", "what_changed", "door"]
    list_filter = [
        ("door", RelatedDropdownFilter), ("status", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter), "action",
    ]  # fmt: skip
    search_fields = ["=lead__kartra_id", "lead__email", "action", "=digest"]
    list_select_related = ["lead", "door__connection__account"]
    fields = [
        "received_at", "door", "channel", "action", "lead", "status", "reason", "what_changed", "applied_at", "size",
        "truncated", "headers", "body_text",
    ]  # fmt: skip
    readonly_fields = ["what_changed", "body_text"]

    @admin.display(description="what it changed")
    def what_changed(self, delivery: Delivery) -> str:
        return "; ".join(map(str, delivery.changed)) or "nothing"

    @admin.display(description="as it came")
    def body_text(self, delivery: Delivery) -> str:
        text = as_text(bytes(delivery.body))
        with contextlib.suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return format_html('<pre class="km-raw" tabindex="0">{}</pre>', text[:200_000])
