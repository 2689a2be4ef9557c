"""The answer to a call, written down together or not at all: its row, its attempts, its changes, the mirror. What an answer
means is `proof`'s.

The fence: whoever finds the call finished may not write its outcome any more; a late answer is kept as evidence.
"""

import copy
import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrations.clock import now
from integrations.kartra.errors import KartraError, Next, next_step
from integrations.kartra.replies import ChainReply, WholeCallRefused
from integrations.models import ApiCall, Attempt, CallOutcome, Connection, Proof, Seen, StopCause, sighting
from integrations.push.plan import CallPlan
from integrations.push.proof import ChangeOutcome, Request, classify_answer
from integrations.push.proof.answers import Sent
from integrations.sending import calls, switch
from integrations.sending.error_messages import remark_of, remedy, said_by
from integrations.translate import WIRE_FORMATS, ProofSource, creates
from leads import kinds, mirror, transitions
from leads.changes import runs
from leads.models import ChangeStatus, LeadChange, Source, Transaction

ANSWER_CHARACTERS = 4000


def settle_times(change: LeadChange | None = None) -> list[float]:
    """When to look whether an unclear change was done: seconds after it was sent. Money takes longer to show."""
    money = change is not None and WIRE_FORMATS[change.kind].look is ProofSource.TRANSACTIONS
    return [float(seconds) for seconds in (settings.VERIFY_MONEY_SETTLE_S if money else settings.VERIFY_SETTLE_S)]


def settle(
    plan: CallPlan,
    reply: ChainReply | WholeCallRefused | KartraError,
    *,
    elapsed_ms: int | None = None,
    answer: str = "",
) -> None:
    """Record the answer to a sent call: its row, its attempts, its changes, and the mirror where Kartra confirmed."""
    with transaction.atomic():
        at = now()
        mirror.lock_leads([plan.lead.pk])  # before all else, as every writer does
        row = ApiCall.objects.select_for_update().filter(pk=plan.call.pk, finished_at=None)
        attempts = {a.change_id: a for a in Attempt.objects.filter(call=plan.call, change__in=plan.changes)}
        if not row.exists():
            _keep_late_answer(attempts.values(), reply, at)
            return
        row.update(
            finished_at=at,
            outcome=_outcome(reply),
            code=getattr(reply, "code", "") or "",
            **_said(reply),
            elapsed_ms=elapsed_ms,
            answer=answer[:ANSWER_CHARACTERS],
        )
        _as_stored(plan)
        sent = sent_changes(plan)
        ended: list[tuple[int, ChangeOutcome]] = []
        for change, each, outcome in zip(plan.changes, sent, classify_answer(sent, reply), strict=True):
            if change is not plan.changes[0]:
                _follow(change)
            apply_outcome(change, attempts[change.pk], outcome, at, evidence=_evidence(reply, each.position, at))
            _apply_to_connection(plan.call.connection_id, attempts[change.pk], outcome)
            if change.run_id:
                ended.append((change.run_id, outcome))
        for run_id, outcome in sorted(
            ended, key=lambda each: each[0]
        ):  # last: nothing is waited for while a run is held
            runs.note_outcome(run_id, outcome.status, outcome.code, outcome.remark or outcome.message)
    _after(plan)


def _as_stored(plan: CallPlan) -> None:
    """What the outcomes count on, as it is in the database: this may be the second try after another writer was met. And the row
    of the lead as it is now."""
    stored = LeadChange.objects.filter(pk__in=[c.pk for c in plan.changes]).select_related("lead__account")
    by_pk = {each.pk: each for each in stored.order_by()}
    for change in plan.changes:
        if (row := by_pk.get(change.pk)) is not None:
            change.not_done, change.lead = row.not_done, row.lead


def _follow(change: LeadChange) -> None:
    """The row of the lead as it is now: an earlier change of the call may have found it to be a lead we knew."""
    fresh = LeadChange.objects.select_related("lead__account").get(pk=change.pk)
    change.lead = fresh.lead


def sent_changes(plan: CallPlan) -> list[Sent]:
    """The chain as the judge takes it."""
    new = creates(plan.lead, plan.changes)
    return [
        Sent(
            Request(change.pk, change.kind, change.parameters, not_done=change.not_done),
            position,
            new,
            settle_times(change)[0],
            _unclear_before(change),
        )
        for change, position in zip(plan.changes, plan.request().positions, strict=True)
    ]


def _unclear_before(change: LeadChange) -> bool:
    """Whether an earlier try of this very change left us without a clear answer, where Kartra refuses what was done. What a
    partial refund leaves behind proves nothing of another: Kartra may refund a sale only once."""
    if not WIRE_FORMATS[change.kind].guards:
        return False
    if kinds.get_kind(change.kind).refund_amounts is not None:
        of_sale = Transaction.objects.filter(
            account=change.account_id, parent_kartra_id=str(change.parameters.get("transaction")), type="partial_refund"
        )
        if change.parameters.get("amount") != "whole" or of_sale.exists():
            return False
    return change.attempts.filter(Q(looks__gt=0) | Q(code__in=["266", "267"])).exists()


def _apply_to_connection(connection_id: int, attempt: Attempt, outcome: ChangeOutcome) -> None:
    """What a refusal means beyond its change: our keys or our app are refused, the command is not allowed, or our catalogue is
    old."""
    step = next_step(outcome.code) if outcome.code else None
    if step in (Next.STOP_CONNECTION, Next.STOP_APP):
        stop = switch.stop_app if step == Next.STOP_APP else switch.stop
        connection = Connection.objects.get(pk=connection_id)
        stop(connection, StopCause.CREDENTIALS, outcome.message, outcome.code)
    elif step == Next.STOP_COMMAND:
        switch.refuse_command(Connection(pk=connection_id), attempt.command, outcome.message)
    elif step == Next.REFRESH_CATALOGUE:
        Connection.objects.filter(pk=connection_id).update(catalogue_due=True)


def apply_outcome(
    change: LeadChange,
    attempt: Attempt,
    outcome: ChangeOutcome,
    at: dt.datetime,
    *,
    evidence: Mapping[str, Any] | None = None,
) -> bool:
    """Write an outcome on a change and its attempt; the mirror too where it is done. Inside a transaction that holds the lead.
    False where somebody else has settled it meanwhile: it is left as it is."""
    told = {
        "proof": outcome.proof,
        "code": outcome.code,
        "message": outcome.message,
        "remark": outcome.remark,
        "evidence": attempt.evidence,
        "looks": attempt.looks,
        "verify_at": None,
    }
    if evidence:
        told["evidence"] = [*attempt.evidence, {**evidence, **({"repeats": True} if outcome.repeats else {})}]
    if outcome.proof == Proof.UNCLEAR:
        told["verify_at"] = at + dt.timedelta(seconds=outcome.look_in_s or 0)
    unsettled = Attempt.objects.filter(pk=attempt.pk, proof__in=[Proof.OPEN, Proof.UNCLEAR])
    if not unsettled.update(**told):
        return False
    for column, value in told.items():
        setattr(attempt, column, value)
    if outcome.baseline:
        change.baseline = {**change.baseline, **outcome.baseline}
        change.save(update_fields=["baseline"])
    transitions.settle(
        change,
        outcome.status,
        at=at,
        reason=outcome.reason,
        code=outcome.code,
        message=outcome.message,
        remark=outcome.remark,
        send_alone=outcome.send_alone,
        not_done=change.not_done if outcome.not_done is None else outcome.not_done,
        superseded_by=outcome.superseded_by,
        decided_with=outcome.decided_with,
    )
    if outcome.kartra_id and not change.lead.kartra_id:
        change.lead = mirror.attach_kartra_id(change.lead, outcome.kartra_id, at)
    if outcome.status == ChangeStatus.ACCEPTED:
        _effect(change, outcome, at)
    elif outcome.gone is not None:
        mirror.mark_gone(
            change.lead, outcome.gone, at, source=Source.PUSH, cause=mirror.ActivityCause(call_id=attempt.call_id)
        )
        transitions.skip_gone(change.lead)
    return True


def _effect(change: LeadChange, outcome: ChangeOutcome, at: dt.datetime) -> None:
    """What Kartra confirmed, into the mirror; of an edit only the fields that it gave."""
    gave = copy.copy(change)
    if outcome.gave is not None:
        gave.parameters = {name: value for name, value in change.parameters.items() if name in outcome.gave}
    kinds.get_kind(change.kind).effect(gave, at)


def _after(plan: CallPlan) -> None:
    transitions.end_runs(change.run_id for change in plan.changes if change.run_id)


# --- words and rows


def _outcome(reply: ChainReply | WholeCallRefused | KartraError) -> CallOutcome:
    if isinstance(reply, ChainReply):
        return CallOutcome.ANSWERED
    if isinstance(reply, WholeCallRefused):
        return CallOutcome.REFUSED
    return calls.outcome_of(reply)


def _said(reply: ChainReply | WholeCallRefused | KartraError) -> dict[str, Any]:
    if isinstance(reply, KartraError):
        return said_by(reply)
    return {"message": reply.message if isinstance(reply, WholeCallRefused) else ""}


def _evidence(reply: ChainReply | WholeCallRefused | KartraError, position: int, at: dt.datetime) -> dict[str, Any]:
    if isinstance(reply, ChainReply):
        outcome = reply.outcomes[position]
        return sighting(at, Seen.ANSWER, state=outcome.state, code=outcome.code, message=outcome.message)
    if isinstance(reply, WholeCallRefused):
        return sighting(at, Seen.CALL_REFUSED, code=reply.code, message=reply.message)
    told = remark_of(reply) or reply.message
    return sighting(at, Seen.NO_ANSWER, message=told, kind=type(reply).__name__)


def _keep_late_answer(attempts: Any, reply: Any, at: dt.datetime) -> None:
    for attempt in attempts:
        attempt.evidence = [*attempt.evidence, {**_evidence(reply, attempt.position, at), "late": True}]
        attempt.save(update_fields=["evidence"])


__all__ = ["ChangeOutcome", "apply_outcome", "remedy", "settle", "settle_times"]
