"""Keeps what comes in a file of this machine while the database takes nothing, and stores it once it does again.

1. A message is a row if the database takes it, and nothing is in the file. Else it is one more line of the file, written through to
   the disk before it is answered with 200. So order stays.
2. A thread of the web process stores the lines as rows, in order; the sweep of a worker on the same machine does so too, and one
   of them at a time. A line that is stored twice is one row (`Delivery.arrival`).
3. When all are stored the file is emptied, with whoever would write a line held up.

A line that was half written when the machine died was never answered, and is dropped.
"""

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    connections,
    transaction,
)

from integrations.models import Delivery
from integrations.notify import notify_worker
from integrations.process_state import process_state
from integrations.receive.arrival import Arrival, Damaged
from leads.bulk_sql import insert_row
from leads.lock_conflicts import again_if_dropped

logger = logging.getLogger(__name__)

AWAY: tuple[type[Exception], ...] = (OperationalError, InterfaceError, InternalError, ProgrammingError)
"""The database is not there, is not writable, or has no tables that fit (an upgrade is under way): nothing about the message."""
UNFIT = (DataError, IntegrityError)
"""The message fits into no row."""
AWAY_S = 1.0
"""So long after it was found away a process asks the database for nothing."""
BATCH = 200
BATCH_BYTES = 8 * 1024 * 1024
APART_S = 0.5


class Full(Exception):
    """Neither the database nor the file takes another message."""


def store(arrival: Arrival) -> bool:
    """Keep what came; whether it is a row, and not a line of the file. Raises Full."""
    if not is_away() and is_empty():
        try:
            _store_now(arrival)
            return True
        except AWAY:
            note_away()
        except UNFIT:
            logger.exception("A message fits into no row; it is kept in the file of this machine.")
    append(arrival)
    start()
    return False


def _store_now(arrival: Arrival) -> None:
    """As one row. A connection that was kept since the last request may be dead by now: the statement itself finds out, as
    asking first would cost every message a way to the database and back. Then it is done again on a new one."""
    connection.health_check_done = True  # type: ignore[attr-defined]
    again_if_dropped(lambda: insert_row(arrival.as_delivery()))  # if it is there all the same, that is one row


def is_away() -> bool:
    """Whether this process found the database away a moment ago."""
    return time.monotonic() < process_state.database_away_until


def note_away() -> None:
    """The database was found away just now."""
    if not is_away():
        logger.warning("The database takes no messages; they are kept in a file of this machine until it does.")
    process_state.database_away_until = time.monotonic() + AWAY_S


def size() -> int:
    """How many bytes wait to be stored on this machine."""
    try:
        return _file().stat().st_size
    except OSError:
        return 0


def is_empty() -> bool:
    """Whether nothing waits to be stored on this machine."""
    return size() == 0


def takes_more() -> bool:
    """Whether the file could take another message: there is room for the largest, and the folder can be written."""
    try:
        with _opened() as file:
            room = os.fstatvfs(file.fileno())
            largest = 2 * 1024 * 1024
            return room.f_bavail * room.f_frsize > largest and os.fstat(file.fileno()).st_size + largest <= _most()
    except OSError:
        return False


def append(arrival: Arrival) -> None:
    """Write one line, through to the disk. Raises Full, and then nothing of it stays."""
    line = arrival.as_line()
    try:
        with _opened() as file, _held(file):
            end = os.fstat(file.fileno()).st_size
            if end + len(line) > _most():
                raise Full
            whole = end == 0 or os.pread(file.fileno(), 1, end - 1) == b"\n"
            try:
                _write(file, line if whole else b"\n" + line)
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), end)
                raise
    except OSError as error:
        logger.error("A message could not be kept in the file of this machine: %s.", os.strerror(error.errno or 0))
        raise Full from error


def start() -> None:
    """Store the lines as rows in a thread of this process, until none is left. Nothing where none is."""
    with process_state.jobs_guard:
        if is_empty() or (process_state.spool_thread is not None and process_state.spool_thread.is_alive()):
            return
        process_state.spool_thread = threading.Thread(target=_run, name="spool", daemon=True)
        process_state.spool_thread.start()


def _run() -> None:
    while True:
        try:
            drain()
        except AWAY:
            pass
        except Exception:
            logger.exception("What waits in the file of this machine could not be stored; it is tried again.")
        finally:
            connections.close_all()
        with process_state.jobs_guard:
            if is_empty():
                process_state.spool_thread = None  # whoever writes a line now starts another
                return
        time.sleep(APART_S)


def drain() -> int:
    """Store the lines as rows, in order, and empty the file. How many rows were stored; 0 where another process is at it.
    Raises what the database raises; then all lines are there still."""
    if is_empty():
        return 0
    stored = 0
    with _opened() as file, open(_file(), "rb") as reader, _only_one() as mine:
        while mine:
            lines = _whole_lines(reader)
            if lines:
                stored += _store(lines)
                continue
            with _held(file):
                if lines := _whole_lines(reader):
                    stored += _store(lines)
                    continue
                os.ftruncate(file.fileno(), 0)  # what is left is half a line, of a process that is gone
                break
    if stored:
        logger.warning("%s messages that waited in the file of this machine are stored.", stored)
        notify_worker("apply_deliveries")
    return stored


def _whole_lines(file: BinaryIO) -> list[bytes]:
    """The next lines, as many as are stored at once. One that has no end yet is left for later."""
    lines: list[bytes] = []
    while len(lines) < BATCH and sum(map(len, lines)) < BATCH_BYTES:
        at = file.tell()
        line = file.readline()
        if not line.endswith(b"\n"):
            file.seek(at)
            break
        lines.append(line)
    return lines


def _store(lines: Sequence[bytes]) -> int:
    arrivals = []
    for line in lines:
        try:
            if line.strip():
                arrivals.append(Arrival.of_line(line))
        except Damaged:
            logger.error("A line in the file of this machine is damaged and is dropped.")
    try:
        with transaction.atomic():
            Delivery.objects.bulk_create([each.as_delivery() for each in arrivals], ignore_conflicts=True)
    except UNFIT:
        for each in arrivals:  # one of them fits into no row: the others are stored
            _store_alone(each)
    return len(arrivals)


def _store_alone(arrival: Arrival) -> None:
    try:
        with transaction.atomic():
            Delivery.objects.bulk_create([arrival.as_delivery()], ignore_conflicts=True)
    except UNFIT as error:
        logger.error("Message %s fits into no row (%s); it is kept in spool/left.", arrival.id, type(error).__name__)
        with _opened("left") as file, _held(file):
            _write(file, arrival.as_line())
            os.fsync(file.fileno())


# --- files


def folder() -> Path:
    """Where this machine keeps it; made where it is missing."""
    found = Path(settings.VAR_DIR) / "spool"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


def _file() -> Path:
    return Path(settings.VAR_DIR) / "spool" / "messages"


def _most() -> int:
    return int(settings.SPOOL_MAX_MB * 1024 * 1024)


@contextlib.contextmanager
def _opened(name: str = "messages") -> Iterator[BinaryIO]:
    path = folder() / name
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        if is_new:
            _sync_folder()
        yield file


def _sync_folder() -> None:
    handle = os.open(folder(), os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


@contextlib.contextmanager
def _held(file: BinaryIO) -> Iterator[None]:
    fcntl.flock(file.fileno(), fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file.fileno(), fcntl.LOCK_UN)


@contextlib.contextmanager
def _only_one() -> Iterator[bool]:
    """Whether this process may store the lines; not if another of this machine is at it."""
    handle = os.open(folder() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
