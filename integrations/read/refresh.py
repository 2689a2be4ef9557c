"""Reads of leads into the mirror: one when somebody asks, many by dirtiness and age. A read is the only authority on a
lead's state; a failed one says nothing. `lead_lookup` owns the question, `deletions` what is believed of leads found deleted.
"""

import datetime as dt
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from integrations import clock
from integrations.kartra.errors import KartraError, OutcomeUnknown, Rejected
from integrations.kartra.profile import LeadProfile
from integrations.models import Cause, Connection, StopCause
from integrations.read import deletions, readback
from integrations.read.lead_lookup import Asked, ask, same_address
from integrations.read.lead_lookup_bulk import FAILURES, FATAL, ask_many
from integrations.read.schedule import AHEAD, claim, due, promised, recent_writes
from integrations.sending import call_counter, calls
from integrations.sending.calls import Priority
from integrations.translate.profile import facts_of
from leads import mirror, transitions
from leads.lock_conflicts import done_again
from leads.mirror import LeadFacts
from leads.models import Lead, Source, normal_email

logger = logging.getLogger(__name__)

BATCH = 200
BATCH_S = 60.0
FAILED_AGAIN = dt.timedelta(minutes=10)
"""A lead whose read failed, while others could be read, is tried again so much later."""


@dataclass(frozen=True)
class ReadResult:
    """What a read came to. `found`: Kartra has the lead. `applied`: the mirror now says what was read; if not, a call of
    ours is too recent for the read to count, and it is read again later."""

    lead: Lead | None
    found: bool
    gone: bool = False
    applied: bool = False
    profile: LeadProfile | None = None
    taken: mirror.Taken | None = None


def read_lead(
    connection: Connection,
    *,
    lead: Lead | None = None,
    kartra_id: str = "",
    email: str = "",
    cause: Cause = Cause.PULL,
    priority: Priority = Priority.PERSON,
    made_by: Any = None,
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


# --- one answer into the mirror


def apply_answer(connection: Connection, lead: Lead | None, asked: Asked) -> ReadResult:
    """Write what Kartra said of a lead into the mirror, if the read counts."""
    at = clock.now()
    _take_others(connection, asked)
    if asked.gone is not None:
        if lead is not None:
            deletions.settled(lead)
            mirror.mark_gone(lead, asked.gone, at, source=Source.REFRESH, cause=asked.cause)
            transitions.skip_gone(lead)
        return ReadResult(lead, False, gone=True, applied=True)
    if asked.profile is None:
        if lead is not None and not lead.kartra_id:
            mirror.mark_absent(lead, at)
        elif lead is not None:
            mirror.mark_moved(lead, at, again_at=at + promised())
        return ReadResult(lead, False)
    taken = _take(connection, lead, asked.profile, asked.began_at, asked.cause)
    if taken is None:
        return ReadResult(lead, True, profile=asked.profile)
    return ReadResult(taken.lead, True, applied=True, profile=asked.profile, taken=taken)


def _take_others(connection: Connection, asked: Asked) -> None:
    """What was read of other leads on the way, of those we know: a stranger at an address of ours may be of an account
    that is not ours."""
    for other in asked.others:
        lead = mirror.find(connection.account, kartra_id=other.id)
        if lead is not None and lead.kartra_id == other.id:
            _take(connection, lead, other, asked.began_at, asked.cause)


class _TooSoon(Exception):
    """A call of ours to this lead was open during the read, or ended shortly before it."""


@done_again
def _take(
    connection: Connection, lead: Lead | None, profile: LeadProfile, began_at: dt.datetime, cause: str = ""
) -> mirror.Taken | None:
    """The facts into the mirror, or None and the lead marked to be read again: the read may not undo what a call of ours
    did meanwhile. Looked at last, with the row locked, so that no call can come between."""
    at = clock.now()
    facts = facts_told(connection, lead, profile)
    try:
        with transaction.atomic():
            taken = mirror.apply_facts(
                connection.account, facts, source=Source.REFRESH, at=at, lead=lead, read_began_at=began_at, cause=cause
            )
            if not may_apply(taken.lead, began_at):
                raise _TooSoon
            deletions.settled(taken.lead)
            if readback.may_tell(taken.differences):
                since = lead.read_at if lead is not None else None
                readback.check(connection, taken.lead, facts, since=since, read_at=began_at)
            return taken
    except _TooSoon:
        touched = lead or mirror.find(connection.account, kartra_id=profile.id)
        if touched is not None:
            mirror.mark_dirty(touched, at)
            mirror.put_off([touched.pk], None)
        return None


def facts_told(connection: Connection, lead: Lead | None, profile: LeadProfile) -> LeadFacts:
    """The facts of a read. In test mode Kartra's own domain in an address tells nothing new of the lead's."""
    facts = facts_of(profile, connection.account, authority=True)
    known = lead is not None and lead.email and same_address(connection, facts.email, lead.email)
    if connection.test_mode and known:
        return replace(facts, fields={name: value for name, value in facts.fields.items() if name != "email"})
    return facts


def may_apply(lead: Lead, began_at: dt.datetime) -> bool:
    """Whether a read begun then counts: no call of ours that writes was open during it, or ended shortly before it."""
    return not recent_writes(began_at).filter(lead=lead, sent_at__isnull=False).exists()


# --- many


@dataclass
class Round:
    """What reading many leads came to. `stopped`: why it ended before all was read."""

    read: int = 0
    failed: int = 0
    stopped: KartraError | None = None


def drain(connection: Connection, *, until_s: float = 8.0, **how: Any) -> int:
    """Read what is due for about `until_s` seconds; how many leads were read. Ends early when Kartra cannot be asked."""
    if _rests(connection):
        return 0
    return read_due(connection, until_s=until_s, **how).read


def has_work(connection: Connection) -> bool:
    """Whether there is anything to read by itself just now."""
    return connection.reads_stopped_at is None and not _rests(connection) and due(connection).exists()


def _rests(connection: Connection) -> bool:
    """Whether asking is of no use just now: Kartra does not answer, or refuses our keys, or we are a copy."""
    held = connection.hold_until is not None and connection.hold_until > clock.now()
    return held or connection.stopped_by in (StopCause.OUTAGE, StopCause.CREDENTIALS) or call_counter.is_copy()


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
    within = older_than if older_than is not None else promised() * AHEAD
    which = {"before": clock.now() - within, "gone_too": gone_too}
    ends = time.monotonic() + until_s
    all_read = False
    while time.monotonic() < ends and not stop() and (limit is None or total.read < limit):
        room = batch if limit is None else min(batch, limit - total.read)
        if asking.calls_per_second:
            room = max(1, min(room, round(asking.rate * 4)))
        if deletions.classify(connection, all_read=False):
            break
        leads = claim(connection, room, **which)
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
    for lead, answer in ask_many(asking, leads, cause=cause, priority=priority, ends=ends, stop=stop):
        if isinstance(answer, Asked):
            in_a_row = 0
            if _apply_one_of_many(connection, lead, answer):
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


def _apply_one_of_many(connection: Connection, lead: Lead, asked: Asked) -> bool:
    """Take an answer in; False for one that nobody foresaw, so that the other leads are read all the same."""
    try:
        if asked.gone is None:
            apply_answer(connection, lead, asked)
            return True
        _take_others(connection, asked)
        deletions.found(lead, connection, asked.gone, clock.now())
        return True
    except Exception:
        logger.exception("What Kartra said of lead %s could not be taken in.", lead.pk)
        return False


__all__ = [
    "Asked",
    "ReadResult",
    "Round",
    "apply_answer",
    "ask",
    "ask_many",
    "claim",
    "drain",
    "due",
    "facts_told",
    "has_work",
    "may_apply",
    "read_due",
    "read_lead",
    "read_many",
]
