"""Reads of leads: one when somebody asks, many by dirtiness and age. A read is the only authority on a lead's state; a failed
one says nothing. What becomes of an answer is left to `lead_answer`, whose turn it is to `schedule`.
"""

import datetime as dt
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import clock
from integrations.kartra.errors import KartraError, OutcomeUnknown, Rejected
from integrations.models import NO_USE_ASKING, Cause, Connection
from integrations.read import deletions, schedule
from integrations.read.lead_answer import ReadResult, apply_answer, apply_others
from integrations.read.lead_lookup import Asked, ask
from integrations.read.lead_lookup_bulk import FAILURES, FATAL, ask_many
from integrations.read.unchanged import note_unchanged
from integrations.sending import call_counter, calls
from integrations.sending.calls import Priority
from leads import mirror
from leads.access import Author
from leads.models import Lead, normal_email

logger = logging.getLogger(__name__)

BATCH = 200
BATCH_S = 60.0
FAILED_AGAIN = dt.timedelta(minutes=10)
"""A lead whose read failed, while others could be read, is tried again so much later."""


def read_lead(
    connection: Connection,
    *,
    lead: Lead | None = None,
    kartra_id: str = "",
    email: str = "",
    cause: Cause = Cause.PULL,
    priority: Priority = Priority.PERSON,
    made_by: Author = None,
) -> ReadResult:
    """Read one lead from Kartra into the mirror; new to us or not. Raises KartraError; then nothing has changed."""
    account = connection.account
    lead = lead or mirror.find(account, kartra_id=kartra_id, email=email)
    kartra_id = kartra_id or (lead.kartra_id if lead else "") or ""
    if lead is not None and (not email or normal_email(email) == lead.email_key):
        email = lead.email  # as Kartra spells it
    asked = ask(
        connection, kartra_id=kartra_id, email=email, cause=cause, priority=priority, lead=lead, made_by=made_by
    )
    return apply_answer(connection, lead, asked)


@dataclass
class Round:
    """What reading many leads came to. `stopped`: why it ended before all was read."""

    read: int = 0
    failed: int = 0
    stopped: KartraError | None = None


def drain(connection: Connection, *, until_s: float = 8.0, **how: Any) -> int:
    """Read what is due for about `until_s` seconds; how many leads were read. Ends early when Kartra cannot be asked."""
    if rests(connection):
        return 0
    return read_due(connection, until_s=until_s, **how).read


def has_work(connection: Connection) -> bool:
    """Whether there is anything to read by itself just now."""
    return connection.reads_stopped_at is None and not rests(connection) and schedule.due(connection).exists()


def rests(connection: Connection) -> bool:
    """Whether asking is of no use just now: Kartra does not answer, or refuses our keys, or we have none, or are a copy."""
    held = connection.hold_until is not None and connection.hold_until > clock.now()
    no_use = connection.stopped_by in NO_USE_ASKING or connection.secrets_lost
    return held or no_use or call_counter.is_copy()


def read_due(
    connection: Connection,
    *,
    until_s: float = math.inf,
    older_than: dt.timedelta | None = None,
    gone_too: bool = False,
    limit: int | None = None,
    cause: Cause = Cause.REFRESH,
    priority: Priority = Priority.REFRESH,
    on_read: Callable[[int], None] | None = None,
    asking: Connection | None = None,
    stop: Callable[[], bool] = lambda: False,
    batch: int = BATCH,
) -> Round:
    """Read what is due until nothing is, or the time is over. What is due is fixed at the start: a lead that was read once
    is not read again. Nothing is read while a person is asked about leads found deleted.

    `asking`: another connection to the same account to make the calls with. `on_read` gets the number read so far.
    """
    asking = asking or connection
    total = Round()
    within = older_than if older_than is not None else schedule.promised() * schedule.AHEAD
    which = {"before": clock.now() - within, "gone_too": gone_too}
    ends = time.monotonic() + until_s
    all_read = False
    while time.monotonic() < ends and not stop() and (limit is None or total.read < limit):
        room = batch if limit is None else min(batch, limit - total.read)
        if asking.calls_per_second:
            room = max(1, min(room, round(asking.rate * 4)))
        if deletions.classify(connection, all_read=False):
            break
        leads = schedule.claim(connection, room, **which)
        if not leads:
            all_read = True
            break
        before = total.read
        done = _read(
            connection,
            leads,
            asking,
            cause,
            priority,
            ends=min(ends, time.monotonic() + BATCH_S),
            stop=stop,
            on_read=None if on_read is None else lambda number, before=before: on_read(before + number),  # type: ignore[misc]
        )
        total.read, total.failed = total.read + done.read, total.failed + done.failed
        total.stopped = done.stopped
        crowded = isinstance(done.stopped, calls.NoSlot) and done.read  # others go first; it goes on, slowly
        if (done.stopped and not crowded) or not (done.read or done.failed):
            break
        total.stopped = None
    deletions.classify(connection, all_read=all_read)
    return total


def read_many(
    connection: Connection,
    leads: Iterable[Lead],
    *,
    asking: Connection | None = None,
    cause: Cause = Cause.REFRESH,
    priority: Priority = Priority.REFRESH,
    on_read: Callable[[int], None] | None = None,
) -> tuple[int, KartraError | None]:
    """Read these leads, several calls at once. (how many, why it stopped early)."""
    done = _read(connection, list(leads), asking or connection, cause, priority, on_read=on_read)
    deletions.classify(connection, all_read=True)
    return done.read, done.stopped


def _read(
    connection: Connection,
    leads: Sequence[Lead],
    asking: Connection,
    cause: Cause,
    priority: Priority,
    *,
    ends: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
    on_read: Callable[[int], None] | None = None,
) -> Round:
    """Threads only call, this one writes. A lead that cannot be read waits a while and does not stop the others."""
    done = Round()
    untouched: list[int] = []
    failed: list[int] = []
    in_a_row = 0
    for lead, answer, noted in _asked(connection, leads, asking, cause, priority, ends=ends, stop=stop):
        if isinstance(answer, Asked):
            in_a_row = 0
            if noted or _apply_one_of_many(connection, lead, answer):
                done.read += 1
                if on_read:
                    on_read(done.read)
            else:
                failed.append(lead.pk)
            continue
        (failed if isinstance(answer, OutcomeUnknown | Rejected) else untouched).append(lead.pk)
        if answer is not None:
            in_a_row += 1
            if in_a_row >= FAILURES or isinstance(answer, FATAL) or not done.read:
                done.stopped = answer
    mirror.put_off(untouched, None)
    mirror.put_off(failed, clock.now() + FAILED_AGAIN)
    done.failed = len(failed)
    if done.read and not isinstance(done.stopped, FATAL) and in_a_row < FAILURES:
        done.stopped = None
    return done


def _asked(
    connection: Connection, leads: Sequence[Lead], asking: Connection, cause: Cause, priority: Priority, **how: Any
) -> Iterator[tuple[Lead, Asked | KartraError | None, bool]]:
    """The leads with their answers, and whether the answer is noted already, because it told nothing new."""
    for answers in ask_many(asking, leads, cause=cause, priority=priority, **how):
        noted = note_unchanged(connection, [(lead, each) for lead, each in answers if isinstance(each, Asked)])
        yield from ((lead, each, lead.pk in noted) for lead, each in answers)


def _apply_one_of_many(connection: Connection, lead: Lead, asked: Asked) -> bool:
    """Take an answer in; False for one that nobody foresaw, so that the other leads are read all the same."""
    try:
        if asked.gone is None:
            apply_answer(connection, lead, asked)
            return True
        apply_others(connection, asked)
        deletions.found(lead, connection, asked.gone, clock.now())
        return True
    except Exception:
        logger.exception("What Kartra said of lead %s could not be taken in.", lead.pk)
        return False
