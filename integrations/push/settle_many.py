"""Many answers written down together: the ordinary ones, where Kartra did all that was asked and it is of the simplest kinds, in
sets; each other one by itself, which is `settle`'s. What an answer means is `proof`'s all the same.
"""

import datetime as dt
import functools
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db import DatabaseError, connections, transaction

from integrations.clock import now
from integrations.kartra.errors import KartraError
from integrations.kartra.replies import ChainReply, WholeCallRefused
from integrations.models import ApiCall, Attempt, CallOutcome, Proof, Seen, sighting
from integrations.push.plan import CallPlan
from integrations.push.proof import Request, classify_answer
from integrations.push.proof.answers import Sent
from integrations.push.settle import ANSWER_CHARACTERS, settle
from leads import mirror, transitions
from leads.bulk_sql import update_each
from leads.changes import runs
from leads.lock_conflicts import met_another, passes, wait_a_little
from leads.models import ChangeStatus, LeadChange

logger = logging.getLogger(__name__)

T = TypeVar("T")

AT_ONCE = 20
TOGETHER_S = 0.05
"""So many answers are written down together, or those of so long. What is out of the ordinary is written at once."""

RECORD_S = 10.0
"""How long an answer waits for a database that does not answer."""

Answer = ChainReply | WholeCallRefused | KartraError


@dataclass(frozen=True)
class Answered:
    """A call and what came of it."""

    plan: CallPlan
    answer: Answer
    elapsed_ms: int

    @property
    def ordinary(self) -> bool:
        """Whether all was done, of kinds that the mirror can write in sets, and nothing was asked twice."""
        changes = self.plan.changes
        if not isinstance(self.answer, ChainReply) or not all(mirror.goes_in_sets(change) for change in changes):
            return False
        if len({change.family for change in changes}) < len(changes):
            return False
        positions = self.plan.request().positions
        return all(self.answer.outcomes[position].state == "done" for position in positions)


@dataclass
class Waiting:
    """Answers that are to be written down together, and since when the first waits."""

    answers: list[tuple[Answered, str]] = field(default_factory=list)
    since: float = math.inf
    urgent: bool = False

    @property
    def left_s(self) -> float:
        """How long they may still wait."""
        if self.urgent or len(self.answers) >= AT_ONCE:
            return 0.0
        return max(0.0, self.since + TOGETHER_S - time.monotonic())


def write_down(answered: Sequence[Answered]) -> None:
    """Write the answers down, and end the runs that are over with them. A database that is being restarted is waited for, and so
    are other writers: an answer that came must not be lost."""
    rest = [each for each in answered if not each.ordinary]
    if ordinary := [each for each in answered if each.ordinary]:
        try:
            rest += _until_written(lambda: _settle_in_sets(ordinary))
        except transitions.CannotMove:
            rest += ordinary
        except Exception as error:
            if passes(error):
                raise
            logger.exception("The answers to %s calls could not be written together.", len(ordinary))
            rest += ordinary
    problem: Exception | None = None
    for each in rest:
        try:
            _until_written(functools.partial(_settle_alone, each))
        except Exception as error:  # the others came, too
            if passes(error):
                raise
            logger.exception("The answer to call %s could not be written.", each.plan.call.pk)
            problem = error
    _until_written(lambda: transitions.end_runs(_runs_of(ordinary)))
    if problem is not None:
        raise problem


def _settle_alone(each: Answered) -> None:
    settle(each.plan, each.answer, elapsed_ms=each.elapsed_ms, answer=getattr(each.answer, "text", ""))


def _until_written(work: Callable[[], T]) -> T:
    ends = time.monotonic() + RECORD_S
    while True:
        try:
            return work()
        except DatabaseError as error:
            if not passes(error) or time.monotonic() > ends:
                raise
            if met_another(error):
                wait_a_little(0)
                continue
            connections.close_all()
            time.sleep(0.5)


def _runs_of(answered: Sequence[Answered]) -> set[int]:
    return {change.run_id for each in answered for change in each.plan.changes if change.run_id}


def _settle_in_sets(answered: Sequence[Answered]) -> list[Answered]:
    """Write ordinary answers; those that turned out to be none, to be written one by one."""
    rest: list[Answered] = []
    with transaction.atomic():
        at = now()
        mirror.lock_leads(each.plan.lead.pk for each in answered)  # before all else, as every writer does
        ids = [each.plan.call.pk for each in answered]
        unfinished = ApiCall.objects.select_for_update().filter(pk__in=ids, finished_at=None).order_by("pk")
        ours = set(unfinished.values_list("pk", flat=True))
        attempts = {each.change_id: each for each in Attempt.objects.filter(call__in=ours, proof=Proof.OPEN).order_by()}
        stored = {
            change.pk: change
            for change in LeadChange.objects.filter(pk__in=attempts, status=ChangeStatus.SENDING).order_by()
        }
        good: list[Answered] = []
        for each in answered:
            as_claimed = all(
                change.pk in attempts
                and attempts[change.pk].call_id == each.plan.call.pk
                and change.pk in stored
                and stored[change.pk].lead_id == each.plan.lead.pk
                for change in each.plan.changes
            )
            (good if each.plan.call.pk in ours and as_claimed else rest).append(each)
        if good:
            _write(good, attempts, at)
    return rest


def _write(answered: Sequence[Answered], attempts: dict[int, Attempt], at: dt.datetime) -> None:
    """Calls, attempts, changes, mirror, runs: one statement or a few for each table."""
    calls = [
        (
            each.plan.call.pk,
            at,
            CallOutcome.ANSWERED,
            each.elapsed_ms,
            getattr(each.answer, "text", "")[:ANSWER_CHARACTERS],
        )
        for each in answered
    ]
    update_each(ApiCall, ["id"], ["finished_at", "outcome", "elapsed_ms", "answer"], calls)
    proven: list[tuple[Any, ...]] = []
    by_words: dict[tuple[str, str], list[int]] = defaultdict(list)
    for each in answered:
        sent = _as_sent(each.plan)
        for change, one, outcome in zip(each.plan.changes, sent, classify_answer(sent, each.answer), strict=True):
            assert isinstance(each.answer, ChainReply)
            if outcome.status != ChangeStatus.ACCEPTED:
                raise transitions.CannotMove(f"Change {change.pk} is {outcome.status}.")
            attempt, said = attempts[change.pk], each.answer.outcomes[one.position]
            seen = sighting(at, Seen.ANSWER, state=said.state, code=said.code, message=said.message)
            proven.append((attempt.pk, Proof.DONE, outcome.code, outcome.message, [*attempt.evidence, seen]))
            by_words[outcome.code, outcome.message].append(change.pk)
    update_each(Attempt, ["id"], ["proof", "code", "message", "evidence"], proven)
    for (code, message), pks in by_words.items():
        if transitions.accept_many(LeadChange.objects.filter(pk__in=pks), code, message, at) < len(pks):
            raise transitions.CannotMove("Some of these changes have ended.")
    changes = [change for each in answered for change in each.plan.changes]
    mirror.set_confirmed(changes, at)
    for run_id in sorted(_runs_of(answered)):  # last, as `settle` does
        runs.note_outcome(run_id, ChangeStatus.ACCEPTED, "", "")


def _as_sent(plan: CallPlan) -> list[Sent]:
    """The chain as the judge takes it; what only matters of a refusal is left out."""
    return [
        Sent(Request(change.pk, change.kind, change.parameters), position, False, 0.0)
        for change, position in zip(plan.changes, plan.request().positions, strict=True)
    ]
