"""What a limiter is, wherever it keeps the pace: waiting for a turn, and leaving in it.

A turn is reserved by `file` or `redis`; what both share is the time between the turn and the call, which is of one process.
"""

import abc
import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable

from integrations.kartra.rate_limit.arithmetic import Turn

WINDOW = 20
"""Kartra's own number: calls in any one second."""

APART_S = 1.02
"""A call leaves this process no sooner after the twentieth before it: turns are 1/19.5 s apart, but a busy machine is late
for some, and late calls crowd the second that follows."""

LATE_S = 0.02
"""A call that may be later than this for its turn gives the turn up: late calls crowd the second that follows, and twenty
turns at 19.5 a second leave 25 ms to spare."""


class RateLimiterUnavailable(Exception):
    """The limiter cannot be asked (Redis is down): nothing may be sent."""


class RateLimiter(abc.ABC):
    """What every ground can do. `app` is the app id; only a digest of it is ever written."""

    def __init__(self) -> None:
        self._left: dict[str, deque[float]] = {}
        self._leaving = threading.Lock()

    @abc.abstractmethod
    def reserve(self, app: str, rate: float, priority_class: int) -> Turn:
        """Ask for a turn without waiting. Raises RateLimiterUnavailable."""

    @abc.abstractmethod
    def throttled(self, app: str) -> None:
        """Kartra answered 429."""

    @abc.abstractmethod
    def slow_start(self, app: str) -> None:
        """Kartra answers again after an outage: begin gently."""

    @abc.abstractmethod
    def factor(self, app: str) -> float:
        """How far the speed is stepped down just now: 1.0 is full speed."""

    def take(self, app: str, rate: float, priority_class: int, *, timeout_s: float, stop: Callable[[], bool]) -> bool:
        """Wait for a turn until it is due. False when the time is over or `stop` says so."""
        ends = time.monotonic() + timeout_s
        while True:
            asked_at = time.monotonic()
            turn = self.reserve(app, rate, priority_class)
            if turn.granted:
                time.sleep(turn.wait_s)
                if math.isinf(rate):
                    return True
                # The answer itself may have come late, so lateness counts from the question.
                if time.monotonic() - asked_at - turn.wait_s <= LATE_S:
                    self.depart(app)
                    return True
                if stop():
                    return False
                continue
            left_s = ends - time.monotonic()
            if left_s <= 0 or stop():
                return False
            time.sleep(min(turn.wait_s, left_s, 0.5))

    def depart(self, app: str) -> None:
        """Called just before a call leaves whose turn came from `reserve`: waits the few milliseconds that keep it apart from
        those before it."""
        with self._leaving:
            left = self._left.setdefault(app, deque(maxlen=WINDOW))
            at = time.monotonic()
            if len(left) == WINDOW:
                at = max(at, left[0] + APART_S)
            left.append(at)
        time.sleep(max(0.0, at - time.monotonic()))

    @staticmethod
    def _digest(app: str) -> str:
        return hashlib.sha256(app.encode("utf-8", "replace")).hexdigest()[:24]
