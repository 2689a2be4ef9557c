"""The webhook endpoint: check the token, store what came as the bytes it was, answer at once. A worker reads it later.

While the database is away what comes is kept in a file of this machine (`receive.spool`), by the addresses known to be valid.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.urls import resolve
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations.models import Channel, WebhookEndpoint
from integrations.notify import notify_soon
from integrations.process_state import process_state
from integrations.receive import addresses, budget, spool
from integrations.receive.arrival import KEPT_OF_LARGER, Arrival
from leads import clock
from leads.lock_conflicts import again_if_dropped
from leads.models.digests import digests

MAX_BYTES = 1024 * 1024
HEADERS = ("Content-Type", "Content-Length", "Content-Encoding", "User-Agent", "X-Request-Id")
CACHE_S = 5.0


def _endpoint_of(token: str) -> tuple[int, bool] | None:
    """The id of the webhook endpoint this token opens, and whether it is the old token; remembered for a few seconds, wrong ones not."""
    asked = digests("door", token)
    key = asked[0]
    known = process_state.endpoints.get(key)
    if known and known[0] > time.monotonic():
        return known[1:]
    try:
        found = addresses.known(asked) if spool.is_away() else again_if_dropped(lambda: _look_up(asked))
    except spool.AWAY:
        spool.note_away()
        found = addresses.known(asked)
    if found is None:
        process_state.endpoints.pop(key, None)
        return None
    if len(process_state.endpoints) > 1000:
        process_state.endpoints.clear()
    process_state.endpoints[key] = (time.monotonic() + CACHE_S, *found)
    return found


def _look_up(asked: Sequence[str]) -> tuple[int, bool] | None:
    found = WebhookEndpoint.objects.open_with(asked)
    if found is not None:
        addresses.renew_if_old(asked)
    return found


@csrf_exempt
def receive_outbound(request: HttpRequest, token: str) -> HttpResponse:
    """An event of the outbound API."""
    return _receive(request, token, Channel.OUTBOUND)


@csrf_exempt
def receive_ipn(request: HttpRequest, token: str) -> HttpResponse:
    """A payment message."""
    return _receive(request, token, Channel.IPN)


def _receive(request: HttpRequest, token: str, channel: Channel) -> HttpResponse:
    """404 for a wrong token, 405 for another method, 429 above the budget of the address, 413 over 1 MB (its first 4 KB are kept), 503
    where nothing can be kept, else 200: it is stored."""
    try:
        endpoint = _endpoint_of(token)
    except addresses.Unknown:
        return _later(503, 5, "Nothing can be kept just now.")
    if endpoint is None:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    at = _now()
    if wait_s := _over_budget(endpoint[0], at):
        return _later(429, wait_s, "Too many messages within an hour.")
    body, too_large = _read(request)
    arrival = Arrival(
        endpoint=endpoint[0],
        old_address=endpoint[1],
        channel=channel,
        received_at=at,
        headers={name: request.headers[name][:500] for name in HEADERS if name in request.headers},
        size=min(max(_announced(request), len(body)), 2**31 - 1),
        body=body[:KEPT_OF_LARGER] if too_large else body,
        truncated=too_large,
    )
    try:
        is_row = spool.store(arrival)
    except spool.Full:
        return _later(503, 5, "Nothing can be kept just now.")
    _count(arrival)
    if too_large:
        return HttpResponse("Too large.\n", status=413, content_type="text/plain")
    if is_row:
        # robust: with the broker down the row is stored and the sweep finds it
        transaction.on_commit(lambda: notify_soon("apply_deliveries"), robust=True)
    return HttpResponse(status=200, content_type="text/plain")


class Door:
    """Middleware: what comes to a webhook address is answered here. Sessions, signing in and forms, which stand behind, are
    nothing to a machine, and cost as much as the answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith("/webhooks/"):
            return self.get_response(request)
        request.get_host()  # raises for a name that is not ours, as for every other page
        request.resolver_match = match = resolve(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _later(status: int, wait_s: int, words: str) -> HttpResponse:
    return HttpResponse(f"{words}\n", status=status, headers={"Retry-After": str(wait_s)}, content_type="text/plain")


def _now() -> dt.datetime:
    """By the database's clock, which is not asked for every message, and while that is away by this machine's."""
    if not spool.is_away():
        try:
            return clock.about_now()
        except spool.AWAY:
            spool.note_away()
    return timezone.now()


def _over_budget(endpoint: int, at: dt.datetime) -> int:
    if not spool.is_away():
        try:
            return budget.refuses(endpoint, at)
        except spool.AWAY:
            spool.note_away()
    return 0  # the file has a bound of its own


def _count(arrival: Arrival) -> None:
    if not spool.is_away():
        try:
            budget.count(arrival.endpoint, arrival.received_at, len(arrival.body))
        except spool.AWAY:
            spool.note_away()


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.headers.get("Content-Length") or 0)
    except ValueError:
        return 0


def _read(request: HttpRequest) -> tuple[bytes, bool]:
    """The body up to 1 MB, and whether there was more. Reads no more than that, whatever the length says."""
    if _announced(request) > MAX_BYTES:
        try:
            return request.read(KEPT_OF_LARGER), True
        except Exception:  # as below
            return b"", True
    chunks: list[bytes] = []
    size = 0
    source: Any = request
    if "chunked" in request.headers.get("Transfer-Encoding", "") and request.META.get("wsgi.input_terminated"):
        source = request.META["wsgi.input"]  # no length was said; Django alone would read nothing
    try:
        while size <= MAX_BYTES and (chunk := source.read(65536)):
            chunks.append(chunk)
            size += len(chunk)
    except Exception:  # the sender broke off, or counted wrongly (each server has errors of its own for that)
        pass  # keep what came
    body = b"".join(chunks)
    return body, len(body) > MAX_BYTES
