"""The webhook endpoint: check the token, store what came as the bytes it was, answer at once. A worker reads it later."""

import hashlib
import time
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from integrations import clock
from integrations.models import Channel, Delivery, DeliveryRemark, DeliveryStatus, WebhookEndpoint
from integrations.notify import notify_worker
from integrations.process_state import process_state
from integrations.receive import budget
from leads.models.digests import digests
from leads.models.remarks import remark

MAX_BYTES = 1024 * 1024
KEPT_OF_LARGER = 4096
HEADERS = ("Content-Type", "Content-Length", "Content-Encoding", "User-Agent", "X-Request-Id")
CACHE_S = 5.0


def _endpoint_of(token: str) -> tuple[int, bool] | None:
    """The id of the webhook endpoint this token opens, and whether it is the old token; remembered for a few seconds, wrong ones not."""
    asked = digests("door", token)
    key = asked[0]
    known = process_state.endpoints.get(key)
    if known and known[0] > time.monotonic():
        return known[1:]
    found = WebhookEndpoint.objects.open_with(asked)
    if found is None:
        process_state.endpoints.pop(key, None)
        return None
    if len(process_state.endpoints) > 1000:
        process_state.endpoints.clear()
    process_state.endpoints[key] = (time.monotonic() + CACHE_S, *found)
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
    """404 for a wrong token, 405 for another method, 429 above the budget of the address, 413 over 1 MB (its first 4 KB are kept), else
    200: it is stored."""
    endpoint = _endpoint_of(token)
    if endpoint is None:
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    at = clock.now()
    if wait_s := budget.refuses(endpoint[0], at):
        words = "Too many messages within an hour.\n"
        return HttpResponse(words, status=429, headers={"Retry-After": str(wait_s)}, content_type="text/plain")
    body, too_large = _read(request)
    kept: dict[str, Any] = {
        "endpoint_id": endpoint[0],
        "old_address": endpoint[1],
        "channel": channel,
        "received_at": at,
        "headers": {name: request.headers[name][:500] for name in HEADERS if name in request.headers},
        "size": min(max(_announced(request), len(body)), 2**31 - 1),
    }
    budget.count(endpoint[0], at, min(len(body), KEPT_OF_LARGER) if too_large else len(body))
    if too_large:
        first = body[:KEPT_OF_LARGER]
        Delivery.objects.create(
            **kept,
            body=first,
            truncated=True,
            digest=hashlib.sha256(first).hexdigest(),
            status=DeliveryStatus.REFUSED,
            reason=remark(DeliveryRemark.TOO_LARGE),
            applied_at=at,
        )
        return HttpResponse("Too large.\n", status=413, content_type="text/plain")
    Delivery.objects.create(**kept, body=body, digest=hashlib.sha256(body).hexdigest())
    # robust: with the broker down the row is stored and the sweep finds it
    transaction.on_commit(lambda: notify_worker("apply_deliveries"), robust=True)
    return HttpResponse(status=200, content_type="text/plain")


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
