"""A database that was restored from a backup, or copied to another machine: what it thinks is queued may have been sent.

Found by the count of calls (`integrations.sending.call_counter`). Sending stops; when a person switches it on again, every change that
was open then is looked at in Kartra before anything is sent.
"""

from collections import defaultdict

from django.db import transaction
from django.utils.translation import ngettext

from integrations import clock
from integrations.kartra.words import Trouble
from integrations.models import (
    ApiCall,
    Attempt,
    CallOutcome,
    Cause,
    Connection,
    Proof,
    Seen,
    StopCause,
    StopRemark,
    sighting,
)
from integrations.sending import call_counter
from integrations.sending.call_counter import RestoreCheck
from leads import transitions
from leads.erasure import forget
from leads.models import ChangeRemark, ChangeStatus, LeadChange
from leads.models.remarks import remark, words_of_code

BATCH = 2_000

WHY = {
    RestoreCheck.RESTORED: StopRemark.DATABASE_RESTORED,
    RestoreCheck.COPIED: StopRemark.DATABASE_COPIED,
}


def not_here() -> str:
    """Why nothing is read or sent from here until a person decides; empty when all is well."""
    return words_of_code(Trouble.NOT_HERE) if call_counter.is_copy() else ""


def stay_here() -> str:
    """A person says that the installation is here now. What was open on any connection is looked at before anything is
    sent, because it may have been sent from elsewhere. What was done, in words."""
    done = [doubt_open_changes(connection) for connection in Connection.objects.select_related("account").with_stops()]
    for connection in Connection.objects.all():
        call_counter.agree(connection)
    call_counter.stay_here()
    return " ".join(filter(None, done))


def doubt_open_changes(connection: Connection) -> str:
    """Make every change that was open when this was found out unclear, to be looked at first. What was done, in words."""
    stop, at = connection.standing_stop, clock.now()
    forget.apply_again(connection.account)
    open_changes = LeadChange.objects.filter(
        account=connection.account_id,
        status__in=[ChangeStatus.WAITING, ChangeStatus.SENDING],
        requested_at__lte=stop.began_at if stop and stop.stopped_by == StopCause.RESTORED else at,
    )
    doubted = 0
    while True:
        with transaction.atomic():
            batch = list(open_changes.order_by("pk")[:BATCH])
            if not batch:
                break
            _close_calls(batch)
            by_lead = defaultdict(list)
            for change in batch:
                by_lead[change.lead_id].append(change)
            calls = ApiCall.objects.bulk_create(
                ApiCall(
                    connection=connection,
                    lead_id=lead_id,
                    cause=Cause.PUSH,
                    writes=True,
                    claimed_at=at,
                    lease_until=at,
                    sent_at=at,
                    finished_at=at,
                    outcome=CallOutcome.LOST,
                    commands="",
                    remark=remark(ChangeRemark.SENT_AFTER_SAVE),
                )
                for lead_id in by_lead
            )
            Attempt.objects.bulk_create(
                Attempt(
                    change=change,
                    call=call,
                    position=position,
                    command="",
                    proof=Proof.UNCLEAR,
                    verify_at=at,
                    evidence=[sighting(at, Seen.RESTORED)],
                )
                for call, changes in zip(calls, by_lead.values(), strict=True)
                for position, change in enumerate(changes)
            )
            doubted += transitions.doubt(
                LeadChange.objects.filter(pk__in=[change.pk for change in batch]),
                remark(ChangeRemark.SENT_BEFORE_RESTORE),
            )
    words = ngettext(
        "We check %(number)s open change in Kartra before anything is sent.",
        "We check %(number)s open changes in Kartra before anything is sent.",
        doubted,
    )
    return words % {"number": f"{doubted:,}"} if doubted else ""


def _close_calls(batch: list[LeadChange]) -> None:
    """Calls that were under way when the database was saved: their changes are looked at like all others."""
    sending = [change.pk for change in batch if change.status == ChangeStatus.SENDING]
    if not sending:
        return
    calls = ApiCall.objects.in_flight().filter(attempts__change__in=sending)
    Attempt.objects.filter(call__in=calls.values("pk"), proof=Proof.OPEN).update(proof=Proof.NOT_DONE)
    ApiCall.objects.filter(pk__in=list(calls.values_list("pk", flat=True))).update(
        finished_at=clock.now(), outcome=CallOutcome.LOST
    )
