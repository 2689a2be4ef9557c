"""What needs a person, on home: each line with its number and a link to exactly those rows. Reads only, in a fixed number
of queries; a person sees lines of what they may see, of their accounts."""

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext

from integrations.models import Connection, Delivery, DeliveryStatus, Sending, SendingStop, WebhookEndpoint
from integrations.sending import alerts, switch
from integrations.status import last_sweep
from kartra_mirror.admin.bulk import approvals
from kartra_mirror.admin.home import todo_changes, todo_watches
from kartra_mirror.admin.home.todo_changes import CAUSES_SHOWN, line_of
from kartra_mirror.admin.kartra.discard import refused_lately
from kartra_mirror.health import SWEEP_LATE_S
from leads import access
from leads.changes import moved_names
from leads.models import BulkRun, Occurrence, RunState

RECENT = dt.timedelta(days=7)
STOPS_SHOWN = 3


def needs(request: HttpRequest, connections: list[Connection], now: dt.datetime) -> list[dict[str, Any]]:
    """[{"number", "words", "why", "url", "level", "do", "who"}], the most pressing first. `do` is on the button; `who` can act
    on it, where the reader's own groups cannot."""
    user = request.user
    found = [*_workers(now), *_stops(user, connections)]
    if user.has_perm("leads.view_leadchange"):
        found += todo_changes.questions(user)
    if user.has_perm("leads.view_bulkrun"):
        found += [*_asked_for(user), *_standing_runs(user)]
    if user.has_perm("leads.view_schedule"):
        found += _held_schedules(user)
    if user.has_perm("leads.view_leadchange"):
        found += _moved(user)
    if user.has_perm("leads.view_leadchange"):
        found += todo_changes.refusals(user)
    if user.has_perm("integrations.view_delivery"):
        found += _messages(user, now)
    found += todo_watches.lines(user, now)
    _say_who_may(found, user)
    return [*found, *_ended_stops(connections, now)]


def _say_who_may(lines: list[dict[str, Any]], user: access.RequestUser) -> None:
    beyond = {line["takes"] for line in lines if line["takes"] and not user.has_perm(line["takes"])}
    groups = access.groups_with(*beyond) if beyond else {}
    for line in lines:
        line["who"] = access.words_of_groups(groups.get(line["takes"], []))
        if line["takes"] in beyond:
            line["do"] = ""


def _list(name: str, **filters: Any) -> str:
    return f"{reverse(f'admin:{name}_changelist')}?{urlencode(filters)}"


def _workers(now: dt.datetime) -> list[dict[str, Any]]:
    beat = last_sweep()
    if beat is not None and now - beat <= dt.timedelta(seconds=SWEEP_LATE_S):
        return []
    words = _("Nothing is sent or received right now: no worker is running.")
    since = _("The last one was seen %(when)s.") % {"when": _when(beat)} if beat else _("None has been seen yet.")
    return [
        line_of("bad", words, why=f"{since} {_('What you ask for is kept. Ask your engineer to start the workers.')}")
    ]


def _when(at: dt.datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y H:i")


def _stops(user: access.RequestUser, connections: list[Connection]) -> list[dict[str, Any]]:
    """Connections on which sending was stopped, by a person or by the machine, or that wait for Kartra."""
    seen = user.has_perm("integrations.view_connection")
    found = []
    for connection in connections:
        url = connection.get_absolute_url() if seen else ""
        if connection.sending != Sending.LOOK_ONLY and (why := switch.why_not_sending(connection)):
            found.append(line_of("bad", why, url=url, takes="integrations.switch_sending"))
        if connection.catalogue_doubt:
            number = sum(connection.catalogue_doubt.values())
            why = ngettext(
                "%(number)s name of %(account)s was missing from Kartra's last answer about the catalogue. Is "
                "it deleted?",
                "%(number)s names of %(account)s were missing from Kartra's last answer about the catalogue. "
                "Are they deleted?",
                number,
            )
            told = {"number": f"{number:,}", "account": connection.name}
            found.append(line_of("bad", why % told, url=url, takes="integrations.change_connection"))
        if why := switch.why_commands_wait(connection):
            found.append(line_of("warn", why, url=url))
    return found


def _asked_for(user: access.RequestUser) -> list[dict[str, Any]]:
    """Bulk actions that are larger than a colleague may start."""
    number = approvals.waiting(user).count() if approvals.may_approve(user) else 0
    words = ngettext("bulk action needs your approval", "bulk actions need your approval", number)
    return [line_of("warn", words, number=number, url=reverse("admin:approvals"), do=_("Review"))] if number else []


def _moved(user: access.RequestUser) -> list[dict[str, Any]]:
    """Queued changes that name what Kartra does not show any more."""
    accounts = access.accounts_of(user)
    rows = moved_names.waiting(None if accounts is None else sorted(accounts))
    return [
        line_of("warn", moved_names.of_waiting(thing, number), url=_list("leads_leadchange", status__exact="waiting"))
        for thing, number in rows[:CAUSES_SHOWN]
    ]


def _standing_runs(user: access.RequestUser) -> list[dict[str, Any]]:
    """Bulk actions that stand still: one by one as long as they are few."""
    runs = access.only_mine(BulkRun.objects.filter(state=RunState.PAUSED), user)
    few = list(runs[: CAUSES_SHOWN + 1])
    if len(few) <= CAUSES_SHOWN:
        return [
            line_of(
                "warn",
                _("“%(run)s” stands still") % {"run": run.name},
                why=run.why_paused,
                url=run.get_absolute_url(),
                takes="leads.steer_bulkrun",
            )
            for run in few
        ]
    return [
        line_of(
            "warn",
            _("bulk actions stand still"),
            number=runs.count(),
            url=_list("leads_bulkrun", state__exact=RunState.PAUSED),
        )
    ]


def _held_schedules(user: access.RequestUser) -> list[dict[str, Any]]:
    """Schedules that ask first: one by one as long as they are few."""
    rows = access.only_mine(Occurrence.objects.held().select_related("schedule"), user)
    few = list(rows.order_by("due_at")[: CAUSES_SHOWN + 1])
    if len(few) <= CAUSES_SHOWN:
        return [
            line_of(
                "warn",
                _("“%(schedule)s” waits for your answer") % {"schedule": each.schedule},
                why=each.why,
                url=each.schedule.get_absolute_url(),
                do=_("Look and release"),
                takes=access.BULK,
            )
            for each in few
        ]
    words = _("schedules wait for your answer")
    return [line_of("warn", words, number=rows.count(), url=_list("leads_schedule"), do=_("Review"), takes=access.BULK)]


def _ended_stops(connections: list[Connection], now: dt.datetime) -> list[dict[str, Any]]:
    """What stopped and went on again since yesterday, each as one line: nobody need do anything, but should know."""
    stops = SendingStop.objects.filter(connection__in=connections, ended_at__gte=now - dt.timedelta(hours=24))
    rows = stops.select_related("connection__account", "began_by", "ended_by").order_by("-ended_at")[:STOPS_SHOWN]
    return [line_of("", f"{stop.connection.name}: {alerts.end(stop)}") for stop in rows]


def _messages(user: access.RequestUser, now: dt.datetime) -> list[dict[str, Any]]:
    """Messages of the last week that could not be read, or were turned away."""
    since = (now - RECENT).replace(minute=0, second=0, microsecond=0)
    wrong = [DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED]
    rows = access.only_mine(Delivery.objects.filter(status__in=wrong, received_at__gte=since), user)
    numbers = dict(rows.order_by().values_list("status").annotate(n=Count("pk")))
    words = {
        DeliveryStatus.QUARANTINED: lambda n: ngettext(
            "message from Kartra could not be read", "messages from Kartra could not be read", n
        ),
        DeliveryStatus.REFUSED: lambda n: ngettext(
            "message was refused: wrong secret, or too large",
            "messages were refused: wrong secret, or too large",
            n,
        ),
    }
    held = access.only_mine(Delivery.objects.held(), user).count()
    found = _refused(user, now)
    if held:
        line = ngettext(
            "message about a new person is held, after many others that day: did Kartra send it?",
            "messages about new people are held, after many others that day: did Kartra send them?",
            held,
        )
        why = _(
            "Look some of them up in Kartra. If the people are there choose “Apply again”, otherwise discard "
            "the messages."
        )
        url = _list("integrations_delivery", status__exact=DeliveryStatus.HELD)
        found.append(line_of("warn", line, number=held, why=why, url=url))
    return found + [
        line_of(
            "warn",
            words[status](numbers[status]),
            number=numbers[status],
            url=_list("integrations_delivery", status__exact=status, received_at__gte=since.isoformat()),
        )
        for status in wrong
        if numbers.get(status)
    ]


def _refused(user: access.RequestUser, now: dt.datetime) -> list[dict[str, Any]]:
    """Addresses to which more came than they may take."""
    endpoints = access.only_mine(WebhookEndpoint.objects.all(), user)
    why = _(
        "They are not stored; the next update from Kartra brings what they said. If Kartra does not send so "
        "much, somebody else has the address: make a new one and discard what came."
    )
    return [
        line_of(
            "bad",
            ngettext(
                "message or more to “%(name)s” of %(connection)s refused since yesterday: too many came",
                "messages or more to “%(name)s” of %(connection)s refused since yesterday: too many came",
                each["number"],
            )
            % each,
            number=each["number"],
            why=why,
            url=reverse("admin:integrations_webhookendpoint_change", args=[each["endpoint"]]),
        )
        for each in refused_lately(endpoints, now)
    ]
