"""What the page of a connection shows of it: speed, what comes from Kartra, the queue, and its last stops. Reads only."""

import datetime as dt
import math
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.utils.translation import gettext as _, gettext_noop

from integrations.models import ApiCall, Connection, Delivery
from integrations.receive import missing_events
from integrations.sending import calls
from kartra_mirror.admin.kartra.webhook_endpoints import WHEN
from kartra_mirror.ui import charts
from leads.models import ChangeStatus, LeadChange

HOURS = 48
DAYS = 7
STOPS = 3


def of(connection: Connection, now: dt.datetime) -> dict[str, Any]:
    return {
        "speed": _speed(connection, now),
        "events": _events(connection, now),
        "queued": LeadChange.objects.filter(lead__account=connection.account_id, status=ChangeStatus.WAITING).count(),
        "stops": list(connection.stops.select_related("began_by").order_by("-began_at")[:STOPS]),
    }


def _speed(connection: Connection, now: dt.datetime) -> dict[str, Any]:
    """Calls a second over the last minute, those allowed, and the calls of each of the last 48 hours as a chart."""
    hours = charts.hours_until(now, HOURS)
    made = ApiCall.objects.filter(connection=connection).order_by()
    by_hour = (
        made.filter(sent_at__gte=hours[0])
        .annotate(hour=TruncHour("sent_at", tzinfo=dt.UTC))
        .values_list("hour")
        .annotate(Count("pk"))
    )
    counted = dict(by_hour)
    allowed = calls.rate_of(connection)
    series = [charts.Series(_("calls"), "b-accent", [counted.get(hour, 0) for hour in hours])]
    return {
        "used": round(made.filter(sent_at__gt=now - dt.timedelta(seconds=60)).count() / 60, 1),
        "allowed": None if math.isinf(allowed) else allowed,
        "chart": charts.per_hour(_("Calls per hour"), hours, series),
    }


def _events(connection: Connection, now: dt.datetime) -> dict[str, Any]:
    """Each kind of message that has come, those that have gone silent first, then the most frequent; how many never came."""
    endpoints = list(connection.endpoints.standing().order_by("pk"))
    came = Delivery.objects.filter(endpoint__in=endpoints, received_at__gt=now - dt.timedelta(days=DAYS)).order_by()
    numbers: dict[str, int] = {}
    for channel, action, number in came.values_list("channel", "action").annotate(Count("pk")):
        name = missing_events.IPN if channel == "ipn" else action
        numbers[name] = numbers.get(name, 0) + number
    best: dict[str, missing_events.EventKind] = {}
    for kinds in missing_events.kinds_of_many([each.pk for each in endpoints], now).values():
        for kind in kinds:
            known = best.get(kind.name)
            if known is None or (kind.last_at is not None and (known.last_at is None or kind.last_at > known.last_at)):
                best[kind.name] = kind
    rows: list[dict[str, Any]] = [
        {
            "kind": kind,
            "words": _(WHEN.get(kind.name, gettext_noop("not documented by Kartra"))),
            "number": numbers.get(kind.name, 0),
        }
        for kind in best.values()
    ]
    came_once = [row for row in rows if not row["kind"].never]
    return {
        "came": sorted(came_once, key=lambda row: (not row["kind"].stopped, -row["number"])),
        "never": len(rows) - len(came_once),
        "endpoint": endpoints[0] if endpoints else None,
    }
