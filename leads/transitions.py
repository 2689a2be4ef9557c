"""How a change moves from state to state, the only writer of its status; and how a run ends with its changes: all members
ended, cancelled members closed, gone leads skipped.
"""

import datetime as dt
import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from leads import clock
from leads.models import OPEN, BulkRun, ChangeStatus, Lead, LeadChange, Reason, RunState
from leads.models.remarks import NONE, Remark, Remarks

BATCH = 25_000
"""Members frozen or cancelled in one transaction: under half a second on SQLite."""

BORN = (ChangeStatus.WAITING, ChangeStatus.SKIPPED)
"""The states in which a change may be recorded."""

TRANSITIONS: dict[ChangeStatus, frozenset[ChangeStatus]] = {
    ChangeStatus.WAITING: frozenset(
        (
            ChangeStatus.SENDING,
            ChangeStatus.UNKNOWN,  # it may have been sent before the database was restored
            ChangeStatus.UNDECIDED,
            ChangeStatus.SKIPPED,
            ChangeStatus.CANCELLED,
        )
    ),
    ChangeStatus.SENDING: frozenset(
        (
            ChangeStatus.WAITING,  # provably not sent, or not done
            ChangeStatus.UNKNOWN,
            ChangeStatus.UNDECIDED,
            ChangeStatus.ACCEPTED,
            ChangeStatus.REJECTED,
            ChangeStatus.SKIPPED,
            ChangeStatus.SUPERSEDED,
        )
    ),
    ChangeStatus.UNKNOWN: frozenset(
        (
            ChangeStatus.UNKNOWN,  # looked at, and to be looked at again
            ChangeStatus.WAITING,
            ChangeStatus.UNDECIDED,
            ChangeStatus.ACCEPTED,
            ChangeStatus.REJECTED,
            ChangeStatus.SKIPPED,
            ChangeStatus.SUPERSEDED,
        )
    ),
    ChangeStatus.UNDECIDED: frozenset(
        (ChangeStatus.WAITING, ChangeStatus.ACCEPTED, ChangeStatus.CANCELLED, ChangeStatus.SUPERSEDED)
    ),
    ChangeStatus.ACCEPTED: frozenset((ChangeStatus.REJECTED,)),  # a read shows that it was not done after all
    ChangeStatus.REJECTED: frozenset(),
    ChangeStatus.SKIPPED: frozenset(),
    ChangeStatus.CANCELLED: frozenset(),
    ChangeStatus.SUPERSEDED: frozenset(),
}
"""What a change may become from each state. An ended one stays as it ended, but for what Kartra said and did not do."""


class CannotMove(Exception):
    """The change is in a state from which it may not become that."""


def _move(rows: QuerySet[LeadChange], to: ChangeStatus, at: dt.datetime | None = None, **fields: Any) -> int:
    """Move those of the rows that may become `to`; the others stay as they are. How many moved."""
    before = [status for status, after in TRANSITIONS.items() if to in after]
    values: dict[str, Any] = {"reason": Reason.NONE, "settled_at": None if to in OPEN else at or clock.now(), **fields}
    return rows.filter(status__in=before).update(status=to, **values)


def start_sending(rows: QuerySet[LeadChange]) -> int:
    """They are in a call that was written down."""
    return _move(rows, ChangeStatus.SENDING)


def requeue(rows: QuerySet[LeadChange]) -> int:
    """They wait again: nothing of them was sent."""
    return _move(rows, ChangeStatus.WAITING)


def doubt(rows: QuerySet[LeadChange], remark: Remark) -> int:
    """Nobody knows whether they were done: a worker looks."""
    return _move(rows, ChangeStatus.UNKNOWN, message="", remark=remark)


def leave_to_person(rows: QuerySet[LeadChange], reason: Reason, remark: Remark) -> int:
    return _move(rows, ChangeStatus.UNDECIDED, reason=reason, message="", remark=remark)


def skip(rows: QuerySet[LeadChange], reason: Reason, at: dt.datetime | None = None) -> int:
    """Nothing is to be done of them, for this reason."""
    return _move(rows, ChangeStatus.SKIPPED, at, reason=reason)


def cancel(rows: QuerySet[LeadChange], remark: Remark | None = None) -> int:
    """They are not sent any more. `remark` says by whom; without one the last words stay."""
    return _move(rows, ChangeStatus.CANCELLED, at=None, **({"message": "", "remark": remark} if remark else {}))


def settle(
    change: LeadChange,
    status: ChangeStatus,
    *,
    at: dt.datetime,
    reason: str = "",
    code: str = "",
    message: str = "",
    remark: Remarks = NONE,
    not_done: int | None = None,
    send_alone: bool | None = None,
    superseded_by: int | None = None,
    decided_with: int | None = None,
) -> None:
    """Write what became of one change, in its row and in `change`. `superseded_by`, `decided_with`: primary keys. Raises
    CannotMove where its row is in no state that leads there."""
    fields: dict[str, Any] = {
        "reason": reason,
        "code": code,
        "message": message,
        "remark": remark,
        "superseded_by_id": superseded_by,
        "decided_with_id": decided_with,
    }
    if not_done is not None:
        fields["not_done"] = not_done
    if send_alone is not None:
        fields["send_alone"] = send_alone
    if not _move(LeadChange.objects.filter(pk=change.pk), status, at, **fields):
        raise CannotMove(f"Change {change.pk} cannot become {status}.")
    for name, value in {**fields, "status": status, "settled_at": None if status in OPEN else at}.items():
        setattr(change, name, value)


def accept_many(rows: QuerySet[LeadChange], code: str, message: str, at: dt.datetime) -> int:
    """Kartra carried them out, and said the same of each. How many there were in a state that leads there."""
    told = {"code": code, "message": message, "remark": NONE, "superseded_by": None, "decided_with": None}
    return _move(rows, ChangeStatus.ACCEPTED, at, **told)


def close_cancelled_members(run_id: int, *, within_s: float = math.inf, batch: int = BATCH) -> None:
    """Cancel what still waits in a run that is being cancelled, in batches, and end the run when all is over. After `within_s`
    seconds the rest is left to the next one who asks: nothing of it is sent meanwhile."""
    ends = time.monotonic() + within_s
    waiting = LeadChange.objects.filter(run_id=run_id, run__state=RunState.CANCELLING, status=ChangeStatus.WAITING)
    while True:
        with transaction.atomic():
            ids = list(waiting.order_by("pk").values_list("pk", flat=True)[:batch])
            if not ids:
                break
            cancel(waiting.filter(pk__gte=ids[0], pk__lte=ids[-1]))
        if time.monotonic() >= ends:
            break
    finish_run_if_over(run_id)


def finish_run_if_over(run_id: int) -> bool:
    """End the run if nothing of it is queued, in flight or being checked. Undecided members do not keep it open."""
    over = BulkRun.objects.filter(~Exists(_going()), pk=run_id)
    now = clock.now()
    cancelled = Q(state=RunState.CANCELLING) | Q(state=RunState.RUNNING, cancelled_by__isnull=False)
    if over.filter(cancelled).update(state=RunState.CANCELLED, ended_at=now):
        return True
    return bool(over.filter(state=RunState.RUNNING).update(state=RunState.FINISHED, ended_at=now))


def end_runs(run_ids: Iterable[int]) -> None:
    """End those of these runs that are over or being cancelled. One query where none is."""
    asked = BulkRun.objects.filter(pk__in=set(run_ids)).filter(
        Q(state=RunState.CANCELLING) | Q(~Exists(_going()), state=RunState.RUNNING)
    )
    for run_id in asked.order_by("pk").values_list("pk", flat=True):
        close_cancelled_members(run_id, within_s=0)


def _going() -> QuerySet[LeadChange]:
    """Changes of the outer query's run that are queued, in flight or being checked."""
    going = [ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
    return LeadChange.objects.filter(run=OuterRef("pk"), status__in=going)


def skip_gone(lead: Lead) -> int:
    """Close the waiting changes of a lead that is deleted in Kartra. How many there were."""
    return skip_all_gone([lead.pk])


def skip_all_gone(lead_ids: Sequence[int]) -> int:
    """The same for about a thousand leads at once."""
    waiting = LeadChange.objects.filter(lead__in=lead_ids, status=ChangeStatus.WAITING)
    runs = set(waiting.exclude(run=None).values_list("run_id", flat=True))
    closed = skip(waiting, Reason.GONE)
    for run_id in runs:
        finish_run_if_over(run_id)
    return closed
