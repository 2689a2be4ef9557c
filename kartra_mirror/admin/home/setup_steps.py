"""The steps to a connected Kartra, and which of them are done by what is in the database. It changes nothing."""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.translation import gettext as _, ngettext

from integrations.kartra.notices import EVENTS
from integrations.models import Channel, Connection, Delivery, Sending
from integrations.setup.connecting import check_text
from leads import access, kinds
from leads.models import ChangeStatus, ImportKind, Lead, LeadChange, Transaction


@dataclass
class Step:
    """One line of the checklist. `state` says how it stands, `links` are (words, address); `part` names what the page adds."""

    title: str
    words: str
    done: bool = False
    state: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    part: str = ""
    optional: bool = False


def steps_of(connection: Connection | None, user: access.RequestUser) -> list[Step]:
    """The steps in order. Six queries, whatever there is."""
    steps = [
        Step(
            _("Your Kartra plan has the API"),
            _(
                "In Kartra, Integrations > API > My API shows a key and a password. If it is not there, ask Kartra "
                "for a plan with the API."
            ),
        ),
        Step(
            _("App id, API key and password"),
            _(
                "The app id is under Settings > Integrations > My Apps. The keys are checked with one harmless call "
                "before anything is saved, and never shown again."
            ),
        ),
        Step(
            _("Test or live"),
            _(
                "A new app is in Kartra's test mode: Kartra sends no email to leads made through it, and changes the "
                "domain of their address to kartra.com. Choose here which it is; Kartra does not tell us."
            ),
        ),
        Step(
            _("Read-only"),
            _(
                "A new connection is read-only: we update our copy and send nothing to Kartra until an "
                "engineer allows changes."
            ),
        ),
    ]
    if connection is None:
        if user.has_perm("integrations.add_connection") and access.accounts_of(user) is None:
            steps[1].links = [(_("Connect"), reverse("admin:integrations_connection_add"))]
    else:
        _of_connection(steps, connection, user)
    facts = _numbers(connection) if connection else {}
    return [*steps, *_filling(connection, user, facts), *_hearing(facts), *_changing(connection, user, facts)]


def _of_connection(steps: list[Step], connection: Connection, user: access.RequestUser) -> None:
    change = [(_("Change"), connection.get_absolute_url())] if user.has_perm("integrations.change_connection") else []
    plan, keys, mode, looking = steps
    plan.done = keys.done = mode.done = looking.done = True
    plan.state = _("Kartra's API answers.")
    keys.state, keys.links = check_text(connection.check_result), change
    mode.state = _("The app is in test mode.") if connection.test_mode else _("The app is live.")
    mode.links = change
    looking.state = {
        Sending.LOOK_ONLY: _("It is read-only now."),
        Sending.ON: _("Changes are allowed by now."),
        Sending.STOPPED: _("Sending is stopped."),
    }[connection.sending]


def _numbers(connection: Connection) -> dict[str, Any]:
    """What the ticks are made of."""
    account = connection.account_id
    changes = LeadChange.objects.filter(account=account).aggregate(
        asked=Count("pk"),
        queued=Count("pk", filter=Q(status=ChangeStatus.WAITING)),
        done=Count("pk", filter=Q(status=ChangeStatus.ACCEPTED)),
    )
    heard = Delivery.objects.filter(endpoint__connection=connection)
    return {
        **changes,
        "leads": Lead.objects.filter(account=account).count(),
        "transactions": Transaction.objects.filter(account=account).count(),
        "events": set(
            heard.filter(channel=Channel.OUTBOUND)
            .exclude(action="")
            .order_by()
            .values_list("action", flat=True)
            .distinct()
        ),
        "payments": heard.filter(channel=Channel.IPN).exists(),
        "catalogue": connection.catalogue_read_at is not None,
    }


def _load(words: str, kind: str, connection: Connection | None, user: access.RequestUser) -> list[tuple[str, str]]:
    """The link to loading a file, once there is an account and for those who may."""
    if connection is None or not user.has_perm("leads.add_import"):
        return []
    return [(words, f"{reverse('admin:leads_import_add')}?kind={kind}")]


def _filling(connection: Connection | None, user: access.RequestUser, facts: dict[str, Any]) -> list[Step]:
    leads, transactions = facts.get("leads", 0), facts.get("transactions", 0)
    may_change = connection is not None and user.has_perm("integrations.change_connection")
    known = ngettext("%(n)s transaction known.", "%(n)s transactions known.", transactions) % {"n": f"{transactions:,}"}
    catalogue = [(_("Open the connection"), connection.get_absolute_url())] if may_change and connection else []
    return [
        Step(
            _("Tags, lists, sequences, custom fields"),
            _("On the connection press “Update the catalogue from Kartra”; then we update it every day."),
            bool(facts.get("catalogue")),
            _("Updated from Kartra.") if facts.get("catalogue") else "",
            catalogue,
        ),
        Step(
            _("Kartra's lead export"),
            _(
                "Kartra's API has no list of leads. Export them in Kartra and import the file here. We then "
                "read the rest from Kartra."
            ),
            bool(leads),
            ngettext("%(n)s lead known.", "%(n)s leads known.", leads) % {"n": f"{leads:,}"} if leads else "",
            _load(_("Import a file of leads"), ImportKind.LEADS, connection, user),
            "import",
        ),
        Step(
            _("Its transactions export"),
            _(
                "Kartra sends new sales by itself. Older ones come with its export of transactions, or when "
                "you update a lead."
            ),
            bool(transactions),
            known if transactions else "",
            _load(_("Import a file of transactions"), ImportKind.TRANSACTIONS, connection, user),
        ),
    ]


def _hearing(facts: dict[str, Any]) -> list[Step]:
    events = facts.get("events", set()) & set(EVENTS)
    state = _("%(n)s of %(all)s events have come.") % {"n": len(events), "all": len(EVENTS)} if events else ""
    return [
        Step(
            _("Kartra's events, one by one"),
            _(
                "In Kartra open Integrations > My API > Outbound API, switch it on, add the address below and choose "
                "the events, most useful first. Each event waits here for its first message: cause one, for "
                "example by tagging a lead of your own."
            ),
            bool(events),
            state,
            part="events",
        ),
        Step(
            _("Payment messages (IPN)"),
            _(
                "Add the second address as an IPN with a secret key of your own, and type the same key on the "
                "page of the webhook address."
            ),
            bool(facts.get("payments")),
            _("A payment message has come.") if facts.get("payments") else "",
            [(_("Webhook addresses"), reverse("admin:integrations_webhookendpoint_changelist"))],
            optional=True,
        ),
    ]


def _changing(connection: Connection | None, user: access.RequestUser, facts: dict[str, Any]) -> list[Step]:
    """In an engineer's hand: the first change is one of a lead of their own, and only then sending is switched on."""
    asked, queued, done = (facts.get(name, 0) for name in ("asked", "queued", "done"))
    on = connection is not None and connection.sends
    switch = []
    if connection and not on and user.has_perm("integrations.switch_sending"):
        switch = [(_("Allow changes…"), reverse("admin:integrations_connection_do", args=[connection.pk, "on"]))]
    leads = f"{reverse('admin:leads_lead_changelist')}?account__id__exact={connection.account_id}" if connection else ""
    waits = ngettext(
        "%(n)s change is queued and goes out as soon as changes are allowed.",
        "%(n)s changes are queued and go out as soon as changes are allowed.",
        queued,
    ) % {"n": f"{queued:,}"}
    return [
        Step(
            _("Ask for one change of a lead of your own"),
            _("Find yourself among the leads and assign a tag. We keep the change and do not send it yet."),
            bool(asked),
            waits if queued and not on else "",
            [(_("Find a lead"), leads)] if connection and user.has_perm(kinds.ASSIGN_TAG.permission) else [],
        ),
        Step(
            _("An engineer allows changes"),
            _("Queued changes go out at once, so queue only that one change. The keys are checked first."),
            on,
            _("Sending is on.") if on else "",
            switch,
        ),
        Step(
            _("Kartra confirmed it"),
            _("Look in Kartra too: the tag is there, once."),
            bool(done),
            ngettext("%(n)s change confirmed.", "%(n)s changes confirmed.", done) % {"n": f"{done:,}"} if done else "",
        ),
    ]
