"""Which leads travel next: their changes claimed and their calls written, in one short transaction, on sets.

Who has a lead is written before anything is sent; what becomes of a claimed call until its answer is left to `lease`.
"""

import datetime as dt
import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from django.db import DatabaseError, connection as database, transaction
from django.db.models import Exists, QuerySet

from integrations.clock import now
from integrations.models import ApiCall, Attempt, Cause, Connection, StopCause
from integrations.push import due_changes
from integrations.push.baseline import states_before
from integrations.push.lease import LEASE_S
from integrations.push.plan import CallPlan, build_chain, changes_already_so, skip_needless
from integrations.sending import call_counter, restored, switch
from integrations.translate import Receipt, compose
from integrations.translate.composing import MAX_ACTIONS
from leads import mirror, transitions
from leads.lock_conflicts import met_another, wait_a_little
from leads.models import ChangeStatus, Lead, LeadChange, holding_back
from leads.models.remarks import remark

logger = logging.getLogger(__name__)

MEETINGS = 4
"""So often a claim comes again where others hold all that is due."""


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
        switch.stop(connection, StopCause.RESTORED, remark(restored.WHY[told]))
        return []
    met = 0
    without: list[int] = []
    while not stop() and met < MEETINGS:
        try:
            with transaction.atomic():
                lead_ids = due_changes.due_leads(connection, limit, only_singles, without)
                if not lead_ids:
                    return []
                plans, settled = _take(connection, lead_ids)
        except _Overtaking as found:
            logger.warning("%s leads are left to the next claim: something earlier is open there.", len(found.lead_ids))
            without += found.lead_ids
            continue
        except DatabaseError as error:
            if not met_another(error):
                raise
            plans, settled = [], 0
        if plans:
            return plans
        if not settled:
            wait_a_little(met)
            met += 1
    return []


class _Overtaking(Exception):
    """An earlier change about the same thing is open and not in the call."""

    def __init__(self, lead_ids: Sequence[int]) -> None:
        super().__init__(lead_ids)
        self.lead_ids = lead_ids


def _take(connection: Connection, lead_ids: Sequence[int]) -> tuple[list[CallPlan], int]:
    """Calls for these leads, and how many changes were settled on the way as needless or held. Leads that another writer
    holds just now are left alone, so nobody waits here while holding others."""
    free = mirror.lock_free_leads(lead_ids)
    due = due_changes.sendable_changes(connection).filter(lead__in=free).order_by("pk")
    if database.features.has_select_for_update_skip_locked:
        due = due.select_for_update(of=("self",), skip_locked=True)
    by_lead: dict[int, list[LeadChange]] = defaultdict(list)
    for change in due[: len(lead_ids) * MAX_ACTIONS]:
        by_lead[change.lead_id].append(change)
    leads = Lead.objects.in_bulk(by_lead)
    so = changes_already_so(connection, by_lead)
    at = now()
    skipped: list[LeadChange] = []
    planned: list[tuple[Lead, list[LeadChange]]] = []
    settled = 0
    for lead_id in lead_ids:
        if lead_id not in leads:
            continue
        chain, idle = build_chain(leads[lead_id], by_lead[lead_id], so)
        skipped += idle
        settled += len(idle) + sum(change.status != ChangeStatus.WAITING for change in by_lead[lead_id])
        if chain:
            planned.append((leads[lead_id], chain))
    skip_needless(skipped, at)
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
    transitions.start_sending(ours)
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
    plans = [
        CallPlan(call, lead, tuple(chain), receipt)
        for call, (lead, chain), receipt in zip(calls, planned, proof_tokens, strict=True)
    ]
    return plans, settled


def _overtaking(ours: QuerySet[LeadChange]) -> list[int]:
    """The leads of which an earlier change about the same thing is open and not among these. Looked at with the leads in our
    hands: a row that another worker had locked was skipped, and may be waiting still, or be unclear by now."""
    others = holding_back().exclude(pk__in=ours.values("pk"))
    return list(ours.filter(Exists(others)).values_list("lead", flat=True))


def _receipt(connection: Connection, chain: Iterable[LeadChange]) -> Receipt | None:
    """What the call writes into the safety field, where there is one and something in the call needs it."""
    if not connection.receipt_field or not any(change.kind in due_changes.NEEDS_RECEIPT for change in chain):
        return None
    return Receipt(connection.receipt_field, f"r-{secrets.token_hex(12)}")
