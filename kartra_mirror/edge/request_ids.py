"""Every request has an id, by which its lines are found in the logs of the proxy and of ours; it is answered back.

What changes something, or fails, is one line: its route, never its path, which may hold a token or a name.
"""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from structlog.contextvars import bound_contextvars

logger = logging.getLogger(__name__)

HEADER = "X-Request-ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,63}")
READS = ("GET", "HEAD", "OPTIONS")
METHODS = (*READS, "POST", "PUT", "PATCH", "DELETE")


def id_of(request: HttpRequest) -> str:
    """The one that the proxy gave it if it is well-formed, else a new one."""
    given = request.headers.get(HEADER, "")
    return given if WELL_FORMED.fullmatch(given) else uuid.uuid4().hex


class RequestIds:
    """Middleware, before all that may log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id, began = id_of(request), time.monotonic()
        with bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            route = request.resolver_match.route if request.resolver_match else ""
            changes = request.method not in READS and not route.startswith("webhooks/")
            if changes or response.status_code >= 400:
                elapsed_ms = round((time.monotonic() - began) * 1000)
                told = {"route": route, "status": response.status_code, "elapsed_ms": elapsed_ms}
                logger.info("%s answered.", request.method if request.method in METHODS else "A request", extra=told)
        response.headers[HEADER] = request_id
        return response
