"""Which workers are at work, and whether beat and web are: each queue's workers are asked for a word now and then, and it is written
down when they come to it. Beat writes down that it asks for the sweep, web that it looks."""

import datetime as dt
import logging
import time
from typing import Literal

from django.db import DatabaseError, close_old_connections

from integrations.clock import now
from integrations.models import Heartbeat
from integrations.notify import TaskName, notify_worker
from integrations.process_state import process_state
from integrations.watching.regular import is_time

logger = logging.getLogger(__name__)

QUEUES: dict[str, TaskName] = {"push": "push_alive", "apply": "apply_alive", "read": "read_alive"}
BEAT, WEB = "beat", "web"
APART = dt.timedelta(seconds=25)
LATE_S = 150.0
"""So long a word of a worker may wait: tasks that take some seconds each may be before it."""

Who = Literal["push", "apply", "read", "beat", "web"]


def ask(at: dt.datetime) -> None:
    """Ask the workers of each queue for a word, if nobody did just now."""
    if is_time("ask workers", at, APART):
        for task in QUEUES.values():
            notify_worker(task)


def note(who: Who) -> None:
    """`who` is at work now."""
    Heartbeat.objects.update_or_create(name=f"{who} alive", defaults={"at": now()})


def note_beat() -> None:
    """Beat has asked for the sweep just now. Never raises for the database's sake: beat goes on."""
    try:
        close_old_connections()
        note("beat")
    except DatabaseError:
        logger.info("Beat could not write down that it runs: the database does not answer.")


def missing(at: dt.datetime) -> list[str]:
    """The queues without a worker, and "beat" and "web" if they do not run. A process that began just now waits a while for the first
    word. Web is missed where it has run before: not everybody has this one."""
    if time.monotonic() - process_state.began_at < LATE_S:
        return []
    names = [*QUEUES, BEAT]
    rows = Heartbeat.objects.filter(name__in=[f"{name} alive" for name in (*names, WEB)])
    seen = dict(rows.values_list("name", "at"))
    oldest = at - dt.timedelta(seconds=LATE_S)
    never = {name: dt.datetime.min.replace(tzinfo=dt.UTC) for name in names}
    last = {**never, **{name.removesuffix(" alive"): when for name, when in seen.items()}}
    return [name for name, when in last.items() if when < oldest]
