"""A time in which something was not sent to Kartra, and why: the history behind the sending switch."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models.connection import Connection, StopCause


class SendingStopQuerySet(models.QuerySet["SendingStop"]):
    def standing(self) -> Self:
        return self.filter(ended_at=None)

    def untold(self) -> Self:
        """Stops whose beginning or end nobody was told of yet."""
        return self.filter(Q(told_at=None) | Q(ended_at__isnull=False, end_told_at=None))


class SendingStop(models.Model):
    """One stop of a connection, or of one command on it (`command`). `why` says it in words.

    `told_at` and `end_told_at`: when the notice about its beginning and its end went out; each goes out once.
    """

    account_path = "connection__account"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="stops")
    stopped_by = models.CharField(max_length=12, choices=StopCause)
    command = models.CharField(max_length=64, blank=True, default="")
    why = models.TextField()
    began_at = models.DateTimeField()
    began_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    told_at = models.DateTimeField(null=True, blank=True)
    end_told_at = models.DateTimeField(null=True, blank=True)

    objects = SendingStopQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("stop of sending")
        verbose_name_plural = _("stops of sending")
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "command"], condition=Q(ended_at=None), name="integrations_stop_one_standing"
            ),
            models.CheckConstraint(condition=~Q(stopped_by=""), name="integrations_stop_says_by_whom"),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(told_at=None) | Q(ended_at__isnull=False, end_told_at=None),
                name="integrations_stop_untold",
            )
        ]

    def __str__(self) -> str:
        return f"{self.connection}: {self.get_stopped_by_display()}"
