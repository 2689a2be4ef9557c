"""The page that takes a bulk action back: what will change, who is left alone and why, what happened next."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.ui import throughput
from leads import changes
from leads.access import RequestUser
from leads.changes import side_effects, undo
from leads.changes.side_effects import Next
from leads.models import BulkRun

NAMES_SHOWN = 10
MANY = 5000
"""Of a bulk action of more leads the page comes first, and what is counted of it after."""


def page(request: HttpRequest, run: BulkRun, context: dict[str, Any]) -> HttpResponse:
    """GET shows; POST records, if the numbers are still those that were shown. Two clicks make one undo."""
    if not request.user.has_perm("leads.steer_bulkrun"):
        raise PermissionDenied
    if not run.has_ended:
        messages.warning(
            request, _("This bulk action is still under way. Cancel it first; then undo what was done of it.")
        )
        return redirect(run)
    context = {**context, "title": _("Undo: %(run)s") % {"run": run.name}}
    if run.expected > MANY and request.method == "GET" and "counted" not in request.GET:
        return TemplateResponse(request, "admin/bulk/undo_counting.html", context)
    groups = undo.groups(run)
    standing = sum(group.number[undo.STANDS] for group in groups)
    if request.method == "POST":
        return _start(request, run, groups, standing)
    leads = undo.number_standing(run, groups)
    connection = throughput.connection_of(run.account)
    why_not = throughput.why_nothing_is_sent(connection)
    shown = {
        **context,
        "run": run,
        "parts": [{"group": group, "rest": _named(run, group)} for group in groups],
        "standing": standing,
        "leads": leads,
        "takes": "" if why_not else throughput.about(throughput.seconds_for(leads, throughput.speed_of(connection))),
        "mark": str(standing),
        "next": (happened := [(each, side_effects.standing(run, each)) for each in side_effects.happened_next(run)]),
        "offered": any(still for _each, still in happened),
        "undone": run.undone_by.first(),
        "partner": run.partner(),
        "why_not": why_not,
    }
    return TemplateResponse(request, "admin/bulk/undo.html", shown)


def _named(run: BulkRun, group: undo.Group) -> list[dict[str, Any]]:
    """Who is left alone and why, with the first few by name."""
    rows = undo.sorted_changes(run, group.kind, group.parameters).select_related("lead")
    return [
        {"number": number, "why": why, "leads": [c.lead for c in rows.filter(fate=key).order_by("pk")[:NAMES_SHOWN]]}
        for key, number, why in group.rest
    ]


def _start(request: HttpRequest, run: BulkRun, groups: list[undo.Group], standing: int) -> HttpResponse:
    also = side_effects.chosen(run, request.POST.getlist("also"))
    _check(request.user, groups, also)
    if request.POST.get("mark") != str(standing) and standing:
        words = ngettext(
            "This has changed: now %(number)s change can be undone. Please look again, then start.",
            "This has changed: now %(number)s changes can be undone. Please look again, then start.",
            standing,
        )
        messages.warning(request, words % {"number": f"{standing:,}"})
        return redirect("admin:leads_bulkrun_undo", run.pk)
    try:
        undone = changes.undo_run(run, by=request.user, why=request.POST.get("why", "")[:500], also=also)
    except changes.CannotRecord as problem:
        messages.warning(request, str(problem))
        return redirect(run)
    told = _("Started: %(run)s.") % {"run": undone.name}
    messages.success(request, format_html('{} <a href="{}">{}</a>', told, undone.get_absolute_url(), _("Watch it")))
    return redirect(undone)


def _check(user: RequestUser, groups: list[undo.Group], also: list[Next]) -> None:
    """403 unless this person may do each of the changes that the undo consists of."""
    needed = {group.inverse[0].permission for group in groups if group.inverse and group.number[undo.STANDS]}
    needed |= {each.back[0].permission for each in also if each.back}
    needed |= {group.kind.permission for group in groups if group.kind.edits}
    if not all(user.has_perm(permission) for permission in needed):
        raise PermissionDenied
