"""Connect your Kartra: the page of the checklist, and how far it is on the start page. Its lines are `setup_steps`."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Min
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from integrations import sandbox_control
from integrations.models import Channel, Connection, Delivery
from kartra_mirror.admin.home import way_back
from kartra_mirror.admin.home.setup_steps import steps_of
from kartra_mirror.admin.kartra.webhook_endpoints import WHEN
from leads import access

MOST_USEFUL_FIRST = (
    "list_subscription",
    "assign_tag",
    "buy_product",
    "list_unsubscription",
    "unassign_tag",
    "refund_product",
    "sequence_subscription",
    "sequence_completion",
    "sequence_unsubscription",
    "cancel_subscription",
    "partial_refund_product",
    "membership_granted",
    "membership_revoked",
    "calendar_subscribe",
    "calendar_cancel",
    "filled_form",
    "calendar_complete",
    "reaches_score",
    "survey_complete",
    "affiliate_signup",
    "jv_signup",
    "video_play",
    "video_complete",
    "click_page_split_test_link",
    "kartra_page_visit",
)
"""The documented events: first those that keep leads, tags, lists and sales true, last those that come most often."""


def event_words(name: str) -> str:
    """When Kartra sends the event, for people; the name itself of one that nobody documented."""
    return capfirst(_(WHEN[name])) if name in WHEN else name


def _of_own(connections: list[Connection]) -> list[Connection]:
    """The connections to a Kartra of one's own, the newest first: all but the demo's, which is the first to the Kartra sandbox.
    Who connects the sandbox once more tries how it is done."""
    demos = min((each.pk for each in connections if sandbox_control.is_pretend(each)), default=None)
    return sorted((each for each in connections if each.pk != demos), key=lambda each: -each.pk)


def progress_on_home(request: HttpRequest, connections: list[Connection]) -> dict[str, Any] | None:
    """How far the checklist is, until it is done; nothing for those who may not see it."""
    if not request.user.has_perm("integrations.view_connection"):
        return None
    connection = next(iter(_of_own(connections)), None)
    steps = [step for step in steps_of(connection, request.user) if not step.optional]
    done = sum(step.done for step in steps)
    return None if done == len(steps) else {"connection": connection, "done": done, "of": len(steps)}


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The checklist of one connection: the one asked for, else the newest. While it is not done, pages lead back to it."""
    facts = _facts(request)
    if facts["done"] < facts["of"]:
        way_back.set_out(request, way_back.SETUP)
    else:
        way_back.arrive(request)
    return TemplateResponse(request, "admin/home/setup.html", {**context, **facts, "title": _("Connect your Kartra")})


def now_view(request: HttpRequest) -> HttpResponse:
    """The ticks alone, which the page asks for again."""
    return TemplateResponse(request, "admin/home/setup_steps.html", _facts(request))


def _facts(request: HttpRequest) -> dict[str, Any]:
    if not request.user.has_perm("integrations.view_connection"):
        raise PermissionDenied
    rows = access.only_mine(Connection.objects.select_related("account").order_by("-pk"), request.user)
    connections = _of_own(list(rows))
    wanted = request.GET.get("connection", "")
    connection = next((each for each in connections if not wanted or str(each.pk) == wanted), None)
    if wanted and connection is None:
        raise Http404
    steps = steps_of(connection, request.user)
    needed = [step for step in steps if not step.optional]
    now_url = reverse("admin:setup_now")
    return {
        "now_url": f"{now_url}?connection={connection.pk}" if connection else now_url,
        "connection": connection,
        "connections": connections,
        "steps": steps,
        "done": sum(step.done for step in needed),
        "of": len(needed),
        "events": _events(connection) if connection else [],
        "endpoints": list(connection.endpoints.standing())
        if connection and request.user.has_perm("integrations.see_webhook_addresses")
        else [],
    }


def _events(connection: Connection) -> list[dict[str, Any]]:
    """Each documented event, most useful first, and when it first came."""
    rows = Delivery.objects.filter(endpoint__connection=connection, channel=Channel.OUTBOUND).order_by()
    first = dict(rows.values_list("action").annotate(first=Min("received_at")))
    return [{"name": name, "words": event_words(name), "first": first.get(name)} for name in MOST_USEFUL_FIRST]
