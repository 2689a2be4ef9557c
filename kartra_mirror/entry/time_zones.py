"""In whose time zone pages tell times: the one that the reader chose, else the browser's, else TIME_ZONE.

A day in a filter of leads is no reader's: it begins at midnight of TIME_ZONE for everybody (`leads.filters`), because a segment
means the same people to whoever looks.
"""

import functools
import zoneinfo
from collections.abc import Callable
from urllib.parse import unquote

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from leads.models import StaffPreferences

COOKIE = "time_zone"
"""What the browser says of itself; frame.js writes it on each page, the one for signing in too."""


class ReadersZone:
    """Middleware, behind the one that ends sessions."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = _name_of(request) if SESSION_KEY in request.session else ""
        with timezone.override(zoneinfo.ZoneInfo(name) if name else None):
            return self.get_response(request)


@functools.cache
def known_zones() -> frozenset[str]:
    """UTC, and zones of places. Not those of a fixed difference such as Etc/GMT+10, whose sign databases read the other way."""
    names = zoneinfo.available_timezones()
    return frozenset({"UTC", *(name for name in names if "/" in name and not name.startswith(("Etc/", "SystemV/")))})


def of_browser(request: HttpRequest) -> str:
    """The zone that the browser names; "" where it names none that we know."""
    name = unquote(request.COOKIES.get(COOKIE, ""))
    return name if name in known_zones() else ""


def _name_of(request: HttpRequest) -> str:
    chosen = StaffPreferences.time_zone_of(request.user)
    return chosen if chosen in known_zones() else of_browser(request)
