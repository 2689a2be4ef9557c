"""Reads that told nothing new, of many leads at once: that they were read is noted in one statement. What is otherwise in any way is
left to `leads.apply_facts`, one lead at a time.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from leads.bulk_sql import update_each
from leads.mirror.facts import LeadFacts, MembershipFact
from leads.mirror.leads import OF_OUR_COPY, set_fields
from leads.mirror.relations import LEFT, names_of_level
from leads.models import (
    Account,
    Lead,
    LeadEmail,
    LeadTag,
    ListSubscription,
    MembershipGrant,
    SequenceEnrollment,
    normal_email,
)

Reads = Mapping[int, tuple[LeadFacts, dt.datetime]]
"""By lead: what a `get_lead` told, and when it began."""


@dataclass
class _Ties:
    """What one lead is joined to in our copy."""

    tags: set[str] = field(default_factory=set)
    lists: dict[str, bool] = field(default_factory=dict)
    sequences: dict[str, tuple[str, str]] = field(default_factory=dict)
    levels: dict[tuple[str, str], bool] = field(default_factory=dict)

    def are(self, facts: LeadFacts) -> bool:
        """Whether `all_relations` would change nothing."""
        return (
            (facts.tags is None or facts.tags == self.tags)
            and (facts.lists is None or self._are_lists(facts.lists))
            and (facts.sequences is None or self._are_sequences(facts.sequences))
            and (facts.memberships is None or self._are_levels(facts.memberships))
        )

    def _are_lists(self, told: Mapping[str, bool]) -> bool:
        return told.keys() <= self.lists.keys() and all(
            told.get(name, False) == active for name, active in self.lists.items()
        )

    def _are_sequences(self, told: Mapping[str, tuple[str, str]]) -> bool:
        """Of a sequence that was left, a read need not tell."""
        return all(self.sequences.get(name) == place for name, place in told.items()) and all(
            name in told or status.lower() == LEFT for name, (_, status) in self.sequences.items()
        )

    def _are_levels(self, told: Collection[MembershipFact]) -> bool:
        names = [names_of_level(fact) for fact in told]
        return (
            len(set(names)) == len(names)
            and all(self.levels.get(key) == fact.active for key, fact in zip(names, told, strict=True))
            and all(key in names or not active for key, active in self.levels.items())
        )


def note_unchanged(account: Account, reads: Reads) -> set[int]:
    """Note that these leads, known by Kartra's id, were read, where that is all there is to note: which they are. Within a
    transaction that holds the leads."""
    leads = Lead.objects.filter(account=account).in_bulk(list(reads))
    ties = _ties(leads)
    standing = set(LeadEmail.objects.filter(lead__in=leads, until=None).values_list("lead_id", "email_key"))
    keys = {normal_email(facts.email) for facts, _ in reads.values()} - {""}
    twins = Lead.objects.filter(account=account, kartra_id=None, email_key__in=keys).order_by()
    by_address_alone = set(twins.values_list("email_key", flat=True))
    rows: list[tuple[Any, ...]] = []
    for pk, lead in leads.items():
        facts, began_at = reads[pk]
        if normal_email(facts.email) in by_address_alone or (lead.email_key and (pk, lead.email_key) not in standing):
            continue
        if _is_as_told(lead, facts, began_at) and ties[pk].are(facts):
            said_at, dirty_at = (
                None if at is not None and at <= began_at else at for at in (lead.said_deleted_at, lead.dirty_at)
            )
            rows.append((pk, began_at, None, said_at, dirty_at))
    update_each(Lead, ["id"], ["read_at", "read_not_before", "said_deleted_at", "dirty_at"], rows)
    return {row[0] for row in rows}


def _is_as_told(lead: Lead, facts: LeadFacts, began_at: dt.datetime) -> bool:
    """Whether the lead was read before, is not marked, and its columns hold what was told."""
    if lead.read_at is None or lead.read_at > began_at or lead.gone_at or lead.absent_at:
        return False
    if not lead.kartra_id or lead.kartra_id != facts.kartra_id:
        return False
    before = dict(lead.__dict__)
    if set_fields(lead, facts):
        return False
    return all(before.get(name) == value for name, value in lead.__dict__.items() if name not in OF_OUR_COPY)


def _ties(leads: Collection[int]) -> dict[int, _Ties]:
    """What these leads are joined to, a query for each kind of tie."""
    found: dict[int, _Ties] = defaultdict(_Ties)
    for pk, tag in LeadTag.objects.filter(lead__in=leads).values_list("lead_id", "tag__name"):
        found[pk].tags.add(tag)
    lists = ListSubscription.objects.filter(lead__in=leads)
    for pk, name, active in lists.values_list("lead_id", "mailing_list__name", "active"):
        found[pk].lists[name] = active
    sequences = SequenceEnrollment.objects.filter(lead__in=leads)
    for pk, name, step, status in sequences.values_list("lead_id", "sequence__name", "step", "status"):
        found[pk].sequences[name] = (step, status)
    grants = MembershipGrant.objects.filter(lead__in=leads)
    for pk, membership, level, active in grants.values_list(
        "lead_id", "level__membership__name", "level__name", "active"
    ):
        found[pk].levels[membership, level] = active
    return found
