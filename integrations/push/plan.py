"""What travels together: the due changes of one lead, folded over the mirror in their order.

Which changes are due is left to `due_changes`, whose lead it is just now to `claim` and `lease`.
"""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from integrations.models import ApiCall, Connection
from integrations.translate import Composed, Receipt, can_join, compose
from leads import kinds, transitions
from leads.changes import conflicts
from leads.models import Lead, LeadChange, Reason


@dataclass(frozen=True)
class CallPlan:
    """One claimed call: the lead's changes in the order in which they are sent, one action each."""

    call: ApiCall
    lead: Lead
    changes: tuple[LeadChange, ...]
    receipt: Receipt | None = None

    def request(self) -> Composed:
        """The call as it is said to Kartra."""
        return compose(self.lead, self.changes, self.receipt)

    @property
    def log_ids(self) -> dict[str, object]:
        """What lines of the log about it carry."""
        return {
            "call_id": self.call.pk,
            "connection_id": self.call.connection_id,
            "lead_id": self.lead.pk,
            "change_ids": [change.pk for change in self.changes],
        }

    @property
    def single(self) -> bool:
        """Whether a person waits for it: some change of it belongs to no run."""
        return any(change.run_id is None for change in self.changes)


def changes_already_so(connection: Connection, by_lead: dict[int, list[LeadChange]]) -> dict[int, bool]:
    """For each change: whether it would change nothing, by the mirror. One query for all that ask for the same."""
    wanted: dict[tuple[str, str], list[LeadChange]] = defaultdict(list)
    for change in (change for group in by_lead.values() for change in group):
        wanted[change.kind, json.dumps(change.parameters, sort_keys=True)].append(change)
    leads = Lead.objects.filter(account=connection.account_id, pk__in=by_lead)
    so: dict[int, bool] = {}
    for group in wanted.values():
        already = kinds.get_kind(group[0].kind).already_so_q
        asked = already(connection.account, group[0].parameters) if already else Q(pk__in=[])
        known = set(leads.filter(asked).values_list("pk", flat=True))
        so.update({change.pk: change.lead_id in known for change in group})
    return so


def build_chain(
    lead: Lead, due: Iterable[LeadChange], so: dict[int, bool]
) -> tuple[list[LeadChange], list[LeadChange]]:
    """The changes of one lead that travel together, in order, and those with nothing to do. The same asked for twice waits
    for the first to be settled. An edit of a field that somebody changed in Kartra meanwhile is left to a person, and
    holds back what follows of its family."""
    chain: list[LeadChange] = []
    idle: list[LeadChange] = []
    last_of_family: dict[str, LeadChange] = {}
    held: set[str] = set()
    for change in due:
        if change.family in held:
            continue
        if change.baseline and (fields := conflicts.conflicts_of(lead, change, chain)):
            conflicts.hold(lead, change, fields)
            held.add(change.family)
            continue
        last = last_of_family.get(change.family)
        adds_up = kinds.get_kind(change.kind).already_so_q is None
        asked_for = not adds_up and not change.force
        if asked_for and last is None and so[change.pk] and change.copy_is_fresh(lead):
            idle.append(change)
            continue
        if asked_for and last is not None and (last.kind, last.parameters) == (change.kind, change.parameters):
            held.add(
                change.family
            )  # whether it is needless is known when the one before is settled: it may come to nothing
            continue
        if not can_join(lead, chain, change):
            break
        chain.append(change)
        last_of_family[change.family] = change
        if kinds.get_kind(change.kind).money:
            break
    return chain, idle


def skip_needless(idle: Sequence[LeadChange], at: dt.datetime) -> None:
    if not idle:
        return
    transitions.skip(LeadChange.objects.filter(pk__in=[change.pk for change in idle]), Reason.ALREADY_SO, at)
    for run_id in {change.run_id for change in idle if change.run_id}:
        transitions.finish_run_if_over(run_id)
