"""A wish of a person for one lead, and what became of it at Kartra. Created by `leads.changes` alone."""

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.kind import creating_kinds, get_kind
from leads.models.account import Account
from leads.models.change_status import OPEN, ChangeStatus, Reason
from leads.models.lead import Lead
from leads.models.remarks import RemarkField, Worded
from leads.models.run import BulkRun, RunState


class LeadChangeQuerySet(models.QuerySet["LeadChange"]):
    def open(self) -> Self:
        return self.filter(status__in=OPEN)

    def settled(self) -> Self:
        return self.exclude(status__in=OPEN)

    def questions(self) -> Self:
        """Left to a person; changes that one answer decides count as one."""
        return self.filter(status=ChangeStatus.UNDECIDED, decided_with=None)

    def failed(self) -> Self:
        """Refused by Kartra, and nobody has dealt with it yet."""
        return self.filter(status=ChangeStatus.REJECTED, closed_at=None)

    def in_going_runs(self) -> Self:
        """Changes on their own, or in a run that is running (not preparing, paused or cancelling)."""
        return self.filter(Q(run=None) | Q(run__state=RunState.RUNNING))

    def due(self) -> Self:
        """Changes that may be sent: waiting, in no run that stands still, and with nothing before them that they wait for (one
        in flight, unclear, or held by a run that stands still). Nor of a lead that is said to be deleted, until a read has
        looked."""
        waiting = self.filter(status=ChangeStatus.WAITING, lead__said_deleted_at=None)
        return waiting.in_going_runs().filter(no_row(holding_back().standing()))

    def standing(self) -> Self:
        """Open changes that do not simply go out: in flight, unclear, undecided, or of a run that stands still."""
        return self.exclude(Q(status=ChangeStatus.WAITING) & (Q(run=None) | Q(run__state=RunState.RUNNING)))

    def resting(self, now: dt.datetime) -> Q:
        """Those whose lead is to be read first and cannot be just now: somebody is reading it, or a read came to nothing."""
        unread = Q(lead__read_at=None) | Q(lead__read_at__lt=F("requested_at"))
        due = Q(lead__dirty_at__isnull=False, lead__gone_at=None, lead__read_not_before__gt=now)
        return Q(read_first=True) & due & unread

    def words(self) -> dict[int, str]:
        """What is said of each: {pk: words}."""
        return {change.pk: change.words for change in self.only("remark", "message")}

    def counts(self) -> dict[str, int]:
        """How many changes are in each status, every status named: {"waiting": 3, "accepted": 0, …}."""
        found = dict(self.order_by().values_list("status").annotate(n=models.Count("pk")))
        return {status: found.get(status, 0) for status in ChangeStatus.values}


class LeadChange(Worded):
    """One wish of a person for one lead, and what became of it at Kartra. Its states are drawn in docs/architecture.md.

    `parameters` are the kind's own, e.g. {"tag": "VIP"}. `family` is what it is about ("tag:VIP"): changes of one
    family and lead keep their order. `code` and `message` are Kartra's, of a refusal or of an unclear answer; `remark`
    (`ChangeRemark`) is ours. `baseline` is what a field held when a person chose another value for it ({"city": "Salem"}); if
    Kartra holds a third by the time it is sent, that is a conflict.
    """

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="changes", db_index=False
    )
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), on_delete=models.PROTECT, related_name="changes", db_index=False
    )
    run = models.ForeignKey(
        BulkRun,
        verbose_name=_("bulk action"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="changes",
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=32)
    parameters = models.JSONField(default=dict, blank=True)
    family = models.CharField(max_length=520)
    baseline = models.JSONField(default=dict, blank=True)
    status = models.CharField(_("status"), max_length=12, choices=ChangeStatus, default=ChangeStatus.WAITING)
    reason = models.CharField(_("reason"), max_length=16, choices=Reason, blank=True, default="")
    code = models.CharField(_("code"), max_length=16, blank=True, default="")
    message = models.TextField(_("message"), blank=True, default="")
    remark = RemarkField(help_text=_("What we say of it; where we say nothing, Kartra's message counts."))
    send_alone = models.BooleanField(
        default=False, help_text=_("Sent in a call of its own: an earlier chain was refused.")
    )
    force = models.BooleanField(
        default=False, help_text=_("Sent to a lead that already has it: Kartra's automations run again.")
    )
    read_first = models.BooleanField(
        default=False,
        db_default=False,
        help_text=_("Our copy is old and shows no need for it: the lead is checked with Kartra first."),
    )
    retry_of = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="retries",
        help_text=_("The refused first try."),
        db_index=False,
    )
    closed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When somebody dealt with it: tried again, or dismissed with a reason.")
    )
    closed_why = models.TextField(blank=True, default="")
    retried_in = models.ForeignKey(
        BulkRun,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The bulk action that tried it again."),
        db_index=False,
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    not_done = models.PositiveSmallIntegerField(default=0, help_text=_("Tries in a row that were proven not done."))
    superseded_by = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="supersedes",
        help_text=_("The later change of the same thing, sent in the same call, that is so."),
        db_index=False,
    )
    decided_with = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="decides",
        help_text=_("The change whose question is asked for this one too: one answer holds for all of them."),
        db_index=False,
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("requested by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    why = models.TextField(_("reason given"), blank=True, default="")
    idempotency_key = models.CharField(
        max_length=32,
        null=True,
        blank=True,
        editable=False,
        help_text=_("The form it came with: sent twice, it is recorded once."),
    )
    requested_at = models.DateTimeField(_("requested at"))
    settled_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    objects = LeadChangeQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]  # the order in which they were asked for
        verbose_name = _("requested change")
        verbose_name_plural = _("requested changes")
        # Those of the kinds are made after `migrate`: kartra_mirror/groups.py.
        permissions = [
            ("resubscribe_list", _("Can add leads again to lists that they left themselves")),
            ("decide_change", _("Can decide about changes whose result is not known")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="leads_change_once_per_form",
            ),
            models.CheckConstraint(
                name="leads_change_closed_if_refused",
                condition=Q(closed_at=None) | Q(status=ChangeStatus.REJECTED),
            ),
            models.CheckConstraint(
                name="leads_change_settled_at_iff_not_open",
                condition=Q(status__in=OPEN, settled_at=None) | (~Q(status__in=OPEN) & Q(settled_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="leads_change_superseded_by_if_superseded",
                condition=Q(superseded_by=None) | Q(status=ChangeStatus.SUPERSEDED),
            ),
            models.CheckConstraint(
                name="leads_change_decided_with_if_undecided",
                condition=Q(decided_with=None) | Q(status=ChangeStatus.UNDECIDED),
            ),
            models.CheckConstraint(
                name="leads_change_reason_iff_held_or_skipped",
                condition=(Q(status__in=[ChangeStatus.SKIPPED, ChangeStatus.UNDECIDED]) & ~Q(reason=""))
                | (~Q(status__in=[ChangeStatus.SKIPPED, ChangeStatus.UNDECIDED]) & Q(reason="")),
            ),
        ]
        indexes = [
            models.Index(
                fields=["account", "id"],
                condition=Q(status=ChangeStatus.WAITING),
                name="leads_change_waiting",
            ),
            models.Index(
                fields=["account", "id"],
                condition=Q(status=ChangeStatus.WAITING, run=None),
                name="leads_change_waiting_single",
            ),
            models.Index(
                fields=["run", "id"],
                condition=Q(status=ChangeStatus.WAITING),
                name="leads_change_waiting_run",
            ),
            models.Index(fields=["lead", "family", "id"], condition=Q(status__in=OPEN), name="leads_change_open"),
            models.Index(fields=["run", "status"], name="leads_change_run_status"),
            models.Index(
                fields=["run", "-settled_at", "-id"],
                condition=Q(run__isnull=False, settled_at__isnull=False),
                name="leads_change_run_settled",
            ),
            models.Index(fields=["lead", "-id"], name="leads_change_lead"),
            models.Index(fields=["retry_of"], condition=Q(retry_of__isnull=False), name="leads_change_retry_of"),
            models.Index(fields=["retried_in"], condition=Q(retried_in__isnull=False), name="leads_change_retried_in"),
            models.Index(fields=["closed_by"], condition=Q(closed_by__isnull=False), name="leads_change_closed_by"),
            models.Index(
                fields=["superseded_by"], condition=Q(superseded_by__isnull=False), name="leads_change_superseded"
            ),
            models.Index(
                fields=["decided_with"], condition=Q(decided_with__isnull=False), name="leads_change_decided_with"
            ),
            models.Index(fields=["account", "status", "-settled_at"], name="leads_change_status"),
            models.Index(
                fields=["account", "reason", "kind"],
                condition=Q(status=ChangeStatus.UNDECIDED, decided_with=None),
                name="leads_change_questions",
            ),
            models.Index(
                fields=["account", "kind", "code", "family"],
                condition=Q(status=ChangeStatus.REJECTED, closed_at=None),
                name="leads_change_failed",
            ),
        ]

    def __str__(self) -> str:
        return get_kind(self.kind).sentence(self.parameters)

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_leadchange_change", args=[self.pk])

    def held_by(self) -> "LeadChange | None":
        """The first change before this one that it waits for and that does not simply go out before it."""
        if self.status != ChangeStatus.WAITING:
            return None
        return holding_back(self).standing().select_related("run").order_by("pk").first()

    def copy_is_fresh(self, lead: Lead) -> bool:
        """Whether our copy of its lead is new enough for it: any, unless the lead was to be read first."""
        return not self.read_first or (lead.read_at is not None and lead.read_at >= self.requested_at)

    def needs_read(self, lead: Lead) -> bool:
        """Whether its lead is still to be read before it can be judged. A read that found no lead there is an answer too:
        then nothing is due any more, and it is sent, to hear what Kartra says."""
        return not self.copy_is_fresh(lead) and lead.dirty_at is not None and lead.gone_at is None

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def no_row(rows: models.QuerySet[Any]) -> Case:
    """That none of these is there, asked for each row of the outer query by itself. NOT EXISTS PostgreSQL may join instead, and
    walk over a million rows that wait so as to find the four that go first."""
    return Case(When(Exists(rows), then=Value(False)), default=Value(True), output_field=models.BooleanField())


def holding_back(change: LeadChange | None = None) -> LeadChangeQuerySet:
    """The open changes that a change waits for unless they travel in one call: earlier ones of its lead, of its family or the
    creation of the lead. Of `change`, else of the outer query's."""
    family, lead, pk = (change.family, change.lead_id, change.pk) if change else map(OuterRef, ("family", "lead", "pk"))
    of_family = Q(family=family) | Q(kind__in=creating_kinds())
    return LeadChange.objects.filter(of_family, lead=lead, pk__lt=pk, status__in=OPEN)
