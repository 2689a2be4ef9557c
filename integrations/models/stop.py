"""A time in which something was not sent to Kartra, and why. The stops that stand are the sending switch, the others its history."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy as _

from integrations.kartra.errors import advice
from leads.models.remarks import RemarkField, sentence_of, vocabulary


class StopCause(models.TextChoices):
    PERSON = "person", _("a person")
    CREDENTIALS = "credentials", _("Kartra refused our keys")
    OUTAGE = "outage", _("Kartra did not answer")
    LOST_KEY = "lost_key", _("our key for stored secrets is missing")
    RESTORED = "restored", _("this database was restored or copied")
    COMMAND = "command", _("Kartra does not allow the command")


NO_USE_ASKING = (StopCause.OUTAGE, StopCause.CREDENTIALS, StopCause.LOST_KEY)
"""While one of these stands, Kartra cannot be read either."""


@vocabulary
class StopRemark(models.TextChoices):
    """Why the machine stopped sending, in codes with the words that people read."""

    SWITCHED_OFF = "switched_off", _("Switched off.")
    STOPPED_ALL = "stopped_all", _("Stopped with “Stop all sending”.")
    NO_ANSWERS = (
        "no_answers",
        _(
            "%(failures)s calls in a row got no answer (%(words)s). We try again every %(probe)s seconds and "
            "resume by ourselves."
        ),
    )
    DATABASE_RESTORED = (
        "database_restored",
        _(
            "More was sent to Kartra than this database knows of, so it was probably restored from a backup. What is "
            "queued may have been sent already. When you resume sending, we check every open change in Kartra "
            "before anything is sent."
        ),
    )
    DATABASE_COPIED = (
        "database_copied",
        _(
            "This machine does not have the mark of this database's installation, so the database is probably "
            "a copy. If "
            "the original still runs, leave this one off. When you resume sending, we check every open change "
            "in Kartra before anything is sent."
        ),
    )


class SendingStopQuerySet(models.QuerySet["SendingStop"]):
    def standing(self) -> Self:
        return self.filter(ended_at=None)

    def of_everything(self) -> Self:
        """Stops of all sending, not of one command."""
        return self.filter(command="")

    def untold(self) -> Self:
        """Stops whose beginning or end nobody was told of yet."""
        return self.filter(Q(told_at=None) | Q(ended_at__isnull=False, end_told_at=None))


class SendingStop(models.Model):
    """One stop of a connection, or of one command on it (`command`). `why` is what a person gave as the reason, or Kartra's own
    words and their `code`; what we say of it ourselves is in `remark`.

    `told_at` and `end_told_at`: when the notice about its beginning and its end went out; each goes out once.
    """

    account_path = "connection__account"

    connection = models.ForeignKey("integrations.Connection", on_delete=models.CASCADE, related_name="stops")
    stopped_by = models.CharField(max_length=12, choices=StopCause)
    command = models.CharField(max_length=64, blank=True, default="")
    why = models.TextField(blank=True, default="")
    code = models.CharField(max_length=16, blank=True, default="")
    remark = RemarkField()
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
            models.CheckConstraint(
                condition=Q(stopped_by=StopCause.COMMAND) & ~Q(command="")
                | ~Q(stopped_by=StopCause.COMMAND) & Q(command=""),
                name="integrations_stop_of_command_says_which",
            ),
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

    @property
    def words(self) -> str:
        """Why, and what to do about it."""
        said = sentence_of(self.remark) or self.why
        return f"{said.rstrip('.')}. {gettext(advice(self.code))}" if self.code else said
