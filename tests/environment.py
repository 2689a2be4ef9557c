"""The environment of the suite, set before Django reads it: SQLite and files, or TEST_DATABASE_URL and TEST_REDIS_URL."""

import os
import tempfile
from pathlib import Path

VAR_DIR = Path(tempfile.mkdtemp(prefix="kartra-mirror-tests-"))
os.environ.update(
    VAR_DIR=str(VAR_DIR),
    EMBEDDED="1",
    DEBUG="0",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL") or f"sqlite:///{VAR_DIR / 'db.sqlite3'}",
    REDIS_URL=os.environ.get("TEST_REDIS_URL", ""),
    PUBLIC_URL="http://testserver",
    VERIFY_SETTLE_S="0.2,0.4,0.8",
    KARTRA_CONNECT_TIMEOUT_S="1",
    KARTRA_READ_TIMEOUT_S="1.5",
    KARTRA_DEADLINE_S="3",
    LOG_LEVEL="ERROR",
    DJANGO_ALLOW_ASYNC_UNSAFE="1",
)
