"""How things stand, in numbers: queue, pace, freshness, webhook endpoints. Read by the status command and the home page."""

import datetime as dt
import math
from typing import Any

from django.db.models import Count, Max, Min, Q
from django.utils.translation import gettext as _

from integrations import clock
from integrations.kartra.rate_limit import RateLimiterUnavailable
from integrations.models import ApiCall, Connection, Delivery, Heartbeat, WebhookEndpoint
from integrations.read import deletions
from integrations.read.schedule import promised
from integrations.receive import missing_events
from integrations.sending import alerts, calls, switch
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
        "doors": [_endpoint(endpoint) for endpoint in connection.endpoints.standing().order_by("pk")],
    }


def _endpoint(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What came to an address, kind by kind: when last, what never came, what has stopped (with the sentence why)."""
    kinds = missing_events.kinds_of(endpoint.pk)
    return {
        "name": endpoint.name,
        "events": {kind.name: kind.last_at.isoformat() if kind.last_at else None for kind in kinds},
        "never": [kind.name for kind in kinds if kind.never],
        "stopped": {kind.name: kind.sentence for kind in kinds if kind.stopped},
        "old_address_since": endpoint.rotated_at.isoformat()
        if endpoint.old_token_digest and endpoint.rotated_at
        else None,
    }


def _waiting(connection: Connection) -> dict[str, Any]:
    """Messages of Kartra that are stored and not applied yet, and since when the oldest waits."""
    waiting = Delivery.objects.waiting().filter(endpoint__connection=connection).order_by()
    found = waiting.aggregate(number=Count("pk"), since=Min("received_at"))
    late = found["since"] is not None and clock.now() - found["since"] > dt.timedelta(seconds=DELAYED_S)
    return {"number": found["number"], "since": found["since"].isoformat() if found["since"] else None, "delayed": late}


def _last_stop(connection: Connection) -> str | None:
    """The last stop that has ended, as a line; of the last three days."""
    since = clock.now() - dt.timedelta(days=3)
    stop = connection.stops.filter(ended_at__gte=since).select_related("connection__account", "ended_by").first()
    return alerts.end(stop) if stop else None


def freshness(connection: Connection) -> dict[str, Any]:
    """How true our copy is: how many leads, and how many addresses besides of which Kartra has no lead (`absent`); read by
    when, update due; how long a full round takes at this pace; whether the promise (`REFRESH_WITHIN_H`) is kept.
    `stopped` and `alert` are for a person, empty when all is well."""
    at = clock.now()
    old, soon = at - promised(), at + dt.timedelta(minutes=15)
    here = Q(absent_at=None) | Q(kartra_id__isnull=False)
    leads = Lead.objects.filter(account=connection.account_id, gone_at=None).aggregate(
        known=Count("pk", filter=here),
        absent=Count("pk", filter=~here),
        never_read=Count("pk", filter=here & Q(read_at=None)),
        update_due=Count("pk", filter=Q(dirty_at__isnull=False)),
        late=Count("pk", filter=here & (Q(read_at__lt=old) | Q(read_at=None, known_since__lt=old))),
        out_of_reach=Count("pk", filter=Q(kartra_id__isnull=False, read_not_before__gt=soon)),
        oldest_read_at=Min("read_at"),
        newest_read_at=Max("read_at"),
    )
    leads["in_kartra"] = connection.account.contacts_in_kartra  # as a person entered it; the API does not tell
    rate = calls.rate_of(connection)
    leads["full_round_s"] = 0 if math.isinf(rate) else round(leads["known"] / rate)
    oldest = leads["oldest_read_at"]
    leads["read_within_s"] = round((at - oldest).total_seconds()) if oldest else None
    leads["promised_s"] = round(promised().total_seconds())
    leads["needed_per_second"] = round(leads["known"] / leads["promised_s"], 2) if leads["promised_s"] else None
    leads["stopped"] = deletions.question(connection)
    leads["alert"] = _alert(connection, leads)
    for key in ("oldest_read_at", "newest_read_at"):
        leads[key] = leads[key].isoformat() if leads[key] else None
    return leads


def _alert(connection: Connection, copy: dict[str, Any]) -> str:
    """Why not every lead can be read within the promised time, with the arithmetic; empty when it can."""
    known, promised_s, words = copy["known"], copy["promised_s"], in_words(copy["promised_s"])
    if copy["full_round_s"] > promised_s:
        return _(
            "Checking %(known)s leads at %(rate)s a second takes %(round)s, more than the %(promised)s "
            "promised, which needs %(needed)s a second. Allow this connection more calls a second, or promise "
            "%(hours)s h (REFRESH_WITHIN_H)."
        ) % {
            "known": f"{known:,}",
            "rate": f"{calls.rate_of(connection):g}",
            "round": in_words(copy["full_round_s"]),
            "promised": words,
            "needed": f"{known / promised_s:.2f}",
            "hours": math.ceil(copy["full_round_s"] / 3600),
        }
    if not copy["late"]:
        return ""
    hour_ago = clock.now() - dt.timedelta(hours=1)
    reads = ApiCall.objects.filter(
        connection=connection, claimed_at__gt=hour_ago, writes=False, commands="get_lead"
    ).count()
    told = {"late": f"{copy['late']:,}", "known": f"{known:,}", "promised": words}
    if not reads:
        return (
            _(
                "%(late)s of %(known)s leads were not checked within %(promised)s, and none in the last hour: "
                "see whether a worker runs and Kartra answers."
            )
            % told
        )
    return _(
        "%(late)s of %(known)s leads were not checked within %(promised)s. The last hour had %(reads)s checks; "
        "at that speed the late ones take %(late_time)s, and all leads %(round)s."
    ) % {
        **told,
        "reads": f"{reads:,}",
        "late_time": in_words(copy["late"] / reads * 3600),
        "round": in_words(known / reads * 3600),
    }


def _pace(connection: Connection) -> dict[str, Any]:
    rate = calls.rate_of(connection)
    minute_ago = clock.now() - dt.timedelta(seconds=60)
    last = ApiCall.objects.filter(connection__app_id=connection.app_id, sent_at__gt=minute_ago)
    try:
        factor: float | None = round(calls.rate_limiter().factor(connection.app_id), 2)
    except RateLimiterUnavailable:
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
        return _("never")
    minutes, hours = round(seconds / 60), int(seconds // 3600)
    if seconds < 90:
        return _("%(number)s s") % {"number": round(seconds)}
    if hours == 0:
        return _("%(number)s min") % {"number": minutes}
    words = _("%(hours)s h %(minutes)s min") if minutes > hours * 60 else _("%(hours)s h")
    return words % {"hours": hours, "minutes": minutes - hours * 60}
