"""The web process watches the workers: it depends on none of them. A thread looks every half minute whether each queue's workers and
beat are at work, and tells it. Of several web processes one tells: of workers by the rows, of the database by a file of the machine.
That it looks is written down, so that workers miss it.
"""

import contextlib
import logging
import os
import threading
import time
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils.translation import gettext as _

from integrations.clock import now
from integrations.process_state import process_state
from integrations.sending.alerts import send_notice
from integrations.watching import alive, concerns, disks, telling

logger = logging.getLogger(__name__)

EVERY_S = 30.0
AWAY_FOR_S = 60.0
"""A database that is restarted is back before; nobody is told of that."""


def start() -> None:
    """Watch in a thread of this process, as long as it lives."""
    with process_state.jobs_guard:
        if process_state.watch_thread is None or not process_state.watch_thread.is_alive():
            process_state.watch_thread = threading.Thread(target=_run, name="watch", daemon=True)
            process_state.watch_thread.start()


def _run() -> None:
    while True:  # at once: a web that dies in its first half minute is missed, too
        try:
            look()
        except Exception:
            logger.exception("The workers could not be looked at; they are again in half a minute.")
        finally:
            connections.close_all()
        time.sleep(EVERY_S)


def look() -> None:
    """Look once, and tell what there is to tell."""
    try:
        at = now()
        alive.note("web")
        alive.ask(at)
        disks.look(at)
        concerns.look_at_workers(at)
    except (DatabaseError, InterfaceError):
        _database_is_away()
    else:
        _database_is_there()
        telling.drain()


def _database_is_away() -> None:
    missing_since = process_state.database_missing_since
    if missing_since is None:
        process_state.database_missing_since = time.monotonic()
    elif time.monotonic() - missing_since >= AWAY_FOR_S and _is_first():
        words = _("The database does not answer. The web machines keep messages from Kartra in files until it does.")
        send_notice(_("Kartra Mirror: the database does not answer"), f"{words}\n{_link()}")


def _database_is_there() -> None:
    process_state.database_missing_since, process_state.database_missing_told = None, False
    with contextlib.suppress(FileNotFoundError):
        _mark().unlink()
        send_notice(_("Kartra Mirror: over: the database does not answer"), f"{_('It answers again.')}\n{_link()}")


def _is_first() -> bool:
    """Whether no other web process of this machine has told it: the one tells that makes the file."""
    try:
        os.close(os.open(_mark(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:  # no room: rather told by each than by nobody
        first, process_state.database_missing_told = not process_state.database_missing_told, True
        return first
    return True


def _mark() -> Path:
    return Path(settings.VAR_DIR) / "database-is-away"


def _link() -> str:
    return f"{settings.PUBLIC_URL.rstrip('/')}/readyz"
