"""What happened to a lead: the timeline."""

import contextlib
import datetime as dt
from typing import Any

from django.db import models

from leads.models.account import Account
from leads.models.lead import Lead


class Source(models.TextChoices):
    """Who told us, or who did it."""

    STAFF = "staff", "staff"
    PUSH = "push", "sent by us, confirmed by Kartra"
    WEBHOOK = "webhook", "message from Kartra"
    IPN = "ipn", "payment message from Kartra"
    REFRESH = "refresh", "read from Kartra"
    IMPORT = "import", "import"


class Activity(models.Model):
    """Something that happened to a lead: at `at`, or somewhere between `between_from` and `at`.

    `details` holds what the kind needs to be told in a sentence, e.g. {"tag": "VIP"} or {"field": …, "was": …, "is": …}.
    `cause` names the row behind it, e.g. "delivery 12" or "call 5"; `change` is the wish behind it, if there was one.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="activities")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="activities")
    kind = models.CharField(max_length=64)
    between_from = models.DateTimeField(null=True, blank=True)
    at = models.DateTimeField()
    source = models.CharField(max_length=12, choices=Source)
    details = models.JSONField(default=dict, blank=True)
    cause = models.CharField(max_length=64, blank=True, default="")
    change = models.ForeignKey(
        "leads.LeadChange", on_delete=models.SET_NULL, null=True, blank=True, related_name="activities"
    )

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name_plural = "activity"
        indexes = [
            models.Index(fields=["lead", "-at"], name="leads_activity_lead"),
            models.Index(fields=["account", "kind", "-at"], name="leads_activity_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of lead {self.lead_id}"

    @property
    def label(self) -> str:
        """What happened, as a phrase: "tag assigned: VIP", "city: Bend → Salem"."""
        details = self.details if isinstance(self.details, dict) else {}
        if "field" in details:
            name = str(details["field"]).removeprefix("custom.").replace("_", " ")
            return f"{name}: {_plain(details.get('was'))} → {_plain(details.get('is'))}"
        told = ", ".join(filter(None, (self._detail(name, value) for name, value in details.items())))
        kind = self.kind.replace("_", " ")
        return f"{kind}: {told}" if told else kind

    def _detail(self, name: str, value: Any) -> str:
        """One detail in words; nothing for what is empty or no plain value."""
        if value == "" or not isinstance(value, str | int | float):
            return ""
        if name == "expires_in_days":
            return f"to expire after {value} day{'' if value == 1 else 's'}"
        if name == "step":
            return f"at step {value}"
        if name == "starts_at":
            with contextlib.suppress(ValueError, OverflowError):
                return self.account.time_of_kartra(dt.datetime.fromisoformat(str(value)))
        return str(value)


def _plain(value: Any) -> str:
    """A field's value in words; chosen options ([[id, words], …]) by their words."""
    if isinstance(value, list):
        value = ", ".join(str(each[-1]) if isinstance(each, list) and each else str(each) for each in value)
    return "—" if value in ("", None) else str(value)
