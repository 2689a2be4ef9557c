"""The same question about many leads, several calls at once: threads only call, the caller's thread does all the rest, and writes the
rows of calls that came about together in one statement.
"""

import datetime as dt
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from integrations.clock import now
from integrations.kartra.client import Client
from integrations.kartra.errors import CommandRefused, CredentialsRefused, KartraError, OutcomeUnknown, Rejected
from integrations.kartra.profile import LeadProfile
from integrations.kartra.words import Trouble
from integrations.models import ApiCall, Cause, Connection
from integrations.read.lead_lookup import DELETED, NOT_FOUND, Asked, ask, learn, same_address
from integrations.sending import calls
from integrations.sending.calls import Priority
from leads.models import GoneReason, Lead

logger = logging.getLogger(__name__)

FAILURES = 3
"""Calls in a row without an answer after which nothing more is asked for now."""
AT_ONCE = 20
TOGETHER_S = 0.05
"""So many answers are handed on together, or those of so long."""
FATAL = (calls.NoSlot, calls.NotHere, calls.KeyLost, CredentialsRefused, CommandRefused)
"""Errors after which the next lead would fare no better."""


def ask_many(
    asking: Connection,
    leads: Sequence[Lead],
    *,
    cause: Cause,
    priority: Priority,
    ends: float = math.inf,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[list[tuple[Lead, Asked | KartraError | None]]]:
    """Ask Kartra about these leads, several calls at once, in no order; a few answers at a time. One that is not stored is a
    stranger, asked for by the address. For each lead the answer, or why
    there is none; None: not asked, as the time (`ends`, monotonic) was over. Refused keys or a few failures in a row end it."""
    try:
        calls.be_here()
        client = calls.client_for(asking)
    except (calls.NotHere, calls.KeyLost) as error:
        yield [(lead, error) for lead in leads]
        return
    rate = calls.rate_of(asking)
    skew = now() - timezone.now()
    over = _Over(stop, ends)
    done: queue.SimpleQueue[Future[_Got]] = queue.SimpleQueue()

    with ThreadPoolExecutor(settings.REFRESH_READERS, thread_name_prefix="read") as readers:
        waiting: dict[Future[_Got], Lead] = {
            readers.submit(_get, client, asking, rate, lead, priority, over): lead for lead in leads
        }
        for future in waiting:
            future.add_done_callback(done.put)
        try:
            left = len(waiting)
            while left:
                came = [(waiting[future], future.result()) for future in _next(done, left)]
                left -= len(came)
                rows = _rows(asking, came, cause, skew)
                answers: list[tuple[Lead, Asked | KartraError | None]] = []
                for (lead, got), row in zip(came, rows, strict=True):
                    answer = got.error if row is None else _answer(asking, lead, got, row, priority, over)
                    if row is not None and isinstance(answer, FATAL):
                        over.set()
                    answers.append((lead, answer))
                yield answers
        finally:
            over.set()


def _next(done: "queue.SimpleQueue[Future[_Got]]", left: int) -> list[Future["_Got"]]:
    """The next answers: as many as come about together, the first of which is waited for."""
    found = [done.get()]
    ends = time.monotonic() + TOGETHER_S
    while len(found) < min(AT_ONCE, left):
        try:
            found.append(done.get(timeout=max(0.001, ends - time.monotonic())))
        except queue.Empty:
            break
    return found


def _rows(
    asking: Connection, came: Sequence[tuple[Lead, "_Got"]], cause: Cause, skew: dt.timedelta
) -> list[ApiCall | None]:
    """The rows of these calls, written together; None of one that was not made. Those of a connection that is not stored are not
    written."""
    finished_at = now()
    rows = [
        calls.read_row(
            asking,
            cause=cause,
            commands="get_lead",
            began_at=got.began_at + skew,
            finished_at=finished_at,
            elapsed_s=got.elapsed_s,
            error=got.error,
            lead=_stored(lead),
        )
        if got.began_at is not None
        else None
        for lead, got in came
    ]
    if asking.pk is not None:
        ApiCall.objects.bulk_create([row for row in rows if row is not None])
    return rows


class _Over:
    """Whether nothing more is to be asked; watched by the readers, so that an outage does not see a whole batch."""

    def __init__(self, stop: Callable[[], bool], ends: float) -> None:
        self._stop = stop
        self.ends = ends
        self._over = threading.Event()
        self._failures = 0

    def set(self) -> None:
        self._over.set()

    def __call__(self) -> bool:
        return self._over.is_set() or self._stop() or time.monotonic() >= self.ends

    def heed(self, error: KartraError | None) -> None:
        """After each call: failures in a row, or one after which the next would fare no better, end it."""
        self._failures = 0 if error is None or isinstance(error, Rejected) else self._failures + 1
        if self._failures >= FAILURES or isinstance(error, FATAL):
            self.set()


@dataclass(frozen=True)
class _Got:
    """What one call in a reader's thread brought; `began_at` None: it was not made."""

    profile: LeadProfile | None = None
    error: KartraError | None = None
    began_at: dt.datetime | None = None
    elapsed_s: float = 0.0
    by_id: bool = False


def _get(client: Client, asking: Connection, rate: float, lead: Lead, priority: Priority, over: _Over) -> _Got:
    """One call in a reader's thread: no ORM, which would open a database connection for each thread."""
    if over():
        return _Got()
    try:
        wait_s = max(0.1, min(20.0, over.ends - time.monotonic()))
        calls.wait_for_slot(asking, priority, wait_s=wait_s, rate=rate)
    except KartraError as error:  # no turn: the limiter does not answer, or others go first
        late = over()
        over.heed(error)
        return _Got() if late else _Got(error=error)
    if over():
        return _Got()
    began_at, began = timezone.now(), time.monotonic()
    by_id = bool(lead.kartra_id) and (asking.get_lead_by_id is not False or not lead.email)
    profile: LeadProfile | None = None
    failed: KartraError | None = None
    try:
        profile = client.get_lead(id=lead.kartra_id or "") if by_id else client.get_lead(email=lead.email)
    except KartraError as error:
        failed = error
    except Exception as error:  # never lose the others to a bug
        logger.exception("The call about lead %s failed in our own code.", lead.pk)
        failed = OutcomeUnknown("", Trouble.OUR_FAULT, name=type(error).__name__)
    over.heed(failed)
    return _Got(profile, failed, began_at, time.monotonic() - began, by_id)


def _answer(
    asking: Connection, lead: Lead, got: _Got, row: ApiCall, priority: Priority, over: _Over
) -> Asked | KartraError | None:
    """What a call says of the lead. What one call cannot tell is asked at length."""
    began_at, call = row.claimed_at, row.pk
    calls.update_health(asking, got.error)
    if got.profile is not None and _is(asking, lead, got.profile):
        if got.by_id:
            learn(asking, True)
        return Asked(got.profile, began_at, call=call)
    if got.error is not None and not isinstance(got.error, Rejected):
        return got.error
    code = got.error.code if got.error is not None else ""
    if code == DELETED and (got.by_id or not lead.kartra_id):
        return Asked(None, began_at, GoneReason.DELETED, call=call)
    if code in NOT_FOUND and not lead.kartra_id:
        return Asked(None, began_at, call=call)
    if over():
        return None
    try:
        cause = Cause(row.cause)
        id, email, known = lead.kartra_id or "", lead.email, _stored(lead)
        return ask(asking, kartra_id=id, email=email, cause=cause, priority=priority, lead=known)
    except KartraError as error:
        return error


def _stored(lead: Lead) -> Lead | None:
    """The lead, if our copy has it."""
    return lead if lead.pk is not None else None


def _is(asking: Connection, lead: Lead, profile: LeadProfile) -> bool:
    """Whether the profile is of the lead that was asked about."""
    if lead.kartra_id:
        return profile.id == lead.kartra_id
    return same_address(asking, profile.email, lead.email)
