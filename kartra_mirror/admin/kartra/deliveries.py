"""Messages from Kartra: as they came, what became of them, and a button to apply them again."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.text import Truncator
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations import receive
from integrations.kartra.notices import EVENTS
from integrations.models import Channel, Delivery, DeliveryStatus
from integrations.notify import notify_worker
from integrations.receive import body_text as bodies
from kartra_mirror.admin.kartra.webhook_endpoints import WHEN
from kartra_mirror.ui import trail
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, SearchedByLead, to_the_second
from kartra_mirror.ui.unfold_adapter import (
    ChoicesDropdownFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from leads.access import RequestUser
from leads.models import Lead
from leads.models.remarks import Remark, sentence_of

AT_ONCE = 25
"""So many are applied again while the person waits; more by the worker."""

FAILED = (DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED)


class EventFilter(DropdownFilter):
    """Kartra's documented events; all payment messages together; what is not documented."""

    title, parameter_name = gettext_lazy("event"), "action"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        events = [(name, f"{_(WHEN[name])} ({name})") for name in EVENTS]
        return [*events, ("ipn", _("payment messages")), ("other", _("not documented by Kartra"))]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        if self.value() == "ipn":
            return queryset.filter(channel=Channel.IPN)
        if self.value() == "other":
            return queryset.filter(channel=Channel.OUTBOUND).exclude(action__in=["", *EVENTS])
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["received", "action", "channel", "whom", "status", "in_short", "same", "endpoint"]
    list_filter = [
        ("received_at", RangeDateTimeFilter),
        EventFilter,
        ("status", ChoicesDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("endpoint", RelatedDropdownFilter),
    ]
    own_texts = ["digest"]
    list_select_related = ["lead", "endpoint__connection__account"]
    fields = [
        "received",
        "endpoint",
        "old_address",
        "channel",
        "action",
        "lead",
        "status",
        "why",
        "secret",
        "what_changed",
        "applied_at",
        "discard",
        "applied_again",
        "same",
        "size",
        "truncated",
        "headers",
        "body_text",
    ]
    readonly_fields = ["received", "why", "what_changed", "applied_again", "same", "body_text"]
    actions = ["apply_again"]
    change_form_template = "admin/kartra/delivery_page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows: Any = super().get_queryset(request)
        marked: QuerySet[Delivery] = rows.with_same_before()
        return marked

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.again_view)
        return [path("<int:pk>/again/", view, name="integrations_delivery_again"), *super().get_urls()]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("integrations.replay_delivery"))

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

    @admin.action(description=gettext_lazy("Apply again"), permissions=["replay"])
    def apply_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        """A few at once, saying what that changed; many by the worker, in order of arrival."""
        chosen = Delivery.objects.filter(pk__in=queryset.order_by().values("pk"))
        number = chosen.count()
        if number <= AT_ONCE:
            self._apply(request, chosen)
            return
        asked = receive.ask_again(chosen, by=request.user.get_username())
        transaction.on_commit(lambda: notify_worker("apply_deliveries"), robust=True)
        words = ngettext(
            "%(number)s message is queued to be applied again. It says afterwards what that changed.",
            "%(number)s messages are queued to be applied again. Each says afterwards what that changed.",
            asked,
        ) % {"number": f"{asked:,}"}
        self.message_user(request, words, messages.SUCCESS)

    def _apply(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        done = list(receive.replay(chosen, by=request.user.get_username()))
        changing = [(delivery, applied) for delivery, applied in done if applied.changed]
        failures = [(delivery, applied) for delivery, applied in done if applied.status in FAILED]
        good = len(done) - len(failures)
        if good:
            told = "; ".join(f"{delivery}: {_changed_words(applied.changed)}" for delivery, applied in changing[:10])
            self.message_user(request, f"{_applied_words(good, len(changing))} {told}".strip(), messages.SUCCESS)
        for delivery, applied in failures[:10]:
            self.message_user(request, f"{delivery}: {sentence_of(applied.reason)}", messages.WARNING)

    def get_fields(self, request: HttpRequest, obj: Delivery | None = None) -> Any:
        """What is out of the ordinary is shown only where it is so."""
        shown_if_so = ("old_address", "secret", "truncated", "discard")
        ordinary = {name for name in shown_if_so if not getattr(obj, name, True)}
        return [name for name in self.fields if name not in ordinary]

    received = to_the_second("received_at", gettext_lazy("received at"))

    def behind(self, row: Delivery, user: RequestUser) -> Any:
        return trail.of_delivery(row, user)

    @admin.display(description=gettext_lazy("reason"))
    def why(self, delivery: Delivery) -> str:
        return sentence_of(delivery.reason) or "—"

    @admin.display(description=gettext_lazy("what it changed"))
    def what_changed(self, delivery: Delivery) -> str:
        changed = _changed_words(delivery.changed)
        return changed or (sentence_of(delivery.reason) if delivery.status in FAILED else _("nothing"))

    @admin.display(description=gettext_lazy("what it changed"))
    def in_short(self, delivery: Delivery) -> str:
        return Truncator(self.what_changed(delivery)).chars(90)

    @admin.display(description=gettext_lazy("same as"))
    def same(self, delivery: Any) -> str:
        """The earlier message with the same body: sent twice, or happened twice; nobody can tell."""
        if not delivery.same_before:
            return "—"
        url = reverse("admin:integrations_delivery_change", args=[delivery.same_before])
        return format_html('<a href="{}">{}</a>', url, _("message %(id)s") % {"id": delivery.same_before})

    @admin.display(description=gettext_lazy("applied again"))
    def applied_again(self, delivery: Delivery) -> str:
        return format_html_join("", "<div>{}</div>", ((_replay_words(entry),) for entry in delivery.replays)) or _(
            "never"
        )

    @admin.display(description=gettext_lazy("as it came"))
    def body_text(self, delivery: Delivery) -> str:
        told = bodies.shown(bytes(delivery.body))
        raw = format_html('<pre class="raw" tabindex="0" dir="ltr">{}</pre>', told.raw)
        if not told.pretty:
            return raw
        pretty = format_html('<pre class="raw" tabindex="0" dir="ltr">{}</pre>', told.pretty)
        return format_html(
            '{}<details class="km-original"><summary>{}</summary>{}</details>',
            pretty,
            _("Letter by letter, as it came"),
            raw,
        )


def _changed_words(changed: Iterable[Remark | str]) -> str:
    """What a message changed; fields of the lead by their names on pages."""
    names = {field.name: field.verbose_name for field in Lead._meta.concrete_fields}
    return "; ".join(str(names.get(each, each)) if isinstance(each, str) else sentence_of(each) for each in changed)


def _applied_words(number: int, changing: int) -> str:
    """How many messages were applied again, and whether that changed something."""
    words = ngettext(
        "%(number)s message was applied again; nothing changed: our copy had it all.",
        "%(number)s messages were applied again; nothing changed: our copy had it all.",
        number,
    )
    if changing:
        words = ngettext(
            "%(number)s message was applied again; %(changing)s changed something.",
            "%(number)s messages were applied again; %(changing)s changed something.",
            number,
        )
    return words % {"number": f"{number:,}", "changing": f"{changing:,}"}


def _replay_words(entry: dict[str, Any]) -> str:
    """ "24 Nov 2026 18:30 by ada: changed nothing"."""
    at = parse_datetime(entry.get("at") or entry["asked_at"])
    when = date_format(timezone.localtime(at), "j M Y H:i") if at else ""
    if entry.get("by"):
        when = _("%(when)s by %(person)s") % {"when": when, "person": entry["by"]}
    if "status" not in entry:
        return f"{when}: {_('asked for, still to be done')}"
    if entry.get("reason"):
        return f"{when}: {sentence_of(entry['reason'])}"
    return f"{when}: {_changed_words(entry['changed']) or _('changed nothing')}"
