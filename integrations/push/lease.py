"""A claimed call until its answer: stamped just before the POST, given back, or ended with its lease.

The unfinished call row is the lead's lock, lease and fence. Who gets one is left to `claim`, what an answer changes to `settle`.
"""

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F

from integrations.clock import now
from integrations.models import ApiCall, Attempt, CallOutcome, Connection, Proof
from integrations.push.plan import CallPlan
from integrations.sending import call_counter
from leads import transitions
from leads.kind import get_kind
from leads.models import ChangeRemark, ChangeStatus, LeadChange, Reason, RunState
from leads.models.remarks import remark

MOST_UNREAD = 12
"""So often a change waits because Kartra could not be asked about its lead; then a person decides."""

LEASE_S = 15.0
"""How long a claimed call may wait for its turn. Renewed when it is sent."""


class TakenOut(NamedTuple):
    """What leaves a claimed call: changes that have ended, and those that wait again. `unread`: those among these of which
    Kartra could not be asked what has to be known before they are sent."""

    ended: Sequence[LeadChange] = ()
    waiting: Sequence[LeadChange] = ()
    unread: Sequence[LeadChange] = ()


def take_out(plan: CallPlan, choose: Callable[[], TakenOut]) -> CallPlan | None:
    """Take changes out of a claimed call that is not sent. `choose` says which, asked with the call in our hands; those that
    it ends, it ends itself.

    Returns the call as it may be sent. None, and then it is withdrawn, if nothing is left of it; or if it is no longer ours.
    """
    with transaction.atomic():
        calls = ApiCall.objects.filter(pk=plan.call.pk, finished_at=None, sent_at=None)
        if not calls.select_for_update().exists():
            return None
        out = choose()
        left = {change.pk for change in (*out.ended, *out.waiting)}
        if left:
            Attempt.objects.filter(call=plan.call, change__in=left).update(
                proof=Proof.NOT_DONE, message="", remark=remark(ChangeRemark.NOT_SENT)
            )
        if out.waiting:
            _return_to_queue(out)
        kept = tuple(change for change in plan.changes if change.pk not in left)
        if not kept:
            calls.update(finished_at=now(), outcome=CallOutcome.WITHDRAWN)
            return None
    return dataclasses.replace(plan, changes=kept)


def _return_to_queue(out: TakenOut) -> None:
    """Let claimed changes wait again, or be cancelled with their run. What so often could not be asked about is left to a
    person."""
    rows = LeadChange.objects.filter(pk__in=[change.pk for change in out.waiting])
    transitions.requeue(rows)
    if out.unread:
        unread = rows.filter(pk__in=[change.pk for change in out.unread])
        unread.update(not_done=F("not_done") + 1)
        transitions.leave_to_person(
            unread.filter(not_done__gte=MOST_UNREAD),
            Reason.REPEATED,
            remark(ChangeRemark.UNREAD),
        )
    for run_id in set(rows.filter(run__state=RunState.CANCELLING).values_list("run_id", flat=True)):
        transitions.close_cancelled_members(run_id)


def mark_sent(plan: CallPlan) -> CallPlan | None:
    """The same as `mark_all_sent` of one call. None if nothing is left of it or the lead is no longer ours."""
    return next(iter(mark_all_sent([plan])), None)


def mark_all_sent(plans: Sequence[CallPlan]) -> list[CallPlan]:
    """The last look before the POSTs of one connection, committed: switch, runs and fence; then `sent_at`, the count of calls, and
    a lease for each call itself.

    Returns the chains as they may be sent: without the changes of runs that stand still meanwhile (they wait again, or are
    cancelled), and without calls of which nothing is left or whose lead is no longer ours.
    """
    if not plans:
        return []
    connection = Connection(pk=plans[0].call.connection_id)
    ids = [plan.call.pk for plan in plans]
    with transaction.atomic():
        ours = set(
            ApiCall.objects.select_for_update()
            .filter(pk__in=ids, finished_at=None, sent_at=None)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        still = _standing_still([plan for plan in plans if plan.call.pk in ours])
        kept = []
        for plan in plans:
            out = still.get(plan.call.pk)
            if plan.call.pk in ours and (left := plan if out is None else take_out(plan, _as_is(out))) is not None:
                kept.append(left)
        if not kept:
            return []
        at = now()
        # Longer than the call's own deadline by as much as a busy machine may need.
        lease_until = at + dt.timedelta(seconds=settings.KARTRA_DEADLINE_S * 1.5 + 5)
        sent = ApiCall.objects.filter(pk__in=[plan.call.pk for plan in kept])
        sent.update(sent_at=at, lease_until=lease_until)
        call_counter.count(connection, len(kept))
    call_counter.keep_outside(connection)
    return kept


def _as_is(out: TakenOut) -> Callable[[], TakenOut]:
    return lambda: out


def _standing_still(plans: Sequence[CallPlan]) -> dict[int, TakenOut]:
    """What may not be sent just now, by call: all, where sending is off; what belongs to a run that stands still, and what follows
    it."""
    if not plans or not Connection.objects.sending().filter(pk=plans[0].call.connection_id).exists():
        return {plan.call.pk: TakenOut(waiting=plan.changes) for plan in plans}
    of_runs = [change.pk for plan in plans for change in plan.changes if change.run_id]
    going: set[int] = set()
    if of_runs:
        going.update(LeadChange.objects.filter(pk__in=of_runs).in_going_runs().values_list("pk", flat=True))
    found = {}
    for plan in plans:
        dropped: list[LeadChange] = []
        for change in plan.changes:
            behind = any(c.family == change.family or get_kind(c.kind).creates for c in dropped)
            if (change.run_id and change.pk not in going) or behind:
                dropped.append(change)
        if dropped:
            found[plan.call.pk] = TakenOut(waiting=dropped)
    return found


def release_plans(plans: Iterable[CallPlan], *, unread: bool = False) -> None:
    """Give back chains that were claimed and not sent, at once: the worker ends, or (`unread`) Kartra could not be asked what
    has to be known before they are sent."""
    for plan in plans:
        take_out(plan, functools.partial(TakenOut, waiting=plan.changes, unread=plan.changes if unread else ()))


def end_leases(connection: Connection) -> int:
    """Calls whose worker died: what was never sent waits again; what may have been sent is unknown. How many."""
    at = now()
    over = ApiCall.objects.in_flight().filter(connection=connection, lease_until__lt=at).order_by("pk")
    ended = 0
    for call in over[:500]:
        with transaction.atomic():
            if not ApiCall.objects.filter(pk=call.pk, finished_at=None, lease_until__lt=at).update(
                finished_at=at,
                outcome=CallOutcome.LOST,
                remark=remark(ChangeRemark.WORKER_ENDED),
            ):
                continue
            ended += 1
            attempts = Attempt.objects.filter(call=call, proof=Proof.OPEN)
            rows = LeadChange.objects.filter(pk__in=attempts.values("change"), status=ChangeStatus.SENDING)
            run_ids = set(rows.exclude(run=None).values_list("run_id", flat=True))
            if call.sent_at is None:
                transitions.requeue(rows)
                attempts.update(proof=Proof.NOT_DONE, remark=remark(ChangeRemark.NEVER_SENT))
                for run_id in run_ids:
                    transitions.close_cancelled_members(run_id)
            else:
                transitions.doubt(rows, remark(ChangeRemark.NOT_RECORDED))
                first_look = call.sent_at + dt.timedelta(seconds=settings.VERIFY_SETTLE_S[0])
                attempts.update(proof=Proof.UNCLEAR, verify_at=max(first_look, at))
    return ended
