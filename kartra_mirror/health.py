"""What a machine asks: alive, ready, metrics."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from leads import clock

SWEEP_LATE_S = 60.0


def alive(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """Database, broker, keys, last sweep, and machines whose clocks are wrong: 200 when the first two answer and no key is missing,
    else 503. `keys`: what is wrong with them, in a sentence."""
    facts: dict[str, Any] = {"database": _database(), "broker": _broker(), "last_sweep": None, "sweep_late": True}
    facts["wrong_clocks"], facts["keys"] = [], ""
    if facts["database"]:
        from integrations.models import Heartbeat
        from integrations.sending import clocks
        from integrations.setup import key_rotation

        beat = Heartbeat.objects.filter(name="sweep").first()
        if beat:
            facts["last_sweep"] = beat.at.isoformat()
            facts["sweep_late"] = clock.now() - beat.at > dt.timedelta(seconds=SWEEP_LATE_S)
        facts["wrong_clocks"] = clocks.wrong()
        facts["keys"] = key_rotation.cannot_start() or key_rotation.lost_secrets()
    well = facts["database"] and facts["broker"] and not facts["keys"]
    return JsonResponse(facts, status=200 if well else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except DatabaseError:
        return False


def _broker() -> bool:
    try:
        with current_app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
        return True
    except Exception:  # whatever the broker's library raises means: not ready
        return False


class RowCounts:
    """Counts rows when it is asked, so that a number is never older than the question."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from integrations.models import Delivery
        from leads.models import LeadChange

        for name, words, model in (
            ("kartra_mirror_changes", "Requested changes by status", LeadChange),
            ("kartra_mirror_deliveries", "Messages from Kartra by status", Delivery),
        ):
            family = GaugeMetricFamily(name, words, labels=["status"])
            for status, number in model.objects.order_by().values_list("status").annotate(n=Count("pk")):
                family.add_metric([status], number)
            yield family


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. 404 unless METRICS_TOKEN is set and given as a bearer token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not settings.METRICS_TOKEN or not constant_time_compare(given, settings.METRICS_TOKEN):
        raise Http404
    registry = CollectorRegistry()
    registry.register(RowCounts())
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


PROBES: dict[str, Callable[[HttpRequest], HttpResponse]] = {"/healthz": alive, "/readyz": ready}


class Probes:
    """Middleware, the first of all: answers a balancer's and a container's questions, which come by address and over plain http.

    So nothing here may use the host that was named, sign anybody in, or read a body."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        answer = PROBES.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        response = answer(request) if request.method in ("GET", "HEAD") else HttpResponseNotAllowed(["GET", "HEAD"])
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
