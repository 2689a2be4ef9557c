"""How a run ends, and with what its changes end: all members ended, cancelled members closed, gone leads skipped."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from leads import clock
from leads.models import BulkRun, ChangeStatus, Lead, LeadChange, Reason, RunState

BATCH = 25_000
"""Members frozen or cancelled in one transaction: under half a second on SQLite."""


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
            ).update(status=ChangeStatus.CANCELLED, settled_at=clock.now())
    finish_run_if_over(run_id)


def finish_run_if_over(run_id: int) -> bool:
    """End the run if nothing of it is queued, in flight or being checked. Undecided members do not keep it open."""
    going = LeadChange.objects.filter(
        run=OuterRef("pk"), status__in=[ChangeStatus.WAITING, ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
    )
    over = BulkRun.objects.filter(~Exists(going), pk=run_id)
    now = clock.now()
    cancelled = Q(state=RunState.CANCELLING) | Q(state=RunState.RUNNING, cancelled_by__isnull=False)
    if over.filter(cancelled).update(state=RunState.CANCELLED, ended_at=now):
        return True
    return bool(over.filter(state=RunState.RUNNING).update(state=RunState.FINISHED, ended_at=now))


def skip_gone(lead: Lead) -> int:
    """Close the waiting changes of a lead that is deleted in Kartra. How many there were."""
    return skip_all_gone([lead.pk])


def skip_all_gone(lead_ids: Sequence[int]) -> int:
    """The same for about a thousand leads at once."""
    waiting = LeadChange.objects.filter(lead__in=lead_ids, status=ChangeStatus.WAITING)
    runs = set(waiting.exclude(run=None).values_list("run_id", flat=True))
    closed = waiting.update(status=ChangeStatus.SKIPPED, reason=Reason.GONE, settled_at=clock.now())
    for run_id in runs:
        finish_run_if_over(run_id)
    return closed
