"""Steers runs: starts, pauses, resumes, cancels, ends them."""

import contextlib
import datetime as dt
import logging
import math
from collections.abc import Iterator

from django.db import connection, transaction
from django.db.models import F

from leads import clock, transitions
from leads.access import Author, user_of
from leads.models import BulkRun, ChangeStatus, LeadChange, RunRemark, RunState
from leads.models.remarks import Remarks, remark
from leads.signals import announce

logger = logging.getLogger(__name__)

REFUSALS_THAT_PAUSE = 10

CANCELLED_AT_ONCE_S = 5.0
"""So long a sweep cancels the members of one bulk action; then others have their turn."""


def start(run: BulkRun) -> None:
    """Let a frozen run go. Safe to repeat."""
    with transaction.atomic():
        if BulkRun.objects.filter(pk=run.pk, state=RunState.PREPARING).update(state=RunState.RUNNING):
            announce(run.account_id)
        transitions.finish_run_if_over(run.pk)
    run.refresh_from_db()


def reopen(run_id: int) -> None:
    """Let an ended run go on, for a member that is to be sent again. It ends anew, and is told anew, after that."""
    BulkRun.objects.ended().filter(pk=run_id).update(
        state=RunState.RUNNING, ended_at=None, told_at=None, mailed_at=None
    )


def is_preparing(run_id: int) -> bool:
    """Whether the run is still to be filled, asked by who fills it: a cancel waits until the transaction ends."""
    return BulkRun.objects.select_for_update().filter(pk=run_id, state=RunState.PREPARING).exists()


@contextlib.contextmanager
def filling(run: BulkRun) -> Iterator[None]:
    """While the members of a new run are written: it goes when they are, and is cancelled if that breaks off."""
    try:
        yield
    except Exception:
        cancel(run)
        raise
    start(run)


MANY = 2000
"""So many new changes at once alter what PostgreSQL should think of the table."""


def make_known(size: int) -> None:
    """Let PostgreSQL count the changes anew after so many were written. By itself it does so a minute later, and until then a claim
    behind 100,000 of them takes seconds instead of milliseconds."""
    if size >= MANY and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ANALYZE {connection.ops.quote_name(LeadChange._meta.db_table)}")


def pause(run: BulkRun, *, why: str = "") -> bool:
    """Hold the run's waiting changes back. True if it was running."""
    changed = BulkRun.objects.filter(pk=run.pk, state=RunState.RUNNING).update(
        state=RunState.PAUSED, paused_at=clock.now(), paused_why=why
    )
    run.refresh_from_db()
    return bool(changed)


def resume(run: BulkRun) -> bool:
    """Let a paused run go on. True if it was paused."""
    with transaction.atomic():
        changed = BulkRun.objects.filter(pk=run.pk, state=RunState.PAUSED).update(
            state=RunState.RUNNING, paused_at=None, paused_why="", paused_remark={}
        )
        if changed:
            announce(run.account_id)
    run.refresh_from_db()
    return bool(changed)


def cancel(run: BulkRun, *, by: Author = None, within_s: float = math.inf, batch: int = transitions.BATCH) -> bool:
    """Stop the run: no new call starts for it; calls in flight end and are recorded; what was queued is cancelled, all of it or
    for about `within_s` seconds; the sweep goes on with the rest (`mend`).

    True if there was something to stop. Safe to repeat: an interrupted cancel goes on where it was.
    """
    stopped = BulkRun.objects.filter(pk=run.pk).under_way().exclude(state=RunState.CANCELLING)
    changed = stopped.update(
        state=RunState.CANCELLING, cancelled_by=user_of(by), paused_at=None, paused_why="", paused_remark={}
    )
    transitions.close_cancelled_members(run.pk, within_s=within_s, batch=batch)
    run.refresh_from_db()
    return bool(changed)


def mend(abandoned_before: dt.datetime) -> None:
    """End what was left standing: cancels that were cut off, runs whose last member was settled unseen, runs that were
    being filled when their process died."""
    rows = BulkRun.objects.under_way()
    for run in rows.filter(state=RunState.PREPARING, created_at__lt=abandoned_before):
        logger.warning("Bulk action %s was never filled to its end and is cancelled.", run.pk)
        cancel(run)
    for run_id in rows.filter(state=RunState.CANCELLING).values_list("pk", flat=True):
        transitions.close_cancelled_members(run_id, within_s=CANCELLED_AT_ONCE_S)
    for run_id in rows.filter(state=RunState.RUNNING).values_list("pk", flat=True):
        transitions.finish_run_if_over(run_id)


def note_outcome(run_id: int, status: str, code: str, said: Remarks) -> None:
    """Count equal refusals in a row; the tenth pauses the run with its cause, before thousands more are refused."""
    run = BulkRun.objects.filter(pk=run_id)
    if status == ChangeStatus.ACCEPTED:
        run.filter(refusals__gt=0).update(refusals=0, refused_code="")
        return
    if status != ChangeStatus.REJECTED:
        return
    if not run.filter(refused_code=code).update(refusals=F("refusals") + 1):
        run.update(refusals=1, refused_code=code)
    why = remark(RunRemark.REFUSED_IN_A_ROW, number=REFUSALS_THAT_PAUSE, message=said, code=code)
    paused = run.filter(state=RunState.RUNNING, refusals__gte=REFUSALS_THAT_PAUSE).update(
        state=RunState.PAUSED, paused_at=clock.now(), paused_remark=why, refusals=0, refused_code=""
    )
    if paused:
        logger.warning("Bulk action %s was paused: %s equal refusals in a row (%s).", run_id, REFUSALS_THAT_PAUSE, code)
