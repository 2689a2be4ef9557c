"""What came by a webhook address: how much in each hour, and what a person had taken back."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from integrations.models.webhook_endpoint import WebhookEndpoint
from leads.models.times import StampField


class WebhookHour(models.Model):
    """What came by one address within an hour (`hour`: its beginning, UTC). `messages` and `bytes` are stored ones, counted in
    packets of some dozens by each process; `refused` were above the budget; `new_leads` were new to us."""

    account_path = "endpoint__connection__account"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    messages = models.PositiveIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    new_leads = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-hour"]
        verbose_name = _("hour of a webhook address")
        verbose_name_plural = _("hours of webhook addresses")
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "hour"], name="integrations_webhookhour_once"),
        ]
        indexes = [models.Index(fields=["hour"], name="integrations_webhookhour_hour")]

    def __str__(self) -> str:
        return gettext("%(address)s, %(hour)s") % {"address": self.endpoint, "hour": self.hour}


class Discard(models.Model):
    """Somebody's order to take back what came by an address since a moment: somebody else may have had it. `doubted`: primary keys
    of changes that were taken as done because of such a message."""

    account_path = "endpoint__connection__account"

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.PROTECT, related_name="discards")
    since = models.DateTimeField(_("since"))
    asked_at = StampField(_("asked at"), auto_now_add=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    doubted = models.JSONField(default=list, blank=True, editable=False)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("order to discard messages")
        verbose_name_plural = _("orders to discard messages")

    def __str__(self) -> str:
        return gettext("%(address)s since %(when)s") % {"address": self.endpoint, "when": self.since}
