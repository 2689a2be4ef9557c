"""How things stand, in numbers: queue, pace, freshness, doors. Read by the status command and the home page."""

import datetime as dt
import math
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.utils import timezone

from integrations import alerts, calls, silence, switch
from integrations.kartra.pace import PaceUnavailable
from integrations.models import ApiCall, Connection, Delivery, Door, Heartbeat
from leads.models import Lead, LeadChange

DELAYED_S = 60.0
"""A message that waits for longer is late: the broker or the workers are not there."""


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
        "messages_waiting": _waiting(connection),
        "doors": [_door(door) for door in connection.doors.standing().order_by("pk")],
    }


def _door(door: Door) -> dict[str, Any]:
    """What came to an address, kind by kind: when last, what never came, what has stopped (with the sentence why)."""
    kinds = silence.kinds_of(door.pk)
    return {
        "name": door.name,
        "events": {kind.name: kind.last_at.isoformat() if kind.last_at else None for kind in kinds},
        "never": [kind.name for kind in kinds if kind.never],
        "stopped": {kind.name: kind.sentence for kind in kinds if kind.stopped},
        "old_address_since": door.rotated_at.isoformat() if door.old_token_digest and door.rotated_at else None,
    }


def _waiting(connection: Connection) -> dict[str, Any]:
    """Messages of Kartra that are stored and not applied yet, and since when the oldest waits."""
    waiting = Delivery.objects.waiting().filter(door__connection=connection).order_by()
    found = waiting.aggregate(number=Count("pk"), since=Min("received_at"))
    late = found["since"] is not None and timezone.now() - found["since"] > dt.timedelta(seconds=DELAYED_S)
    return {"number": found["number"], "since": found["since"].isoformat() if found["since"] else None, "delayed": late}


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
