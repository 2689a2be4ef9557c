"""The database's clock. Whatever waits, expires or is compared with a stored time is told by it, on every machine."""

import datetime as dt
import threading
import time

from django.db import connection
from django.utils import timezone

KEPT_S = 1.0
_kept = threading.local()


def now() -> dt.datetime:
    """The time by the database's clock, aware, UTC. On SQLite database and process share one clock."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        at: dt.datetime = cursor.fetchone()[0]
        return at


def about_now() -> dt.datetime:
    """The same without a query for each row of many: asked once a second, and counted on from there."""
    if connection.vendor != "postgresql":
        return timezone.now()
    asked: tuple[float, dt.datetime] | None = getattr(_kept, "asked", None)
    if asked is not None and (passed_s := time.monotonic() - asked[0]) < KEPT_S:
        return asked[1] + dt.timedelta(seconds=passed_s)
    at = now()
    _kept.asked = (time.monotonic(), at)
    return at
