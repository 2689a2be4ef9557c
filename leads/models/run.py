"""A bulk action: what somebody is preparing (draft) and what was started (run)."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from leads.models.account import Account


class RunState(models.TextChoices):
    PREPARING = "preparing", "preparing"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    CANCELLING = "cancelling", "cancelling"
    FINISHED = "finished", "finished"
    CANCELLED = "cancelled", "cancelled"


ENDED = (RunState.FINISHED, RunState.CANCELLED)


class BulkRunQuerySet(models.QuerySet["BulkRun"]):
    def ended(self) -> Self:
        return self.filter(state__in=ENDED)

    def under_way(self) -> Self:
        return self.exclude(state__in=ENDED)


class BulkRun(models.Model):
    """One bulk action: a frozen set of changes of one account, with a name, an author and a reason.

    Its counts are not stored: they are counted over its changes by status, so they can never disagree with them.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="runs")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=32)
    parameters = models.JSONField(default=dict, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    why = models.TextField("reason", blank=True, default="")
    expected = models.PositiveIntegerField(default=0, help_text="How many the preview said would change.")
    state = models.CharField(max_length=12, choices=RunState, default=RunState.PREPARING)
    created_at = models.DateTimeField(auto_now_add=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_why = models.TextField(blank=True, default="")
    refusals = models.PositiveSmallIntegerField(default=0, help_text="Equal refusals in a row.")
    refused_code = models.CharField(max_length=16, blank=True, default="", help_text="Kartra's code of these.")
    cancelled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = BulkRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = "bulk action"
        permissions = [("steer_bulkrun", "Can cancel, pause and resume bulk actions")]
        constraints = [
            models.CheckConstraint(
                name="leads_bulkrun_ended_at_iff_ended",
                condition=Q(state__in=ENDED, ended_at__isnull=False) | (~Q(state__in=ENDED) & Q(ended_at=None)),
            ),
            models.CheckConstraint(
                name="leads_bulkrun_paused_at_iff_paused",
                condition=Q(state=RunState.PAUSED, paused_at__isnull=False)
                | (~Q(state=RunState.PAUSED) & Q(paused_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state"], condition=~Q(state__in=ENDED), name="leads_bulkrun_under_way")
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_bulkrun_change", args=[self.pk])

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class RunDraft(models.Model):
    """A selection somebody means to change: the leads (as a changelist query or as ids) and the kind, until confirmed.

    `selection` is {"query": "<query string of the leads list>"}, and {"ids": […]} with it when only these leads of the
    list are meant. `started_at` is set once, by the click that starts the run.
    """

    key = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    kind = models.CharField(max_length=32)
    selection = models.JSONField()
    parameters = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    run = models.ForeignKey(BulkRun, on_delete=models.CASCADE, null=True, blank=True, related_name="drafts")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"draft of {self.kind}"

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_bulkrun_prepare", args=[self.key])
