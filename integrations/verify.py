"""Unknown → proven: looks at the lead in Kartra until it is known whether a change was done, or a person must decide.

A read that fails is no evidence and does not count. Nothing is ever sent from here.
"""

import datetime as dt
import time
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from integrations import refresh
from integrations.calls import Priority
from integrations.kartra.errors import CredentialsRefused, KartraError
from integrations.models import Attempt, Cause, Connection, Outcome, Proof
from integrations.refresh import Asked
from integrations.settle import Verdict, apply_verdict, settle_times
from integrations.translate import ENCODINGS
from integrations.translate.profile import facts_of
from leads import changes
from leads.models import ChangeStatus, Lead, LeadChange, Reason

MOST_NOT_DONE = 2
"""Tries in a row without an answer that were proven not done: something refuses this call each time."""


def drain(connection: Connection, *, until_s: float = 8.0, now: dt.datetime | None = None) -> int:
    """Look at every lead with an unclear change that is due by `now`. How many leads were looked at."""
    ends = time.monotonic() + until_s
    looked = 0
    while time.monotonic() < ends:
        at = now or timezone.now()
        attempts = (
            Attempt.objects.unclear()
            .filter(call__connection=connection, verify_at__lte=at)
            .order_by("verify_at")
            .values_list("change__lead", flat=True)[:50]
        )
        leads = list(Lead.objects.filter(pk__in=set(attempts)).select_related("account"))
        if not leads:
            break
        for lead in leads:
            if time.monotonic() >= ends or not _look(connection, lead, at):
                return looked
            looked += 1
    return looked


def _look(connection: Connection, lead: Lead, at: dt.datetime) -> bool:
    """Read one lead and judge its unclear changes by what was read. False when Kartra cannot be asked now."""
    try:
        asked = refresh.ask(
            connection, kartra_id=lead.kartra_id or "", email=lead.email, cause=Cause.VERIFY, priority=Priority.VERIFY,
            lead=lead,
        )  # fmt: skip
    except KartraError as error:
        _look_again_later(connection, lead, at, error)
        return False
    with transaction.atomic():
        attempts = list(
            Attempt.objects.unclear()
            .filter(change__lead=lead, verify_at__lte=at)
            .select_related("change__lead__account", "call")
            .select_for_update(of=("self",))
            .order_by("pk")
        )
        for attempt in attempts:
            _judge(attempt, lead, asked, at)
    refresh.apply_answer(connection, lead, asked)
    for run_id in {attempt.change.run_id for attempt in attempts if attempt.change.run_id}:
        changes.close_cancelled_members(run_id)
        changes.finish_if_over(run_id)
    return True


def _look_again_later(connection: Connection, lead: Lead, at: dt.datetime, error: KartraError) -> None:
    wait_s = min(settle_times()[0], 10.0)
    if isinstance(error, CredentialsRefused):
        wait_s = 60.0
    later = timezone.now() + dt.timedelta(seconds=wait_s)
    Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at).update(verify_at=later)


def _judge(attempt: Attempt, lead: Lead, asked: Asked, at: dt.datetime) -> None:
    change = attempt.change
    attempt.looks += 1
    verdict, what = _verdict(attempt, change, lead, asked)
    apply_verdict(change, attempt, verdict, at, said={"what": what, "read_at": asked.began_at.isoformat()})


def _verdict(attempt: Attempt, change: LeadChange, lead: Lead, asked: Asked) -> tuple[Verdict, str]:
    if asked.gone is not None:
        gone = Verdict(ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, attempt.code, change.message, gone=asked.gone)
        return gone, "the lead is deleted"
    if asked.profile is None:
        message = change.message or "Kartra finds no lead of this address"
        return Verdict(ChangeStatus.REJECTED, Proof.REFUSED, "", attempt.code or "243", message), "no such lead"
    facts = facts_of(asked.profile, lead.account, authority=True)
    done = ENCODINGS[change.kind].done(change.parameters, facts)
    if done is None:
        return _cannot_tell(attempt, change), "the read does not show it"
    if done:
        message = "Seen done in Kartra afterwards."
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, message=message), "seen done"
    return _not_done(attempt, change), "seen not done"


def _not_done(attempt: Attempt, change: LeadChange) -> Verdict:
    """Proven not done: send it again; after two in a row without an answer a person decides."""
    if attempt.call.outcome == Outcome.UNKNOWN:
        change.not_done += 1
    if change.not_done >= MOST_NOT_DONE:
        return Verdict(
            ChangeStatus.UNDECIDED, Proof.NOT_DONE, Reason.FIREWALL, message=attempt.message or change.message
        )
    return Verdict(
        ChangeStatus.WAITING, Proof.NOT_DONE, message="Seen not done in Kartra; sent again.", alone=change.alone
    )


def _cannot_tell(attempt: Attempt, change: LeadChange) -> Verdict:
    times: Sequence[float] = settle_times()
    if attempt.looks >= len(times):
        return Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.OUTCOME, attempt.code, change.message)
    return Verdict(
        ChangeStatus.UNKNOWN, Proof.UNCLEAR, code=attempt.code, message=change.message, look_in_s=times[attempt.looks]
    )
