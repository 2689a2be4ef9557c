"""The mark of this installation: one key in the database, in VAR_DIR and, where there is one, in Redis.

The first connection writes it. A database that finds another mark outside, or none where there was one, is probably a copy.
Of the two places outside either may be lost, the file with a new worker machine, Redis with a restart: each is mended from
the other.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import redis
from django.conf import settings

from integrations.clock import now
from integrations.models import Installation

REDIS_KEY = "kartra_mirror:installation"


def current() -> Installation:
    """This database's row, made on the first call."""
    return Installation.objects.get_or_create(pk=1)[0]


def is_marked(installation: Installation, client: redis.Redis | None) -> bool:
    """Whether the mark outside is this installation's; a place that lost it gets it back from the other one.

    True as well while nobody can tell, because Redis does not answer: then there is no limiter either, and nothing is called.
    """
    key = str(installation.key)
    in_file, in_redis, unsure = _read_file(), None, False
    if client is not None:
        try:
            in_redis = _text(client.get(REDIS_KEY))
        except redis.RedisError:
            unsure = True
    if any(found not in ("", None, key) for found in (in_file, in_redis)):
        return False
    if not in_file and not in_redis:
        return unsure
    if not in_file:
        _write_file(key)
    elif client is not None and not in_redis and not unsure:
        with contextlib.suppress(redis.RedisError):
            client.set(REDIS_KEY, key, nx=True)
    return True


def is_free(client: redis.Redis | None) -> bool:
    """Whether no mark at all is outside."""
    try:
        return not _read_file() and (client is None or not client.get(REDIS_KEY))
    except redis.RedisError:
        return False


def mark(installation: Installation, client: redis.Redis | None) -> None:
    """Write the mark outside, over any other: this is where the installation is now."""
    _write_file(str(installation.key))
    if client is not None:
        with contextlib.suppress(redis.RedisError):
            client.set(REDIS_KEY, str(installation.key))
    Installation.objects.filter(pk=installation.pk, marked_at=None).update(marked_at=now())


def _path() -> Path:
    return Path(settings.VAR_DIR) / "installation"


def _read_file() -> str:
    try:
        return _path().read_text().strip()
    except OSError:
        return ""


def _write_file(key: str) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(key)
    os.replace(name, path)


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
