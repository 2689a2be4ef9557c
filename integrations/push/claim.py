"""Which changes travel next: leases over, leads claimed, chains built. One short transaction each, on sets.

The unfinished call row is the lead's lock, lease and fence; who has it is written before anything is sent.
"""

import dataclasses
import datetime as dt
import json
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db import connection as database
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.models import ApiCall, Attempt, CallOutcome, Cause, Connection, Proof, Sending, StopCause
from integrations.push.baseline import states_before
from integrations.sending import call_counter, restored, switch
from integrations.translate import WIRE_FORMATS, Composed, Receipt, can_join, compose
from integrations.translate.composing import MAX_ACTIONS
from leads import kinds, mirror, transitions
from leads.changes import conflicts
from leads.lock_conflicts import met_another, wait_a_little
from leads.models import OPEN, ChangeStatus, Lead, LeadChange, Reason, RunState

logger = logging.getLogger(__name__)

MOST_UNREAD = 12
"""So often a change waits because Kartra could not be asked about its lead; then a person decides."""

MEETINGS = 4
"""So often a claim comes again where others hold all that is due."""

LEASE_S = 15.0
"""How long a claimed call may wait for its turn. Renewed when it is sent."""

NEEDS_RECEIPT = frozenset(kind for kind, encoding in WIRE_FORMATS.items() if encoding.bears_receipt)
"""Kinds that a receipt in Kartra can prove: those that must not be told twice and are about the lead itself."""


@dataclass(frozen=True)
class CallPlan:
    """One claimed call: the lead's changes in the order in which they are sent, one action each."""

    call: ApiCall
    lead: Lead
    changes: tuple[LeadChange, ...]
    receipt: Receipt | None = None

    def request(self) -> Composed:
        """The call as it is said to Kartra."""
        return compose(self.lead, self.changes, self.receipt)

    @property
    def single(self) -> bool:
        """Whether a person waits for it: some change of it belongs to no run."""
        return any(change.run_id is None for change in self.changes)


def sent_lease_s() -> float:
    """How long a sent call may take to be recorded: longer than its own deadline by as much as a busy machine may need."""
    return float(settings.KARTRA_DEADLINE_S) * 1.5 + 5


def claim(
    connection: Connection, limit: int, *, only_singles: bool = False, stop: Callable[[], bool] = lambda: False
) -> list[CallPlan]:
    """Take up to `limit` leads with due changes, singles before runs, oldest wish first; at most one call a lead.

    What is already so by now, folding each lead's changes over the mirror in order, is skipped on the way, and so long as
    only such is met the next leads are looked at, until `stop`. Where other writers hold all that is due it is tried a few
    times more. Nothing is taken from a database that was restored or copied: sending is stopped then.
    """
    connection.refresh_from_db()
    if not connection.sends or (connection.hold_until and connection.hold_until > now()):
        return []
    told = call_counter.compare(connection)
    if told is not call_counter.RestoreCheck.SAME:
        switch.stop(connection, StopCause.RESTORED, str(restored.WHY[told]))
        return []
    met = 0
    without: list[int] = []
    while not stop() and met < MEETINGS:
        try:
            with transaction.atomic():
                lead_ids = _due_leads(connection, limit, only_singles, without)
                if not lead_ids:
                    return []
                taken = _take(connection, lead_ids)
        except _Overtaking as found:
            logger.warning("%s leads are left to the next claim: something earlier is open there.", len(found.lead_ids))
            without += found.lead_ids
            continue
        except DatabaseError as error:
            if not met_another(error):
                raise
            taken = Taken([], settled=0)
        if taken.chains:
            return taken.chains
        if not taken.settled:
            wait_a_little(met)
            met += 1
    return []


class _Overtaking(Exception):
    """An earlier change about the same thing is open and not in the call."""

    def __init__(self, lead_ids: Sequence[int]) -> None:
        super().__init__(lead_ids)
        self.lead_ids = lead_ids


def _due_leads(connection: Connection, limit: int, only_singles: bool, without: Sequence[int]) -> list[int]:
    due = sendable(connection).exclude(lead__in=without)
    lead_ids = _first_leads(due.filter(run=None), limit)
    if len(lead_ids) < limit and not only_singles:
        lead_ids += _first_leads(due.exclude(run=None).exclude(lead__in=lead_ids), limit - len(lead_ids))
    return lead_ids


def sendable(connection: Connection) -> QuerySet[LeadChange]:
    """Changes that may be sent just now: due, of a lead that no call holds, provable, and by a command that Kartra allows."""
    in_flight = ApiCall.objects.in_flight().filter(lead=OuterRef("lead"))
    due = LeadChange.objects.filter(account=connection.account_id).due().filter(~Exists(in_flight))
    unproven = Attempt.objects.unclear().exclude(call__receipt="").filter(change__lead=OuterRef("lead"))
    stuck = (
        Q(kind__in=NEEDS_RECEIPT) & Exists(unproven.filter(change__kind__in=NEEDS_RECEIPT))
        | LeadChange.objects.resting(now())
        | Q(kind__in=refused_kinds(connection))
    )
    earlier = LeadChange.objects.filter(
        Q(family=OuterRef("family")) | Q(kind="create_lead"),
        lead=OuterRef("lead"),
        pk__lt=OuterRef("pk"),
        status=ChangeStatus.WAITING,
    )
    return due.exclude(stuck).filter(~Exists(earlier.filter(stuck)))


def refused_kinds(connection: Connection) -> list[str]:
    """Kinds of change that this app may not send just now: Kartra refuses a command of theirs."""
    refused = set(connection.refused_commands)
    return [kind for kind, encoding in WIRE_FORMATS.items() if encoding.commands & refused]


def _first_leads(due: QuerySet[LeadChange], limit: int) -> list[int]:
    """The leads of the first due changes, in that order. Some rows are of the same lead, so a few more are read."""
    rows = due.order_by("pk").values_list("lead_id", flat=True)[: limit * 2]
    return list(dict.fromkeys(rows))[:limit]


@dataclass(frozen=True)
class Taken:
    """What came of looking at some leads: calls, and how many changes were settled on the way as needless or held."""

    chains: list[CallPlan]
    settled: int


def _take(connection: Connection, lead_ids: Sequence[int]) -> Taken:
    """Leads that another writer holds just now are left alone, so nobody waits here while holding others."""
    free = mirror.lock_free_leads(lead_ids)
    due = sendable(connection).filter(lead__in=free).order_by("pk")
    if database.features.has_select_for_update_skip_locked:
        due = due.select_for_update(of=("self",), skip_locked=True)
    by_lead: dict[int, list[LeadChange]] = defaultdict(list)
    for change in due[: len(lead_ids) * MAX_ACTIONS]:
        by_lead[change.lead_id].append(change)
    leads = Lead.objects.in_bulk(by_lead)
    so = already_so(connection, by_lead)
    at = now()
    skipped: list[LeadChange] = []
    planned: list[tuple[Lead, list[LeadChange]]] = []
    settled = 0
    for lead_id in lead_ids:
        if lead_id not in leads:
            continue
        chain, idle = _build(leads[lead_id], by_lead[lead_id], so)
        skipped += idle
        settled += len(idle) + sum(change.status != ChangeStatus.WAITING for change in by_lead[lead_id])
        if chain:
            planned.append((leads[lead_id], chain))
    skip(skipped, at)
    proof_tokens = [_receipt(connection, chain) for _, chain in planned]
    composed = [compose(lead, chain, receipt) for (lead, chain), receipt in zip(planned, proof_tokens, strict=True)]
    calls = ApiCall.objects.bulk_create(
        ApiCall(
            connection=connection,
            lead=lead,
            cause=Cause.PUSH,
            writes=True,
            claimed_at=at,
            commands=", ".join(action.cmd for action in said.actions)[:500],
            lease_until=at + dt.timedelta(seconds=LEASE_S),
            receipt=receipt.value if receipt else "",
        )
        for (lead, _), said, receipt in zip(planned, composed, proof_tokens, strict=True)
    )
    ours = LeadChange.objects.filter(pk__in=[change.pk for _, chain in planned for change in chain])
    if leads_overtaking := _overtaking(ours):
        raise _Overtaking(leads_overtaking)
    ours.update(status=ChangeStatus.SENDING)
    before = states_before(planned)
    Attempt.objects.bulk_create(
        Attempt(
            change=change,
            call=call,
            position=position,
            command=said.actions[position].cmd,
            before=before.get(change.pk, {}),
        )
        for call, (_, chain), said in zip(calls, planned, composed, strict=True)
        for position, change in zip(said.positions, chain, strict=True)
    )
    chains = [
        CallPlan(call, lead, tuple(chain), receipt)
        for call, (lead, chain), receipt in zip(calls, planned, proof_tokens, strict=True)
    ]
    return Taken(chains, settled)


def _overtaking(ours: QuerySet[LeadChange]) -> list[int]:
    """The leads of which an earlier change about the same thing is open and not among these. Looked at with the leads in our
    hands: a row that another worker had locked was skipped, and may be waiting still, or be unclear by now."""
    earlier = LeadChange.objects.filter(
        Q(family=OuterRef("family")) | Q(kind="create_lead"),
        lead=OuterRef("lead"),
        pk__lt=OuterRef("pk"),
        status__in=OPEN,
    )
    return list(ours.filter(Exists(earlier.exclude(pk__in=ours.values("pk")))).values_list("lead", flat=True))


def _receipt(connection: Connection, chain: Iterable[LeadChange]) -> Receipt | None:
    """What the call writes into the safety field, where there is one and something in the call needs it."""
    if not connection.receipt_field or not any(change.kind in NEEDS_RECEIPT for change in chain):
        return None
    return Receipt(connection.receipt_field, f"r-{secrets.token_hex(12)}")


def already_so(connection: Connection, by_lead: dict[int, list[LeadChange]]) -> dict[int, bool]:
    """For each change: whether it would change nothing, by the mirror. One query for all that ask for the same."""
    wanted: dict[tuple[str, str], list[LeadChange]] = defaultdict(list)
    for change in (change for group in by_lead.values() for change in group):
        wanted[change.kind, json.dumps(change.parameters, sort_keys=True)].append(change)
    leads = Lead.objects.filter(account=connection.account_id, pk__in=by_lead)
    so: dict[int, bool] = {}
    for group in wanted.values():
        already = kinds.get_kind(group[0].kind).already_so
        known = set(already(leads, group[0].parameters).values_list("pk", flat=True)) if already else set()
        so.update({change.pk: change.lead_id in known for change in group})
    return so


def _build(lead: Lead, due: Iterable[LeadChange], so: dict[int, bool]) -> tuple[list[LeadChange], list[LeadChange]]:
    """The changes of one lead that travel together, in order, and those with nothing to do. The same asked for twice waits
    for the first to be settled. An edit of a field that
    somebody changed in Kartra meanwhile is left to a person, and holds back what follows of its family."""
    chain: list[LeadChange] = []
    idle: list[LeadChange] = []
    last_of_family: dict[str, LeadChange] = {}
    held: set[str] = set()
    for change in due:
        if change.family in held:
            continue
        if change.baseline and (fields := conflicts.conflicts_of(lead, change, chain)):
            conflicts.hold(lead, change, fields)
            held.add(change.family)
            continue
        last = last_of_family.get(change.family)
        adds_up = kinds.get_kind(change.kind).already_so is None
        asked_for = not adds_up and not change.force
        if asked_for and last is None and so[change.pk] and change.copy_is_fresh(lead):
            idle.append(change)
            continue
        if asked_for and last is not None and (last.kind, last.parameters) == (change.kind, change.parameters):
            held.add(
                change.family
            )  # whether it is needless is known when the one before it is settled: that may come to nothing
            continue
        if not can_join(lead, chain, change):
            break
        chain.append(change)
        last_of_family[change.family] = change
        if kinds.get_kind(change.kind).money:
            break
    return chain, idle


def skip(idle: Sequence[LeadChange], at: dt.datetime) -> None:
    if not idle:
        return
    LeadChange.objects.filter(pk__in=[change.pk for change in idle]).update(
        status=ChangeStatus.SKIPPED, reason=Reason.ALREADY_SO, settled_at=at
    )
    for run_id in {change.run_id for change in idle if change.run_id}:
        transitions.finish_run_if_over(run_id)


def mark_sent(chain: CallPlan) -> CallPlan | None:
    """The last look before the POST, committed: switch, runs and fence; then `sent_at`, the count of calls, and a lease
    for the call itself.

    Returns the chain as it may be sent: without the changes of runs that stand still meanwhile (they wait again, or are
    cancelled). None if nothing is left of it or the lead is no longer ours.
    """
    connection = Connection(pk=chain.call.connection_id)
    with transaction.atomic():
        at = now()
        calls = ApiCall.objects.filter(pk=chain.call.pk, finished_at=None, sent_at=None)
        if not calls.select_for_update().exists():
            return None
        switched = Connection.objects.filter(pk=connection.pk).values_list("sending", "counter_key")
        sending, connection.counter_key = switched.get()
        states = dict(
            LeadChange.objects.filter(pk__in=[change.pk for change in chain.changes]).values_list("pk", "run__state")
        )
        kept: list[LeadChange] = []
        dropped: list[LeadChange] = []
        for change in chain.changes:
            going = sending == Sending.ON and states.get(change.pk) in (None, RunState.RUNNING)
            behind = any(c.family == change.family or c.kind == "create_lead" for c in dropped)
            (kept if going and not behind else dropped).append(change)
        if dropped:
            return_to_queue(chain.call, dropped, states, at)
        if not kept:
            calls.update(finished_at=at, outcome=CallOutcome.WITHDRAWN)
            return None
        calls.update(sent_at=at, lease_until=at + dt.timedelta(seconds=sent_lease_s()))
        call_counter.count(connection)
    call_counter.keep_outside(connection)
    return dataclasses.replace(chain, changes=tuple(kept))


def return_to_queue(
    call: ApiCall,
    dropped: Sequence[LeadChange],
    states: dict[int, str],
    at: dt.datetime,
    *,
    unread: Sequence[LeadChange] = (),
) -> None:
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
    for run_id in {c.run_id for c in dropped if states.get(c.pk) == RunState.CANCELLING and c.run_id}:
        transitions.close_cancelled_members(run_id)


def release(chains: Iterable[CallPlan], *, unread: bool = False) -> None:
    """Give back chains that were claimed and not sent, at once: the worker ends, or (`unread`) Kartra could not be asked what
    has to be known before they are sent."""
    for chain in chains:
        with transaction.atomic():
            calls = ApiCall.objects.filter(pk=chain.call.pk, finished_at=None, sent_at=None)
            if calls.update(finished_at=now(), outcome=CallOutcome.WITHDRAWN):
                states = dict(
                    LeadChange.objects.filter(pk__in=[c.pk for c in chain.changes]).values_list("pk", "run__state")
                )
                return_to_queue(chain.call, chain.changes, states, now(), unread=chain.changes if unread else ())


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
