"""Messages from Kartra: as they came, what became of them, and a button to apply them again."""

import contextlib
import json
import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator

from integrations import apply, tasks
from integrations.kartra.bodies import as_text
from integrations.models import Delivery, DeliveryStatus
from kartra_mirror.admin.unfold_adapter import (
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
    ReadOnlyAdmin,
    RelatedDropdownFilter,
)

AT_ONCE = 25
"""So many are applied again while the person waits; more by the worker."""

FAILED = (DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED)

_SECRET = re.compile(r'(secret_key"?\s*[=:]\s*"?|name="secret_key"\s+)[^&"\s]+')


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "action", "channel", "lead", "status", "in_short", "same", "door"]
    list_filter = [
        ("door", RelatedDropdownFilter), ("status", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter), "action",
        ("received_at", RangeDateTimeFilter),
    ]  # fmt: skip
    search_fields = ["=lead__kartra_id", "lead__email", "action", "=digest"]
    list_select_related = ["lead", "door__connection__account"]
    fields = [
        "received_at", "door", "old_address", "channel", "action", "lead", "status", "reason", "secret", "what_changed",
        "applied_at", "applied_again", "same", "size", "truncated", "headers", "body_text",
    ]  # fmt: skip
    readonly_fields = ["what_changed", "applied_again", "same", "body_text"]
    actions = ["apply_again"]
    change_form_template = "admin/integrations/delivery/page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: Any = super().get_queryset(request)
        marked: QuerySet[Delivery] = rows.with_same_before()
        return marked

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.again_view)
        return [path("<int:pk>/again/", view, name="integrations_delivery_again"), *super().get_urls()]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm("integrations.replay_delivery"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {"may_replay": self.has_replay_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Apply one message again and say what that changed. Only a POST does anything."""
        delivery = Delivery.objects.filter(pk=pk, truncated=False).first()
        if delivery is None:
            raise Http404
        if not self.has_replay_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._apply(request, Delivery.objects.filter(pk=pk))
        return HttpResponseRedirect(delivery.get_absolute_url())

    @admin.action(description="Apply again", permissions=["replay"])
    def apply_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """A few at once, saying what that changed; many by the worker, in order of arrival."""
        chosen = Delivery.objects.filter(pk__in=queryset.order_by().values("pk"))
        number = chosen.count()
        if number <= AT_ONCE:
            self._apply(request, chosen)
            return
        asked = apply.ask_again(chosen, by=request.user.get_username())
        transaction.on_commit(lambda: tasks.ring(tasks.apply_deliveries), robust=True)
        words = f"{asked:,} messages are queued to be applied again. Each says afterwards what that changed."
        self.message_user(request, words, messages.SUCCESS)

    def _apply(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        done = list(apply.replay(chosen, by=request.user.get_username()))
        changing = [(delivery, applied) for delivery, applied in done if applied.changed]
        failures = [(delivery, applied) for delivery, applied in done if applied.status in FAILED]
        good = len(done) - len(failures)
        if good:
            words = f"{'1 message was' if good == 1 else f'{good:,} messages were'} applied again; "
            told = "; ".join(f"{delivery}: {', '.join(applied.changed)}" for delivery, applied in changing[:10])
            changed = f"{len(changing):,} changed something. {told}"
            words += changed if changing else "nothing changed: our copy had it all."
            self.message_user(request, words, messages.SUCCESS)
        for delivery, applied in failures[:10]:
            self.message_user(request, f"{delivery}: {applied.reason}", messages.WARNING)

    def get_fields(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        """What is out of the ordinary is shown only where it is so."""
        ordinary = {name for name in ("old_address", "secret", "truncated") if not getattr(obj, name, True)}
        return [name for name in self.fields if name not in ordinary]

    @admin.display(description="what it changed")
    def what_changed(self, delivery: Delivery) -> str:
        return "; ".join(map(str, delivery.changed)) or (delivery.reason if delivery.status in FAILED else "nothing")

    @admin.display(description="what it changed")
    def in_short(self, delivery: Delivery) -> str:
        return Truncator(self.what_changed(delivery)).chars(90)

    @admin.display(description="same as")
    def same(self, delivery: Any) -> str:
        """The earlier message with the same body: sent twice, or happened twice; nobody can tell."""
        if not delivery.same_before:
            return "—"
        url = reverse("admin:integrations_delivery_change", args=[delivery.same_before])
        return format_html('<a href="{}">message {}</a>', url, delivery.same_before)

    @admin.display(description="applied again")
    def applied_again(self, delivery: Delivery) -> str:
        return format_html_join("", "<div>{}</div>", ((_replay_words(entry),) for entry in delivery.replays)) or "never"

    @admin.display(description="as it came")
    def body_text(self, delivery: Delivery) -> str:
        text = as_text(bytes(delivery.body))
        with contextlib.suppress(ValueError, RecursionError):
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        return format_html('<pre class="km-raw" tabindex="0">{}</pre>', _SECRET.sub(r"\1(hidden)", text[:200_000]))


def _replay_words(entry: dict[str, Any]) -> str:
    """ "24 Nov 2026 18:30 by ada: changed nothing"."""
    at = parse_datetime(entry.get("at") or entry["asked_at"])
    when = timezone.localtime(at).strftime("%-d %b %Y %H:%M") if at else ""
    by = f" by {entry['by']}" if entry.get("by") else ""
    if "status" not in entry:
        return f"{when}{by}: asked for, still to be done"
    if entry.get("reason"):
        return f"{when}{by}: {entry['reason']}"
    return f"{when}{by}: {'; '.join(entry['changed']) or 'changed nothing'}"
