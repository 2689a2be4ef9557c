"""What needs a person, from when to when, and whether somebody was told."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models.connection import Connection


class ConcernCode(models.TextChoices):
    WORKERS = "workers", _("workers do not run")
    BEAT = "beat", _("beat does not run")
    BROKER = "broker", _("the broker does not answer")
    WEB = "web", _("web does not run")
    CLOCK = "clock", _("a machine's clock is wrong")
    DISK = "disk", _("a disk is full")
    DELETIONS = "deletions", _("updates stopped: many leads were found deleted")
    CATALOGUE = "catalogue", _("names are missing from Kartra's answer")
    QUARANTINED = "quarantined", _("messages could not be read")
    HELD = "held", _("messages are held")
    REFUSED = "refused", _("messages were refused: too many came")
    FRESHNESS = "freshness", _("leads were not checked in time")
    SILENT = "silent", _("a kind of message stopped coming")
    DECISIONS = "decisions", _("changes need a decision")
    APPROVALS = "approvals", _("bulk actions need approval")
    SCHEDULES = "schedules", _("schedules wait for an answer")


class ConcernQuerySet(models.QuerySet["Concern"]):
    def standing(self) -> "ConcernQuerySet":
        return self.filter(ended_at=None)


class Concern(models.Model):
    """One thing that needs a person. `key` says which of several it is: a queue, the key of an address and a kind of message.

    `number` is how many, as last seen, and `told_number` as last told; `told_at` and `end_told_at`: when somebody was told that it
    began and that it is over, each once.
    """

    account_path = "connection__account"

    code = models.CharField(max_length=12, choices=ConcernCode)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, null=True, blank=True, related_name="concerns")
    key = models.CharField(max_length=140, blank=True, default="")
    number = models.PositiveIntegerField(default=1)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)
    told_number = models.PositiveIntegerField(default=0)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_told_at = models.DateTimeField(null=True, blank=True)

    objects = ConcernQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("what needs a person")
        verbose_name_plural = _("what needs a person")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["code", "connection", "key"],
                condition=Q(ended_at=None, connection__isnull=False),
                name="integrations_concern_one_standing",
            ),
            models.UniqueConstraint(
                fields=["code", "key"],
                condition=Q(ended_at=None, connection=None),
                name="integrations_concern_one_standing_of_all",
            ),
            models.CheckConstraint(
                name="integrations_concern_end_told_if_told",
                condition=Q(end_told_at=None) | Q(told_at__isnull=False, ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_code_display()} {self.key}".strip()
