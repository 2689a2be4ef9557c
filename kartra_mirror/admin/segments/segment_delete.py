"""Deleting a segment: it asks first and says what uses it, and stays while something needs it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, ngettext

from leads import access
from leads.filters import segments as building
from leads.models import Account, Segment

SHOWN = 10
"""So many segments are named where others build on one."""


def page(request: HttpRequest, segment: Segment, context: dict[str, Any]) -> HttpResponse:
    """GET asks first and says what uses it; POST deletes it, unless others build on it (without it they would hold nobody) or bulk
    actions always leave it out."""
    users = building.users_of(segment)
    names = [each.name for each in users if access.works_in(request.user, each.account_id)][:SHOWN]
    if others := len(users) - len(names):
        names.append(ngettext("%(n)s other", "%(n)s others", others) % {"n": others})
    if request.method != "POST":
        more = {
            "title": _("Delete the segment %(name)s?") % {"name": segment.name},
            "segment": segment,
            "users": names,
            "drafts": len(building.drafts_on(segment)),
        }
        return TemplateResponse(request, "admin/leads/segment_delete.html", {**context, **more})
    if why := _why_it_stays(segment, names):
        messages.error(request, why)
        return HttpResponseRedirect(segment.get_absolute_url())
    segment.delete()
    messages.success(request, _("The segment %(name)s is deleted. No lead was touched.") % {"name": segment.name})
    return redirect("admin:leads_segment_changelist")


def _why_it_stays(segment: Segment, users: list[str]) -> str:
    if Account.objects.filter(never_touched=segment).exists():
        words = _("The segment %(name)s stays, because bulk actions always leave it out: see the account's page.")
        return words % {"name": segment.name}
    if users:
        words = _("The segment %(name)s stays, because others build on it: %(others)s. Change or delete those first.")
        return words % {"name": segment.name, "others": ", ".join(users)}
    return ""
