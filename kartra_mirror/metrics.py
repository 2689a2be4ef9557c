"""/metrics: how things stand, in numbers, for Prometheus. A fixed number of queries, whatever there is, each by an index and over
MOST rows at most; the answer is kept for KEPT_S, so that however many ask, the database is asked seldom.

Everything is a gauge: rows are deleted when they are old, so nothing here only ever grows. What is called `recent` is of the last
WINDOW. No label holds what is secret or about a person: an app is called by the name of its first connection.
"""

import datetime as dt
import math
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection as database
from django.db.models import Case, FloatField, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.dateparse import parse_datetime
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from integrations import clock, retention
from integrations.kartra.rate_limit import RateLimiterUnavailable
from integrations.models import (
    ApiCall,
    Concern,
    Connection,
    Delivery,
    DeliveryStatus,
    Heartbeat,
    SendingStop,
    WebhookHour,
)
from integrations.process_state import process_state
from integrations.read.schedule import promised
from integrations.receive import spool
from integrations.sending import calls, clocks
from leads.models import OPEN, ChangeStatus, Lead, LeadChange

MOST = 1_000_000
KEPT_S = 10.0
WINDOW = dt.timedelta(minutes=10)
MINUTE = dt.timedelta(seconds=60)
DAY = dt.timedelta(days=1)
WITHIN_MS = (250, 500, 1000, 2000, 5000, 10000, 20000)
SETTLED = [status for status in ChangeStatus.values if status not in OPEN]

Line = tuple[tuple[str, ...], float]


def page(request: HttpRequest) -> HttpResponse:
    """Prometheus text. 404 unless METRICS_TOKEN is set and given as a bearer token; 503 while the database is away."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not settings.METRICS_TOKEN or not constant_time_compare(given.encode(), settings.METRICS_TOKEN.encode()):
        raise Http404
    until, text = process_state.metrics
    if time.monotonic() >= until:
        registry = CollectorRegistry()
        registry.register(Numbers())
        try:
            text = generate_latest(registry)
        except DatabaseError:
            return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
        process_state.metrics = (time.monotonic() + KEPT_S, text)
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


def _gauge(name: str, words: str, labels: tuple[str, ...], lines: Iterable[Line]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"kartra_mirror_{name}", words, labels=labels)
    for values, number in lines:
        family.add_metric([str(value) for value in values], number)
    return family


def _grouped(rows: QuerySet[Any], by: list[str], *aggregates: str) -> list[tuple[Any, ...]]:
    """Groups of at most MOST rows, with their number and more. The columns are those of `rows`, a queryset of `values`."""
    try:
        sql, parameters = rows.order_by()[:MOST].query.sql_with_params()
    except EmptyResultSet:  # there is no connection
        return []
    named = ", ".join([*by, "COUNT(*)", *aggregates])
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {named} FROM ({sql}) AS found GROUP BY {', '.join(by)}", parameters)
        return list(cursor.fetchall())


class Numbers:
    """Asked once for each answer."""

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: registering asks no database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.at = clock.now()
        self.connections = list(Connection.objects.select_related("account").order_by("pk"))
        self.names = {each.pk: each.name for each in self.connections}
        for part in (self.queue, self.calls, self.messages, self.copy, self.standing, self.machines, self.kept):
            yield from part()

    def age(self, at: Any) -> float:
        """Seconds since; SQLite gives what is computed as text."""
        if isinstance(at, str):
            at = parse_datetime(at)
        if at.tzinfo is None:
            at = at.replace(tzinfo=dt.UTC)
        return float(max(0.0, (self.at - at).total_seconds()))

    def queue(self) -> Iterator[GaugeMetricFamily]:
        rows = LeadChange.objects.open().values("status", "kind", "requested_at")
        found = _grouped(rows, ["status", "kind"], "MIN(requested_at)")
        lines: list[Line] = [((status, kind), number) for status, kind, number, _oldest in found]
        yield _gauge("changes", "Requested changes that have not ended", ("status", "kind"), lines)
        oldest: dict[str, float] = dict.fromkeys(OPEN, 0.0)
        for status, _kind, _number, since in found:
            oldest[status] = max(oldest[status], self.age(since))
        lines = [((status,), seconds) for status, seconds in oldest.items()]
        yield _gauge("oldest_change_age_seconds", "Age of the oldest of these; 0 for none", ("status",), lines)
        accounts = [each.account_id for each in self.connections]
        settled = LeadChange.objects.filter(account__in=accounts, status__in=SETTLED, settled_at__gte=self.at - WINDOW)
        lines = [((status,), number) for status, number in _grouped(settled.values("status"), ["status"])]
        yield _gauge("recent_changes", "Changes ended in the last 10 minutes", ("status",), lines)

    def calls(self) -> Iterator[GaugeMetricFamily]:
        within = [f"SUM(CASE WHEN elapsed_ms <= {ms} THEN 1 ELSE 0 END)" for ms in WITHIN_MS]
        recent = ApiCall.objects.filter(connection__in=self.names, claimed_at__gte=self.at - WINDOW)
        last_minute = Case(When(sent_at__gt=self.at - MINUTE, then=1.0), default=0.0, output_field=FloatField())
        rows = recent.annotate(lately=last_minute).values("connection_id", "outcome", "code", "elapsed_ms", "lately")
        by = ["connection_id", "outcome", "code"]
        found = _grouped(
            rows, by, "SUM(lately)", "COUNT(elapsed_ms)", "COALESCE(SUM(elapsed_ms), 0)", "MAX(elapsed_ms)", *within
        )
        lines: list[Line] = [
            ((self.names[pk], outcome or "in_flight", code), number) for pk, outcome, code, number, *_more in found
        ]
        words = "Calls to Kartra of the last 10 minutes"
        yield _gauge("recent_calls", words, ("connection", "outcome", "code"), lines)
        timed, total_ms = sum(row[5] for row in found), sum(row[6] for row in found)
        yield _gauge(
            "recent_call_mean_seconds", "Mean time of these", (), [((), total_ms / timed / 1000)] if timed else []
        )
        longest = max((row[7] or 0 for row in found), default=0)
        yield _gauge("recent_call_max_seconds", "Longest of these", (), [((), longest / 1000)])
        counts = [sum(row[8 + index] or 0 for row in found) for index in range(len(WITHIN_MS))]
        lines = [((f"{ms / 1000:g}",), number) for ms, number in zip(WITHIN_MS, counts, strict=True)]
        yield _gauge("recent_calls_within", "How many of these took at most so many seconds", ("seconds",), lines)
        made: dict[int, float] = {}
        for row in found:
            made[row[0]] = made.get(row[0], 0.0) + float(row[4] or 0)
        yield from self.rates(made)

    def rates(self, made: dict[int, float]) -> Iterator[GaugeMetricFamily]:
        """Of each app; several connections may share one, and then the lowest pace holds."""
        apps: dict[str, list[Connection]] = {}
        for each in self.connections:
            apps.setdefault(each.app_id, []).append(each)
        used, allowed, slowed = [], [], []
        for app_id, users in apps.items():
            label = (users[0].name,)
            used.append((label, sum(made.get(each.pk, 0.0) for each in users) / 60))
            allowed.append((label, min((each.calls_per_second or math.inf) for each in users)))
            try:
                slowed.append((label, calls.rate_limiter().factor(app_id)))
            except RateLimiterUnavailable:
                continue
        yield _gauge("app_calls_per_second", "Calls a second over the last minute", ("app",), used)
        yield _gauge("app_allowed_calls_per_second", "Calls a second that are allowed", ("app",), allowed)
        yield _gauge("app_speed_ratio", "1, or less while Kartra's 429 slows the app", ("app",), slowed)

    def messages(self) -> Iterator[GaugeMetricFamily]:
        waiting = Delivery.objects.waiting().order_by().values("status", "received_at")
        of_waiting = _grouped(waiting, ["status"], "MIN(received_at)")
        lines: list[Line] = [((status,), number) for status, number, _oldest in of_waiting]
        for statuses in (
            [DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED],
            [DeliveryStatus.HELD, DeliveryStatus.DISCARDING],
        ):
            rows = Delivery.objects.filter(status__in=statuses).values("status")
            lines += [((status,), number) for status, number in _grouped(rows, ["status"])]
        yield _gauge("deliveries", "Messages from Kartra that are not dealt with", ("status",), lines)
        lag = max((self.age(oldest) for _status, _number, oldest in of_waiting), default=0.0)
        yield _gauge("apply_lag_seconds", "Age of the oldest message that waits to be applied", (), [((), lag)])
        recent = Delivery.objects.filter(received_at__gte=self.at - WINDOW).values("status")
        lines = [((status,), number) for status, number in _grouped(recent, ["status"])]
        yield _gauge("recent_deliveries", "Messages that came in the last 10 minutes", ("status",), lines)
        hours = WebhookHour.objects.filter(hour__gt=self.at - DAY, refused__gt=0).order_by()
        refused = dict(hours.values_list("endpoint__connection").annotate(n=Sum("refused")))
        lines = [((name,), refused.get(pk, 0)) for pk, name in self.names.items()]
        words = "Messages refused within a day because too many came"
        yield _gauge("refused_deliveries", words, ("connection",), lines)
        yield _gauge("spool_bytes", "Bytes of messages that wait in a file of this machine", (), [((), spool.size())])

    def copy(self) -> Iterator[GaugeMetricFamily]:
        old, here = self.at - promised(), Q(absent_at=None) | Q(kartra_id__isnull=False)
        names = {each.account_id: each.name for each in self.connections}
        leads = Lead.objects.filter(here, account__in=names, gone_at=None)
        late = dict.fromkeys(names, 0)
        for which in (Q(read_at__lt=old), Q(read_at=None, known_since__lt=old)):
            for account, number in _grouped(leads.filter(which).values("account_id"), ["account_id"]):
                late[account] += number
        lines: list[Line] = [((names[account],), number) for account, number in late.items()]
        yield _gauge("late_leads", "Leads not checked within the promised time", ("connection",), lines)
        first = Lead.objects.filter(account=OuterRef("account"), gone_at=None, read_at__isnull=False).order_by(
            "read_at"
        )
        oldest = Connection.objects.order_by("pk").annotate(oldest=Subquery(first.values("read_at")[:1]))
        lines = [((self.names[pk],), self.age(at)) for pk, at in oldest.values_list("pk", "oldest") if at is not None]
        yield _gauge(
            "oldest_read_age_seconds", "Age of what we know of the lead read longest ago", ("connection",), lines
        )
        yield _gauge("promised_read_age_seconds", "REFRESH_WITHIN_H", (), [((), promised().total_seconds())])

    def standing(self) -> Iterator[GaugeMetricFamily]:
        rows = SendingStop.objects.standing().values_list("connection", "stopped_by", "command")[:MOST]
        lines: list[Line] = [((self.names.get(pk, ""), cause, command), 1) for pk, cause, command in rows]
        yield _gauge("stops", "Stops of sending that stand", ("connection", "cause", "command"), lines)
        found = _grouped(Concern.objects.standing().values("code"), ["code"])
        lines = [((code,), number) for code, number in found]
        yield _gauge("concerns", "What needs a person: mail was or will be sent", ("code",), lines)

    def machines(self) -> Iterator[GaugeMetricFamily]:
        beats = list(Heartbeat.objects.all()[:1000])
        regular = [beat for beat in beats if beat.name == "sweep" or beat.name.endswith(" alive")]
        lines: list[Line] = [((beat.name.removesuffix(" alive"),), self.age(beat.at)) for beat in regular]
        words = "Seconds since the sweep, a worker of each queue, beat or web was last seen at work"
        yield _gauge("heartbeat_age_seconds", words, ("name",), lines)
        ahead = {
            beat.name.removeprefix(clocks.PREFIX): beat.ahead_s or 0.0
            for beat in beats
            if beat.name.startswith(clocks.PREFIX) and self.at - beat.at < clocks.NAMED_FOR
        }
        ahead[socket.gethostname()] = round(clock.ahead_s(), 3)
        lines = [((machine,), seconds) for machine, seconds in ahead.items()]
        yield _gauge("clock_difference_seconds", "How far a machine is ahead of the database", ("machine",), lines)

    def kept(self) -> Iterator[GaugeMetricFamily]:
        oldest: dict[str, float] = {}
        for rule in retention.RULES:
            table, at = rule.model._meta.db_table, rule.oldest()
            if at is not None:
                oldest[table] = max(oldest.get(table, 0.0), self.age(at))
        lines: list[Line] = [((table,), seconds) for table, seconds in oldest.items()]
        yield _gauge("oldest_row_age_seconds", "Age of the oldest row of each table that is tidied", ("table",), lines)
