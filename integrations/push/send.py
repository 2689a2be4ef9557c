"""The pusher: claim, wait for a turn, stamp, send, settle. One thread claims and settles; a bounded pool only sends.

No lock is held and no ORM is used while a call is under way.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, connections
from structlog.contextvars import bound_contextvars

from integrations.kartra.client import Client
from integrations.kartra.errors import KartraError, OutcomeUnknown, Throttled
from integrations.kartra.rate_limit import LATE_S, RateLimiterUnavailable, Turn
from integrations.kartra.replies import ChainReply, WholeCallRefused
from integrations.kartra.words import Trouble
from integrations.models import Attempt, Cause, Connection
from integrations.push import claim, lease, preflight
from integrations.push.plan import CallPlan
from integrations.push.settle import settle
from integrations.read import transactions
from integrations.sending import calls
from integrations.sending.calls import Priority
from integrations.translate import WIRE_FORMATS, Composed, ProofSource
from leads import kinds
from leads.lock_conflicts import met_another, passes, wait_a_little

logger = logging.getLogger(__name__)

SINGLES_EVERY_S = 0.2
"""How often a drain looks for what a person has asked for while calls of a bulk action wait for their turns."""

RECORD_S = 10.0
"""How long an answer waits for a database that does not answer."""

NEW_TURN_S = 0.5
"""How long a call that missed its turn waits for another."""

Answer = ChainReply | WholeCallRefused | KartraError


@dataclass
class Drained:
    """What one drain did: calls sent, and whether there is more to send right away."""

    sent: int = 0
    more: bool = False


def drain(connection: Connection, *, until_s: float = 8.0, stop: Callable[[], bool] = lambda: False) -> Drained:
    """Send what is due on one connection for about `until_s` seconds; calls in flight are waited for.

    Safe to run in many processes at once: a lead is claimed by one of them. `stop` ends claiming at once. Without the keys
    nothing is sent, and sending stops.
    """
    try:
        return _Drain(connection, until_s, stop).run()
    except calls.KeyLost:
        return Drained()


class _Drain:
    def __init__(self, connection: Connection, until_s: float, stop: Callable[[], bool]) -> None:
        self.connection = connection
        self.ends = time.monotonic() + until_s
        self.stop = stop
        self.client = calls.client_for(connection)
        self.keys = connection.credentials_fingerprint
        self.rate = calls.rate_of(connection)
        self.claimed: deque[CallPlan] = deque()
        self.in_flight: dict[Future[tuple[Answer, int]], tuple[CallPlan, str]] = {}
        self.drained = Drained()
        self.looked_for_singles = 0.0

    def over(self) -> bool:
        return self.stop() or time.monotonic() >= self.ends

    def run(self) -> Drained:
        lease.end_leases(self.connection)
        with ThreadPoolExecutor(settings.PUSH_SENDERS, thread_name_prefix="send") as senders:
            try:
                while not self.over():
                    self._claim()
                    if not self.claimed and not self.in_flight:
                        break
                    self._step(senders)
            finally:
                lease.release_plans(self.claimed)
                self.drained.more = self.over() or bool(self.claimed)
                while self.in_flight:
                    self._settle(timeout_s=None)
        return self.drained

    def _claim(self) -> None:
        """Claim more when nothing is claimed; while the claimed wait for their turns, look often for what a person has
        just asked for, and put it in front."""
        if not self.claimed:
            self.claimed.extend(self._prepare(claim.claim(self.connection, self._appetite(), stop=self.over)))
            self._take_up_new_keys()
            self.looked_for_singles = time.monotonic()
        elif not self.claimed[0].single and time.monotonic() - self.looked_for_singles > SINGLES_EVERY_S:
            singles = claim.claim(self.connection, self._appetite(), only_singles=True)
            self.claimed.extendleft(reversed(self._prepare(singles)))
            self.looked_for_singles = time.monotonic()

    def _appetite(self) -> int:
        """Leads claimed at a time: about a fifth of a second's worth, so that a claimed call never waits long and a person
        who asks meanwhile goes before the rest of a bulk action, however many processes push."""
        if math.isinf(self.rate):
            return 2 * settings.PUSH_SENDERS
        return max(1, math.ceil(self.rate / 5))

    def _prepare(self, plans: list[CallPlan]) -> list[CallPlan]:
        """Read first whatever has to be, and leave out what is needless by then."""
        prepared, stopped = preflight.look(self.connection, plans)
        if stopped is not None and len(prepared) < len(plans):
            self.ends = 0.0  # Kartra cannot be asked just now; what waits for a read comes up again
        return prepared

    def _step(self, senders: ThreadPoolExecutor) -> None:
        if not self.claimed or len(self.in_flight) >= settings.PUSH_SENDERS:
            self._settle(timeout_s=0.5 if self.claimed else 0.1)
            return
        if not self._prepared(self.claimed[0]):
            return
        asked_at = time.monotonic()
        turn = self._turn()
        if not turn.granted:
            self._settle(timeout_s=turn.wait_s)
            return
        due_at = time.monotonic() + turn.wait_s
        plan = lease.mark_sent(self.claimed.popleft())
        if plan is not None:
            late_at = asked_at + turn.wait_s + LATE_S
            sent = senders.submit(
                make_call, self.client, plan, plan.request(), due_at, late_at, self._new_turn, self._on_time
            )
            self.in_flight[sent] = plan, self.keys
            self.drained.sent += 1
        self._settle(timeout_s=0)

    def _prepared(self, plan: CallPlan) -> bool:
        """Of a refund: keep which transactions the buyer had before it, or give the chain back when Kartra cannot tell."""
        refunds = [change for change in plan.changes if WIRE_FORMATS[change.kind].look is ProofSource.TRANSACTIONS]
        if not refunds:
            return True
        try:
            entries = transactions.listed(self.connection, plan.lead, cause=Cause.PUSH, priority=Priority.SINGLE)
        except KartraError as error:
            logger.warning(
                "The transactions of lead %s could not be read before a refund: %s", plan.lead.pk, error.code
            )
            lease.release_plans([self.claimed.popleft()], unread=True)
            self.ends = 0.0
            return False
        if all(entry.id for entry in entries):  # else a refund that is new cannot be told from the others
            known = {"transactions": [entry.id for entry in entries]}
            Attempt.objects.filter(call=plan.call, change__in=refunds).update(before=known)
        return True

    def _turn(self) -> Turn:
        """Ask for this call's turn. A limiter that does not answer ends the drain: nothing is sent unlimited."""
        priority = Priority.SINGLE if self.claimed[0].single else Priority.RUN
        try:
            return calls.rate_limiter().reserve(self.connection.app_id, self.rate, priority)
        except RateLimiterUnavailable:
            logger.warning("The limiter does not answer; nothing is sent on connection %s.", self.connection.pk)
            self.ends = 0.0
            return Turn(False, 0.1)

    def _new_turn(self) -> bool:
        """Take another turn, from a sender's thread. False if none comes up at once: the call goes back, because what
        was looked at before it (pause, cancel, switch) must not be long ago."""
        return calls.rate_limiter().take(
            self.connection.app_id, self.rate, Priority.SINGLE, timeout_s=NEW_TURN_S, stop=lambda: False
        )

    def _on_time(self) -> None:
        """Just before a call leaves in its turn, from a sender's thread."""
        if not math.isinf(self.rate):
            calls.rate_limiter().depart(self.connection.app_id)

    def _settle(self, timeout_s: float | None) -> None:
        """Record the answers that have come, waiting up to `timeout_s` for the first."""
        if not self.in_flight:
            if timeout_s:
                time.sleep(timeout_s)
            return
        done, _ = wait(self.in_flight, timeout=timeout_s, return_when=FIRST_COMPLETED)
        for future in done:
            plan, keys = self.in_flight.pop(future)
            with bound_contextvars(**plan.log_ids):
                self._answered(plan, keys, *future.result())

    def _answered(self, plan: CallPlan, keys: str, answer: Answer, elapsed_ms: int) -> None:
        """Record one answer, and what follows from it."""
        write_down(plan, answer, elapsed_ms)
        odd = any(kinds.warnings(change.parameters) for change in plan.changes)
        error = answer if isinstance(answer, KartraError) else None
        code = getattr(answer, "code", "")
        told = {"outcome": type(answer).__name__, "code": code, "elapsed_ms": elapsed_ms}
        logger.info("A call is settled.", extra=told)
        calls.update_health(self.connection, error, text_may_be_refused=odd, keys=keys)
        if any(kinds.get_kind(change.kind).money for change in plan.changes) and isinstance(answer, ChainReply):
            transactions.read_after(self.connection, plan.lead)
        if error is not None and not isinstance(error, calls.NoSlot | Throttled):
            lease.release_plans(self.claimed)
            self.claimed.clear()

    def _take_up_new_keys(self) -> None:
        """Keys that were swapped while this drain was going: go on with the new ones. (A claim reads the connection.)"""
        if self.connection.credentials_fingerprint != self.keys:
            self.client, self.keys = calls.client_for(self.connection), self.connection.credentials_fingerprint


def write_down(plan: CallPlan, answer: Answer, elapsed_ms: int) -> None:
    """Write the answer down. A database that is being restarted is waited for, and so are other writers: an answer that came
    must not be lost."""
    ends = time.monotonic() + RECORD_S
    while True:
        try:
            settle(plan, answer, elapsed_ms=elapsed_ms, answer=getattr(answer, "text", ""))
            return
        except DatabaseError as error:
            if not passes(error) or time.monotonic() > ends:
                raise
            if met_another(error):
                wait_a_little(0)
                continue
            connections.close_all()
            time.sleep(0.5)


def make_call(
    client: Client,
    plan: CallPlan,
    said: Composed,
    due_at: float = math.inf,
    late_at: float = math.inf,
    new_turn: Callable[[], bool] = lambda: True,
    on_time: Callable[[], None] = lambda: None,
) -> tuple[Answer, int]:
    """Make the POST when its turn is due (`time.monotonic`); a turn that may be missed after `late_at` is given up for a
    new one. Runs in the pool: no ORM. Whatever goes wrong is an answer; a bug of ours counts as unknown."""
    if due_at < math.inf:
        time.sleep(max(0.0, due_at - time.monotonic()))
        try:
            if time.monotonic() <= late_at:
                on_time()
            elif not new_turn():
                return calls.NoSlot("", Trouble.NO_TURN), 0
        except RateLimiterUnavailable:
            return calls.NoSlot("", Trouble.NO_LIMITER), 0
    began = time.monotonic()
    answer: Answer
    try:
        answer = client.chain(said.lead, said.actions, lead_fields=said.lead_fields, repeatable=said.repeatable)
    except KartraError as error:
        answer = error
    except Exception as error:  # the request may have left: never lose the chain to a bug
        with bound_contextvars(**plan.log_ids):  # of this thread
            logger.exception("Call %s failed in our own code.", plan.call.pk)
        answer = OutcomeUnknown("", Trouble.OUR_FAULT, name=type(error).__name__)
    return answer, round((time.monotonic() - began) * 1000)
