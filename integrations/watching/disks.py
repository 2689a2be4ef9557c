"""Machines whose disk with VAR_DIR is full, nearly so, or takes nothing. Each machine looks at its own, and is named until it finds
room, or for ten minutes."""

import datetime as dt
import os
import socket

from django.conf import settings

from integrations.models import Heartbeat

PREFIX = "disk "
NAMED_FOR = dt.timedelta(minutes=10)
ENOUGH = 1024**3
"""So many bytes are enough on any disk; on a small one a twentieth."""


def look(at: dt.datetime) -> None:
    """Look at this machine's, and note whether it is full."""
    name = f"{PREFIX}{socket.gethostname()}"[:100]
    if is_full():
        Heartbeat.objects.update_or_create(name=name, defaults={"at": at})
    else:
        Heartbeat.objects.filter(name=name).delete()


def is_full() -> bool:
    """Whether little room is left under VAR_DIR, or it cannot be written."""
    try:
        room = os.statvfs(settings.VAR_DIR)
    except OSError:
        return True
    free, whole = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    return free < min(ENOUGH, whole // 20) or not os.access(settings.VAR_DIR, os.W_OK)


def full_machines(at: dt.datetime) -> list[str]:
    """Those that were last seen full, by name."""
    names = Heartbeat.objects.filter(name__startswith=PREFIX, at__gt=at - NAMED_FOR).order_by("name")
    return [name.removeprefix(PREFIX) for name in names.values_list("name", flat=True)]
