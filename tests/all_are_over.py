"""Wait until no transaction of before is at work on this server."""

import time

from django.db import connection as database

from leads.models.change_counter import transactions_now


def all_are_over():
    """Wait for whatever else writes on this server: other tests do, and what they hold open is seen here as at work."""
    if database.vendor != "postgresql":
        return
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        last = cursor.fetchone()[0]
    until = time.monotonic() + 240
    while transactions_now("default")[0] <= last:
        assert time.monotonic() < until
        time.sleep(0.02)
