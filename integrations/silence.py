"""When events last came, and which have gone silent: those that came regularly and do so no more."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Min

from integrations.models import Channel, Connection, Delivery

LOOKED_AT = dt.timedelta(days=30)
ENOUGH = 5
"""Messages of an event from which its rhythm can be told."""
TIMES = 10
LEAST = dt.timedelta(hours=24)
"""Silent is what has not come for TIMES its usual distance, and at least for so long."""


@dataclass(frozen=True)
class Heard:
    """One event at a connection: how often it came in the last 30 days, its usual distance, and when it last came."""

    name: str
    number: int
    last: dt.datetime
    every: dt.timedelta

    def is_silent(self, now: dt.datetime) -> bool:
        return self.number >= ENOUGH and now - self.last > max(self.every * TIMES, LEAST)


def heard(connections: Iterable[Connection], now: dt.datetime) -> dict[int, list[Heard]]:
    """What each connection's standing addresses heard, by the connection's key. One query."""
    rows: Any = (
        Delivery.objects.filter(
            door__connection__in=list(connections), door__retired_at=None, received_at__gt=now - LOOKED_AT
        )
        .order_by("door__connection", "action")
        .values_list("door__connection", "channel", "action")
        .annotate(Count("pk"), Min("received_at"), Max("received_at"))
    )
    found: dict[int, list[Heard]] = {}
    for connection, channel, action, number, first, last in rows:
        name = "ipn" if channel == Channel.IPN else action
        if name:
            found.setdefault(connection, []).append(Heard(name, number, last, (last - first) / max(number - 1, 1)))
    return found
