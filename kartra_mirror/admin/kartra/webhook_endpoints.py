"""Webhook addresses to post to: shown to those who may, exchanged for new ones, retired when no longer wanted."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop, ngettext

from integrations import clock
from integrations.models import Delivery, WebhookEndpoint
from integrations.receive import addresses, missing_events
from kartra_mirror.admin.kartra import discard
from kartra_mirror.ui.unfold_adapter import ModelAdmin, style

WHEN = {
    "buy_product": gettext_noop("somebody buys"),
    "refund_product": gettext_noop("a sale is refunded"),
    "partial_refund_product": gettext_noop("a part is refunded"),
    "cancel_subscription": gettext_noop("a recurring payment is cancelled"),
    "list_subscription": gettext_noop("a lead joins a list"),
    "list_unsubscription": gettext_noop("a lead leaves a list"),
    "assign_tag": gettext_noop("a lead gets a tag"),
    "unassign_tag": gettext_noop("a tag is removed"),
    "sequence_subscription": gettext_noop("a lead enters a sequence"),
    "sequence_unsubscription": gettext_noop("a lead leaves a sequence"),
    "sequence_completion": gettext_noop("a lead completes a sequence"),
    "membership_granted": gettext_noop("access is given"),
    "membership_revoked": gettext_noop("access is removed"),
    "filled_form": gettext_noop("a form is filled in"),
    "reaches_score": gettext_noop("a score is reached"),
    "calendar_subscribe": gettext_noop("a booking is made"),
    "calendar_cancel": gettext_noop("a booking is cancelled"),
    "calendar_complete": gettext_noop("a booking is over"),
    "survey_complete": gettext_noop("a survey is completed"),
    "kartra_page_visit": gettext_noop("a Kartra page is visited"),
    "click_page_split_test_link": gettext_noop("a split-test link is clicked"),
    "video_play": gettext_noop("a video is started"),
    "video_complete": gettext_noop("a video is watched to its end"),
    "affiliate_signup": gettext_noop("an affiliate signs up"),
    "jv_signup": gettext_noop("a JV partner signs up"),
    "ipn": gettext_noop("a payment is processed (all payment messages together)"),
}
"""The 24 events (a refund, whole or in part, is one with two names) and the payment messages."""


class WebhookEndpointForm(forms.ModelForm):
    """Name and IPN secret; a secret that is stored is never shown, and an empty field keeps it."""

    secret = forms.CharField(
        label=gettext_lazy("Secret key of the IPN"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(render_value=False),
        help_text=gettext_lazy("The secret you typed into Kartra's IPN. Empty keeps the one that is stored."),
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["connection", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def save(self, commit: bool = True) -> WebhookEndpoint:
        if self.cleaned_data.get("secret"):
            self.instance.ipn_secret = self.cleaned_data["secret"]
        endpoint: WebhookEndpoint = super().save(commit)
        return endpoint


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ModelAdmin):
    form = WebhookEndpointForm
    list_display = ["name", "connection", "created_at", "last_message", "retired_at"]
    list_select_related = ["connection__account"]
    actions = ["retire"]
    change_form_template = "admin/kartra/webhook_endpoint_page.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The address with the three steps to set it up in Kartra, when each event last came, and what has stopped."""
        endpoint = self.get_object(request, object_id)
        extra: dict[str, Any] = {
            "may_see": request.user.has_perm("integrations.see_webhook_addresses"),
            "may_rotate": self.has_rotate_permission(request),
        }
        if endpoint is not None:
            kinds = missing_events.kinds_of(endpoint.pk)
            extra["events"] = [
                (kind, _(WHEN.get(kind.name, gettext_noop("not documented by Kartra")))) for kind in kinds
            ]
            extra["stopped"] = [kind for kind in kinds if kind.stopped]
            extra["old"] = _use_of_old_address(endpoint) if endpoint.old_token_digest else None
            extra["came"] = discard.came(endpoint)
            extra["orders"] = discard.orders(endpoint)
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        do, away = (self.admin_site.admin_view(view) for view in (self.do_view, self.discard_view))
        return [
            path("<int:pk>/do/<slug:what>/", do, name="integrations_webhookendpoint_do"),
            path("<int:pk>/discard/", away, name="integrations_webhookendpoint_discard"),
            *super().get_urls(),
        ]

    def discard_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take back what came by an address, a retired one too."""
        endpoint = self.get_queryset(request).filter(pk=pk).first()
        if endpoint is None:
            raise Http404
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        return discard.page(request, endpoint, self.admin_site.each_context(request), self.log_change)

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Make a new address, or retire the old one. Only a POST does anything."""
        endpoint = self.get_queryset(request).filter(pk=pk, retired_at=None).first()
        if endpoint is None or what not in ("rotate", "retire-old"):
            raise Http404
        if not self.has_rotate_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            self._do(request, endpoint, what)
        return HttpResponseRedirect(endpoint.get_absolute_url())

    def _do(self, request: HttpRequest, endpoint: WebhookEndpoint, what: str) -> None:
        if what == "retire-old":
            if endpoint.retire_old():
                self.log_change(request, endpoint, _("Retired the old address."))
                self.message_user(request, _("The old address is retired: messages to it are refused."))
        elif endpoint.rotate(clock.now()):
            self.log_change(request, endpoint, _("Made a new address."))
            words = _("There is a new address. Enter it in Kartra; both are valid until you retire the old one.")
            self.message_user(request, words, messages.SUCCESS)
        else:
            words = _("Nothing was changed: retire the old address first, or what Kartra sends to it would be lost.")
            self.message_user(request, words, messages.ERROR)

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("integrations.rotate_webhookendpoint"))

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[str]:
        return ["connection", "name", "secret"]

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> list[str]:
        return ["connection"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("last message"))
    def last_message(self, endpoint: WebhookEndpoint) -> Any:
        last = endpoint.deliveries.order_by("-pk").values_list("received_at", flat=True).first()
        return last or _("none yet")

    @admin.action(description=gettext_lazy("Retire: messages to these addresses are refused"), permissions=["rotate"])
    def retire(self, request: HttpRequest, queryset: Any) -> None:
        number = queryset.filter(retired_at=None).update(retired_at=clock.now())
        transaction.on_commit(addresses.renew, robust=True)
        self.message_user(request, ngettext("%(number)s retired.", "%(number)s retired.", number) % {"number": number})


def _use_of_old_address(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What still comes to the address before the last change: how often in a day, and when last."""
    came = Delivery.objects.filter(endpoint=endpoint, old_address=True, received_at__gt=endpoint.rotated_at).order_by(
        "-pk"
    )
    day_ago = clock.now() - dt.timedelta(days=1)
    return {
        "last_at": came.values_list("received_at", flat=True).first(),
        "in_a_day": came.filter(received_at__gt=day_ago).count(),
    }
