"""Which kinds of message have never come to a webhook endpoint, and which have stopped, each measured against its own past.

Events are set up in Kartra one by one: a forgotten one, or one that somebody switched off, looks like silence.
"""

import datetime as dt
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Max
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _, ngettext

from integrations import clock
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
class EventKind:
    """One kind of message at a webhook endpoint. `days`: on how many days of its past it came; `pause_days`: its longest pause then."""

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
            return _("has never come")
        if not self.stopped:
            return ""
        words = ngettext(
            "has stopped: silent for %(silent)s days; before, it came on %(days)s days, never more than %(apart)s day apart",
            "has stopped: silent for %(silent)s days; before, it came on %(days)s days, never more than %(apart)s days apart",
            self.pause_days,
        )
        return words % {"silent": self.silent_days, "days": self.days, "apart": self.pause_days}


def kinds_of(endpoint_id: int, now: dt.datetime | None = None) -> list[EventKind]:
    """Every documented kind of message in Kartra's order, then what came besides; what was refused counts for nothing."""
    return kinds_of_many([endpoint_id], now)[endpoint_id]


def kinds_of_many(endpoint_ids: Iterable[int], now: dt.datetime | None = None) -> dict[int, list[EventKind]]:
    """The same for several webhook endpoints, by webhook endpoint. Two queries whatever their number."""
    now = now or clock.now()
    endpoints = list(endpoint_ids)
    came = (
        Delivery.objects.filter(endpoint__in=endpoints)
        .exclude(action="")
        .exclude(status=DeliveryStatus.REFUSED)
        .order_by()
    )
    last: dict[int, dict[str, dt.datetime]] = {endpoint: {} for endpoint in endpoints}
    for endpoint, channel, action, at in came.values_list("endpoint", "channel", "action").annotate(Max("received_at")):
        name = IPN if channel == Channel.IPN else action
        last[endpoint][name] = max(last[endpoint].get(name, at), at)
    days: dict[tuple[int, str], set[dt.date]] = {}
    since = now - dt.timedelta(days=2 * PAST_DAYS)
    recent = came.filter(received_at__gt=since).annotate(day=TruncDate("received_at", tzinfo=dt.UTC))
    for endpoint, channel, action, day in recent.values_list("endpoint", "channel", "action", "day").distinct():
        days.setdefault((endpoint, IPN if channel == Channel.IPN else action), set()).add(day)
    found = {}
    for endpoint, lasts in last.items():
        names = [*EVENTS, IPN, *(name for name in lasts if name not in EVENTS and name != IPN)]
        found[endpoint] = [_kind(name, lasts.get(name), days.get((endpoint, name), ()), now) for name in names]
    return found


def _kind(name: str, last_at: dt.datetime | None, days: Iterable[dt.date], now: dt.datetime) -> EventKind:
    if last_at is None:
        return EventKind(name, None)
    last_day = last_at.astimezone(dt.UTC).date()
    past = sorted(day for day in days if 0 <= (last_day - day).days < PAST_DAYS)
    pauses = [(after - before).days for before, after in itertools.pairwise(past)]
    return EventKind(name, last_at, len(past), max(pauses, default=0), (now - last_at).days)
