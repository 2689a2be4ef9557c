"""Waiting for a bulk action on the command line: sent and verified from here until it is over, and whether it went well.

What became of it is printed by the command.
"""

import time

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.db.models import Q

from integrations import push
from integrations.models import Connection
from integrations.push import due_changes, verify
from integrations.push.settle import remedy
from integrations.sending import switch
from leads.labels import STATUS_WORDS
from leads.lock_conflicts import met_another, passes, wait_a_little
from leads.models import BulkRun, ChangeStatus, LeadChange, Reason


def wait_for_run(command: BaseCommand, run: BulkRun, connection: Connection) -> None:
    """Push and verify from here until the run is over, or until nothing more can be sent."""
    shown = 0.0
    while not run.has_ended:
        drained = _send_and_look(connection)
        run.refresh_from_db()
        connection.refresh_from_db()
        if command.stderr.isatty() and time.monotonic() - shown > 1:
            shown = time.monotonic()
            counts = run.counts()
            command.stderr.write(f"  {', '.join(f'{n:,} {STATUS_WORDS[s]}' for s, n in counts.items() if n)}")
        if run.has_ended or (not connection.sends and not run.changes.filter(status="sending").exists()):
            break
        if not drained.sent and not run.has_ended and _stalled(run):
            break
        if connection.failures >= 3 and switch.why_not_sending(connection):
            break
        time.sleep(0.2)


def _send_and_look(connection: Connection) -> push.Drained:
    """Send and look once. Workers may be at the same leads: what met them goes on in the next round."""
    drained = push.Drained(more=True)
    try:
        drained = push.drain(connection, until_s=2.0)
        verify.drain(connection, until_s=2.0)
    except DatabaseError as error:
        if not passes(error):
            raise
        if not met_another(error):
            raise CommandError(
                "The database does not answer. What was asked for stays queued and goes on with the workers."
            ) from error
        drained.sent += 1
        wait_a_little(1)
    return drained


def _stalled(run: BulkRun) -> bool:
    """Whether nothing of the run can be sent and nothing that it waits for is on its way."""
    waiting = run.changes.filter(status=ChangeStatus.WAITING)
    on_their_way = LeadChange.objects.filter(
        lead__in=waiting.values("lead"), status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
    )
    in_run = run.changes.filter(status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN])
    refused = due_changes.refused_kinds(Connection.objects.get(account=run.account_id))
    sendable = run.changes.due().exclude(kind__in=refused)
    return not (on_their_way.exists() or in_run.exists() or sendable.exists())


def has_failed(run: BulkRun) -> bool:
    """Whether anything is neither done, overtaken nor needless; a lead that is deleted in Kartra counts as a failure."""
    settled_well = Q(status__in=[ChangeStatus.ACCEPTED, ChangeStatus.SUPERSEDED]) | (
        Q(status=ChangeStatus.SKIPPED) & ~Q(reason=Reason.GONE)
    )
    return run.changes.exclude(settled_well).exists()


def complaint_of(run: BulkRun, connection: Connection) -> str:
    """The first thing that went wrong, as one sentence with what to do."""
    bad = Q(status__in=[ChangeStatus.REJECTED, ChangeStatus.UNDECIDED]) | Q(reason=Reason.GONE)
    rejected = run.changes.filter(bad).select_related("lead").first()
    if rejected is not None:
        lead = rejected.lead.kartra_id or f"no. {rejected.lead_id} of our copy"
        if rejected.reason == Reason.GONE:
            return f"Lead {lead} is deleted in Kartra. Nothing more is sent for it; bring it back in Kartra first."
        return f"Lead {lead}: {STATUS_WORDS[rejected.status]}: {rejected.words.rstrip('.')}. {remedy(rejected.code)}".strip()
    return (
        switch.why_not_sending(connection)
        or switch.why_commands_wait(connection)
        or "Not everything is done: an earlier change of these leads is not settled yet; see the bulk action."
    )
