"""How things stand, in numbers: queue, pace, freshness, doors. Read by the status command and the home page."""

import datetime as dt
import math
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from integrations import alerts, calls, switch
from integrations.kartra.notices import EVENTS
from integrations.kartra.pace import PaceUnavailable
from integrations.models import ApiCall, Channel, Connection, Delivery, Heartbeat
from leads.models import Lead, LeadChange


def facts_of_connection(connection: Connection) -> dict[str, Any]:
    """Everything `status` says of one connection, as plain JSON values."""
    return {
        "name": connection.name,
        "sending": connection.sending,
        "why_not_sending": switch.why_not_sending(connection),
        "why_commands_wait": switch.why_commands_wait(connection),
        "safety_field": connection.receipt_field or None,
        "last_stop": _last_stop(connection),
        "queue": LeadChange.objects.filter(account=connection.account_id).counts(),
        "pace": _pace(connection),
        "copy": freshness(connection),
        "doors": [
            {
                "name": door.name,
                "events": {name: last.isoformat() if last else None for name, last in events_of(door.pk).items()},
            }
            for door in connection.doors.standing().order_by("pk")
        ],
    }


def _last_stop(connection: Connection) -> str | None:
    """The last stop that has ended, as a line; of the last three days."""
    since = timezone.now() - dt.timedelta(days=3)
    stop = connection.stops.filter(ended_at__gte=since).select_related("connection__account", "ended_by").first()
    return alerts.end(stop) if stop else None


def freshness(connection: Connection) -> dict[str, Any]:
    """How true our copy is: how many leads, read by when, update due; how long a full round takes at this pace."""
    leads = Lead.objects.filter(account=connection.account_id, gone_at=None).aggregate(
        known=Count("pk"),
        never_read=Count("pk", filter=Q(read_at=None)),
        update_due=Count("pk", filter=Q(dirty_at__isnull=False)),
        oldest_read_at=Min("read_at"),
        newest_read_at=Max("read_at"),
    )
    leads["in_kartra"] = connection.account.contacts_in_kartra  # as a person entered it; the API does not tell
    rate = calls.rate_of(connection)
    leads["full_round_s"] = 0 if math.isinf(rate) else round(leads["known"] / rate)
    oldest = leads["oldest_read_at"]
    leads["read_within_s"] = round((timezone.now() - oldest).total_seconds()) if oldest else None
    for key in ("oldest_read_at", "newest_read_at"):
        leads[key] = leads[key].isoformat() if leads[key] else None
    return leads


def _pace(connection: Connection) -> dict[str, Any]:
    rate = calls.rate_of(connection)
    minute_ago = timezone.now() - dt.timedelta(seconds=60)
    last = ApiCall.objects.filter(connection__app_id=connection.app_id, sent_at__gt=minute_ago)
    try:
        factor: float | None = round(calls.pace().factor(connection.app_id), 2)
    except PaceUnavailable:
        factor = None
    return {
        "allowed_per_second": None if math.isinf(rate) else rate,
        "lowest_of_app": rate < connection.rate,
        "slowed_to": factor,
        "calls_last_minute": last.count(),
        "turned_away_last_minute": last.filter(outcome="throttled").count(),
    }


def events_of(door_id: int) -> dict[str, dt.datetime | None]:
    """When each documented event last came to an address, and the payment messages as `ipn`: None for never. What came
    and is not documented stands behind them."""
    rows = Delivery.objects.filter(door_id=door_id).order_by("action").values_list("channel", "action")
    seen: dict[str, dt.datetime] = {}
    for channel, action, last in rows.annotate(Max("received_at")):
        name = "ipn" if channel == Channel.IPN else action
        if name:
            seen[name] = max(seen.get(name, last), last)
    documented: dict[str, dt.datetime | None] = {name: seen.pop(name, None) for name in (*EVENTS, "ipn")}
    return documented | dict(seen)


def last_sweep() -> dt.datetime | None:
    """When the sweep last ran."""
    beat = Heartbeat.objects.filter(name="sweep").first()
    return beat.at if beat else None


def in_words(seconds: float | None) -> str:
    """A time span for people: "9 h 12 min"."""
    if seconds is None:
        return "never"
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if hours == 0 else f"{hours} h {minutes - hours * 60} min"
