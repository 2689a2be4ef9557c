"""Which changes may be sent just now, and of which leads. Which of them travel together is left to `plan`."""

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.clock import now
from integrations.models import ApiCall, Attempt, Connection
from integrations.translate import WIRE_FORMATS
from leads.models import BulkRun, ChangeStatus, LeadChange, RunState, holding_back
from leads.models.change import no_row

NEEDS_RECEIPT = frozenset(kind for kind, encoding in WIRE_FORMATS.items() if encoding.bears_receipt)
"""Kinds that a receipt in Kartra can prove: those that must not be told twice and are about the lead itself."""


def sendable_changes(connection: Connection) -> QuerySet[LeadChange]:
    """Changes that may be sent just now: due, of a lead that no call holds, provable, and by a command that Kartra allows."""
    in_flight = ApiCall.objects.in_flight().filter(lead=OuterRef("lead"))
    due = LeadChange.objects.filter(account=connection.account_id).due().filter(~Exists(in_flight))
    unproven = Attempt.objects.unclear().exclude(call__receipt="").filter(change__lead=OuterRef("lead"))
    stuck = (
        Q(kind__in=NEEDS_RECEIPT) & Exists(unproven.filter(change__kind__in=NEEDS_RECEIPT))
        | LeadChange.objects.resting(now())
        | Q(kind__in=refused_kinds(connection))
    )
    earlier = holding_back().filter(stuck, status=ChangeStatus.WAITING)
    return due.exclude(stuck).filter(no_row(earlier))


def refused_kinds(connection: Connection) -> list[str]:
    """Kinds of change that this app may not send just now: Kartra refuses a command of theirs."""
    refused = set(connection.refused_commands)
    return [kind for kind, encoding in WIRE_FORMATS.items() if encoding.commands & refused]


def due_leads(connection: Connection, limit: int, only_singles: bool, without: Sequence[int]) -> list[int]:
    due = sendable_changes(connection).exclude(lead__in=without)
    lead_ids = _first_leads(due.filter(run=None), limit)
    if len(lead_ids) < limit and not only_singles:
        # Run by run, the oldest first: to one that stands still nothing is looked at, however many wait in it.
        for run_id in running_runs(connection):
            of_run = due.filter(run=run_id).exclude(lead__in=lead_ids)
            lead_ids += _first_leads(of_run, limit - len(lead_ids))
            if len(lead_ids) >= limit:
                break
    return lead_ids


def running_runs(connection: Connection) -> list[int]:
    """The bulk actions of which changes may be sent, the oldest first."""
    runs = BulkRun.objects.filter(account=connection.account_id, state=RunState.RUNNING)
    return list(runs.order_by("pk").values_list("pk", flat=True))


def _first_leads(due: QuerySet[LeadChange], limit: int) -> list[int]:
    """The leads of the first due changes, in that order. Some rows are of the same lead, so a few more are read."""
    rows = due.order_by("pk").values_list("lead_id", flat=True)[: limit * 2]
    return list(dict.fromkeys(rows))[:limit]
