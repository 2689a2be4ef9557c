"""Home: what needs me, what is running, is our copy up to date. Polled in two parts, each a fixed number of queries."""

from functools import partial
from typing import Any

from django.db.models import Count, OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from integrations.models import Connection, Delivery, WebhookEndpoint
from integrations.receive.missing_events import kinds_of_many
from integrations.status import freshness, in_words
from kartra_mirror.admin.bulk import progress
from kartra_mirror.admin.home import demo_tasks, last_days, setup, way_back
from kartra_mirror.admin.home.todo import needs
from kartra_mirror.ui import costly, throughput
from kartra_mirror.ui.throughput import connections_of
from leads import access, clock
from leads.labels import RUN_WORDS
from leads.models import OPEN, BulkRun, LeadChange, RunState

RUNS_SHOWN = 5
COPIES_SHOWN = 10


def facts(request: HttpRequest) -> dict[str, Any]:
    """Everything the page shows; only what this person may see."""
    connections = connections_of(request.user)
    back = way_back.arrive(request)
    trials = demo_tasks.of(request, connections)
    shown = any(trial.now for trial in trials) or back not in ("", way_back.SETUP)  # the last tick is seen, too
    return {
        **now_facts(request, connections),
        "days": bool(last_days.tabs_of(request.user)),
        **copy_facts(request, connections),
        **_greeting(request),
        **demo_tasks.counted(trials if shown else []),
        "set_up": setup.progress_on_home(request, connections),
    }


def _greeting(request: HttpRequest) -> dict[str, str]:
    """By the hour of the reader's day, with the name that they gave themselves."""
    here = timezone.localtime(clock.now())
    words = _("Good morning") if here.hour < 12 else _("Good afternoon") if here.hour < 18 else _("Good evening")
    name = getattr(request.user, "first_name", "") or request.user.get_username()
    return {"greeting": f"{words}, {name}", "today": date_format(here, "l j F")}


def now_view(request: HttpRequest) -> HttpResponse:
    """What the page asks for every few seconds: the first two answers."""
    return TemplateResponse(request, "admin/home/now.html", now_facts(request, connections_of(request.user)))


def copies_view(request: HttpRequest) -> HttpResponse:
    """What the page asks for every minute: the third answer."""
    return TemplateResponse(request, "admin/home/copies.html", copy_facts(request, connections_of(request.user)))


def now_facts(request: HttpRequest, connections: list[Connection]) -> dict[str, Any]:
    return {
        "needs": (found := needs(request, connections, clock.now())),
        "asks": sum(1 for need in found if need["level"]),
        "filling": demo_tasks.filling(request, connections),
        **(_running(request.user, connections) if request.user.has_perm("leads.view_bulkrun") else {}),
    }


def _running(user: access.RequestUser, connections: list[Connection]) -> dict[str, Any]:
    """The newest bulk actions under way with their bars, how many more there are, and the changes outside of any."""
    going = access.only_mine(BulkRun.objects.under_way().exclude(state=RunState.PAUSED), user)
    runs = list(going.select_related("account")[: RUNS_SHOWN + 1])
    counts: dict[int, dict[str, int]] = {run.pk: {} for run in runs}
    numbers = LeadChange.objects.filter(run__in=counts).order_by().values_list("run", "status").annotate(n=Count("pk"))
    for run_id, status, number in numbers:
        counts[run_id][status] = number
    single = access.only_mine(LeadChange.objects.filter(run=None, status__in=OPEN), user)
    singles = single.filter(status__in=progress.STILL).count()
    known = {connection.account_id: connection for connection in connections}
    speeds = {pk: throughput.speed_of(known.get(pk)) for pk in {run.account_id for run in runs[:RUNS_SHOWN]}}
    return {
        "running": [
            _progress(run, counts[run.pk], known.get(run.account_id), speeds[run.account_id])
            for run in runs[:RUNS_SHOWN]
        ],
        "more_running": len(runs) > RUNS_SHOWN,
        "singles": singles,
        "singles_query": f"run__isnull=True&status__in={','.join(progress.STILL)}",
    }


def _progress(run: BulkRun, counts: dict[str, int], connection: Connection | None, speed: float) -> dict[str, Any]:
    numbers = progress.in_numbers(run, counts)
    to_be_sent = sum(counts.get(status, 0) for status in progress.TO_BE_SENT)
    return {
        "run": run,
        "state_words": RUN_WORDS[run.state],
        **numbers,
        "pace": progress.pace(run, counts, throughput.seconds_for(to_be_sent, speed)),
        "waits": bool(to_be_sent and connection is not None and not connection.sends),
    }


def copy_facts(request: HttpRequest, connections: list[Connection]) -> dict[str, Any]:
    """How true our copy of each account is, and what has gone silent."""
    if not request.user.has_perm("leads.view_lead"):
        return {"copies": [], "may_see_copies": False}
    shown = connections[:COPIES_SHOWN]
    last = _last_messages(shown)
    silent = _silent(shown)
    return {
        "may_see_copies": True,
        "more_copies": len(connections) - len(shown),
        "copies": [
            {
                "connection": connection,
                **(numbers := costly.kept(f"freshness-{connection.pk}", partial(freshness, connection))),
                "read_within": in_words(numbers["read_within_s"]),
                "full_round": in_words(numbers["full_round_s"]),
                "last_message": last.get(connection.pk),
                "silent": silent.get(connection.pk, []),
            }
            for connection in shown
        ],
    }


def _silent(connections: list[Connection]) -> dict[int, list[dict[str, str]]]:
    """The kinds of message that came regularly and have stopped, by the connection's key."""
    endpoints = dict(
        WebhookEndpoint.objects.standing().filter(connection__in=connections).values_list("pk", "connection")
    )
    found: dict[int, list[dict[str, str]]] = {}
    for endpoint, kinds in kinds_of_many(endpoints).items():
        found.setdefault(endpoints[endpoint], []).extend(
            {"name": setup.event_words(kind.name), "sentence": kind.sentence} for kind in kinds if kind.stopped
        )
    return found


def _last_messages(connections: list[Connection]) -> dict[int, Any]:
    """When Kartra's last message came to each connection."""
    newest = Delivery.objects.filter(endpoint=OuterRef("pk")).order_by("-received_at").values("received_at")[:1]
    rows = WebhookEndpoint.objects.filter(connection__in=connections).values_list("connection", Subquery(newest))
    found: dict[int, Any] = {}
    for connection, at in rows:
        if at is not None:
            found[connection] = max(found.get(connection, at), at)
    return found
