"""The environment of the suite, set before Django reads it: SQLite and files, or TEST_DATABASE_URL and TEST_REDIS_URL.

Each worker of pytest-xdist is a process with a folder, a database (pytest-django names it) and a Redis database of its own.
"""

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

REDIS_DATABASES = 16  # as Redis has by default
MOST_WORKERS = 8


def redis_of(url: str, worker: str) -> str:
    """The address of the Redis database of a worker ("gw0", "gw1" …; "": no worker): that of `url`, or so many on."""
    number = int(worker.removeprefix("gw") or 0)
    if not url or not number:
        return url
    parts = urlsplit(url)
    database = int(parts.path.strip("/") or 0) + number
    if database >= REDIS_DATABASES:
        raise SystemExit(f"Redis has {REDIS_DATABASES} databases, too few for worker {worker} beginning with {url}.")
    return urlunsplit(parts._replace(path=f"/{database}"))


VAR_DIR = Path(tempfile.mkdtemp(prefix="kartra-mirror-tests-"))
os.environ.update(
    VAR_DIR=str(VAR_DIR),
    EMBEDDED="1",
    DEBUG="0",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
    REDIS_URL=redis_of(os.environ.get("TEST_REDIS_URL", ""), os.environ.get("PYTEST_XDIST_WORKER", "")),
    PUBLIC_URL="http://testserver",
    VERIFY_SETTLE_S="0.2,0.4,0.8",
    KARTRA_CONNECT_TIMEOUT_S="1",
    KARTRA_READ_TIMEOUT_S="1.5",
    KARTRA_DEADLINE_S="3",
    LOG_LEVEL="ERROR",
    DJANGO_ALLOW_ASYNC_UNSAFE="1",
)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` is: one more than there are cores, as a third of the time is waiting."""
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


def pytest_unconfigure() -> None:
    shutil.rmtree(VAR_DIR, ignore_errors=True)
