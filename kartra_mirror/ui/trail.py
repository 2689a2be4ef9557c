"""What is behind a row and what came of it, as links both ways: change, bulk action, call, message, line of the timeline.

Reads only; a fixed number of queries for each row's page.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from integrations.models import Proof
from kartra_mirror.ui import trail_links
from kartra_mirror.ui.trail_links import Link
from leads.access import RequestUser
from leads.models import Activity, LeadChange, Source

SHOWN = 50


@dataclass(frozen=True)
class Line:
    """One row behind another, or that came of it."""

    words: str
    at: dt.datetime | None = None
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    title: str
    lines: list[Line]


def of_change(change: LeadChange, user: RequestUser) -> list[Section]:
    """The calls that carried a change, and what it left in the timeline."""
    attempts = change.attempts.select_related("call").order_by("-pk")[:SHOWN]
    calls = [
        Line(
            _("%(command)s: %(outcome)s") % {"command": each.command, "outcome": each.get_proof_display()},
            each.call.sent_at or each.call.claimed_at,
            [trail_links.link("call", each.call_id, user)],
        )
        for each in attempts
    ]
    again = (
        [Line(str(_("The refused first try")), links=[_change_link(change.retry_of_id, user)])]
        if change.retry_of_id
        else []
    )
    return _filled(
        Section(_("Calls to Kartra"), calls),
        Section(_("In the timeline"), _timeline(change.activities.all(), user, of_changes=False)),
        Section(_("Tried again"), again),
    )


def of_call(call: Any, user: RequestUser) -> list[Section]:
    """The changes that a call carried, and what it left in the timeline."""
    attempts = call.attempts.select_related("change__run", "change__account").order_by("position", "pk")[:SHOWN]
    changes = [Line(capfirst(str(each.change)), links=trail_links.of_change(each.change, user)) for each in attempts]
    done = [each.change_id for each in attempts if each.proof == Proof.DONE]
    lines = Activity.objects.filter(
        Q(call=call.pk) | Q(change__in=done, source=Source.PUSH, call=None, delivery=None), lead=call.lead_id
    )
    return _filled(
        Section(_("Requested changes in it"), changes),
        Section(_("In the timeline"), _timeline(lines, user, of_causes=False)),
    )


def of_delivery(delivery: Any, user: RequestUser) -> list[Section]:
    """What a message from Kartra left in the timeline, and whose change it was an answer to."""
    lines = delivery.activities.filter(lead=delivery.lead_id)
    return _filled(Section(_("In the timeline"), _timeline(lines, user, of_causes=False)))


def of_activity(activity: Activity, user: RequestUser) -> list[Section]:
    """What is behind one line of the timeline; of what a change of ours did, also the call that carried it."""
    links = trail_links.links(activity, user)
    if activity.change is not None and activity.source == Source.PUSH:
        carried = activity.change.attempts.filter(proof=Proof.DONE).order_by("pk")
        links += [trail_links.link("call", pk, user) for pk in carried.values_list("call", flat=True)]
    lines = [Line("", links=[each]) for each in links]
    return _filled(Section(_("Behind it"), lines))


def _timeline(
    rows: QuerySet[Activity], user: RequestUser, *, of_changes: bool = True, of_causes: bool = True
) -> list[Line]:
    """Lines with what is behind each; not the page itself."""
    may_see = user.has_perm("leads.view_activity")
    found = []
    for row in rows.select_related("account", "change__run", "change__account").order_by("-at", "-pk")[:SHOWN]:
        links = (
            [Link(_("line of the timeline"), reverse("admin:leads_activity_change", args=[row.pk]))] if may_see else []
        )
        if of_changes and row.change is not None:
            links += trail_links.of_change(row.change, user)
        told_by = trail_links.of_cause(row, user) if of_causes else None
        links += [told_by] if told_by is not None else []
        found.append(Line(capfirst(row.label), row.at, links))
    return found


def _change_link(pk: int, user: RequestUser) -> Link:
    url = reverse("admin:leads_leadchange_change", args=[pk]) if user.has_perm("leads.view_leadchange") else ""
    return Link(_("requested change"), url)


def _filled(*sections: Section) -> list[Section]:
    return [section for section in sections if section.lines]
