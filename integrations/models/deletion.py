"""Leads that reads found deleted, and whether that was believed: a wrong account is likelier than a mass delete."""

from typing import Self

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from integrations.models.connection import Connection
from leads.models import GoneReason, Lead


class DeletionVerdict(models.TextChoices):
    PENDING = "pending", _("not believed yet")
    BELIEVED = "believed", _("marked as deleted")
    CONFIRMED = "confirmed", _("confirmed by a person")
    DROPPED = "dropped", _("not believed: read again")


class DeletionReportQuerySet(models.QuerySet["DeletionReport"]):
    def pending(self) -> Self:
        return self.filter(verdict=DeletionVerdict.PENDING)

    def unconfirmed(self) -> Self:
        """Findings that no person has spoken about: those that count against the limit."""
        return self.filter(verdict__in=[DeletionVerdict.PENDING, DeletionVerdict.BELIEVED])


class DeletionReport(models.Model):
    """One lead that a read by itself found deleted: pending until it is sure enough that it is no mistake of ours."""

    account_path = "connection__account"

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="deletion_reports")
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, related_name="deletion_reports")
    reason = models.CharField(max_length=12, choices=GoneReason)
    found_at = models.DateTimeField()
    verdict = models.CharField(max_length=12, choices=DeletionVerdict, default=DeletionVerdict.PENDING)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = DeletionReportQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("lead found deleted")
        verbose_name_plural = _("leads found deleted")
        constraints = [
            models.CheckConstraint(
                name="integrations_deletionreport_decided_iff_not_pending",
                condition=models.Q(verdict=DeletionVerdict.PENDING, decided_at=None)
                | (~models.Q(verdict=DeletionVerdict.PENDING) & models.Q(decided_at__isnull=False)),
            )
        ]
        indexes = [models.Index(fields=["connection", "-found_at"], name="integrations_gone_found")]

    def __str__(self) -> str:
        return gettext("lead %(id)s: %(reason)s") % {"id": self.lead_id, "reason": self.get_reason_display()}
