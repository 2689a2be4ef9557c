"""All that a lead is joined to, as a read or an export tells it at once: made so, or only compared.

One tie at a time, as a message or a confirmed change tells it, is `relations`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leads.mirror.catalogue import get_or_create_named
from leads.mirror.facts import Difference, LeadFacts, MembershipFact
from leads.mirror.relations import LEFT, get_or_create_level, names_of_level
from leads.models import (
    ActivityRemark,
    Lead,
    LeadTag,
    ListSubscription,
    MailingList,
    MembershipGrant,
    Sequence as KartraSequence,
    SequenceEnrollment,
    Source,
    Tag,
)
from leads.models.remarks import remark


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
        row.since, row.source, row.after = self.at, self.source, self.after
        row.change = row.activity = None
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
        was = _place(row.step, row.status) if name in had else None
        differences.append(Difference(f"sequence {name}", was, _place(step, status)))
        provenance.save(provenance.on(row, step=step, status=status))
    for name in sorted(set(had) - set(told)):
        if had[name].status.lower() == LEFT:
            continue  # of a sequence that was left, a read need not tell
        differences.append(Difference(f"sequence {name}", _place(had[name].step, had[name].status), None))
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
        key = names_of_level(fact)
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
            row = row or MembershipGrant(lead=lead, level=get_or_create_level(lead, key, facts[key]))
            provenance.save(provenance.on(row, active=active))
    return differences


def _place(step: str, status: str) -> dict[str, str]:
    return remark(ActivityRemark.STEP, step=step, status=status)
