"""What is known of each family of a call before it leaves, kept with its attempts: {"state": …, "read_at": ISO time}. The judge
compares it with what a read shows afterwards. A state that nobody knows is left out. Asked in sets, for many calls at once.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from integrations.clock import now
from integrations.push.proof.evidence import judged_with
from integrations.translate import NOT_TOLD, WIRE_FORMATS, State, creates
from integrations.translate.lists import LEFT, NEVER, ON
from leads.changes.conflicts import value_now
from leads.models import Lead, LeadChange, LeadTag, ListSubscription, SequenceEnrollment

FRESH = dt.timedelta(minutes=15)
"""A score or a step that was read longer ago proves nothing: it may have changed in Kartra since."""

Planned = Sequence[tuple[Lead, Sequence[LeadChange]]]


def family_of(change: LeadChange) -> str:
    """What is judged together."""
    return judged_with(change.family, change.parameters)


def knows_score(lead: Lead) -> bool:
    """Whether our copy of the score is fresh enough to tell by it afterwards whether points were given."""
    return lead.score is not None and knows_step(lead)


def knows_step(lead: Lead) -> bool:
    """Whether our copy is fresh enough to tell by a sequence's step afterwards whether the lead was put there."""
    return lead.read_at is not None and now() - lead.read_at < FRESH


def states_before(planned: Planned) -> dict[int, dict[str, Any]]:
    """By change: what is known of its family."""
    copy = _Copy([change for _, changes in planned for change in changes])
    known: dict[int, dict[str, Any]] = {}
    for lead, changes in planned:
        new = creates(lead, changes)
        for change in changes:
            witness = WIRE_FORMATS[change.kind].witness
            if witness is None:
                continue
            if new:
                known[change.pk] = {"state": witness.nothing(change.parameters), "new": True}
                continue
            state = copy.state(lead, change)
            if state is not NOT_TOLD:
                assert lead.read_at is not None
                known[change.pk] = {"state": state, "read_at": lead.read_at.isoformat()}
    return known


class _Copy:
    """Our copy of what the changes are about, three queries for all of them."""

    def __init__(self, changes: Iterable[LeadChange]) -> None:
        by_noun: dict[str, set[int]] = {}
        for change in changes:
            by_noun.setdefault(change.family.partition(":")[0], set()).add(change.lead_id)
        self.tags = set(
            LeadTag.objects.filter(lead__in=by_noun["tag"]).values_list("lead", "tag__name") if "tag" in by_noun else ()
        )
        self.lists = {
            (lead, name): active
            for lead, name, active in (
                ListSubscription.objects.filter(lead__in=by_noun["list"]).values_list(
                    "lead", "mailing_list__name", "active"
                )
                if "list" in by_noun
                else ()
            )
        }
        self.sequences = {
            (lead, name): [step, status.lower()]
            for lead, name, step, status in (
                SequenceEnrollment.objects.filter(lead__in=by_noun["sequence"]).values_list(
                    "lead", "sequence__name", "step", "status"
                )
                if "sequence" in by_noun
                else ()
            )
        }

    def state(self, lead: Lead, change: LeadChange) -> State:
        noun, _, name = change.family.partition(":")
        if noun == "points":
            return lead.score if knows_score(lead) else NOT_TOLD
        if lead.read_at is None:
            return NOT_TOLD
        if noun == "tag":
            return (lead.pk, name) in self.tags
        if noun == "list":
            active = self.lists.get((lead.pk, name))
            return NEVER if active is None else ON if active else LEFT
        if noun == "sequence":
            return self.sequences.get((lead.pk, name))
        if noun == "profile":
            return {field: value_now(lead, field) for field in change.parameters}
        return NOT_TOLD
