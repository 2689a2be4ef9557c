"""Which kinds of message have never come to a door, and which have stopped, each measured against its own past.

Events are set up in Kartra one by one: a forgotten one, or one that somebody switched off, looks like silence.
"""

import datetime as dt
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Max
from django.db.models.functions import TruncDate
from django.utils import timezone

from integrations.kartra.notices import EVENTS
from integrations.models import Channel, Delivery, DeliveryStatus

IPN = "ipn"
"""All payment messages together."""
PAST_DAYS = 28
"""The past of a kind: so many days before it last came."""
FEWEST_DAYS = 4
"""A kind that came on fewer days of its past has too little of it to tell anything by."""
PATIENCE = 2
"""Silence counts from so many times its longest pause on."""


@dataclass(frozen=True)
class Kind:
    """One kind of message at a door. `days`: on how many days of its past it came; `pause_days`: its longest pause then."""

    name: str
    last_at: dt.datetime | None
    days: int = 0
    pause_days: int = 0
    silent_days: int = 0

    @property
    def documented(self) -> bool:
        return self.name == IPN or self.name in EVENTS

    @property
    def never(self) -> bool:
        return self.last_at is None

    @property
    def stopped(self) -> bool:
        """It came regularly, and is silent for longer than it ever was."""
        return self.days >= FEWEST_DAYS and self.silent_days > PATIENCE * self.pause_days

    @property
    def sentence(self) -> str:
        """What its past says, for a person; empty where nothing is wrong."""
        if self.never:
            return "has never come"
        if not self.stopped:
            return ""
        apart = "1 day" if self.pause_days == 1 else f"{self.pause_days} days"
        return f"has stopped: silent for {self.silent_days} days; before, it came on {self.days} days, never more than {apart} apart"


def kinds_of(door_id: int, now: dt.datetime | None = None) -> list[Kind]:
    """Every documented kind of message in Kartra's order, then what came besides; what was refused counts for nothing."""
    now = now or timezone.now()
    came = Delivery.objects.filter(door_id=door_id).exclude(action="").exclude(status=DeliveryStatus.REFUSED).order_by()
    last: dict[str, dt.datetime] = {}
    for channel, action, at in came.values_list("channel", "action").annotate(Max("received_at")):
        name = IPN if channel == Channel.IPN else action
        last[name] = max(last.get(name, at), at)
    days: dict[str, set[dt.date]] = {}
    since = now - dt.timedelta(days=2 * PAST_DAYS)
    recent = came.filter(received_at__gt=since).annotate(day=TruncDate("received_at", tzinfo=dt.UTC))
    for channel, action, day in recent.values_list("channel", "action", "day").distinct():
        days.setdefault(IPN if channel == Channel.IPN else action, set()).add(day)
    names = [*EVENTS, IPN, *(name for name in last if name not in EVENTS and name != IPN)]
    return [_kind(name, last.get(name), days.get(name, ()), now) for name in names]


def _kind(name: str, last_at: dt.datetime | None, days: Iterable[dt.date], now: dt.datetime) -> Kind:
    if last_at is None:
        return Kind(name, None)
    last_day = last_at.astimezone(dt.UTC).date()
    past = sorted(day for day in days if 0 <= (last_day - day).days < PAST_DAYS)
    pauses = [(after - before).days for before, after in itertools.pairwise(past)]
    return Kind(name, last_at, len(past), max(pauses, default=0), (now - last_at).days)
