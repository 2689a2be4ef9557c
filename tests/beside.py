"""Two at once: a second worker, on a database connection of its own."""

import threading

import pytest
from django.db import connection as database, connections

from tests.two_sources import PATIENCE_S

on_postgresql = pytest.mark.skipif(
    database.vendor != "postgresql", reason="SQLite has one writer at a time; set TEST_DATABASE_URL to a PostgreSQL."
)


class Beside(threading.Thread):
    """Work on a connection of its own, and what it came to."""

    def __init__(self, work):
        super().__init__()
        self.work, self.result, self.broken, self.pid = work, None, None, 0
        self._connected = threading.Event()

    def begin(self):
        self.start()
        assert self._connected.wait(PATIENCE_S)

    def run(self):
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self.pid = cursor.fetchone()[0]
            self._connected.set()
            self.result = self.work()
        except Exception as error:
            self.broken = error
        finally:
            self._connected.set()
            connections.close_all()

    def end(self):
        self.join(PATIENCE_S)
        assert not self.is_alive()
        if self.broken:
            raise self.broken
        return self.result
