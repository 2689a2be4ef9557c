"""Stop all sending: asked first, with how much stands still then."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.models import Connection, StopRemark
from integrations.sending import switch
from kartra_mirror.ui.throughput import connections_of
from leads import access
from leads.models import BulkRun, ChangeStatus, LeadChange
from leads.models.remarks import remark


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """The question; a POST stops every connection of the person's accounts that sends."""
    if not request.user.has_perm("integrations.switch_sending"):
        raise PermissionDenied
    mine = access.only_mine(Connection.objects.select_related("account"), request.user)
    if request.method == "POST":
        number = switch.off_everywhere(by=request.user, why=remark(StopRemark.STOPPED_ALL), among=mine)
        words = _("All sending is stopped. Queued changes wait.") if number else _("Nothing was being sent.")
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))
    sending = [each for each in connections_of(request.user) if each.sends]
    accounts = [connection.account_id for connection in sending]
    more = {
        "title": _("Stop all sending?"),
        "stopping": sending,
        "queued": LeadChange.objects.filter(account__in=accounts, status=ChangeStatus.WAITING).count(),
        "runs": BulkRun.objects.under_way().filter(account__in=accounts).count(),
    }
    return TemplateResponse(request, "admin/kartra/stop_all.html", {**context, **more})
