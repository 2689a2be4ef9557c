"""The three trials on home, against the Kartra sandbox: each ticks itself when the person has done what it is about."""

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from integrations import sandbox_control
from integrations.models import Attempt, CallOutcome, Connection, Proof
from integrations.setup import demo_database
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
            "The Kartra sandbox will add the next tag, but its answer will get lost. Add a tag to a lead "
            "and watch: we do not send it a second time. It says “checking with Kartra” until a check or "
            "Kartra's own message shows that it is done."
        ),
    ),
    "refuse": (
        gettext_lazy("Refuse one change"),
        {"fault": "action k fails", "k": 0, "code": "212", "cmd": TRIED, "count": 1},
        gettext_lazy(
            "The Kartra sandbox will refuse the next tag. Add a tag to a lead; the home page then says "
            "what failed, and why."
        ),
    ),
}
"""By name: what the button says, what the Kartra sandbox is told, and what to do then."""


WATCH, ARRIVE, FAIL = "watch", "arrive", "fail"


@dataclass(frozen=True)
class Trial:
    """One thing to try. `links` are (words, address, whether it opens beside this page); `now`: it is the next one."""

    name: str
    title: str
    words: str
    done: bool
    links: list[tuple[str, str, bool]]
    buttons: list[tuple[str, str]]
    now: bool = False


def of(request: HttpRequest, connections: list[Connection]) -> list[Trial]:
    """The trials, while there is a Kartra sandbox, and this person may do them."""
    connection = _pretend(connections)
    if connection is None or not request.user.has_perm(kinds.get_kind(TRIED).permission):
        return []
    trials = [_watch(connection, request.user), _arrive(connection), _fail(connection, request.user)]
    first = next((number for number, trial in enumerate(trials) if not trial.done), None)
    return [replace(trial, now=number == first) for number, trial in enumerate(trials)]


def set_out_on(name: str, trials: list[Trial]) -> Trial | None:
    """The trial of this name; of a fault what is to be done now, and whether it is."""
    if name in FAULTS:
        label, _fault, words = FAULTS[name]
        left = {each for trial in trials for each, _label in trial.buttons}
        return Trial(name, str(label), str(words), name not in left, [], []) if trials else None
    return next((trial for trial in trials if trial.name == name), None)


def counted(trials: list[Trial]) -> dict[str, Any]:
    """As home shows them."""
    return {"trials": trials, "trials_done": sum(trial.done for trial in trials)}


def filling(request: HttpRequest, connections: list[Connection]) -> dict[str, int] | None:
    """How far the demo is filled, while it is; None everywhere else."""
    connection = _pretend(connections)
    if connection is None or not request.user.has_perm("leads.view_lead") or not demo_database.is_being_filled():
        return None
    leads = Lead.objects.filter(account=connection.account_id, gone_at=None)
    numbers = leads.aggregate(all=Count("pk"), read=Count("read_at"))
    return {**numbers, "percent": 100 * numbers["read"] // max(1, numbers["all"])}


def _pretend(connections: list[Connection]) -> Connection | None:
    return next((each for each in connections if sandbox_control.is_pretend(each)), None)


def _somebody(connection: Connection) -> Lead | None:
    """The lead that the trials are shown with: the newest, which stands first in the list."""
    leads = Lead.objects.filter(account=connection.account_id, gone_at=None, kartra_id__isnull=False)
    return leads.order_by("-pk").first()


def _watch(connection: Connection, user: access.RequestUser) -> Trial:
    """Open until a bulk action of this person, of as many leads, has come to its end."""
    mine = BulkRun.objects.filter(account=connection.account_id, created_by=user.pk, kind=TRIED, undoes=None)
    ended = mine.filter(state=RunState.FINISHED).annotate(members=Count("changes"))
    return Trial(
        WATCH,
        _("Tag 25 leads and watch"),
        _(
            "Tick the box above the list “%(list)s” and press “Tag”. Choose a tag, press “Preview”, then “Start”, and "
            "watch each answer come."
        )
        % {"list": TRIAL_LIST},
        ended.filter(members__gte=TRIAL_SIZE).exists(),
        [(_("Open the 25 leads"), reverse("admin:try", args=[WATCH]), False)],
        [],
    )


def _arrive(connection: Connection) -> Trial:
    """Open until a message tells of something that is no change of ours coming back, and that the demo did not let happen."""
    told = Activity.objects.filter(account=connection.account_id, source=Source.WEBHOOK).without_us()
    since = demo_database.filled_at()
    lead = _somebody(connection)
    links = [(_("Open the Kartra sandbox"), f"{settings.SANDBOX_URL}/", True)]
    if lead is not None:
        links = [
            (_("Open a lead in the Kartra sandbox"), f"{settings.SANDBOX_URL}/leads/{lead.kartra_id}", True),
            (_("See the same lead here"), reverse("admin:try", args=[ARRIVE]), False),
        ]
    return Trial(
        ARRIVE,
        _("Change someone in the Kartra sandbox and see it arrive"),
        _(
            "Add a tag there, as a colleague in Kartra would. Seconds later it is on the lead's page here, with "
            "the time."
        ),
        (told if since is None else told.filter(at__gt=since)).exists() and not demo_database.is_being_filled(),
        links,
        [],
    )


def _fail(connection: Connection, user: access.RequestUser) -> Trial:
    """Open until changes of this person have gone wrong in both ways; what was seen is not offered any more."""
    attempts = Attempt.objects.filter(call__connection=connection, change__requested_by=user.pk)
    seen = {
        "lose": attempts.filter(call__outcome=CallOutcome.UNKNOWN).exists(),
        "refuse": attempts.filter(proof=Proof.REFUSED).exists(),
    }
    return Trial(
        FAIL,
        _("Let Kartra fail and see what we tell you"),
        _("Choose what goes wrong with the next tag, then add a tag to a lead."),
        all(seen.values()),
        [],
        [(name, str(label)) for name, (label, _fault, _words) in FAULTS.items() if not seen[name]],
    )


def page_of(name: str, connection: Connection) -> str:
    """Where a trial is done."""
    if name == WATCH:
        found = MailingList.objects.filter(account=connection.account_id, name=TRIAL_LIST).first()
        leads = reverse("admin:leads_lead_changelist")
        return f"{leads}?list={found.pk}" if found else leads
    lead = _somebody(connection)
    return lead.get_absolute_url() if lead is not None else reverse("admin:index")
