"""The database's clock: leases and times of calls must agree between machines."""

import datetime as dt

from django.db import connection
from django.utils import timezone


def now() -> dt.datetime:
    """The time by the database's clock, aware, UTC. On SQLite database and process share one clock."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]
