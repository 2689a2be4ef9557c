"""The question of a refresh that found too many leads deleted: whom it found, and a person's answer."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, ngettext

from integrations.models import Connection
from integrations.notify import notify_worker
from integrations.read import deletions

SHOWN = 100


def page(request: HttpRequest, pk: int, context: dict[str, Any]) -> HttpResponse:
    """GET shows whom; POST with `answer` yes marks them as deleted, with no takes the marks back. Both read on."""
    if not request.user.has_perm("integrations.change_connection"):
        raise PermissionDenied
    connection = Connection.objects.select_related("account").filter(pk=pk).first()
    if connection is None:
        raise Http404
    if request.method == "POST" and request.POST.get("answer") in ("yes", "no"):
        if request.POST["answer"] == "yes":
            number = deletions.confirm(connection, by=request.user)
            words = ngettext(
                "%(number)s more lead is marked as deleted in Kartra. Reading goes on.",
                "%(number)s more leads are marked as deleted in Kartra. Reading goes on.",
                number,
            )
        else:
            number = deletions.read_again(connection, by=request.user)
            words = ngettext(
                "%(number)s lead is not deleted; we update it again.",
                "%(number)s leads are not deleted; we update them again.",
                number,
            )
        notify_worker("refresh_leads", connection.pk)
        messages.success(request, words % {"number": f"{number:,}"})
        return HttpResponseRedirect(connection.get_absolute_url())
    doubted = deletions.doubted(connection)
    shown = {
        **context,
        "title": _("Are they deleted in Kartra?"),
        "connection": connection,
        "question": deletions.question(connection),
        "number": doubted.count(),
        "found": doubted.select_related("lead").order_by("-found_at", "-pk")[:SHOWN],
    }
    return TemplateResponse(request, "admin/kartra/deletions.html", shown)
