"""Order lists, read slowly: no read of a lead tells its transactions, and a message that did not come is a sale we do not
know of. A few leads at a time, while no lead itself is due to be read.
"""

import datetime as dt
import logging
import time

from django.conf import settings
from django.db import connection as database, transaction
from django.db.models import F, Q, QuerySet

from integrations import clock
from integrations.kartra.errors import CommandRefused, KartraError, Rejected
from integrations.models import Cause, Connection
from integrations.read import transactions
from integrations.sending import call_counter, calls
from integrations.sending.calls import Priority
from leads import mirror
from leads.models import Lead

logger = logging.getLogger(__name__)

AT_A_TIME = 4
FAILED_AGAIN = dt.timedelta(days=1)
LEASE = dt.timedelta(minutes=10)
"""So long the order lists of a lead are one reader's."""


def due(connection: Connection) -> QuerySet[Lead]:
    """Leads whose order lists are to be read: those of whom a message told something new, then those never read or read too
    long ago, oldest first."""
    at = clock.now()
    old = at - dt.timedelta(hours=settings.ORDERS_WITHIN_H)
    told = Q(orders_due_at__isnull=False)
    return (
        Lead.objects.filter(account=connection.account_id, gone_at=None, kartra_id__isnull=False, read_at__isnull=False)
        .filter(Q(orders_due_at__lte=at) | (~told & (Q(orders_read_at=None) | Q(orders_read_at__lt=old))))
        .order_by(F("orders_due_at").asc(nulls_last=True), F("orders_read_at").asc(nulls_first=True), "pk")
    )


def has_work(connection: Connection) -> bool:
    """Whether there are order lists to read by itself just now."""
    return connection.reads_stopped_at is None and not call_counter.is_copy() and due(connection).exists()


def is_asked_for(connection: Connection) -> bool:
    """Whether a person or a message asked for order lists that are not read yet."""
    return due(connection).filter(orders_due_at__isnull=False).exists()


def drain(connection: Connection, *, until_s: float = 8.0, limit: int = AT_A_TIME) -> int:
    """Read the order lists of the next few leads. How many. Ends early when Kartra cannot be asked."""
    if call_counter.is_copy():
        return 0
    ends = time.monotonic() + until_s
    done = 0
    for lead in _claim(connection, limit):
        if time.monotonic() >= ends or not _read(connection, lead):
            break
        done += 1
    return done


def _claim(connection: Connection, limit: int) -> list[Lead]:
    """The next few; no other reader takes them meanwhile."""
    with transaction.atomic():
        rows = due(connection)
        if database.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(of=("self",), skip_locked=True)
        leads = list(rows[:limit])
        for lead in leads:
            _again_in(lead, LEASE)
        return leads


def _again_in(lead: Lead, wait: dt.timedelta) -> None:
    mirror.put_off_orders(lead, clock.now() + wait)


def _read(connection: Connection, lead: Lead) -> bool:
    """Read one lead's orders; False when Kartra cannot be asked now. One that Kartra refuses is tried again in a day."""
    try:
        transactions.read(connection, lead, cause=Cause.REFRESH, priority=Priority.REFRESH)
        return True
    except KartraError as error:
        _again_in(lead, FAILED_AGAIN if isinstance(error, Rejected) else LEASE)
        logger.warning("The orders of lead %s could not be read: %s", lead.pk, calls.in_words(error))
        return isinstance(error, Rejected) and not isinstance(error, CommandRefused)
