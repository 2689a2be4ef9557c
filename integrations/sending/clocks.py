"""Machines whose clocks are wrong: nothing depends on them, but their logs mislead and their certificates fail. Each
machine looks at its own now and then; one that is off is named for a minute and a half after it was last seen so.
"""

import datetime as dt
import logging
import socket
import time

from django.db import DatabaseError
from django.utils.translation import gettext as _

from integrations.clock import ahead_s, now
from integrations.models import Heartbeat
from integrations.process_state import process_state

logger = logging.getLogger(__name__)

MOST_S = 2.0
"""A clock that differs by more is named."""
EVERY_S = 15.0
LOGGED_EVERY_S = 600.0
NAMED_FOR = dt.timedelta(seconds=90)
PREFIX = "clock "


def look() -> None:
    """Look at this machine's clock, unless it was looked at just now. Never raises for the database's sake."""
    if time.monotonic() < process_state.clock_compared_until:
        return
    process_state.clock_compared_until = time.monotonic() + EVERY_S
    try:
        measure()
    except DatabaseError:
        logger.info("This machine's clock could not be compared: the database does not answer.")


def measure() -> float:
    """Compare this machine's clock with the database's, and note it if it is off. Seconds ahead."""
    ahead = ahead_s()
    if abs(ahead) <= MOST_S:
        return ahead
    name = socket.gethostname()
    Heartbeat.objects.update_or_create(name=f"{PREFIX}{name}"[:100], defaults={"at": now(), "ahead_s": round(ahead, 1)})
    if time.monotonic() >= process_state.clock_logged_until:
        process_state.clock_logged_until = time.monotonic() + LOGGED_EVERY_S
        logger.warning("%s", _sentence(name, ahead))
    return ahead


def wrong() -> list[str]:
    """A sentence for each machine whose clock was off lately; this one's is looked at first."""
    measure()
    return [_sentence(machine, ahead) for machine, ahead in wrong_machines(now(), NAMED_FOR).items()]


def wrong_machines(at: dt.datetime, within: dt.timedelta) -> dict[str, float]:
    """The machines whose clocks were off lately, by name: seconds ahead."""
    rows = Heartbeat.objects.filter(name__startswith=PREFIX, at__gt=at - within, ahead_s__isnull=False)
    return {row.name.removeprefix(PREFIX): row.ahead_s or 0.0 for row in rows.order_by("name")}


def _sentence(machine: str, ahead: float) -> str:
    words = (
        _("The clock of %(machine)s is %(seconds)s s ahead of the database's.")
        if ahead > 0
        else _("The clock of %(machine)s is %(seconds)s s behind the database's.")
    )
    told = {"machine": machine, "seconds": f"{abs(ahead):,.0f}"}
    return f"{words % told} {_('Set it right. Until then, sending uses the database’s clock.')}"
