"""What Kartra confirmed of many leads at once, in sets: tags, lists, points. The sister of `relations` and `confirmed`."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from django.db.models import F

from leads.bulk_sql import insert_new, update_each
from leads.kind import get_kind
from leads.mirror.catalogue import get_or_create_named
from leads.models import Account, Activity, Lead, LeadChange, LeadTag, ListSubscription, MailingList, Source, Tag
from leads.models.changed import mark_changed

Details = dict[int, dict[str, Any]]
"""By the primary key of a change: the details of its line in the timeline."""


def _by_tie(changes: Sequence[LeadChange], model: type[Any], name: str) -> dict[tuple[int, int], LeadChange]:
    """The changes by lead and thing."""
    account = Account(pk=changes[0].account_id)
    things = get_or_create_named(model, account, [change.parameters[name] for change in changes])
    return {(change.lead_id, things[change.parameters[name]].pk): change for change in changes}


def _standing(model: type[Any], noun: str, pairs: dict[tuple[int, int], LeadChange], **state: Any) -> dict[int, Any]:
    """Those of these ties that are there in this state: {primary key: (lead, thing)}."""
    leads, things = {lead for lead, _ in pairs}, {thing for _, thing in pairs}
    rows = model._default_manager.filter(**{f"{noun}__in": things}, lead__in=leads, **state)
    found = {pk: (lead, thing) for pk, lead, thing in rows.values_list("pk", "lead_id", f"{noun}_id")}
    return {pk: tie for pk, tie in found.items() if tie in pairs}


def _tagged(changes: Sequence[LeadChange], at: dt.datetime) -> Details:
    pairs = _by_tie(changes, Tag, "tag")
    rows = [(lead, tag, at, Source.PUSH, change.pk) for (lead, tag), change in pairs.items()]
    new = insert_new(LeadTag, ["lead", "tag", "since", "source", "change"], rows, returning=["lead", "tag"])
    return {pairs[tie].pk: {"tag": pairs[tie].parameters["tag"]} for tie in new}


def _untagged(changes: Sequence[LeadChange], at: dt.datetime) -> Details:
    pairs = _by_tie(changes, Tag, "tag")
    had = _standing(LeadTag, "tag", pairs)
    if had:
        LeadTag.objects.filter(pk__in=had).delete()
    return {pairs[tie].pk: {"tag": pairs[tie].parameters["tag"]} for tie in had.values()}


def _joined(changes: Sequence[LeadChange], at: dt.datetime) -> Details:
    pairs = _by_tie(changes, MailingList, "list")
    columns = ["lead", "mailing_list", "since", "source", "change", "active"]
    rows = [(lead, each, at, Source.PUSH, change.pk, True) for (lead, each), change in pairs.items()]
    new = set(insert_new(ListSubscription, columns, rows, returning=["lead", "mailing_list"]))
    known = {tie: change for tie, change in pairs.items() if tie not in new}
    turned = _turned(known, True, at) if known else []
    return {pairs[tie].pk: {"list": pairs[tie].parameters["list"]} for tie in pairs if tie in new or tie in turned}


def _left(changes: Sequence[LeadChange], at: dt.datetime) -> Details:
    """Of a lead that was not known to be on the list it may mean nothing."""
    pairs = _by_tie(changes, MailingList, "list")
    turned = _turned(pairs, False, at)
    return {pairs[tie].pk: {"list": pairs[tie].parameters["list"]} for tie in turned}


def _turned(pairs: dict[tuple[int, int], LeadChange], active: bool, at: dt.datetime) -> list[tuple[int, int]]:
    """Make these entries active or not; those that were otherwise."""
    others = _standing(ListSubscription, "mailing_list", pairs, active=not active)
    rows = [(pk, active, at, Source.PUSH, pairs[tie].pk, None) for pk, tie in others.items()]
    update_each(ListSubscription, ["id"], ["active", "since", "source", "change", "after"], rows)
    return list(others.values())


def _counted(changes: Sequence[LeadChange], at: dt.datetime, sign: int) -> Details:
    by_points: dict[int, list[LeadChange]] = {}
    for change in changes:
        by_points.setdefault(sign * int(change.parameters["points"]), []).append(change)
    for points, group in by_points.items():
        leads = Lead.objects.filter(pk__in=[change.lead_id for change in group])
        leads.filter(score__isnull=False).update(score=F("score") + points)
        if points < 0:
            leads.filter(score__lt=0, dirty_at=None).update(dirty_at=at)
    details: Details = {}
    for change in changes:
        expiry = {name: days for name in ("expires_in_days",) if (days := change.parameters.get(name))}
        details[change.pk] = {"points": int(change.parameters["points"]), **expiry}
    return details


WRITERS: dict[str, Callable[[Sequence[LeadChange], dt.datetime], Details]] = {
    "tag_assigned": _tagged,
    "tag_removed": _untagged,
    "list_joined": _joined,
    "list_left": _left,
    "points_given": lambda changes, at: _counted(changes, at, 1),
    "points_removed": lambda changes, at: _counted(changes, at, -1),
}
"""By the line that it leaves in the timeline."""

TIES: tuple[tuple[type[Any], str], ...] = ((LeadTag, "tag_assigned"), (ListSubscription, "list_"))
"""Ties that know the line which says how they came to their state, and how such lines begin."""


def goes_in_sets(change: LeadChange) -> bool:
    """Whether the change is of a kind that `set_confirmed` can write."""
    return get_kind(change.kind).activity in WRITERS


def set_confirmed(changes: Sequence[LeadChange], at: dt.datetime) -> None:
    """Write the effects of confirmed changes of one account, at most one for each lead and family, and their lines of the timeline
    in the order of the changes. Within a transaction that holds the leads."""
    by_line: dict[str, list[LeadChange]] = {}
    for change in changes:
        by_line.setdefault(get_kind(change.kind).activity, []).append(change)
    details: Details = {}
    for line, group in by_line.items():
        details |= WRITERS[line](group, at)
    new = [change for change in changes if change.pk in details]
    if not new:
        return
    lines = Activity.objects.bulk_create(
        Activity(
            account_id=change.account_id,
            lead_id=change.lead_id,
            kind=get_kind(change.kind).activity,
            at=at,
            source=Source.PUSH,
            details=details[change.pk],
            change=change,
        )
        for change in new
    )
    for model, begins in TIES:
        of_ties = [line for line in lines if line.kind.startswith(begins)]
        update_each(model, ["change"], ["activity"], [(line.change_id, line.pk) for line in of_ties])
    mark_changed(change.lead_id for change in new)
