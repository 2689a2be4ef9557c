"""The menu of segments above the leads list, with how many leads each has: loaded when it is opened, for counting takes time."""

import time
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kartra_mirror.admin.leads import segments
from kartra_mirror.ui.pagination import counted
from leads import access, filters
from leads.models import Segment

SHOWN = 30
MOST = 10_000
"""So many leads of a segment are counted; of more, only that they are more is said."""
COUNTING_S = 2.0
"""After so long the rest of the segments are named without a number."""


def page(request: HttpRequest, admin: Any) -> HttpResponse:
    """What the menu says; `?segment=` is the one that is shown."""
    context = {
        "segments": sized(at_hand(request.user), COUNTING_S),
        "shown": segments.shown(segments.conditions_of(request.GET.urlencode()), request.user),
    }
    return TemplateResponse(request, "admin/leads/lead_segments.html", context)


def at_hand(user: access.RequestUser) -> list[Segment]:
    """The first segments that a person may see."""
    if not user.has_perm("leads.view_segment"):
        return []
    return list(access.only_mine(Segment.objects.order_by("name"), user)[:SHOWN])


def sized(rows: Sequence[Segment], seconds: float) -> list[dict[str, Any]]:
    """[{"segment", "number", "more"}], each counted once and only so far; `number` is None once the time is over."""
    until, found = time.monotonic() + seconds, []
    for segment in rows:
        number, more = counted(filters.of_segment(segment), MOST) if time.monotonic() < until else (None, False)
        found.append({"segment": segment, "number": number, "more": more})
    return found
