"""The pusher: claim, wait for a turn, stamp, send, settle. One thread claims and settles, in sets where there is more than one; a
bounded pool only sends.

No lock is held and no ORM is used while a call is under way.
"""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from django.conf import settings
from structlog.contextvars import bound_contextvars

from integrations.kartra.errors import KartraError, Throttled
from integrations.kartra.rate_limit import LATE_S, RateLimiterUnavailable, Turn
from integrations.kartra.replies import ChainReply
from integrations.models import Attempt, Cause, Connection
from integrations.push import claim, lease, preflight
from integrations.push.plan import CallPlan
from integrations.push.post import make_call
from integrations.push.settle_many import AT_ONCE, TOGETHER_S, Answer, Answered, Waiting, write_down
from integrations.read import transactions
from integrations.sending import calls
from integrations.sending.calls import Priority
from integrations.translate import WIRE_FORMATS, ProofSource
from leads import kinds
from leads.models import LeadChange

logger = logging.getLogger(__name__)

SINGLES_EVERY_S = 0.2
"""How often a drain looks for what a person has asked for while calls of a bulk action wait for their turns."""

NEW_TURN_S = 0.5
"""How long a call that missed its turn waits for another."""

ASIDE_S = 2.0
"""How often a long drain lets its caller do something else."""


def nothing() -> None:
    pass


@dataclass
class Drained:
    """What one drain did: calls sent, and whether there is more to send right away."""

    sent: int = 0
    more: bool = False


def drain(
    connection: Connection,
    *,
    until_s: float = 8.0,
    stop: Callable[[], bool] = lambda: False,
    aside: Callable[[], None] = nothing,
) -> Drained:
    """Send what is due on one connection for about `until_s` seconds; calls in flight are waited for.

    Safe to run in many processes at once: a lead is claimed by one of them. `stop` ends claiming at once. `aside` is what else the
    caller has to do from time to time, while calls are in flight. Without the keys nothing is sent, and sending stops.
    """
    try:
        return _Drain(connection, until_s, stop, aside).run()
    except calls.KeyLost:
        return Drained()


class _Drain:
    def __init__(
        self, connection: Connection, until_s: float, stop: Callable[[], bool], aside: Callable[[], None]
    ) -> None:
        self.connection = connection
        self.ends = time.monotonic() + until_s
        self.stop, self.aside, self.aside_at = stop, aside, time.monotonic() + ASIDE_S
        self.client = calls.client_for(connection)
        self.keys = connection.credentials_fingerprint
        self.rate = calls.rate_of(connection)
        self.claimed: deque[CallPlan] = deque()
        self.in_flight: dict[Future[tuple[Answer, int]], tuple[CallPlan, str]] = {}
        self.waiting = Waiting()
        self.drained = Drained()
        self.looked_at, self.gathers_until, self.dry = 0.0, 0.0, False

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
                    if time.monotonic() > self.aside_at:
                        self._collect(timeout_s=0)
                        self._settle()
                        self.aside()
                        self.aside_at = time.monotonic() + ASIDE_S
            finally:
                try:
                    lease.release_plans(self.claimed)
                finally:  # an answer that comes is written down, whatever went wrong before
                    self.drained.more = self.over() or bool(self.claimed)
                    while self.in_flight or self.waiting.answers:
                        self._collect(timeout_s=None)
        return self.drained

    def _claim(self) -> None:
        """Claim more when what is claimed runs low, before it is used up; while the claimed wait for their turns, look often for
        what a person has just asked for, and put it in front. Where nothing was due, it is asked again when an answer may have
        made something due, or a little later."""
        low = len(self.claimed) <= self._appetite() // 2
        looked_s = time.monotonic() - self.looked_at
        if low and not (self.dry and (self.in_flight or self.claimed) and looked_s < SINGLES_EVERY_S):
            new = claim.claim(self.connection, self._appetite(), stop=self.over)
            self.dry = not new
            self._put(self._prepare(new))
            self._take_up_new_keys()
        elif self.claimed and not self.claimed[0].single and looked_s > SINGLES_EVERY_S:
            self._put(self._prepare(claim.claim(self.connection, self._appetite(), only_singles=True)))
        else:
            return
        self.looked_at = time.monotonic()

    def _put(self, plans: Sequence[CallPlan]) -> None:
        """Behind what was claimed before; what a person waits for goes before what does not."""
        ahead = [plan for plan in self.claimed if plan.single] + [plan for plan in plans if plan.single]
        behind = [plan for plan in (*self.claimed, *plans) if not plan.single]
        self.claimed = deque([*ahead, *behind])

    def _appetite(self) -> int:
        """Leads claimed at a time: about a fifth of a second's worth, so that a claimed call never waits long and a person
        who asks meanwhile goes before the rest of a bulk action, however many processes push."""
        if math.isinf(self.rate):
            return 2 * settings.PUSH_SENDERS
        return max(1, math.ceil(self.rate / 5))

    def _prepare(self, plans: list[CallPlan]) -> list[CallPlan]:
        """Read first whatever has to be, which may take long: answers are written down before. Leave out what is needless by then."""
        self._settle()
        prepared, stopped = preflight.look(self.connection, plans)
        if stopped is not None and len(prepared) < len(plans):
            self.ends = 0.0  # Kartra cannot be asked just now; what waits for a read comes up again
        return prepared

    def _step(self, senders: ThreadPoolExecutor) -> None:
        free = settings.PUSH_SENDERS - len(self.in_flight)
        if not self.claimed or free <= 0:
            self._collect(timeout_s=0.5 if self.claimed else 0.1)
            return
        if (
            math.isinf(self.rate)
            and free < min(AT_ONCE, settings.PUSH_SENDERS) // 2
            and (left_s := self.gathers_until - time.monotonic()) > 0
        ):
            self._collect(timeout_s=left_s)  # a few more free senders, and one transaction marks for all of them
            return
        if not self._prepared(self.claimed[0]):
            return
        asked_at = time.monotonic()
        turn = self._turn()
        if not turn.granted:
            self._collect(timeout_s=turn.wait_s)
            return
        due_at = time.monotonic() + turn.wait_s
        late_at = asked_at + turn.wait_s + LATE_S
        at_once = min(free, AT_ONCE) if math.isinf(self.rate) else 1  # each turn is one call's
        self.gathers_until = time.monotonic() + TOGETHER_S
        plans = self._next(at_once)
        try:
            leaving = lease.mark_all_sent(plans)
        except Exception:
            self.claimed.extendleft(reversed(plans))  # given back with the others
            raise
        for plan in leaving:
            sent = senders.submit(
                make_call, self.client, plan, plan.request(), due_at, late_at, self._new_turn, self._on_time
            )
            self.in_flight[sent] = plan, self.keys
            self.drained.sent += 1
        self._collect(timeout_s=0)

    def _next(self, number: int) -> list[CallPlan]:
        """The calls that leave now: the first, and as many behind it as need no look of their own before."""
        plans = [self.claimed.popleft()]
        while self.claimed and len(plans) < number and not _refunds(self.claimed[0]):
            plans.append(self.claimed.popleft())
        return plans

    def _prepared(self, plan: CallPlan) -> bool:
        """Of a refund: keep which transactions the buyer had before it, or give the chain back when Kartra cannot tell."""
        refunds = _refunds(plan)
        if not refunds:
            return True
        self._settle()
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

    def _collect(self, timeout_s: float | None) -> None:
        """Take the answers that have come, waiting up to `timeout_s` for the first, and write them down when it is time."""
        left_s = self.waiting.left_s if self.waiting.answers else math.inf
        wait_s = left_s if timeout_s is None else min(timeout_s, left_s)
        if self.in_flight:
            done, _ = wait(self.in_flight, None if math.isinf(wait_s) else wait_s, return_when=FIRST_COMPLETED)
            for future in done:
                plan, keys = self.in_flight.pop(future)
                self._take(Answered(plan, *future.result()), keys)
        elif wait_s and not self.waiting.answers:
            time.sleep(wait_s)
        if self.waiting.answers and (not self.waiting.left_s or not self.in_flight):
            self._settle()

    def _take(self, answered: Answered, keys: str) -> None:
        self.waiting.since = min(self.waiting.since, time.monotonic())
        self.waiting.answers.append((answered, keys))
        self.waiting.urgent = self.waiting.urgent or not answered.ordinary

    def _settle(self) -> None:
        """Write the waiting answers down, and draw what follows from each."""
        answers, self.waiting = self.waiting.answers, Waiting()
        if not answers:
            return
        self.dry = False
        try:
            write_down([answered for answered, _ in answers])
        finally:
            for answered, keys in answers:
                with bound_contextvars(**answered.plan.log_ids):
                    try:
                        self._follow_up(answered, keys)
                    except Exception:  # of the others something follows, too
                        logger.exception("What follows from a settled call could not be done.")

    def _follow_up(self, answered: Answered, keys: str) -> None:
        """What follows from an answer that is written down."""
        plan, answer = answered.plan, answered.answer
        odd = any(kinds.warnings(change.parameters) for change in plan.changes)
        error = answer if isinstance(answer, KartraError) else None
        code = getattr(answer, "code", "")
        told = {"outcome": type(answer).__name__, "code": code, "elapsed_ms": answered.elapsed_ms}
        logger.info("A call is settled.", extra=told)
        calls.update_health(self.connection, error, text_may_be_refused=odd, keys=keys)
        if any(kinds.get_kind(change.kind).money for change in plan.changes) and isinstance(answer, ChainReply):
            transactions.read_after(self.connection, plan.lead)
        if error is not None and not isinstance(error, calls.NoSlot | Throttled):
            lease.release_plans(self.claimed)
            self.claimed.clear()

    def _take_up_new_keys(self) -> None:
        """Keys or a speed that were changed while this drain was going: go on with the new ones. (A claim reads the connection.)"""
        if self.connection.credentials_fingerprint != self.keys:
            self.client, self.keys = calls.client_for(self.connection), self.connection.credentials_fingerprint
        self.rate = calls.rate_of(self.connection)


def _refunds(plan: CallPlan) -> list[LeadChange]:
    """The refunds of a call: before them Kartra is asked what the buyer has."""
    return [change for change in plan.changes if WIRE_FORMATS[change.kind].look is ProofSource.TRANSACTIONS]
