"""The way back to the checklist from which somebody set out: on the pages on the way, until it is home again.

Which one it was is a code in the session; words are made when they are shown.
"""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.models import Connection
from kartra_mirror.admin.home import demo_tasks

SETUP = "setup"
STEPS = ("admin:integrations_", "admin:leads_import_", "admin:leads_lead_")
"""Where the steps of connecting are done."""
_KEY = "way_back"


def set_out(request: HttpRequest, checklist: str) -> None:
    """From the checklist of connecting (`SETUP`), or from the trial or the fault of this name."""
    if request.session.get(_KEY) != checklist:
        request.session[_KEY] = checklist


def arrive(request: HttpRequest) -> str:
    """Where somebody comes back from; empty where from none."""
    came_from: str = request.session.pop(_KEY, "")
    return came_from


def band(request: HttpRequest, connections: list[Connection]) -> list[dict[str, str]]:
    """The notice of a page on the way, as `frame.bands` has them; none on others. No query but for a trial."""
    came_from = request.session.get(_KEY) if request.user.is_authenticated else None
    if came_from is None:
        return []
    if came_from == SETUP:
        here = request.resolver_match.view_name if request.resolver_match else ""
        words, back = _("You are connecting your Kartra."), _("Back to the checklist")
        url = reverse("admin:setup")
        return [{"level": "wait", "words": words, "url": url, "link": back}] if here.startswith(STEPS) else []
    trial = demo_tasks.set_out_on(came_from, demo_tasks.of(request, connections))
    if trial is None:
        return []
    words = _("Done: %(title)s") % {"title": trial.title} if trial.done else f"{trial.title}. {trial.words}"
    told = {"level": "good" if trial.done else "wait", "words": words}
    return [{**told, "url": f"{reverse('admin:index')}#trials-title", "link": _("Back to the trials")}]
