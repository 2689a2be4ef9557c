"""The three trials on home, against the Kartra sandbox: each ticks itself when what it is about has been seen."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from integrations import sandbox_control
from integrations.models import Attempt, CallOutcome, Connection, Proof
from leads import access, kinds
from leads.models import Activity, BulkRun, Lead, MailingList, RunState, Source

TRIAL_LIST = "Demo 25"
TRIAL_SIZE = 25
TRIED = kinds.ASSIGN_TAG.name

FAULTS = {
    "lose": (
        gettext_lazy("Lose an answer"),
        {"fault": "carried out, then dropped", "cmd": TRIED, "count": 1},
        gettext_lazy(
            "The Kartra sandbox will add the next tag, but its answer will get lost. Assign a tag to somebody "
            "and watch: we do not send it a second time. It says “checking with Kartra” until a check or "
            "Kartra's own message shows that it is done."
        ),
    ),
    "refuse": (
        gettext_lazy("Refuse one change"),
        {"fault": "action k fails", "k": 0, "code": "212", "cmd": TRIED, "count": 1},
        gettext_lazy(
            "The Kartra sandbox will refuse the next tag. Assign a tag to somebody; the home page then says "
            "what failed, and why."
        ),
    ),
}
"""By name: what the button says, what the Kartra sandbox is told, and what to do then."""


@dataclass(frozen=True)
class Trial:
    """One thing to try. `links` are (words, address, whether it opens beside this page)."""

    title: str
    words: str
    done: bool
    links: list[tuple[str, str, bool]]
    buttons: list[tuple[str, str]]


def of(request: HttpRequest, connections: list[Connection]) -> list[Trial]:
    """The trials, while there is a Kartra sandbox, one of them is open, and this person may do them."""
    connection = next((each for each in connections if sandbox_control.is_pretend(each)), None)
    if connection is None or not request.user.has_perm(kinds.get_kind(TRIED).permission):
        return []
    trials = [_watch(connection), _arrive(connection), _fail(connection)]
    return [] if all(trial.done for trial in trials) else trials


def _watch(connection: Connection) -> Trial:
    found = MailingList.objects.filter(account=connection.account_id, name=TRIAL_LIST).first()
    leads = reverse("admin:leads_lead_changelist")
    return Trial(
        _("Tag 25 leads and watch"),
        _(
            "Open the list “%(list)s”, tick the box at the top, choose “Assign a tag…”, look at the preview, "
            "press Start, then “Watch it”."
        )
        % {"list": TRIAL_LIST},
        BulkRun.objects.filter(account=connection.account_id, state=RunState.FINISHED)
        .annotate(members=Count("changes"))
        .filter(members__gte=TRIAL_SIZE)
        .exists(),
        [(_("Open the 25 leads"), f"{leads}?list={found.pk}" if found else leads, False)],
        [],
    )


def _arrive(connection: Connection) -> Trial:
    """Open until a message has told of something that is no change of ours coming back."""
    told = Activity.objects.filter(account=connection.account_id, source=Source.WEBHOOK)
    heard = told.without_us().exists()
    lead = (
        Lead.objects.filter(account=connection.account_id, gone_at=None, kartra_id__isnull=False).order_by("pk").first()
    )
    links = [(_("Open the Kartra sandbox"), f"{settings.SANDBOX_URL}/", True)]
    if lead is not None:
        links = [
            (_("Open a lead in the Kartra sandbox"), f"{settings.SANDBOX_URL}/leads/{lead.kartra_id}", True),
            (_("See the same lead here"), f"{lead.get_absolute_url()}?tab=timeline", False),
        ]
    return Trial(
        _("Change someone in the Kartra sandbox and see it arrive"),
        _(
            "Add a tag there, as a colleague in Kartra would. Seconds later it is on the lead's page here, with "
            "the time."
        ),
        heard,
        links,
        [],
    )


def _fail(connection: Connection) -> Trial:
    """Open until changes have gone wrong in both ways; what was seen is not offered any more."""
    attempts = Attempt.objects.filter(call__connection=connection)
    seen = {
        "lose": attempts.filter(call__outcome=CallOutcome.UNKNOWN).exists(),
        "refuse": attempts.filter(proof=Proof.REFUSED).exists(),
    }
    return Trial(
        _("Let Kartra fail and see what we tell you"),
        _("Choose what goes wrong with the next tag, then assign one."),
        all(seen.values()),
        [],
        [(name, str(label)) for name, (label, _fault, _words) in FAULTS.items() if not seen[name]],
    )


def fault_view(request: HttpRequest, name: str) -> HttpResponse:
    """Have the Kartra sandbox fail once. A POST tells it; nothing else has an effect, and no real Kartra is reached."""
    home = HttpResponseRedirect(reverse("admin:index"))
    if name not in FAULTS or not request.user.has_perm(kinds.get_kind(TRIED).permission):
        raise PermissionDenied
    connections = access.only_mine(Connection.objects.all(), request.user)
    if request.method != "POST" or not any(sandbox_control.is_pretend(connection) for connection in connections):
        return home
    _label, fault, words = FAULTS[name]
    try:
        sandbox_control.ask("faults", fault, timeout_s=3)
    except OSError:
        messages.error(request, _("The Kartra sandbox does not answer. It is started by “make run”."))
    else:
        messages.success(request, str(words))
    return home
