"""The database's clock: whatever waits, expires or is compared with a stored time is told by it, on every machine. And hours
that the clocks of a zone pass over, or show twice, when summer time begins and ends."""

import datetime as dt
import threading
import time
import zoneinfo

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


def is_skipped(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the clocks there never show this time."""
    there = naive.replace(tzinfo=zone)
    return there.astimezone(dt.UTC).astimezone(zone).replace(tzinfo=None) != naive.replace(fold=0)


def is_doubled(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the clocks there show this time twice."""
    return is_at_a_change(naive, zone) and not is_skipped(naive, zone)


def is_at_a_change(naive: dt.datetime, zone: zoneinfo.ZoneInfo) -> bool:
    """Whether the clocks there never show this time, or twice."""
    first, second = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return first.utcoffset() != second.utcoffset()
