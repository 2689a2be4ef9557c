"""What a lead is joined to, one tie at a time: a tag, a list, a sequence, a level of a membership."""

import datetime as dt
from typing import Any

from django.db import transaction

from leads.bulk_sql import insert_new
from leads.lock_conflicts import done_again
from leads.mirror.catalogue import get_or_create_by_id, get_or_create_one, note_kartra_id
from leads.mirror.changelog import NO_CAUSE, ActivityCause, add_activity, columns
from leads.mirror.facts import MembershipFact
from leads.mirror.locks import lock_leads
from leads.models import (
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Sequence as KartraSequence,
    SequenceEnrollment,
    Source,
    Tag,
)
from leads.models.changed import mark_changed


@done_again
def set_tag(
    lead: Lead,
    name: str,
    on: bool,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None = None,
    cause: ActivityCause = NO_CAUSE,
    kartra_id: str = "",
) -> bool:
    """The lead has (or has not) the tag, of this id if one was told. True if that was new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        tag = get_or_create_by_id(Tag, lead.account_id, name, kartra_id, at, cause)
        rows = LeadTag.objects.filter(lead=lead, tag=tag)
        was = None if on else _before(rows, cause)
        if on:
            changed = _insert(LeadTag, lead, "tag", tag, at, source, change)
        else:
            changed = bool(rows.delete()[0])
        if changed:
            key = {"lead_id": lead.pk, "tag_id": tag.pk}
            cause.note(LeadTag, key, was, {"since": at, "source": source} if on else None)
            line = add_activity(lead, "tag_assigned" if on else "tag_removed", {"tag": name}, source, at, change, cause)
            if on:
                rows.update(activity=line)
    return changed


@done_again
def set_list(
    lead: Lead,
    name: str,
    active: bool,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None = None,
    cause: ActivityCause = NO_CAUSE,
    kartra_id: str = "",
) -> bool:
    """The lead is on the list, or has left it. That it left a list that it was not known to be on is news from a message; of
    our own doing it may mean nothing, and no change of ours is named as its cause. True if that was new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        mailing_list = get_or_create_by_id(MailingList, lead.account_id, name, kartra_id, at, cause)
        ours, changed, was = change if active else None, False, None
        if active or source != Source.PUSH:
            changed = _insert(ListSubscription, lead, "mailing_list", mailing_list, at, source, ours, active=active)
        if not changed:
            other = ListSubscription.objects.filter(lead=lead, mailing_list=mailing_list, active=not active)
            was = _before(other, cause)
            changed = bool(other.update(active=active, since=at, source=source, change=change, after=None))
        if changed:
            key = {"lead_id": lead.pk, "mailing_list_id": mailing_list.pk}
            cause.note(ListSubscription, key, was, {"active": active, "since": at})
            line = add_activity(
                lead, "list_joined" if active else "list_left", {"list": name}, source, at, change, cause
            )
            ListSubscription.objects.filter(lead=lead, mailing_list=mailing_list).update(activity=line)
    return changed


LEFT = "unsubscribed"
"""Kartra's word for the status of a lead that has left a sequence."""


@done_again
def set_sequence(
    lead: Lead,
    name: str,
    step: str,
    status: str,
    *,
    at: dt.datetime,
    source: Source = Source.PUSH,
    change: LeadChange | None = None,
    cause: ActivityCause = NO_CAUSE,
) -> bool:
    """The lead is in the sequence at this step, or has this status in it (an empty step keeps the one it had). A message
    tells that it entered but at which step not: whoever tells the step afterwards completes that. True if it was new to
    us that it entered or left."""
    with transaction.atomic():
        row = _enrollment(lead, get_or_create_one(KartraSequence, lead.account_id, name))
        told = {"sequence": name, "step": step or row.step}
        was = (row.step, row.status)
        if was == (told["step"], status) or (row.pk is None and status == LEFT and source == Source.PUSH):
            return False
        entered = change is not None and row.status.lower() == status == "active"
        if change is not None and entered and row.since < change.requested_at:
            told["moved_from"] = row.step  # it was in the sequence before, so the change did not bring it in
        completes = entered and not row.step and "moved_from" not in told
        since = row.since if completes else at
        changed = _move(row, told["step"], status, since, source, change)
        if changed and completes:
            mark_changed([lead.pk])
        elif changed:
            line = add_activity(
                lead, "sequence_left" if status == LEFT else "sequence_entered", told, source, at, change, cause
            )
            SequenceEnrollment.objects.filter(lead=lead, sequence=row.sequence).update(activity=line)
    return changed and not completes


@done_again
def note_sequence_event(
    lead: Lead,
    name: str,
    status: str,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None,
    cause: ActivityCause,
    kartra_id: str = "",
) -> bool:
    """The lead entered the sequence (status "active") or left it; at which step is not told, a read shows it. True if that
    was new to us."""
    with transaction.atomic():
        row = _enrollment(lead, get_or_create_by_id(KartraSequence, lead.account_id, name, kartra_id, at, cause))
        if row.status.lower() == status:
            return False
        entered = status != LEFT
        ours = change if entered or row.pk is not None else None
        was = {name: getattr(row, name) for name in columns(SequenceEnrollment)} if row.pk is not None else None
        changed = _move(row, "" if entered else row.step, status, at, source, ours)
        if changed:
            key = {"lead_id": lead.pk, "sequence_id": row.sequence.pk}
            cause.note(SequenceEnrollment, key, was, {"status": status, "since": at})
            line = add_activity(
                lead, "sequence_entered" if entered else "sequence_left", {"sequence": name}, source, at, change, cause
            )
            SequenceEnrollment.objects.filter(lead=lead, sequence=row.sequence).update(activity=line)
    return changed


def _enrollment(lead: Lead, sequence: KartraSequence) -> SequenceEnrollment:
    """The lead's row in this sequence, with the lead locked; not saved where there is none."""
    lock_leads([lead.pk])
    row = SequenceEnrollment.objects.filter(lead=lead, sequence=sequence).first()
    return row or SequenceEnrollment(lead=lead, sequence=sequence)


def _move(
    row: SequenceEnrollment, step: str, status: str, at: dt.datetime, source: Source, change: LeadChange | None
) -> bool:
    if row.pk is None:
        return _insert(
            SequenceEnrollment, row.lead, "sequence", row.sequence, at, source, change, step=step, status=status
        )
    still = SequenceEnrollment.objects.filter(pk=row.pk, step=row.step, status=row.status)
    return bool(still.update(step=step, status=status, since=at, source=source, change=change, after=None))


@done_again
def set_membership(
    lead: Lead, fact: MembershipFact, *, source: Source, at: dt.datetime, cause: ActivityCause = NO_CAUSE
) -> bool:
    """The lead has (or has no longer) access to a level of a membership. True if that was new to us."""
    membership_name, level_name = names_of_level(fact)
    with transaction.atomic():
        lock_leads([lead.pk])
        level = get_or_create_level(lead, (membership_name, level_name), fact, cause)
        changed, was = _insert(MembershipGrant, lead, "level", level, at, source, None, active=fact.active), None
        if not changed:
            other = MembershipGrant.objects.filter(lead=lead, level=level, active=not fact.active)
            was = _before(other, cause)
            changed = bool(other.update(active=fact.active, since=at, source=source, change=None, after=None))
        if changed:
            key = {"lead_id": lead.pk, "level_id": level.pk}
            cause.note(MembershipGrant, key, was, {"active": fact.active, "since": at})
            kind = "membership_granted" if fact.active else "membership_revoked"
            told = {"membership": membership_name, "level": level_name}
            line = add_activity(lead, kind, told, source, at, None, cause)
            MembershipGrant.objects.filter(lead=lead, level=level).update(activity=line)
    return changed


def _insert(
    model: type[Any],
    lead: Lead,
    noun: str,
    thing: Any,
    at: dt.datetime,
    source: Source,
    change: LeadChange | None,
    **values: Any,
) -> bool:
    """Join the lead to the thing; False where it is joined already, in whatever state."""
    columns = ["lead", noun, "since", "source", "change", *values]
    row = (lead.pk, thing.pk, at, source, change.pk if change else None, *values.values())
    return bool(insert_new(model, columns, [row], returning=["id"]))


def _before(rows: Any, cause: ActivityCause) -> dict[str, Any] | None:
    """How the row is before it is written, where somebody keeps that."""
    before: dict[str, Any] | None = rows.values(*columns(rows.model)).first() if cause.journal is not None else None
    return before


def names_of_level(fact: MembershipFact) -> tuple[str, str]:
    """The names under which a membership and its level are kept."""
    return fact.membership or fact.membership_id, fact.level or fact.level_id or NO_LEVEL


NO_LEVEL = "(no level)"


def get_or_create_level(
    lead: Lead, key: tuple[str, str], fact: MembershipFact, cause: ActivityCause = NO_CAUSE
) -> MembershipLevel:
    """The level of these names, which `names_of_level` tells, and its membership; made where they are new."""
    membership = get_or_create_one(Membership, lead.account_id, key[0])
    note_kartra_id(membership, fact.membership_id, cause)
    new = {"kartra_id": fact.level_id}
    return MembershipLevel.objects.get_or_create(membership=membership, name=key[1], defaults=new)[0]
