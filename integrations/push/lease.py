"""A claimed call until its answer: stamped just before the POST, given back, or ended with its lease.

The unfinished call row is the lead's lock, lease and fence. Who gets one is left to `claim`, what an answer changes to `settle`.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.models import ApiCall, Attempt, CallOutcome, Connection, Proof, Sending
from integrations.push.plan import CallPlan
from integrations.sending import call_counter
from leads import transitions
from leads.kind import get_kind
from leads.models import ChangeStatus, LeadChange, Reason, RunState

MOST_UNREAD = 12
"""So often a change waits because Kartra could not be asked about its lead; then a person decides."""

LEASE_S = 15.0
"""How long a claimed call may wait for its turn. Renewed when it is sent."""


def mark_sent(plan: CallPlan) -> CallPlan | None:
    """The last look before the POST, committed: switch, runs and fence; then `sent_at`, the count of calls, and a lease
    for the call itself.

    Returns the chain as it may be sent: without the changes of runs that stand still meanwhile (they wait again, or are
    cancelled). None if nothing is left of it or the lead is no longer ours.
    """
    connection = Connection(pk=plan.call.connection_id)
    with transaction.atomic():
        at = now()
        calls = ApiCall.objects.filter(pk=plan.call.pk, finished_at=None, sent_at=None)
        if not calls.select_for_update().exists():
            return None
        switched = Connection.objects.filter(pk=connection.pk).values_list("sending", "counter_key")
        sending, connection.counter_key = switched.get()
        states = dict(
            LeadChange.objects.filter(pk__in=[change.pk for change in plan.changes]).values_list("pk", "run__state")
        )
        kept: list[LeadChange] = []
        dropped: list[LeadChange] = []
        for change in plan.changes:
            going = sending == Sending.ON and states.get(change.pk) in (None, RunState.RUNNING)
            behind = any(c.family == change.family or get_kind(c.kind).creates for c in dropped)
            (kept if going and not behind else dropped).append(change)
        if dropped:
            return_to_queue(plan.call, dropped)
        if not kept:
            calls.update(finished_at=at, outcome=CallOutcome.WITHDRAWN)
            return None
        # Longer than the call's own deadline by as much as a busy machine may need.
        calls.update(sent_at=at, lease_until=at + dt.timedelta(seconds=settings.KARTRA_DEADLINE_S * 1.5 + 5))
        call_counter.count(connection)
    call_counter.keep_outside(connection)
    return dataclasses.replace(plan, changes=tuple(kept))


def return_to_queue(call: ApiCall, dropped: Sequence[LeadChange], *, unread: Sequence[LeadChange] = ()) -> None:
    """Let claimed changes wait again. `unread`: those among them of which Kartra could not be asked what has to be known before
    they are sent; after so many times a person decides."""
    Attempt.objects.filter(call=call, change__in=dropped).update(proof=Proof.NOT_DONE, message=_("Not sent."))
    rows = LeadChange.objects.filter(pk__in=[c.pk for c in dropped])
    rows.update(status=ChangeStatus.WAITING)
    if unread:
        rows.filter(pk__in=[c.pk for c in unread]).update(not_done=F("not_done") + 1)
        tired = rows.filter(pk__in=[c.pk for c in unread], not_done__gte=MOST_UNREAD)
        tired.update(
            status=ChangeStatus.UNDECIDED,
            reason=Reason.REPEATED,
            message=_("Kartra could not be asked what has to be known before it is sent. It was not sent."),
        )
    for run_id in set(rows.filter(run__state=RunState.CANCELLING).values_list("run_id", flat=True)):
        transitions.close_cancelled_members(run_id)


def release_plans(plans: Iterable[CallPlan], *, unread: bool = False) -> None:
    """Give back chains that were claimed and not sent, at once: the worker ends, or (`unread`) Kartra could not be asked what
    has to be known before they are sent."""
    for plan in plans:
        with transaction.atomic():
            calls = ApiCall.objects.filter(pk=plan.call.pk, finished_at=None, sent_at=None)
            if calls.update(finished_at=now(), outcome=CallOutcome.WITHDRAWN):
                return_to_queue(plan.call, plan.changes, unread=plan.changes if unread else ())


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
                message=_("The worker that made this call ended before it recorded the answer."),
            ):
                continue
            ended += 1
            attempts = Attempt.objects.filter(call=call, proof=Proof.OPEN)
            rows = LeadChange.objects.filter(pk__in=attempts.values("change"), status=ChangeStatus.SENDING)
            run_ids = set(rows.exclude(run=None).values_list("run_id", flat=True))
            if call.sent_at is None:
                rows.update(status=ChangeStatus.WAITING)
                attempts.update(proof=Proof.NOT_DONE, message=_("Never sent."))
                for run_id in run_ids:
                    transitions.close_cancelled_members(run_id)
            else:
                rows.update(status=ChangeStatus.UNKNOWN, message=_("Sent, but the answer was never recorded."))
                first_look = call.sent_at + dt.timedelta(seconds=settings.VERIFY_SETTLE_S[0])
                attempts.update(proof=Proof.UNCLEAR, verify_at=max(first_look, at))
    return ended
