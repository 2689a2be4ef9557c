"""How Kartra and our copy differ, lead by lead. Reads Kartra, writes nothing into the mirror."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.kartra.errors import KartraError, Rejected
from integrations.models import Cause, Connection
from integrations.read.lead_answer import facts_of_answer
from integrations.read.lead_lookup import Asked
from integrations.read.lead_lookup_bulk import FATAL, ask_many
from integrations.sending.calls import Priority
from leads import mirror
from leads.mirror import Difference
from leads.models import Lead

BATCH = 200


@dataclass
class Comparison:
    """What was compared. `differing` holds of each lead that differs its id (else address) and the differences; `unread`
    are those that Kartra could not be asked about, and `problem` why."""

    compared: int = 0
    differing: list[tuple[str, list[Difference]]] = field(default_factory=list)
    unread: int = 0
    problem: KartraError | None = None

    @property
    def differences(self) -> int:
        return sum(len(each) for _, each in self.differing)

    def as_facts(self) -> dict[str, Any]:
        return {
            "compared": self.compared,
            "differences": self.differences,
            "not_compared": self.unread,
            "leads": [
                {"lead": named, "differences": [each.as_details() for each in differences]}
                for named, differences in self.differing
            ],
        }


def compare_all(connection: Connection, *, on_read: Callable[[int], None] | None = None) -> Comparison:
    """Compare every lead that we know, those marked as deleted too. Ends early when Kartra cannot be asked."""
    total = Comparison()
    last = 0
    while True:
        leads = list(Lead.objects.filter(account=connection.account_id, pk__gt=last).order_by("pk")[:BATCH])
        if not leads or total.problem is not None:
            return total
        last = leads[-1].pk
        _compare(connection, leads, total)
        if on_read:
            on_read(total.compared)


def _compare(connection: Connection, leads: Sequence[Lead], total: Comparison) -> None:
    """Compare these; those that got no answer are asked about again, as long as others get one."""
    left = list(leads)
    while left:
        unanswered: list[Lead] = []
        failed: KartraError | None = None
        asked = ask_many(connection, left, cause=Cause.PULL, priority=Priority.PERSON)
        for lead, answer in itertools.chain.from_iterable(asked):
            if isinstance(answer, Asked):
                total.compared += 1
                if differences := differences_of(connection, lead, answer):
                    total.differing.append((lead.kartra_id or lead.email, differences))
            elif isinstance(answer, Rejected) and not isinstance(answer, FATAL):
                total.unread += 1
            else:
                unanswered.append(lead)
                failed = answer or failed
        if len(unanswered) == len(left):
            total.unread += len(unanswered)
            if len(left) == len(leads) or isinstance(failed, FATAL):
                total.problem = failed
            return
        left = unanswered


def differences_of(connection: Connection, lead: Lead | None, asked: Asked) -> list[Difference]:
    """How our copy of one lead differs from Kartra's answer; a lead new to us is one difference."""
    if asked.profile is not None:
        return mirror.compare(lead, facts_of_answer(connection, lead, asked.profile))
    if asked.gone is not None:
        return [] if lead is None or lead.gone_at else [Difference("deleted", False, True)]
    if lead is None or lead.absent_at is not None:
        return []
    return [Difference("email", lead.email, "(Kartra has no lead of this address)")]
