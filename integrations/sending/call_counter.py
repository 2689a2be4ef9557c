"""How many writing calls were made, counted in the database and outside it: so a restored or copied database is told.

Outside is a file under VAR_DIR and, where there is one, Redis; either may be lost, both are mended from each other. The
database counts first, so a count outside that is higher means that this database is older than what was sent.
"""

import enum
import fcntl
import logging
import os
from pathlib import Path

import redis
from django.conf import settings
from django.db.models import F

from integrations.models import Connection
from integrations.process_state import process_state
from integrations.sending import installation

logger = logging.getLogger(__name__)

PREFIX = "kartra_mirror:calls:"


class RestoreCheck(enum.Enum):
    """What the two counts say of this database."""

    SAME = "same"
    RESTORED = "restored"  # more was sent than it knows of
    COPIED = "copied"  # it is an installation that is, or was, elsewhere


def count(connection: Connection, calls: int = 1) -> None:
    """So many more calls, in the database; inside the transaction that marks them as sent."""
    Connection.objects.filter(pk=connection.pk).update(calls_made=F("calls_made") + calls)
    counted = Connection.objects.values_list("calls_made", "counter_key")
    connection.calls_made, connection.counter_key = counted.get(pk=connection.pk)


def keep_outside(connection: Connection) -> None:
    """Write the count outside the database too; after that transaction, before the call leaves."""
    key, number = str(connection.counter_key), connection.calls_made
    _write_file(key, number)
    _write_redis(key, number)


def compare(connection: Connection) -> RestoreCheck:
    """What the mark and the counts say. The count outside is looked at first: another process may be counting."""
    if is_copy():
        return RestoreCheck.COPIED
    key = str(connection.counter_key)
    outside = [number for number in (_read_file(key), _read_redis(key)) if number is not None]
    made = Connection.objects.values_list("calls_made", flat=True).get(pk=connection.pk)
    if not outside:
        return RestoreCheck.COPIED if made else RestoreCheck.SAME
    return RestoreCheck.RESTORED if max(outside) > made else RestoreCheck.SAME


def is_copy() -> bool:
    """Whether the mark outside this database is missing or another one's: then nothing is read or sent from here until a
    person says so. A database that has no mark yet is given one where it sent something from here, or nothing so far."""
    here = installation.current()
    if here.marked_at is not None:
        return not installation.is_marked(here, counter_redis())
    if not installation.is_free(counter_redis()):
        return not installation.is_marked(here, counter_redis())
    made = Connection.objects.filter(calls_made__gt=0).values_list("counter_key", flat=True)
    counted = [_read_file(str(key)) is not None or _read_redis(str(key)) is not None for key in made]
    if counted and not any(counted):
        return True
    installation.mark(here, counter_redis())
    return False


def stay_here() -> None:
    """A person has confirmed that this is where the installation is now: the mark is written anew."""
    installation.mark(installation.current(), counter_redis())


def agree(connection: Connection) -> None:
    """A person has confirmed: from here on this database counts, from the higher of the two."""
    key = str(connection.counter_key)
    outside = [number for number in (_read_file(key), _read_redis(key)) if number is not None]
    made = Connection.objects.values_list("calls_made", flat=True).get(pk=connection.pk)
    connection.calls_made = max([made, *outside])
    Connection.objects.filter(pk=connection.pk).update(calls_made=connection.calls_made)
    keep_outside(connection)


def _path(key: str) -> Path:
    return Path(settings.VAR_DIR) / "calls" / f"{key}.count"


def _read_file(key: str) -> int | None:
    try:
        return int(_path(key).read_text())
    except (OSError, ValueError):
        return None


def _write_file(key: str, number: int) -> None:
    path = _path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known = file.read()
        if known.isdecimal() and int(known) >= number:
            return
        file.seek(0)
        file.write(str(number))  # never shorter than what stood there
        file.flush()


def counter_redis() -> redis.Redis | None:
    """The Redis that counts beside the file, where there is one."""
    if process_state.counter_redis is None and settings.REDIS_URL:
        process_state.counter_redis = redis.Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=0.5, socket_timeout=0.5
        )
    return process_state.counter_redis


_LUA_HIGHER = """
local known = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) > known then redis.call('SET', KEYS[1], ARGV[1]) end
"""


def _read_redis(key: str) -> int | None:
    client = counter_redis()
    if client is None:
        return None
    try:
        found = client.get(PREFIX + key)
        return int(found) if found else None
    except (redis.RedisError, ValueError):
        return None


def _write_redis(key: str, number: int) -> None:
    client = counter_redis()
    if client is None:
        return
    try:
        client.eval(_LUA_HIGHER, 1, PREFIX + key, str(number))
    except redis.RedisError as error:
        logger.warning("The count of calls could not be kept in Redis (%s); the file has it.", type(error).__name__)
