"""Health, for the engineer: queue, calls, speed now; changes, messages and errors of the last 48 hours. Reads only, in a fixed
number of queries however many rows there are."""

import datetime as dt
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from integrations import retention
from integrations.kartra.rate_limit import RateLimiterUnavailable
from integrations.models import ApiCall, CallOutcome, Connection, Delivery, DeliveryStatus, WebhookEndpoint
from integrations.sending import calls, clocks
from integrations.status import last_sweep
from integrations.watching import disks
from integrations.watching.words import full_disk
from kartra_mirror.health import SWEEP_LATE_S
from kartra_mirror.ui import charts
from leads import access, clock, kinds
from leads.labels import STATUS_WORDS
from leads.models import OPEN, ChangeStatus, LeadChange

HOURS = 48
CAUSES = 12
WRONG = (CallOutcome.NOT_SENT, CallOutcome.THROTTLED, CallOutcome.CREDENTIALS, CallOutcome.UNKNOWN, CallOutcome.LOST)

CHANGES = (
    (ChangeStatus.ACCEPTED, gettext_lazy("done"), "b-good"),
    (ChangeStatus.SKIPPED, gettext_lazy("no change needed"), "b-soft"),
    (ChangeStatus.SUPERSEDED, gettext_lazy("overtaken"), "b-soft"),
    (ChangeStatus.CANCELLED, gettext_lazy("cancelled"), "b-warn"),
    (ChangeStatus.REJECTED, gettext_lazy("failed"), "b-bad"),
)
MESSAGES = (
    ((DeliveryStatus.APPLIED, DeliveryStatus.RECORDED), gettext_lazy("taken in"), "b-good"),
    ((DeliveryStatus.WAITING, DeliveryStatus.HELD), gettext_lazy("to be applied, or held"), "b-warn"),
    ((DeliveryStatus.DISCARDING, DeliveryStatus.DISCARDED), gettext_lazy("discarded"), "b-soft"),
    (
        (DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED),
        gettext_lazy("could not be read, or refused"),
        "b-bad",
    ),
)


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    connections = _connections(request)
    shown = {**context, "title": _("Health"), **_now(request, connections), **_charts(request, connections)}
    return TemplateResponse(request, "admin/home/health.html", shown)


def now_view(request: HttpRequest) -> HttpResponse:
    """Queue, calls and speed, which the page asks for every few seconds."""
    return TemplateResponse(request, "admin/home/health_now.html", _now(request, _connections(request)))


def charts_view(request: HttpRequest) -> HttpResponse:
    """The charts and their tables, which the page asks for every minute."""
    return TemplateResponse(request, "admin/home/health_charts.html", _charts(request, _connections(request)))


def _connections(request: HttpRequest) -> list[Connection]:
    if not request.user.has_perm("integrations.view_apicall"):
        raise PermissionDenied
    return list(access.only_mine(Connection.objects.select_related("account").order_by("account__name"), request.user))


def _now(request: HttpRequest, connections: list[Connection]) -> dict[str, Any]:
    now, beat = clock.now(), last_sweep()
    waiting = Delivery.objects.waiting().filter(endpoint__connection__in=connections)
    return {
        "queue": _queue(request),
        "outcomes": _outcomes(connections, now),
        "speeds": _speeds(connections, now),
        "last_sweep": beat,
        "machine_troubles": [*clocks.wrong(), *map(full_disk, disks.full_machines(now))],
        "sweep_late": beat is None or now - beat > dt.timedelta(seconds=SWEEP_LATE_S),
        "kept": retention.RULES,
        "messages_waiting": waiting.order_by().aggregate(number=Count("pk"), oldest=Min("received_at")),
    }


def _queue(request: HttpRequest) -> list[dict[str, Any]]:
    """The changes that are not settled, by state, and since when the oldest of each waits."""
    rows = access.only_mine(LeadChange.objects.open(), request.user).order_by()
    found = {s: (n, oldest) for s, n, oldest in rows.values_list("status").annotate(Count("pk"), Min("requested_at"))}
    url = reverse("admin:leads_leadchange_changelist")
    return [
        {
            "words": capfirst(str(STATUS_WORDS[status])),
            "number": found.get(status, (0, None))[0],
            "oldest": found.get(status, (0, None))[1],
            "url": f"{url}?status__exact={status}",
        }
        for status in OPEN
    ]


def _outcomes(connections: list[Connection], now: dt.datetime) -> list[dict[str, Any]]:
    """The calls of the last hour by what came of them."""
    rows = ApiCall.objects.filter(connection__in=connections, claimed_at__gte=now - dt.timedelta(hours=1)).order_by()
    labels = dict(CallOutcome.choices)
    url = reverse("admin:integrations_apicall_changelist")
    return [
        {
            "words": capfirst(str(labels[outcome])) if outcome else _("In flight"),
            "number": number,
            "longest_ms": longest,
            "url": f"{url}?outcome__exact={outcome}",
        }
        for outcome, number, longest in rows.values_list("outcome")
        .annotate(n=Count("pk"), longest=Max("elapsed_ms"))
        .order_by("-n")
    ]


def _speeds(connections: list[Connection], now: dt.datetime) -> list[dict[str, Any]]:
    """Calls a second of each app over the last minute, of those it may make; one app may serve several accounts."""
    since = now - dt.timedelta(seconds=60)
    made = dict(
        ApiCall.objects.filter(
            connection__in=connections, claimed_at__gte=since - dt.timedelta(seconds=60), sent_at__gt=since
        )
        .order_by()
        .values_list("connection")
        .annotate(n=Count("pk"))
    )
    apps: dict[str, list[Connection]] = {}
    for connection in connections:
        apps.setdefault(connection.app_id, []).append(connection)
    found = []
    for app_id, users in apps.items():
        allowed = calls.rate_of(users[0])
        used = sum(made.get(each.pk, 0) for each in users) / 60
        limited = allowed != float("inf")
        found.append(
            {
                "accounts": ", ".join(each.name for each in users),
                "used": round(used, 1),
                "allowed": allowed if limited else None,
                "percent": min(100, round(used * 100 / allowed)) if limited else 0,
                "slowed_to": _slowed(app_id),
            }
        )
    return found


def _slowed(app_id: str) -> int | None:
    """The percentage of its speed to which Kartra's 429 has slowed an app; None when it is not slowed, or nobody knows."""
    try:
        factor = calls.rate_limiter().factor(app_id)
    except RateLimiterUnavailable:
        return None
    return round(factor * 100) if factor < 0.995 else None


def _charts(request: HttpRequest, connections: list[Connection]) -> dict[str, Any]:
    now = clock.now()
    hours = charts.hours_until(now, HOURS)
    changes = _changes_series(request, hours)
    messages = _messages_series(connections, hours)
    causes = _causes(request, connections, hours[0])
    changes_title, messages_title = _("Changes ended per hour"), _("Messages from Kartra per hour")
    errors_title = _("What went wrong, by cause")
    return {
        "charts": [
            {"title": changes_title, "svg": charts.per_hour(changes_title, hours, changes), **_table(hours, changes)},
            {
                "title": messages_title,
                "svg": charts.per_hour(messages_title, hours, messages),
                **_table(hours, messages),
            },
        ],
        "errors_title": errors_title,
        "errors": causes,
        "errors_svg": charts.by_cause(errors_title, causes) if causes else "",
    }


def _table(hours: list[dt.datetime], series: list[charts.Series]) -> dict[str, Any]:
    """The numbers of a chart, newest hour first; hours in which nothing happened are left out."""
    rows = zip(hours, *(each.numbers for each in series), strict=True)
    return {"series": series, "rows": [(row[0], row[1:]) for row in reversed(list(rows)) if any(row[1:])]}


def _changes_series(request: HttpRequest, hours: list[dt.datetime]) -> list[charts.Series]:
    rows = access.only_mine(LeadChange.objects.all(), request.user).filter(
        status__in=[status for status, _words, _css in CHANGES], settled_at__gte=hours[0]
    )
    counted = rows.order_by().annotate(hour=TruncHour("settled_at", tzinfo=dt.UTC)).values_list("hour", "status")
    numbers = {(hour, status): n for hour, status, n in counted.annotate(Count("pk"))}
    return [
        charts.Series(str(words), css, [numbers.get((hour, status), 0) for hour in hours])
        for status, words, css in CHANGES
    ]


def _messages_series(connections: list[Connection], hours: list[dt.datetime]) -> list[charts.Series]:
    endpoints = list(WebhookEndpoint.objects.filter(connection__in=connections).values_list("pk", flat=True))
    rows = Delivery.objects.filter(endpoint__in=endpoints, received_at__gte=hours[0]).order_by()
    counted = rows.annotate(hour=TruncHour("received_at", tzinfo=dt.UTC)).values_list("hour", "status")
    numbers = {(hour, status): n for hour, status, n in counted.annotate(Count("pk"))}
    return [
        charts.Series(str(words), css, [sum(numbers.get((hour, status), 0) for status in statuses) for hour in hours])
        for statuses, words, css in MESSAGES
    ]


def _causes(request: HttpRequest, connections: list[Connection], since: dt.datetime) -> list[tuple[str, int]]:
    """What went wrong since then, most frequent first: calls that came to nothing, changes that Kartra refused."""
    labels = dict(CallOutcome.choices)
    calls_gone_wrong = (
        ApiCall.objects.filter(connection__in=connections, claimed_at__gte=since, outcome__in=WRONG)
        .order_by()
        .values_list("outcome")
        .annotate(n=Count("pk"))
    )
    changes = LeadChange.objects.filter(status=ChangeStatus.REJECTED, settled_at__gte=since)
    refused = list(
        access.only_mine(changes, request.user)
        .order_by()
        .values_list("kind", "code")
        .annotate(n=Count("pk"), last=Max("pk"))
        .order_by("-n")[:CAUSES]
    )
    found = [(_("Call: %(what)s") % {"what": labels[outcome]}, number) for outcome, number in calls_gone_wrong]
    words = changes.filter(pk__in=[last for *_rest, last in refused]).words()
    found += [(_cause(kinds.get_kind(kind).label, words[last], code), number) for kind, code, number, last in refused]
    return sorted(found, key=lambda each: -each[1])[:CAUSES]


def _cause(label: str, words: str, code: str) -> str:
    return f"{label}: {words or _('refused')}{f' ({code})' if code else ''}"
