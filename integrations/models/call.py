"""One POST to Kartra (ApiCall), and each change's place in it (Attempt).

No row here holds a request body or a credential.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from integrations.models.connection import Connection
from leads.models import Lead, LeadChange


class Cause(models.TextChoices):
    """Why a call was made."""

    PUSH = "push", "a requested change"
    VERIFY = "verify", "to see whether a change was done"
    REFRESH = "refresh", "to keep our copy true"
    PULL = "pull", "somebody asked to read"
    CATALOGUE = "catalogue", "to read tags, lists and the like"
    CHECK = "check", "to check the connection"
    CONSOLE = "console", "a call made by hand"


class Outcome(models.TextChoices):
    NONE = "", ""
    ANSWERED = "answered", "answered"
    REFUSED = "refused", "refused as a whole"
    NOT_SENT = "not_sent", "never left us"
    THROTTLED = "throttled", "over Kartra's speed limit"
    CREDENTIALS = "credentials", "our keys were refused"
    UNKNOWN = "unknown", "no readable answer"
    WITHDRAWN = "withdrawn", "not sent: stopped before"
    LOST = "lost", "its worker died"


class ApiCallQuerySet(models.QuerySet["ApiCall"]):
    def in_flight(self) -> Self:
        """Calls that hold their lead: claimed and not finished."""
        return self.filter(finished_at=None, writes=True)


class ApiCall(models.Model):
    """One POST to Kartra: a chain of actions on one lead, or one read.

    A writing call is also its lead's lock (one unfinished per lead), its lease (`lease_until`) and its fence: whoever
    finds `finished_at` set may not write the result any more. `sent_at` is committed just before the POST.
    """

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="calls")
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, null=True, blank=True, related_name="calls")
    cause = models.CharField(max_length=12, choices=Cause)
    writes = models.BooleanField(default=False)
    commands = models.CharField(max_length=500, help_text="Kartra's names of the actions, in order.")
    claimed_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True, default="")
    code = models.CharField(max_length=16, blank=True, default="")
    message = models.TextField(blank=True, default="")
    elapsed_ms = models.PositiveIntegerField(null=True, blank=True)
    answer = models.TextField(
        blank=True, default="", help_text="Of a call that writes: Kartra's answer, first 4,000 characters."
    )
    receipt = models.CharField(
        max_length=40,
        blank=True,
        default="",
        help_text="What this call writes into the safety field: proof that it began.",
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = ApiCallQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "call to Kartra"
        verbose_name_plural = "calls to Kartra"
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
            models.Index(fields=["connection", "-claimed_at"], name="integrations_call_recent"),
        ]

    def __str__(self) -> str:
        return f"call {self.pk}: {self.commands}"

    def get_absolute_url(self) -> str:
        return reverse("admin:integrations_apicall_change", args=[self.pk])


class Proof(models.TextChoices):
    """What is known of an attempt."""

    OPEN = "open", "in flight"
    DONE = "done", "done"
    REFUSED = "refused", "refused"
    NOT_DONE = "not_done", "proven not done"
    UNCLEAR = "unclear", "not known yet"
    UNDECIDED = "undecided", "left to a person"


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def unclear(self) -> Self:
        return self.filter(proof=Proof.UNCLEAR)


class Attempt(models.Model):
    """One change's place in one call, what Kartra said of it, and the evidence.

    `evidence` is a list of {"at": ISO time, "what": words, …} in the order it came. `before` is what was known before it
    was sent and decides afterwards, e.g. {"score": 10}. `verify_at`: when to look next.
    """

    change = models.ForeignKey(LeadChange, on_delete=models.PROTECT, related_name="attempts")
    call = models.ForeignKey(ApiCall, on_delete=models.PROTECT, related_name="attempts")
    position = models.PositiveSmallIntegerField(help_text="Index of its action in the call.")
    command = models.CharField(max_length=64)
    proof = models.CharField(max_length=12, choices=Proof, default=Proof.OPEN)
    code = models.CharField(max_length=16, blank=True, default="")
    message = models.TextField(blank=True, default="")
    before = models.JSONField(default=dict, blank=True)
    evidence = models.JSONField(default=list, blank=True)
    looks = models.PositiveSmallIntegerField(default=0, help_text="Reads that counted as evidence.")
    verify_at = models.DateTimeField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
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
        return f"attempt {self.pk}: {self.command}"
