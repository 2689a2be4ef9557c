"""One request Kartra made to one of our doors, kept as the bytes it was."""

from typing import Self

from django.db import models
from django.db.models import Q
from django.urls import reverse

from integrations.models.connection import Door
from leads.models import Lead


class Channel(models.TextChoices):
    OUTBOUND = "outbound", "event"
    IPN = "ipn", "payment message"


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", "to be applied"
    APPLIED = "applied", "applied"
    RECORDED = "recorded", "kept, of a kind we do not know"
    QUARANTINED = "quarantined", "could not read this message"
    REFUSED = "refused", "refused: wrong secret, or too large"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def waiting(self) -> Self:
        return self.filter(status=DeliveryStatus.WAITING).order_by("pk")


class Delivery(models.Model):
    """What came: first stored, then applied. `changed` says in words what it changed, empty if nothing.

    `body` is the bytes as they came; of one over 1 MB the first 4 KB (`truncated`). `headers` holds those of interest.
    """

    door = models.ForeignKey(Door, on_delete=models.PROTECT, related_name="deliveries", verbose_name="address")
    channel = models.CharField(max_length=12, choices=Channel)
    received_at = models.DateTimeField()
    body = models.BinaryField()
    truncated = models.BooleanField(default=False)
    size = models.PositiveIntegerField(help_text="Bytes, as announced or as read.")
    headers = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the body: equal bodies are marked, never dropped.")
    status = models.CharField(max_length=12, choices=DeliveryStatus, default=DeliveryStatus.WAITING)
    reason = models.TextField(blank=True, default="")
    action = models.CharField(max_length=100, blank=True, default="")
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, null=True, blank=True, related_name="deliveries")
    changed = models.JSONField(default=list, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "message from Kartra"
        verbose_name_plural = "messages from Kartra"
        constraints = [
            models.CheckConstraint(
                name="integrations_delivery_applied_at",
                condition=Q(status=DeliveryStatus.WAITING, applied_at=None)
                | (~Q(status=DeliveryStatus.WAITING) & Q(applied_at__isnull=False)),
            )
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=Q(status=DeliveryStatus.WAITING), name="integrations_delivery_waiting"
            ),
            models.Index(fields=["door", "action", "-received_at"], name="integrations_delivery_action"),
            models.Index(fields=["lead", "-id"], name="integrations_delivery_lead"),
            models.Index(fields=["digest"], name="integrations_delivery_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.action or self.get_channel_display()} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_delivery_change", args=[self.pk])
