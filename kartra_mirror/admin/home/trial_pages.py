"""Setting out on a trial: to the page where it is done, or to the Kartra sandbox, which is to fail once."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations import sandbox_control
from integrations.models import Connection
from kartra_mirror.admin.home import demo_tasks, way_back
from kartra_mirror.admin.home.demo_tasks import ARRIVE, FAULTS, TRIED, WATCH
from kartra_mirror.ui.throughput import connections_of
from leads import access, kinds


def now_view(request: HttpRequest) -> HttpResponse:
    """What home asks for every few seconds: which are done."""
    trials = demo_tasks.of(request, connections_of(request.user))
    return TemplateResponse(request, "admin/home/demo_tasks.html", demo_tasks.counted(trials))


def try_view(request: HttpRequest, name: str) -> HttpResponse:
    """To the page of a trial. A POST of a fault has the Kartra sandbox fail once before; no real Kartra is reached."""
    home = HttpResponseRedirect(reverse("admin:index"))
    if name not in (WATCH, ARRIVE, *FAULTS) or not request.user.has_perm(kinds.get_kind(TRIED).permission):
        raise PermissionDenied
    rows = access.only_mine(Connection.objects.all(), request.user)
    connection = next((each for each in rows if sandbox_control.is_pretend(each)), None)
    if connection is None or (name in FAULTS and request.method != "POST"):
        return home
    if name in FAULTS:
        try:
            sandbox_control.ask("faults", FAULTS[name][1], timeout_s=3)
        except OSError:
            messages.error(request, _("The Kartra sandbox does not answer. It is started by “make run”."))
            return home
    way_back.set_out(request, name)
    return HttpResponseRedirect(demo_tasks.page_of(name, connection))
