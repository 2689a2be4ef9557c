"""How long rows are kept: one rule for each table that grows for ever, in small batches, so that nobody waits for it.

Never deleted: what is open, unproven, undecided, quarantined, refused or not applied; refusals that nobody has dealt with; the last
accepted change of each thing of a lead, which says who put it there and is all that an undo can take back; whatever says how a
standing relation came to be; money; and records of people who asked to be forgotten.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from integrations.models import ApiCall, Attempt, Concern, Delivery, DeliveryStatus, Proof, WebhookHour
from leads.kind import every_kind
from leads.models import (
    Activity,
    BulkRun,
    ChangeStatus,
    Import,
    ImportReject,
    ImportState,
    LeadChange,
    Occurrence,
    OccurrenceState,
    PasswordLinkRequest,
    PeopleList,
    RunDraft,
    Schedule,
    ScheduleState,
)
from leads.models.membership import Joined
from leads.models.run import ENDED
from leads.people import lists

BATCH = 500
TIES: tuple[Any, ...] = tuple(Joined.__subclasses__())
MONEY_LINES = Q(kind__startswith="payment_") | Q(kind="amount_reported")
"""Lines that a read of the same money looks for, so as not to tell it twice."""


@dataclass(frozen=True)
class Rule:
    """How long one table is kept: `setting` says how many days (0: for ever), `rows` which of its rows may go that are from before
    a moment, `delete` deletes these."""

    setting: str
    label: Any
    model: type[Model]
    dated: str
    rows: Callable[[dt.datetime], QuerySet[Any]]
    delete: Callable[[QuerySet[Any]], Any] = QuerySet.delete

    @property
    def days(self) -> int:
        days: int = getattr(settings, self.setting)
        return days

    def oldest(self) -> dt.datetime | None:
        """Of when the first row is that is there, without looking through the table. A session's key says nothing of its time."""
        order = self.dated if self.model is Session else "pk"
        first: dt.datetime | None = (
            self.model._default_manager.order_by(order).values_list(self.dated, flat=True).first()
        )
        return first

    def batch(self, at: dt.datetime) -> int:
        """Delete some rows that are due. How many. Each is asked once more when it is deleted, and held: meanwhile somebody may
        have asked to apply a message again."""
        if not self.days:
            return 0
        due = self.rows(at - dt.timedelta(days=self.days)).order_by()
        pks = list(due.values_list("pk", flat=True)[:BATCH])
        if pks:
            with transaction.atomic():
                rows = due.filter(pk__in=pks)
                if connection.features.has_select_for_update:
                    held = rows.order_by("pk").select_for_update(of=("self",))
                    rows = self.model._default_manager.filter(pk__in=list(held.values_list("pk", flat=True)))
                self.delete(rows)
        return len(pks)


def _messages(before: dt.datetime) -> QuerySet[Any]:
    """But the last of each kind at each address: by it a kind that has stopped is told."""
    later = Delivery.objects.filter(
        endpoint=OuterRef("endpoint"), channel=OuterRef("channel"), action=OuterRef("action"), pk__gt=OuterRef("pk")
    )
    statuses = [DeliveryStatus.APPLIED, DeliveryStatus.RECORDED, DeliveryStatus.DISCARDED]
    done = Delivery.objects.filter(status__in=statuses, received_at__lt=before)
    return done.filter(Exists(later))


def _reads(before: dt.datetime) -> QuerySet[Any]:
    attempts = Attempt.objects.filter(call=OuterRef("pk"))
    return ApiCall.objects.filter(~Exists(attempts), writes=False, claimed_at__lt=before)


def _calls(before: dt.datetime) -> QuerySet[Any]:
    """Those that wrote, once the changes that they carried are gone."""
    attempts = Attempt.objects.filter(call=OuterRef("pk"))
    return ApiCall.objects.filter(~Exists(attempts), writes=True, finished_at__lt=before)


def _changes(before: dt.datetime) -> QuerySet[Any]:
    later = LeadChange.objects.filter(
        lead=OuterRef("lead"), family=OuterRef("family"), status=ChangeStatus.ACCEPTED, pk__gt=OuterRef("pk")
    )
    unproven = Attempt.objects.filter(change=OuterRef("pk"), proof__in=[Proof.OPEN, Proof.UNCLEAR, Proof.UNDECIDED])
    rows = LeadChange.objects.settled().filter(settled_at__lt=before).exclude(kind__in=_money())
    rows = rows.filter(Q(run=None) | Q(run__state__in=ENDED)).exclude(status=ChangeStatus.REJECTED, closed_at=None)
    rows = rows.filter(~Q(status=ChangeStatus.ACCEPTED) | Exists(later), ~Exists(unproven))
    rows = rows.filter(~Exists(_remembered().filter(run=OuterRef("run"))))
    for tie in TIES:
        rows = rows.filter(~Exists(tie.objects.filter(change=OuterRef("pk"))))
    return rows


def _remembered() -> QuerySet[Occurrence]:
    """Times of schedules that go on and leave out whom they changed before: by their changes they know whom."""
    return Occurrence.objects.filter(schedule__only_new=True).exclude(schedule__state=ScheduleState.OVER)


def _times(before: dt.datetime) -> QuerySet[Any]:
    """Times of schedules that have passed, but for those by which one still knows whom it changed."""
    open_ones = [OccurrenceState.DUE, OccurrenceState.HELD]
    rows = Occurrence.objects.filter(due_at__lt=before).exclude(state__in=open_ones)
    return rows.filter(Q(run=None) | Q(schedule__only_new=False) | Q(schedule__state=ScheduleState.OVER))


def _delete_times(times: QuerySet[Occurrence]) -> None:
    """And with its last time a schedule that is over."""
    schedules = set(times.values_list("schedule", flat=True))
    Occurrence.objects.filter(pk__in=list(times.values_list("pk", flat=True))).delete()
    left = Occurrence.objects.filter(schedule=OuterRef("pk"))
    Schedule.objects.filter(~Exists(left), pk__in=schedules, state=ScheduleState.OVER).delete()


def _money() -> list[str]:
    return [kind.name for kind in every_kind() if kind.money]


def _delete_changes(changes: QuerySet[LeadChange]) -> None:
    """Attempts first, which protect them; what they were in number stays with their bulk actions."""
    found = list(changes.values_list("pk", "run", "status"))
    counts = Counter((run, status) for _pk, run, status in found if run is not None)
    runs = BulkRun.objects.select_for_update(no_key=True).filter(pk__in={run for run, _status in counts})
    for run in runs.order_by("pk"):
        gone = {status: number for (pk, status), number in counts.items() if pk == run.pk}
        total = Counter(run.past_counts) + Counter(gone)
        BulkRun.objects.filter(pk=run.pk).update(past_counts=dict(total))
    pks = [pk for pk, _run, _status in found]
    Attempt.objects.filter(change__in=pks).delete()
    LeadChange.objects.filter(pk__in=pks).delete()


def _lines(before: dt.datetime) -> QuerySet[Any]:
    rows = Activity.objects.filter(at__lt=before).exclude(MONEY_LINES)
    for tie in TIES:
        rows = rows.filter(~Exists(tie.objects.filter(activity=OuterRef("pk"))))
    return rows


def _not_started(before: dt.datetime) -> QuerySet[Any]:
    begun = [ImportState.NEW, ImportState.CHECKING, ImportState.CHECKED]
    return Import.objects.filter(state__in=begun, created_at__lt=before)


def _sign_ins(model: type[Model], before: dt.datetime) -> QuerySet[Any]:
    return model._default_manager.filter(attempt_time__lt=before)


def _waiting_for_it() -> QuerySet[Schedule]:
    """Schedules that are to act on a list of people."""
    return Schedule.objects.filter(people_list=OuterRef("pk")).exclude(state=ScheduleState.OVER)


RULES = (
    Rule("KEEP_DELIVERIES_DAYS", _("Messages from Kartra"), Delivery, "received_at", _messages),
    Rule(
        "KEEP_DELIVERIES_DAYS",
        _("How much came by each address"),
        WebhookHour,
        "hour",
        lambda before: WebhookHour.objects.filter(hour__lt=before),
    ),
    Rule("KEEP_READS_DAYS", _("Calls that only read"), ApiCall, "claimed_at", _reads),
    Rule(
        "KEEP_CHANGES_DAYS",
        _("Requested changes that have ended"),
        LeadChange,
        "requested_at",
        _changes,
        _delete_changes,
    ),
    Rule("KEEP_CHANGES_DAYS", _("Times of schedules that have passed"), Occurrence, "due_at", _times, _delete_times),
    Rule("KEEP_CALLS_DAYS", _("Calls that wrote, once their changes are gone"), ApiCall, "claimed_at", _calls),
    Rule("KEEP_ACTIVITY_DAYS", _("Lines of the timeline"), Activity, "at", _lines),
    Rule("KEEP_UPLOADS_DAYS", _("Files whose import nobody started"), Import, "created_at", _not_started),
    Rule(
        "KEEP_REJECTS_DAYS",
        _("Bad rows of files"),
        ImportReject,
        "file__ended_at",
        lambda before: ImportReject.objects.filter(file__ended_at__lt=before),
    ),
    Rule(
        "KEEP_PEOPLE_LISTS_DAYS",
        _("Lists of people that nobody used"),
        PeopleList,
        "used_at",
        lambda before: PeopleList.objects.filter(~Exists(_waiting_for_it()), used_at__lt=before),
        lists.delete_all,
    ),
    Rule(
        "KEEP_DRAFTS_DAYS",
        _("Bulk actions that nobody started"),
        RunDraft,
        "created_at",
        lambda before: RunDraft.objects.filter(run=None, created_at__lt=before),
    ),
    Rule(
        "KEEP_ADMIN_LOG_DAYS",
        _("Who did what in the admin"),
        LogEntry,
        "action_time",
        lambda before: LogEntry.objects.filter(action_time__lt=before),
    ),
    Rule(
        "KEEP_ADMIN_LOG_DAYS",
        _("What needed a person"),
        Concern,
        "since",
        lambda before: Concern.objects.filter(ended_at__lt=before),
    ),
    *(
        Rule(
            "KEEP_SIGN_INS_DAYS",
            label,
            model,
            "attempt_time",
            partial(_sign_ins, model),
        )
        for model, label in (
            (AccessAttempt, _("Sign-ins that are being counted")),
            (AccessFailureLog, _("Sign-ins that failed")),
            (AccessLog, _("Sign-ins")),
        )
    ),
    Rule(
        "KEEP_SIGN_INS_DAYS",
        _("Requests for new passwords"),
        PasswordLinkRequest,
        "asked_at",
        lambda before: PasswordLinkRequest.objects.filter(asked_at__lt=before),
    ),
    Rule(
        "KEEP_SESSIONS_DAYS",
        _("Sessions that are over"),
        Session,
        "expire_date",
        lambda before: Session.objects.filter(expire_date__lt=before),
    ),
)


def tidy(at: dt.datetime, *, until_s: float = 60.0) -> int:
    """Delete what is due by these rules, a batch of each in turn, for so many seconds. How many rows."""
    ends, deleted, due = time.monotonic() + until_s, 0, list(RULES)
    while due and time.monotonic() < ends:
        for rule in list(due):
            number = rule.batch(at)
            deleted += number
            if number < BATCH:
                due.remove(rule)
    return deleted
