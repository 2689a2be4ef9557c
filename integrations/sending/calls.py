"""How every call to Kartra is made: its turn in the app's pace, its row, and what an answer about the connection means.

Reads go through `read`; the pusher uses the pieces, because its row is written before the call.
"""

import contextlib
import datetime as dt
import enum
import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import F

from integrations.clock import now
from integrations.kartra.client import Client, Credentials
from integrations.kartra.errors import (
    CredentialsRefused,
    KartraError,
    NotSent,
    OutcomeUnknown,
    Rejected,
    Throttled,
)
from integrations.kartra.rate_limit import FileRateLimiter, RateLimiter, RateLimiterUnavailable, RedisRateLimiter
from integrations.kartra.transport import Transport
from integrations.kartra.words import Trouble
from integrations.models import ApiCall, CallOutcome, Cause, Connection, StopCause, StopRemark
from integrations.process_state import process_state
from integrations.sending import call_counter, switch
from integrations.sending.error_messages import message_of, remark_of, remedy, said_by
from leads.access import Author, user_of
from leads.models import Lead
from leads.models.remarks import remark

T = TypeVar("T")

RATE_KEPT_S = 5.0


class Priority(enum.IntEnum):
    """Who goes first when Kartra's speed limit makes some wait."""

    PERSON = 0
    VERIFY = 1
    SINGLE = 2
    RUN = 3
    REFRESH = 4


class NoSlot(NotSent):
    """No turn came up in the time given. Nothing was sent."""


class KeyLost(NotSent):
    """What Kartra's keys were stored with is not there. Nothing was sent."""


class NotHere(NotSent):
    """This database is probably a copy of one that runs elsewhere. Nothing was sent."""


@functools.cache
def rate_limiter() -> RateLimiter:
    """The limiter all processes share: in Redis where there is one, else files under VAR_DIR."""
    if settings.REDIS_URL:
        return RedisRateLimiter(settings.REDIS_URL)
    return FileRateLimiter(settings.VAR_DIR / "rate_limit")


def _transport(api_url: str) -> Transport:
    """This process's sockets to one address; of two threads that ask first, one's are kept."""
    return process_state.transports.get(api_url) or process_state.transports.setdefault(
        api_url,
        Transport(
            api_url,
            connect_timeout_s=settings.KARTRA_CONNECT_TIMEOUT_S,
            read_timeout_s=settings.KARTRA_READ_TIMEOUT_S,
            deadline_s=settings.KARTRA_DEADLINE_S,
        ),
    )


def client_for(connection: Connection) -> Client:
    """A client with the connection's credentials, on the process's own kept-alive sockets. Raises KeyLost, and sending stops,
    where they cannot be opened."""
    if connection.secrets_lost:
        if connection.pk is not None:
            switch.stop(connection, StopCause.LOST_KEY, remark(Trouble.KEY_LOST, name=connection.name))
        raise KeyLost("", Trouble.KEY_LOST, name=connection.name)
    credentials = Credentials(
        app_id=connection.app_id, api_key=connection.api_key, api_password=connection.api_password
    )
    return Client(credentials, _transport(connection.api_url))


def rate_of(connection: Connection) -> float:
    """Calls a second that this connection may make; infinite where there is no limit. The lowest of its app's counts,
    because Kartra counts by app. Asked again every few seconds."""
    known = process_state.rates.get(connection.app_id)
    if known is None or known[0] < time.monotonic():
        rates = [each.rate for each in Connection.objects.filter(app_id=connection.app_id).only("calls_per_second")]
        known = (time.monotonic() + RATE_KEPT_S, min([connection.rate, *rates]))
        if connection.pk is not None:
            process_state.rates[connection.app_id] = known
    return known[1]


def wait_for_slot(connection: Connection, priority: Priority, *, wait_s: float, rate: float | None = None) -> None:
    """Wait until this app may call again. Raises NoSlot when `wait_s` is over, or when the limiter cannot be asked."""
    try:
        rate = rate_of(connection) if rate is None else rate
        granted = rate_limiter().take(connection.app_id, rate, priority, timeout_s=wait_s, stop=lambda: False)
    except RateLimiterUnavailable:
        raise NoSlot("", Trouble.NO_REDIS) from None
    if not granted:
        raise NoSlot("", Trouble.NO_TURN_WITHIN, wait=f"{wait_s:.0f}")


def be_here() -> None:
    """NotHere from a database that was copied to another machine, until a person says that this is where it belongs. A
    person's check of the keys is allowed, because that comes before."""
    if call_counter.is_copy():
        raise NotHere("", Trouble.NOT_HERE)


def outcome_of(error: KartraError) -> CallOutcome:
    """How an error reads in the list of calls."""
    for kind, outcome in (
        (Throttled, CallOutcome.THROTTLED),
        (CredentialsRefused, CallOutcome.CREDENTIALS),
        (NotSent, CallOutcome.NOT_SENT),
        (Rejected, CallOutcome.REFUSED),
        (OutcomeUnknown, CallOutcome.UNKNOWN),
    ):
        if isinstance(error, kind):
            return outcome
    return CallOutcome.REFUSED


def our_fault(error: BaseException) -> OutcomeUnknown:
    """What a call comes to during which something else than Kartra's client failed, or was ended: it may have left."""
    return OutcomeUnknown("", Trouble.OUR_FAULT, name=type(error).__name__)


def update_health(
    connection: Connection, error: KartraError | None, *, text_may_be_refused: bool = False, keys: str = ""
) -> None:
    """Draw the consequences of an answer for the connection: slow down, hold, or stop. None: Kartra answered.

    Refused keys stop sending on this connection, unless they have been replaced meanwhile; a refused app, and five calls
    in a row without an answer, on every connection of that app. `text_may_be_refused`: the call held a text that Kartra's
    firewall is known to refuse, so that it got no answer says nothing of Kartra. `keys`: the fingerprint of the credentials
    it was made with, if not those that `connection` holds.
    """
    if connection.pk is None:
        return
    if isinstance(error, Throttled):
        with contextlib.suppress(RateLimiterUnavailable):
            rate_limiter().throttled(connection.app_id)
    elif isinstance(error, CredentialsRefused):
        if replaced(connection, keys):
            return
        if error.scope == "app":
            switch.stop_app(connection, StopCause.CREDENTIALS, error.message, error.code)
        else:
            switch.stop(connection, StopCause.CREDENTIALS, error.message, error.code)
    elif isinstance(error, NoSlot | NotHere):
        return
    elif isinstance(error, NotSent | OutcomeUnknown):
        if text_may_be_refused and isinstance(error, OutcomeUnknown):
            return
        _count_failure(connection, error)
    elif connection.failures or connection.hold_until:
        Connection.objects.filter(app_id=connection.app_id).update(failures=0, hold_until=None)
        connection.failures, connection.hold_until = 0, None


def replaced(connection: Connection, keys: str = "") -> bool:
    """Whether the stored credentials are no longer those that this object holds, or those of this fingerprint."""
    stored = Connection.objects.filter(pk=connection.pk).first()
    return stored is not None and stored.credentials_fingerprint != (keys or connection.credentials_fingerprint)


def _count_failure(connection: Connection, error: KartraError) -> None:
    same_app = Connection.objects.filter(app_id=connection.app_id)
    same_app.update(failures=F("failures") + 1)
    connection.failures = Connection.objects.values_list("failures", flat=True).get(pk=connection.pk)
    connection.hold_until = now() + dt.timedelta(seconds=min(2 ** min(connection.failures, 6), 60) / 2)
    same_app.update(hold_until=connection.hold_until)
    if connection.failures >= settings.OUTAGE_FAILURES:
        told = remark_of(error) or error.message.rstrip(".")
        words = remark(
            StopRemark.NO_ANSWERS,
            failures=connection.failures,
            words=told,
            probe=f"{settings.OUTAGE_PROBE_S:.0f}",
        )
        switch.stop_app(connection, StopCause.OUTAGE, words)


def in_words(error: KartraError) -> str:
    """What happened and what to do, as one text for a person."""
    return f"{message_of(error).rstrip('.')}. {remedy(error.code)}".strip()


def record_read(connection: Connection, **told: Any) -> ApiCall | None:
    """Write the row of a finished call that only read, of what `read_row` is told. None for a connection that is not stored."""
    if connection.pk is None:
        return None
    row = read_row(connection, finished_at=now(), **told)
    row.save(force_insert=True)
    return row


def read_row(
    connection: Connection,
    *,
    cause: Cause,
    commands: str,
    began_at: dt.datetime,
    finished_at: dt.datetime,
    elapsed_s: float,
    error: KartraError | None = None,
    lead: Lead | None = None,
    made_by: Author = None,
) -> ApiCall:
    """The row of a finished call that only read, unsaved."""
    return ApiCall(
        connection=connection,
        lead=lead,
        cause=cause,
        commands=commands,
        claimed_at=began_at,
        sent_at=began_at,
        finished_at=finished_at,
        outcome=CallOutcome.ANSWERED if error is None else outcome_of(error),
        code=error.code if error else "",
        **(said_by(error) if error else {}),
        elapsed_ms=round(elapsed_s * 1000),
        made_by=user_of(made_by),
    )


def read(
    connection: Connection,
    *,
    cause: Cause,
    priority: Priority,
    commands: str,
    ask: Callable[[Client], T],
    lead: Lead | None = None,
    made_by: Author = None,
    wait_s: float = 30,
    on_row: Callable[[ApiCall], None] = lambda row: None,
) -> T:
    """Make one call that changes nothing at Kartra: wait for a turn, ask, write its row, heed the answer.

    `ask` gets the client and returns what the caller wants; `on_row` gets the call's row. Raises what the client raises
    (KartraError), and NoSlot.
    """
    if not (cause == Cause.CHECK and priority == Priority.PERSON):
        be_here()
    client = client_for(connection)
    wait_for_slot(connection, priority, wait_s=wait_s)
    began_at, began = now(), time.monotonic()
    failed: KartraError | None = None
    ours = False
    try:
        return ask(client)
    except KartraError as error:
        failed = error
        raise
    except BaseException as error:
        failed, ours = our_fault(error), True
        raise
    finally:
        row = record_read(
            connection,
            cause=cause,
            commands=commands,
            began_at=began_at,
            elapsed_s=time.monotonic() - began,
            error=failed,
            lead=lead,
            made_by=made_by,
        )
        if row is not None:
            on_row(row)
        if not ours:  # which says nothing of Kartra
            update_health(connection, failed)
