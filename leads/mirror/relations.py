"""What a lead is joined to: tags, lists, sequences, memberships."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from leads.bulk_sql import insert_new
from leads.lock_conflicts import done_again
from leads.mirror.catalogue import get_or_create_by_id, get_or_create_named
from leads.mirror.facts import Difference, LeadFacts, MembershipFact
from leads.mirror.locks import lock_leads
from leads.models import (
    Account,
    Activity,
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    SequenceEnrollment,
    Source,
    Tag,
)
from leads.models import Sequence as KartraSequence


def get_or_create_one(model: type[Any], account_id: int, name: str) -> Any:
    """The account's thing of this name, made where it is new."""
    return get_or_create_named(model, Account(pk=account_id), [name])[name]


def log(
    lead: Lead,
    kind: str,
    details: dict[str, Any],
    source: Source,
    at: dt.datetime,
    change: LeadChange | None,
    cause: str,
) -> None:
    """Put one line into the lead's timeline."""
    Activity.objects.create(
        account_id=lead.account_id,
        lead=lead,
        kind=kind,
        at=at,
        source=source,
        details=details,
        change=change,
        cause=cause,
    )


@done_again
def set_tag(
    lead: Lead,
    name: str,
    on: bool,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None = None,
    cause: str = "",
    kartra_id: str = "",
) -> bool:
    """The lead has (or has not) the tag, of this id if one was told. True if that was new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        tag = get_or_create_by_id(Tag, lead.account_id, name, kartra_id, at)
        if on:
            changed = _insert(LeadTag, lead, "tag", tag, at, source, change)
        else:
            changed = bool(LeadTag.objects.filter(lead=lead, tag=tag).delete()[0])
        if changed:
            log(lead, "tag_assigned" if on else "tag_removed", {"tag": name}, source, at, change, cause)
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
    cause: str = "",
    kartra_id: str = "",
) -> bool:
    """The lead is on the list, or has left it. That it left a list that it was not known to be on is news from a message; of
    our own doing it may mean nothing, and no change of ours is named as its cause. True if that was new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        mailing_list = get_or_create_by_id(MailingList, lead.account_id, name, kartra_id, at)
        ours, changed = change if active else None, False
        if active or source != Source.PUSH:
            changed = _insert(ListSubscription, lead, "mailing_list", mailing_list, at, source, ours, active=active)
        if not changed:
            other = ListSubscription.objects.filter(lead=lead, mailing_list=mailing_list, active=not active)
            changed = bool(other.update(active=active, since=at, source=source, change=change, after=None))
        if changed:
            log(lead, "list_joined" if active else "list_left", {"list": name}, source, at, change, cause)
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
    cause: str = "",
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
        if changed and not completes:
            log(lead, "sequence_left" if status == LEFT else "sequence_entered", told, source, at, change, cause)
    return changed and not completes


@done_again
def hear_of_sequence(
    lead: Lead,
    name: str,
    status: str,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None,
    cause: str,
    kartra_id: str = "",
) -> bool:
    """The lead entered the sequence (status "active") or left it; at which step is not told, a read shows it. True if that
    was new to us."""
    with transaction.atomic():
        row = _enrollment(lead, get_or_create_by_id(KartraSequence, lead.account_id, name, kartra_id, at))
        if row.status.lower() == status:
            return False
        entered = status != LEFT
        ours = change if entered or row.pk is not None else None
        changed = _move(row, "" if entered else row.step, status, at, source, ours)
        if changed:
            log(lead, "sequence_entered" if entered else "sequence_left", {"sequence": name}, source, at, change, cause)
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
def set_membership(lead: Lead, fact: MembershipFact, *, source: Source, at: dt.datetime, cause: str = "") -> bool:
    """The lead has (or has no longer) access to a level of a membership. True if that was new to us."""
    membership_name, level_name = _names(fact)
    with transaction.atomic():
        lock_leads([lead.pk])
        level = _level(lead, (membership_name, level_name), fact)
        changed = _insert(MembershipGrant, lead, "level", level, at, source, None, active=fact.active)
        if not changed:
            other = MembershipGrant.objects.filter(lead=lead, level=level, active=not fact.active)
            changed = bool(other.update(active=fact.active, since=at, source=source, change=None, after=None))
        if changed:
            kind = "membership_granted" if fact.active else "membership_revoked"
            log(lead, kind, {"membership": membership_name, "level": level_name}, source, at, None, cause)
    return changed


def _insert(
    model: type[Any],
    lead: Lead,
    noun: str,
    get_or_create_one: Any,
    at: dt.datetime,
    source: Source,
    change: LeadChange | None,
    **values: Any,
) -> bool:
    """Join the lead to the thing; False where it is joined already, in whatever state."""
    columns = ["lead", noun, "since", "source", "change", *values]
    row = (lead.pk, get_or_create_one.pk, at, source, change.pk if change else None, *values.values())
    return bool(insert_new(model, columns, [row], returning=["id"]))


def _names(fact: MembershipFact) -> tuple[str, str]:
    """The names under which a membership and its level are kept."""
    return fact.membership or fact.membership_id, fact.level or fact.level_id or NO_LEVEL


@dataclass(frozen=True)
class Provenance:
    """Who told a lead's ties and when; `after`: when the lead was read before. `write` false: only say what differs."""

    source: Source
    at: dt.datetime
    after: dt.datetime | None = None
    write: bool = True

    def on(self, row: Any, **values: Any) -> Any:
        """The row with these values, told so."""
        for name, value in values.items():
            setattr(row, name, value)
        row.since, row.source, row.change, row.after = self.at, self.source, None, self.after
        return row

    def save(self, *rows: Any) -> None:
        if self.write:
            for row in rows:
                row.save()


def set_relations(
    lead: Lead, facts: LeadFacts, *, source: Source, at: dt.datetime, after: dt.datetime | None = None
) -> list[Difference]:
    """Make the lead's ties equal to what was told, kind by kind; what was not told is left alone. `after`: when the lead
    was read before."""
    return _relations(lead, facts, Provenance(source, at, after))


def differing_relations(lead: Lead, facts: LeadFacts) -> list[Difference]:
    """What `set_relations` would change. Writes nothing."""
    return _relations(lead, facts, Provenance(Source.REFRESH, lead.known_since, write=False))


def _relations(lead: Lead, facts: LeadFacts, provenance: Provenance) -> list[Difference]:
    differences: list[Difference] = []
    if facts.tags is not None:
        differences += _set_tags(lead, facts.tags, provenance)
    if facts.lists is not None:
        differences += _set_lists(lead, facts.lists, provenance)
    if facts.sequences is not None:
        differences += _set_sequences(lead, facts.sequences, provenance)
    if facts.memberships is not None:
        differences += _set_memberships(lead, facts.memberships, provenance)
    return differences


def _set_tags(lead: Lead, told: Iterable[str], provenance: Provenance) -> list[Difference]:
    had = dict(LeadTag.objects.filter(lead=lead).values_list("tag__name", "pk"))
    wanted = set(told)
    new = sorted(wanted - set(had))
    lost = sorted(set(had) - wanted)
    if provenance.write and new:
        tags = get_or_create_named(Tag, lead.account, new)
        LeadTag.objects.bulk_create(
            [provenance.on(LeadTag(lead=lead, tag=tags[name])) for name in new], ignore_conflicts=True
        )
    if provenance.write and lost:
        LeadTag.objects.filter(pk__in=[had[name] for name in lost]).delete()
    return [Difference(f"tag {n}", False, True) for n in new] + [Difference(f"tag {n}", True, False) for n in lost]


def _set_lists(lead: Lead, told: Mapping[str, bool], provenance: Provenance) -> list[Difference]:
    had = {row.mailing_list.name: row for row in lead.listsubscriptions.select_related("mailing_list")}
    differences: list[Difference] = []
    new = [name for name in told if name not in had]
    lists = get_or_create_named(MailingList, lead.account, new) if provenance.write and new else {}
    for name in new:
        provenance.save(provenance.on(ListSubscription(lead=lead, mailing_list=lists.get(name)), active=told[name]))
        if told[name]:
            differences.append(Difference(f"list {name}", False, True))
    for name, row in had.items():
        active = told.get(name, False)
        if row.active != active:
            provenance.save(provenance.on(row, active=active))
            differences.append(Difference(f"list {name}", not active, active))
    return differences


def _set_sequences(lead: Lead, told: Mapping[str, tuple[str, str]], provenance: Provenance) -> list[Difference]:
    had = {row.sequence.name: row for row in lead.sequenceenrollments.select_related("sequence")}
    differences: list[Difference] = []
    new = [name for name in told if name not in had]
    sequences = get_or_create_named(KartraSequence, lead.account, new) if provenance.write and new else {}
    for name, (step, status) in told.items():
        row = had.get(name) or SequenceEnrollment(lead=lead, sequence=sequences.get(name))
        if name in had and (row.step, row.status) == (step, status):
            continue
        if name in had and not row.step and row.status == status:  # a message told that it entered, not at which step
            row.step = step
            provenance.save(row)
            continue
        was = f"step {row.step}, {row.status}" if name in had else None
        differences.append(Difference(f"sequence {name}", was, f"step {step}, {status}"))
        provenance.save(provenance.on(row, step=step, status=status))
    for name in sorted(set(had) - set(told)):
        if had[name].status.lower() == LEFT:
            continue  # of a sequence that was left, a read need not tell
        differences.append(Difference(f"sequence {name}", f"step {had[name].step}, {had[name].status}", None))
        if provenance.write:
            had[name].delete()
    return differences


def _set_memberships(lead: Lead, told: Sequence[MembershipFact], provenance: Provenance) -> list[Difference]:
    had = {
        (row.level.membership.name, row.level.name): row
        for row in lead.membershipgrants.select_related("level__membership")
    }
    facts: dict[tuple[str, str], MembershipFact] = {}
    for fact in told:  # a level told twice is open if either says so
        key = _names(fact)
        if key not in facts or fact.active or facts[key].active is None:
            facts[key] = fact
    differences: list[Difference] = []
    for key in {**facts, **had}:
        active = facts[key].active if key in facts else False
        row = had.get(key)
        if active is None or (row is not None and row.active == active):
            continue
        differences.append(Difference(f"membership {key[0]}: {key[1]}", row.active if row else None, active))
        if provenance.write:
            row = row or MembershipGrant(lead=lead, level=_level(lead, key, facts[key]))
            provenance.save(provenance.on(row, active=active))
    return differences


NO_LEVEL = "(no level)"


def _level(lead: Lead, key: tuple[str, str], fact: MembershipFact) -> MembershipLevel:
    membership, kartra_id = get_or_create_one(Membership, lead.account_id, key[0]), fact.level_id
    if fact.membership_id and membership.kartra_id != fact.membership_id:
        membership.kartra_id = fact.membership_id
        membership.save(update_fields=["kartra_id"])
    return MembershipLevel.objects.get_or_create(membership=membership, name=key[1], defaults={"kartra_id": kartra_id})[
        0
    ]
