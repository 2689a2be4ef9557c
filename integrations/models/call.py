"""One POST to Kartra (ApiCall), and each change's place in it (Attempt).

No row here holds a request body or a credential.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from integrations.models.connection import Connection
from leads.models import Lead, LeadChange
from leads.models.remarks import RemarkField, Worded


class Cause(models.TextChoices):
    """Why a call was made."""

    PUSH = "push", _("a requested change")
    VERIFY = "verify", _("to see whether a change was done")
    REFRESH = "refresh", _("to keep our copy true")
    PULL = "pull", _("somebody asked to read")
    CATALOGUE = "catalogue", _("to read tags, lists and the like")
    CHECK = "check", _("to check the connection")
    CONSOLE = "console", _("a call made by hand")


class CallOutcome(models.TextChoices):
    NONE = "", ""
    ANSWERED = "answered", _("answered")
    REFUSED = "refused", _("refused as a whole")
    NOT_SENT = "not_sent", _("never left us")
    THROTTLED = "throttled", _("over Kartra's speed limit")
    CREDENTIALS = "credentials", _("our keys were refused")
    UNKNOWN = "unknown", _("no readable answer")
    WITHDRAWN = "withdrawn", _("not sent: stopped before")
    LOST = "lost", _("its worker died")


class ApiCallQuerySet(models.QuerySet["ApiCall"]):
    def in_flight(self) -> Self:
        """Calls that hold their lead: claimed and not finished."""
        return self.filter(finished_at=None, writes=True)


class ApiCall(Worded):
    """One POST to Kartra: a chain of actions on one lead, or one read.

    A writing call is also its lead's lock (one unfinished per lead), its lease (`lease_until`) and its fence: whoever
    finds `finished_at` set may not write the result any more. `sent_at` is committed just before the POST.
    """

    account_path = "connection__account"

    connection = models.ForeignKey(
        Connection, verbose_name=_("connection"), on_delete=models.PROTECT, related_name="calls", db_index=False
    )
    lead = models.ForeignKey(
        Lead,
        verbose_name=_("lead"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="calls",
        db_index=False,
    )
    cause = models.CharField(_("cause"), max_length=12, choices=Cause)
    writes = models.BooleanField(_("writes"), default=False)
    commands = models.CharField(_("commands"), max_length=500, help_text=_("Kartra's names of the actions, in order."))
    claimed_at = models.DateTimeField(_("begun at"))
    lease_until = models.DateTimeField(_("holds the lead until"), null=True, blank=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=CallOutcome, blank=True, default="")
    code = models.CharField(_("code"), max_length=16, blank=True, default="")
    message = models.TextField(_("message"), blank=True, default="")
    remark = RemarkField()
    elapsed_ms = models.PositiveIntegerField(_("elapsed ms"), null=True, blank=True)
    answer = models.TextField(
        _("answer"),
        blank=True,
        default="",
        help_text=_("Of a call that writes: Kartra's answer, first 4,000 characters."),
    )
    receipt = models.CharField(
        _("text for the safety field"),
        max_length=40,
        blank=True,
        default="",
        help_text=_("What this call writes into the safety field: proof that it began."),
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("made by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )

    objects = ApiCallQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("call to Kartra")
        verbose_name_plural = _("calls to Kartra")
        constraints = [
            models.UniqueConstraint(
                fields=["lead"], condition=Q(finished_at=None, writes=True), name="integrations_call_one_in_flight"
            ),
            models.CheckConstraint(
                name="integrations_call_outcome_iff_finished",
                condition=Q(finished_at=None, outcome="") | (Q(finished_at__isnull=False) & ~Q(outcome="")),
            ),
            models.CheckConstraint(
                name="integrations_call_lease_if_writes", condition=Q(writes=False) | Q(lease_until__isnull=False)
            ),
        ]
        indexes = [
            models.Index(
                fields=["connection", "lease_until"],
                condition=Q(finished_at=None),
                name="integrations_call_in_flight",
            ),
            models.Index(fields=["lead", "-id"], name="integrations_call_lead"),
            models.Index(fields=["made_by"], condition=Q(made_by__isnull=False), name="integrations_call_made_by"),
            models.Index(fields=["connection", "-claimed_at"], name="integrations_call_recent"),
        ]

    def __str__(self) -> str:
        return gettext("call %(id)s: %(commands)s") % {"id": self.pk, "commands": self.commands_shown}

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_apicall_change", args=[self.pk])

    @property
    def commands_shown(self) -> str:
        """Its commands; nobody knows those of a call that was made before the database was restored."""
        return self.commands or gettext("(before this database was restored)")


class Proof(models.TextChoices):
    """What is known of an attempt."""

    OPEN = "open", _("in flight")
    DONE = "done", _("done")
    REFUSED = "refused", _("refused")
    NOT_DONE = "not_done", _("proven not done")
    UNCLEAR = "unclear", _("not known yet")
    UNDECIDED = "undecided", _("left to a person")


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def unclear(self) -> Self:
        return self.filter(proof=Proof.UNCLEAR)


class Attempt(Worded):
    """One change's place in one call, what Kartra said of it, and the evidence.

    `evidence` is a list of {"at": ISO time, "what": `Seen`, …} in the order it came. `before` is what was known before it
    was sent and decides afterwards, e.g. {"score": 10}. `verify_at`: when to look next.
    """

    account_path = "change__account"

    change = models.ForeignKey(
        LeadChange, verbose_name=_("change"), on_delete=models.PROTECT, related_name="attempts", db_index=False
    )
    call = models.ForeignKey(ApiCall, verbose_name=_("call"), on_delete=models.PROTECT, related_name="attempts")
    position = models.PositiveSmallIntegerField(_("position"), help_text=_("Index of its action in the call."))
    command = models.CharField(_("command"), max_length=64)
    proof = models.CharField(_("proof"), max_length=12, choices=Proof, default=Proof.OPEN)
    code = models.CharField(_("code"), max_length=16, blank=True, default="")
    message = models.TextField(_("message"), blank=True, default="")
    remark = RemarkField()
    before = models.JSONField(default=dict, blank=True)
    evidence = RemarkField(default=list)
    looks = models.PositiveSmallIntegerField(default=0, help_text=_("Reads that counted as evidence."))
    verify_at = models.DateTimeField(_("verify at"), null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            models.UniqueConstraint(fields=["change", "call"], name="integrations_attempt_once_per_call"),
            models.CheckConstraint(
                name="integrations_attempt_verify_at_iff_unclear",
                condition=Q(proof=Proof.UNCLEAR, verify_at__isnull=False)
                | (~Q(proof=Proof.UNCLEAR) & Q(verify_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["verify_at"], condition=Q(proof=Proof.UNCLEAR), name="integrations_attempt_verify")
        ]

    def __str__(self) -> str:
        return gettext("attempt %(id)s: %(command)s") % {"id": self.pk, "command": self.command}
