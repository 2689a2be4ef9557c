"""Records wishes, alone or as a run, and steers runs. The only creator of LeadChange rows.

Works on sets: a run of 100,000 is one INSERT … SELECT. Nothing here speaks to Kartra; `changes_recorded` says after the
commit that there is work.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    JSONField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.text import capfirst

from leads import kinds
from leads.models import OPEN, Account, BulkRun, ChangeStatus, Lead, LeadChange, Reason, RunState
from leads.signals import changes_recorded

BATCH = 25_000
"""Members frozen or cancelled in one transaction: under half a second on SQLite."""

Author = AbstractBaseUser | AnonymousUser | None


class CannotRecord(ValueError):
    """The wish cannot be recorded. The text is a sentence for the person who asked."""


@dataclass(frozen=True)
class Preview:
    """What a bulk action would do, counted now. `calls` is how many calls to Kartra that takes at the most: one a lead.

    `total` = `will_change` + `already_so` + `gone`. `id_not_known` of those that will change are known by their address
    alone; `opposite_waiting` have an open change of the same family by another kind; `never_read` were never read.
    `oldest_read_at` is the age of the oldest of our knowledge that this count rests on.
    """

    total: int
    will_change: int
    already_so: int
    gone: int
    id_not_known: int
    opposite_waiting: int
    never_read: int
    oldest_read_at: dt.datetime | None

    @property
    def calls(self) -> int:
        return self.will_change


def _members(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """The set as a plain query on leads, whatever joins and order the given one has."""
    return Lead.objects.filter(account=account, pk__in=leads.order_by().values("pk"))


def _judged(account: Account, leads: QuerySet[Lead], kind: kinds.Kind, parameters: Mapping[str, Any]) -> QuerySet[Lead]:
    """The members, each with `gone`, `queued` (an open change of the family) and `so` (it would change nothing)."""
    open_of_family = LeadChange.objects.filter(lead=OuterRef("pk"), family=kind.family(parameters), status__in=OPEN)
    already = kind.already_so(Lead.objects.filter(account=account), parameters).filter(pk=OuterRef("pk"))
    return _members(account, leads).annotate(
        queued=Exists(open_of_family),
        opposite=Exists(open_of_family.exclude(kind=kind.name)),
        so=Case(
            When(Q(gone_at__isnull=False), then=Value(False)),
            When(Exists(open_of_family), then=Value(False)),
            When(Exists(already), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
    )


def preview(account: Account, leads: QuerySet[Lead], kind: kinds.Kind, parameters: Mapping[str, Any]) -> Preview:
    """Count what `record_run` would do with the same arguments. Reads only."""
    will = Q(gone_at=None, so=False)
    counts = _judged(account, leads, kind, parameters).aggregate(
        total=Count("pk"),
        will_change=Count("pk", filter=will),
        already_so=Count("pk", filter=Q(so=True)),
        gone=Count("pk", filter=Q(gone_at__isnull=False)),
        id_not_known=Count("pk", filter=will & Q(kartra_id=None)),
        opposite_waiting=Count("pk", filter=will & Q(opposite=True)),
        never_read=Count("pk", filter=Q(read_at=None, gone_at=None)),
        oldest_read_at=Min("read_at", filter=Q(gone_at=None)),
    )
    return Preview(**counts)


def record(
    lead: Lead, kind: kinds.Kind, parameters: Mapping[str, Any], *, by: Author = None, why: str = ""
) -> LeadChange:
    """Record one wish for one lead, on its own. Raises BadParameters or CannotRecord; then nothing is recorded."""
    clean = kind.clean(lead.account, parameters)
    if lead.gone_at:
        raise CannotRecord(f"Lead {lead.kartra_id or lead.pk} is deleted in Kartra; nothing can be changed on it.")
    with transaction.atomic():
        change = LeadChange.objects.create(
            account_id=lead.account_id,
            lead=lead,
            kind=kind.name,
            parameters=clean,
            family=kind.family(clean),
            requested_by=_user(by),
            why=why,
            requested_at=timezone.now(),
        )
        _announce(lead.account_id)
    return change


def record_run(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.Kind,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    name: str = "",
    expected: int | None = None,
) -> BulkRun:
    """Freeze the set of leads as the members of a new run and start it. Returns the run, already running (or, where
    nothing is to be sent, finished).

    Over BATCH leads it is frozen in several transactions and is `preparing` meanwhile, which the pusher leaves alone.
    Raises BadParameters, or CannotRecord if the set is empty or leaves the account; then nothing is recorded.
    """
    clean = kind.clean(account, parameters)
    if leads.exclude(account=account).exists():
        raise CannotRecord("These leads are of more than one account. Choose the leads of one account first.")
    members = _members(account, leads)
    size = members.count()
    if not size:
        raise CannotRecord("No leads are chosen, so there is nothing to do.")
    now = timezone.now()
    with transaction.atomic():
        run = BulkRun.objects.create(
            account=account,
            name=name or capfirst(kind.sentence(clean))[:200],
            kind=kind.name,
            parameters=clean,
            created_by=_user(by),
            why=why,
            expected=size if expected is None else expected,
        )
        if size <= BATCH:
            _freeze(run, members, kind, now)
            start(run)
    if size > BATCH:
        # The ids first, so that the set is the one of this moment whatever happens between the batches.
        ids = list(members.order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(ids), BATCH):
            low, high = ids[first], ids[min(first + BATCH, len(ids)) - 1]
            with transaction.atomic():
                _freeze(run, members.filter(pk__gte=low, pk__lte=high), kind, now)
        start(run)
    return run


def _freeze(run: BulkRun, members: QuerySet[Lead], kind: kinds.Kind, now: dt.datetime) -> None:
    """One INSERT … SELECT: a change for every member, those with nothing to do already skipped with the reason."""
    judged = _judged(run.account, members, kind, run.parameters).order_by("pk")
    idle = Q(gone_at__isnull=False) | Q(so=True)

    def text(value: str) -> Value:
        return Value(value, output_field=TextField())

    columns = {
        "account_id": Value(run.account_id),
        "lead_id": None,
        "run_id": Value(run.pk),
        "kind": text(kind.name),
        "parameters": Cast(Value(run.parameters, output_field=JSONField()), JSONField()),
        "family": text(kind.family(run.parameters)),
        "status": Case(
            When(idle, then=text(ChangeStatus.SKIPPED)), default=text(ChangeStatus.WAITING), output_field=CharField()
        ),
        "reason": Case(
            When(gone_at__isnull=False, then=text(Reason.GONE)),
            When(so=True, then=text(Reason.ALREADY_SO)),
            default=text(""),
            output_field=CharField(),
        ),
        "code": text(""),
        "message": text(""),
        "alone": Value(False, output_field=BooleanField()),
        "not_done": Value(0),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": text(run.why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(idle, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }
    annotations = {f"new_{name}": expression for name, expression in columns.items() if expression is not None}
    selected = [f"new_{name}" if expression is not None else "pk" for name, expression in columns.items()]
    sql, parameters = judged.annotate(**annotations).values_list(*selected).query.sql_with_params()
    table = connection.ops.quote_name(LeadChange._meta.db_table)
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) {sql}", parameters)


def _user(by: Author) -> Any:
    return by if by is not None and getattr(by, "pk", None) else None


def _announce(account_id: int) -> None:
    transaction.on_commit(lambda: changes_recorded.send(sender=LeadChange, account_id=account_id), robust=True)


# --- steering a run


def start(run: BulkRun) -> None:
    """Let a frozen run go. Safe to repeat."""
    with transaction.atomic():
        if BulkRun.objects.filter(pk=run.pk, state=RunState.PREPARING).update(state=RunState.RUNNING):
            _announce(run.account_id)
        finish_if_over(run.pk)
    run.refresh_from_db()


def pause(run: BulkRun, *, why: str = "") -> bool:
    """Hold the run's waiting changes back. True if it was running."""
    changed = BulkRun.objects.filter(pk=run.pk, state=RunState.RUNNING).update(
        state=RunState.PAUSED, paused_at=timezone.now(), paused_why=why
    )
    run.refresh_from_db()
    return bool(changed)


def resume(run: BulkRun) -> bool:
    """Let a paused run go on. True if it was paused."""
    with transaction.atomic():
        changed = BulkRun.objects.filter(pk=run.pk, state=RunState.PAUSED).update(
            state=RunState.RUNNING, paused_at=None, paused_why=""
        )
        if changed:
            _announce(run.account_id)
    run.refresh_from_db()
    return bool(changed)


def cancel(run: BulkRun, *, by: Author = None) -> bool:
    """Stop the run: no new call starts for it; calls in flight end and are recorded; what was queued is cancelled.

    True if there was something to stop. Safe to repeat: an interrupted cancel goes on where it was.
    """
    stopped = BulkRun.objects.filter(pk=run.pk).under_way().exclude(state=RunState.CANCELLING)
    changed = stopped.update(state=RunState.CANCELLING, cancelled_by=_user(by), paused_at=None, paused_why="")
    close_cancelled_members(run.pk)
    run.refresh_from_db()
    return bool(changed)


def close_cancelled_members(run_id: int) -> None:
    """Cancel what still waits in a run that is being cancelled, in batches, and end the run when all is over."""
    waiting = LeadChange.objects.filter(run_id=run_id, run__state=RunState.CANCELLING, status=ChangeStatus.WAITING)
    while True:
        with transaction.atomic():
            ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:BATCH])
            if not ids:
                break
            LeadChange.objects.filter(
                run_id=run_id, pk__gte=ids[0], pk__lte=ids[-1], status=ChangeStatus.WAITING
            ).update(status=ChangeStatus.CANCELLED, settled_at=timezone.now())
    finish_if_over(run_id)


def finish_if_over(run_id: int) -> bool:
    """End the run if nothing of it is queued, in flight or being checked. Undecided members do not keep it open."""
    going = LeadChange.objects.filter(
        run=OuterRef("pk"), status__in=[ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
    )
    over = BulkRun.objects.filter(~Exists(going), pk=run_id)
    now = timezone.now()
    finished = over.filter(state=RunState.RUNNING).update(state=RunState.FINISHED, ended_at=now)
    return bool(finished or over.filter(state=RunState.CANCELLING).update(state=RunState.CANCELLED, ended_at=now))


def skip_gone(lead: Lead) -> int:
    """Close the waiting changes of a lead that is deleted in Kartra. How many there were."""
    waiting = LeadChange.objects.filter(lead=lead, status=ChangeStatus.WAITING)
    runs = set(waiting.exclude(run=None).values_list("run_id", flat=True))
    closed = waiting.update(status=ChangeStatus.SKIPPED, reason=Reason.GONE, settled_at=timezone.now())
    for run_id in runs:
        finish_if_over(run_id)
    return closed
