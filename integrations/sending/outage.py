"""Kartra does not answer: after five failures in a row sending stops for the whole app; one harmless call a minute tries
again, and the one that succeeds lets everything go on, gently.
"""

import contextlib
import datetime as dt

from django.conf import settings
from django.db.models import Q

from integrations.clock import now
from integrations.kartra.errors import KartraError
from integrations.kartra.rate_limit import RateLimiterUnavailable
from integrations.models import Cause, Connection, StopCause
from integrations.sending import calls, switch
from integrations.sending.calls import Priority


def due(connection: Connection) -> bool:
    """Whether it is time to try a connection that an outage stopped."""
    return connection.stopped_by == StopCause.OUTAGE and (connection.probe_at is None or connection.probe_at <= now())


def probe(connection: Connection) -> bool:
    """Try with one call that changes nothing; if Kartra answers, sending goes on. Whoever else tries now does not."""
    at = now()
    stopped = switch.of_app(connection).stopped_by(StopCause.OUTAGE)
    mine = stopped.filter(Q(probe_at=None) | Q(probe_at__lte=at), pk=connection.pk)
    if not mine.update(probe_at=at + dt.timedelta(seconds=settings.OUTAGE_PROBE_S)):
        return False
    stopped.update(probe_at=at + dt.timedelta(seconds=settings.OUTAGE_PROBE_S))
    try:
        calls.read(
            connection,
            cause=Cause.CHECK,
            priority=Priority.VERIFY,
            commands="retrieve_account_lists",
            ask=lambda client: client.retrieve_account_lists(),
        )
    except KartraError:
        return False
    switch.go_on_after_outage(connection)
    with contextlib.suppress(RateLimiterUnavailable):
        calls.rate_limiter().slow_start(connection.app_id)
    return True
