"""What one process keeps in memory between two pieces of work. All of it may be forgotten at any time: `clear()`."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

from integrations.kartra.transport import Transport


@dataclass
class ProcessState:
    """One per process. Times are seconds of `time.monotonic()`."""

    began_at: float = field(default_factory=time.monotonic)
    endpoints: dict[str, tuple[float, int, bool]] = field(default_factory=dict)
    """Webhook endpoints by the digest of their token: (remembered until, id, whether it is the old token)."""
    traffic: dict[int, Any] = field(default_factory=dict)
    """What came by each webhook endpoint within this hour: `integrations.receive.budget`."""
    database_away_until: float = 0.0
    """The database took no message a moment ago."""
    addresses_kept_until: float = 0.0
    """Until then the file of valid addresses is taken for new."""
    addresses_kept: frozenset[str] = frozenset()
    """The digests in it, as this process wrote them."""
    spool_thread: threading.Thread | None = field(default=None, repr=False)
    database_missing_since: float | None = None
    """Since when the thread that watches finds no database."""
    database_missing_told: bool = False
    watch_thread: threading.Thread | None = field(default=None, repr=False)
    rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The rate of each app id: (remembered until, calls a second)."""
    transports: dict[str, Transport] = field(default_factory=dict)
    """The kept-alive sockets to each address of Kartra."""
    counter_redis: redis.Redis | None = None
    """The connection to the Redis that counts calls."""
    metrics: tuple[float, bytes] = (0.0, b"")
    """The answer of /metrics: (kept until, text)."""
    notify_quiet_until: float = 0.0
    """No worker is notified before: the broker failed."""
    notify_asked: set[Any] = field(default_factory=set)
    """The tasks that the thread below is still to ask for."""
    notify_thread: threading.Thread | None = field(default=None, repr=False)
    notify_guard: threading.Lock = field(default_factory=threading.Lock, repr=False)
    clock_compared_until: float = 0.0
    clock_logged_until: float = 0.0
    jobs_running: set[str] = field(default_factory=set)
    jobs_asked_again: set[str] = field(default_factory=set)
    """Jobs that somebody asked for while they ran."""
    jobs_guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def clear(self) -> None:
        """Forget everything, as a process that has just begun."""
        self.__dict__.update(ProcessState().__dict__)


process_state = ProcessState()


@contextmanager
def only_one(job: str) -> Iterator[bool]:
    """Whether this process may do `job` now. One that is asked for meanwhile is remembered, not run beside: a worker has a thread to
    spare for that, so that askings do not pile up in the broker before others."""
    with process_state.jobs_guard:
        mine = job not in process_state.jobs_running
        (process_state.jobs_running if mine else process_state.jobs_asked_again).add(job)
        if mine:
            process_state.jobs_asked_again.discard(job)
    try:
        yield mine
    finally:
        if mine:
            with process_state.jobs_guard:
                process_state.jobs_running.discard(job)


def asked_again(job: str) -> bool:
    """Whether somebody asked for the job while it ran."""
    with process_state.jobs_guard:
        return job in process_state.jobs_asked_again
