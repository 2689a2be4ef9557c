"""What a machine asks: alive, ready."""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.utils.translation import gettext as _

from integrations.models import Heartbeat
from integrations.notify import broker_answers
from integrations.process_state import process_state
from integrations.receive import addresses, spool
from integrations.sending import clocks
from integrations.setup import key_rotation
from leads import clock

SWEEP_LATE_S = 60.0
STARTS_S = 120.0
"""So long after a web process began nobody is told that there was no sweep yet."""
DATABASE_S = 2.2


def alive(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def ready(request: HttpRequest) -> JsonResponse:
    """Whether it works, for people: 200, or 503 and `why`, in sentences. With `?role=webhooks`, for a balancer: whether messages may
    be sent to this machine. Either answers within some 2.5 s."""
    return _takes_messages() if request.GET.get("role") == "webhooks" else _works()


def _takes_messages() -> JsonResponse:
    """Whether the database or the file of this machine takes a message. The database is asked only where the file takes none."""
    facts = {"spool": spool.takes_more() and addresses.are_known()}
    if not facts["spool"]:
        facts["database"] = spool.is_empty() and database_answers()
    return JsonResponse(facts, status=200 if any(facts.values()) else 503)


def _works() -> JsonResponse:
    """Database, broker, keys and sweep; and machines whose clocks are wrong, which hold up nothing. A web process that began just now
    waits for the sweep: workers are started with it."""
    facts: dict[str, Any] = {"database": database_answers(), "broker": broker_answers(), "last_sweep": None}
    facts |= {"sweep_late": True, "wrong_clocks": [], "keys": ""}
    if facts["database"]:
        try:
            facts |= _kept_facts()
        except DatabaseError:  # it went away, or has no tables yet
            facts["database"] = False
    facts["why"] = why = []
    if not facts["database"]:
        why.append(_("The database does not answer, or has no tables: look at it, and run `manage.py migrate`."))
    if not facts["broker"]:
        why.append(_("The broker does not answer: look at Redis."))
    if facts["keys"]:
        why.append(facts["keys"])
    if facts["database"] and facts["sweep_late"] and time.monotonic() - process_state.began_at > STARTS_S:
        why.append(_("The sweep stands still: look whether the workers and beat run."))
    return JsonResponse(facts, status=503 if why else 200)


def _kept_facts() -> dict[str, Any]:
    beat = Heartbeat.objects.filter(name="sweep").first()
    return {
        "last_sweep": beat.at.isoformat() if beat else None,
        "sweep_late": beat is None or clock.now() - beat.at > dt.timedelta(seconds=SWEEP_LATE_S),
        "wrong_clocks": clocks.wrong(),
        "keys": key_rotation.cannot_start() or key_rotation.lost_secrets(),
    }


def database_answers() -> bool:
    """Whether it answers within DATABASE_S. Asked by a thread with a connection of its own: a server that takes connections and says
    nothing would hold up whoever asked."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            answers.append(True)
        except DatabaseError:
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=ask, name="database answers", daemon=True)
    thread.start()
    thread.join(DATABASE_S)
    return bool(answers)


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
