"""What an answer means for each change in a call, written down together or not at all.

The fence: whoever finds the call finished may not write its outcome any more; a late answer is kept as evidence.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from integrations import calls, switch
from integrations.claim import Chain
from integrations.clock import now
from integrations.kartra.client import created_id
from integrations.kartra.errors import (
    CredentialsRefused,
    KartraError,
    Next,
    NotSent,
    OutcomeUnknown,
    Throttled,
    next_step,
)
from integrations.kartra.replies import ActionOutcome, ChainReply, WholeCallRefused
from integrations.models import ApiCall, Attempt, Connection, Outcome, Proof
from integrations.said import remedy, said
from integrations.translate import ENCODINGS, Look
from leads import kinds, mirror, runs
from leads.models import ChangeStatus, GoneReason, LeadChange, Reason, Source

ANSWER_CHARACTERS = 4000

LEAD_CODES = frozenset({"206", "223", "224", "236", "243", "245"})
"""Codes about the whole call or its lead: they speak of every action in it."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of one change and of its attempt."""

    status: ChangeStatus
    proof: Proof
    reason: str = ""
    code: str = ""
    message: str = ""
    look_in_s: float | None = None
    alone: bool | None = None
    gone: GoneReason | None = None
    kartra_id: str = ""  # of the lead that the call made


def settle_times(change: LeadChange | None = None) -> list[float]:
    """When to look whether an unclear change was done: seconds after it was sent. Money takes longer to show."""
    money = change is not None and ENCODINGS[change.kind].look is Look.TRANSACTIONS
    return [float(seconds) for seconds in (settings.VERIFY_MONEY_SETTLE_S if money else settings.VERIFY_SETTLE_S)]


def settle(
    chain: Chain,
    reply: ChainReply | WholeCallRefused | KartraError,
    *,
    elapsed_ms: int | None = None,
    answer: str = "",
) -> None:
    """Record the answer to a sent call: its row, its attempts, its changes, and the mirror where Kartra confirmed."""
    with transaction.atomic():
        at = now()
        mirror.lock_leads([chain.lead.pk])  # before all else, as every writer does
        row = ApiCall.objects.select_for_update().filter(pk=chain.call.pk, finished_at=None)
        attempts = {a.change_id: a for a in Attempt.objects.filter(call=chain.call, change__in=chain.changes)}
        if not row.exists():
            _keep_late_answer(attempts.values(), reply, at)
            return
        row.update(
            finished_at=at,
            outcome=_outcome(reply),
            code=getattr(reply, "code", "") or "",
            message=_words(reply),
            elapsed_ms=elapsed_ms,
            answer=answer[:ANSWER_CHARACTERS],
        )
        positions = chain.said().positions
        for change, verdict, position in zip(chain.changes, judge(chain, reply), positions, strict=True):
            _follow(change)
            apply_verdict(change, attempts[change.pk], verdict, at, said=_said(reply, position))
            _heed(chain.call.connection_id, attempts[change.pk], verdict)
            if change.run_id:
                runs.note_outcome(change.run_id, verdict.status, verdict.code, verdict.message)
    _after(chain)


def _heed(connection_id: int, attempt: Attempt, verdict: Verdict) -> None:
    """What a refusal means beyond its change: the command is not allowed, or our catalogue is old."""
    step = next_step(verdict.code) if verdict.code else None
    if step == Next.STOP_COMMAND:
        switch.refuse_command(Connection(pk=connection_id), attempt.command, verdict.message)
    elif step == Next.REFRESH_CATALOGUE:
        Connection.objects.filter(pk=connection_id).update(catalogue_due=True)


def _follow(change: LeadChange) -> None:
    """The row of the lead as it is now: an earlier change of the call may have found it to be a lead we knew."""
    fresh = LeadChange.objects.select_related("lead__account").get(pk=change.pk)
    change.lead = fresh.lead


def apply_verdict(
    change: LeadChange, attempt: Attempt, verdict: Verdict, at: dt.datetime, *, said: Mapping[str, Any] | None = None
) -> None:
    """Write a verdict on a change and its attempt; the mirror too where it is done. Inside a transaction."""
    if said:
        attempt.evidence = [*attempt.evidence, {"at": at.isoformat(), **said}]
    attempt.proof = verdict.proof
    attempt.code, attempt.message = verdict.code, verdict.message
    attempt.verify_at = None
    if verdict.proof == Proof.UNCLEAR:
        attempt.verify_at = at + dt.timedelta(seconds=verdict.look_in_s or 0)
    attempt.save(update_fields=["proof", "code", "message", "evidence", "looks", "verify_at"])
    change.settle(
        verdict.status,
        at=at,
        reason=verdict.reason,
        code=verdict.code,
        message=verdict.message,
        alone=verdict.alone,
        not_done=change.not_done,
    )
    if verdict.kartra_id and not change.lead.kartra_id:
        change.lead = mirror.adopt(change.lead, verdict.kartra_id, at)
    if verdict.status == ChangeStatus.ACCEPTED:
        kinds.get(change.kind).effect(change, at)
    elif verdict.gone is not None:
        mirror.mark_gone(change.lead, verdict.gone, at, source=Source.PUSH, cause=f"call {attempt.call_id}")
        runs.skip_gone(change.lead)


def _after(chain: Chain) -> None:
    for run_id in {change.run_id for change in chain.changes if change.run_id}:
        runs.close_cancelled_members(run_id)
        runs.finish_if_over(run_id)


# --- judging


def judge(chain: Chain, reply: ChainReply | WholeCallRefused | KartraError) -> list[Verdict]:
    """One verdict for each change of the chain, in its order."""
    positions = chain.said().positions
    if isinstance(reply, ChainReply):
        return [
            _judge_action(change, reply.outcomes[position])
            for change, position in zip(chain.changes, positions, strict=True)
        ]
    if isinstance(reply, WholeCallRefused):
        return _judge_refused_call(chain, reply, positions)
    if isinstance(reply, NotSent | Throttled | CredentialsRefused):
        return [Verdict(ChangeStatus.WAITING, Proof.NOT_DONE, message="") for _ in chain.changes]
    return [_unclear(change, said(reply)) for change in chain.changes]


def _unclear(
    change: LeadChange, message: str, *, code: str = "", look_in_s: float | None = None, alone: bool | None = None
) -> Verdict:
    wait = settle_times(change)[0] if look_in_s is None else look_in_s
    return Verdict(ChangeStatus.UNKNOWN, Proof.UNCLEAR, code=code, message=message, look_in_s=wait, alone=alone)


def _judge_action(change: LeadChange, outcome: ActionOutcome) -> Verdict:
    if outcome.state == "done":
        made = created_id(outcome) if change.kind == "create_lead" else ""
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=outcome.code, message=outcome.message, kartra_id=made)
    if outcome.state == "missing":
        return _unclear(change, _("Kartra's answer does not mention this action."))
    return judge_refusal(change, outcome.code, outcome.message)


def judge_refusal(change: LeadChange, code: str, message: str) -> Verdict:
    """What a refusal with this code means for a change of ours; sorted by `errors.next_step`, by what to do next."""
    step = next_step(code)
    if step in (Next.LOOK_UP, Next.ADOPT):
        return _unclear(change, message, code=code, look_in_s=0)
    if step == Next.VERIFY:
        return _unclear(change, message, code=code)
    if step == Next.GONE:
        return Verdict(ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, code, message, gone=GoneReason.DELETED)
    if step in (Next.WAIT, Next.STOP_CONNECTION, Next.STOP_APP, Next.STOP_COMMAND):
        return Verdict(ChangeStatus.WAITING, Proof.NOT_DONE, code=code, message=message)
    if step == Next.HOLD:
        return Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.UNLISTED_CODE, code, message)
    if code in ENCODINGS[change.kind].guards and _unclear_before(change):
        words = _("Kartra says that it was done before (%(message)s).") % {"message": message}
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=code, message=words)
    return Verdict(ChangeStatus.REJECTED, Proof.REFUSED, code=code, message=message)


def _unclear_before(change: LeadChange) -> bool:
    """Whether an earlier try of this very change left us without a clear answer. What a partial refund leaves behind
    proves nothing of another."""
    if change.kind == "refund_transaction" and change.parameters.get("amount") != "whole":
        return False
    return change.attempts.filter(Q(looks__gt=0) | Q(code__in=["266", "267"])).exists()


def _judge_refused_call(chain: Chain, refusal: WholeCallRefused, positions: tuple[int, ...]) -> list[Verdict]:
    """A flat error. Of one action it is that action's; about the lead it is every action's; else only the action it
    names is refused, and what the others did is read, then sent again one by one. That the lead exists already takes the
    rest of the call with it: the lead is read and adopted, and the rest goes on together."""
    code, message = refusal.code, refusal.message
    if len(set(positions)) == 1 or code in LEAD_CODES:
        return [judge_refusal(change, code, message) for change in chain.changes]
    if next_step(code) == Next.ADOPT:
        return [_unclear(change, message, code=code, look_in_s=0) for change in chain.changes]
    verdicts = []
    for change, position in zip(chain.changes, positions, strict=True):
        if position == refusal.blamed:
            verdicts.append(judge_refusal(change, code, message))
        else:
            words = _("Kartra refused another action of the same call.")
            verdicts.append(_unclear(change, words, look_in_s=0, alone=True))
    return verdicts


# --- words and rows


def _outcome(reply: ChainReply | WholeCallRefused | KartraError) -> Outcome:
    if isinstance(reply, ChainReply):
        return Outcome.ANSWERED
    if isinstance(reply, WholeCallRefused):
        return Outcome.REFUSED
    return calls.outcome_of(reply)


def _words(reply: ChainReply | WholeCallRefused | KartraError) -> str:
    if isinstance(reply, ChainReply):
        return ""
    return reply.message if isinstance(reply, WholeCallRefused) else said(reply)


def _said(reply: ChainReply | WholeCallRefused | KartraError, position: int) -> dict[str, Any]:
    if isinstance(reply, ChainReply):
        outcome = reply.outcomes[position]
        return {
            "what": gettext_noop("Kartra's answer"),
            "state": outcome.state,
            "code": outcome.code,
            "message": outcome.message,
        }
    if isinstance(reply, WholeCallRefused):
        return {"what": gettext_noop("Kartra refused the call"), "code": reply.code, "message": reply.message}
    return {"what": gettext_noop("no answer to rely on"), "message": said(reply), "kind": type(reply).__name__}


def _keep_late_answer(attempts: Any, reply: Any, at: dt.datetime) -> None:
    for attempt in attempts:
        attempt.evidence = [
            *attempt.evidence, {"at": at.isoformat(), "late": True, **_said(reply, attempt.position)},
        ]  # fmt: skip
        attempt.save(update_fields=["evidence"])


__all__ = ["OutcomeUnknown", "Verdict", "apply_verdict", "judge", "judge_refusal", "remedy", "settle", "settle_times"]
