"""Unknown → proven: looks at the lead in Kartra until it is known whether a change was done, or a person must decide.

A read that fails is no evidence and does not count. Nothing is ever sent from here.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from integrations import money, receipts, refresh
from integrations.calls import Priority
from integrations.kartra.errors import CredentialsRefused, KartraError
from integrations.models import Attempt, Cause, Connection, Outcome, Proof, StoppedBy
from integrations.refresh import Asked
from integrations.settle import Verdict, apply_verdict, settle_times
from integrations.translate import ENCODINGS, Look
from integrations.translate.profile import facts_of
from leads import kinds, mirror, runs
from leads.models import OPEN, Activity, CalendarEnrollment, ChangeStatus, Lead, LeadChange, Reason, Source

MOST_NOT_DONE = 2
"""Tries in a row without an answer that were proven not done: something refuses this call each time."""


EXISTS = "244"
NOT_DONE = gettext_noop("seen not done")
NO_FIELD = gettext_noop("the field is missing")


def drain(
    connection: Connection,
    *,
    until_s: float = 8.0,
    now: dt.datetime | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Look at every lead with an unclear change that is due by `now`. How many leads were looked at.

    While Kartra does not answer, or refuses our keys, nothing is looked at: a read that fails is no evidence.
    """
    if connection.stopped_by in (StoppedBy.OUTAGE, StoppedBy.CREDENTIALS):
        return 0
    ends = time.monotonic() + until_s
    looked = 0
    while time.monotonic() < ends and not stop():
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
            if time.monotonic() >= ends or stop() or not _look(connection, lead, at):
                return looked
            looked += 1
    return looked


def _look(connection: Connection, lead: Lead, at: dt.datetime) -> bool:
    """Look at one lead's unclear changes, each where it shows. False when Kartra cannot be asked now."""
    due = Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at)
    kinds_due = set(due.values_list("change__kind", flat=True))
    looks = {ENCODINGS[kind].look for kind in kinds_due}
    try:
        if Look.GUARD in looks:
            _judge_all(
                lead,
                at,
                {Look.GUARD},
                _sent_again,
                gettext_noop("Kartra refuses a second try of what was done"),
            )
        for look in (Look.SUBSCRIPTION, Look.TRANSACTIONS):
            if look in looks:
                _look_at_money(connection, lead, at, look)
        if looks & {Look.LEAD, Look.MESSAGE}:
            _look_at_lead(connection, lead, at)
    except KartraError as error:
        _look_again_later(connection, lead, at, error)
        return False
    return True


def _look_at_lead(connection: Connection, lead: Lead, at: dt.datetime) -> None:
    """Read the lead and judge by what was read."""
    asked = refresh.ask(
        connection, kartra_id=lead.kartra_id or "", email=lead.email, cause=Cause.VERIFY, priority=Priority.VERIFY,
        lead=lead,
    )  # fmt: skip
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        attempts = _due_attempts(lead, at, {Look.LEAD, Look.MESSAGE})
        if asked.profile is not None and not lead.kartra_id and asked.profile.id:
            lead = mirror.adopt(lead, asked.profile.id, at)
        for attempt in attempts:
            attempt.change.lead = lead
            attempt.looks += 1
            verdict, what = _verdict(attempt, attempt.change, lead, asked)
            seen = _seen(attempt, asked)
            apply_verdict(
                attempt.change, attempt, verdict, at,
                said={"what": what, "read_at": asked.began_at.isoformat(), **seen},
            )  # fmt: skip
            if seen.get("receipt") == NO_FIELD:
                receipts.distrust(connection)
    refresh.apply_answer(connection, lead, asked)
    _end_runs(attempts)


def _look_at_money(connection: Connection, lead: Lead, at: dt.datetime, look: Look) -> None:
    """Read the payment plan or the buyer's new transactions, for each unclear change of money."""
    for attempt in _due_attempts(lead, at, {look}, lock=False):
        change, began_at = attempt.change, timezone.now()
        seen: Any
        if look is Look.SUBSCRIPTION:
            seen = money.plan_details(
                connection, change.parameters["subscription"], cause=Cause.VERIFY, priority=Priority.VERIFY, lead=lead
            )
        else:
            known = attempt.before.get("transactions")
            seen = None
            if known is not None:
                seen = money.new_since(connection, lead, known, cause=Cause.VERIFY, priority=Priority.VERIFY)
        with transaction.atomic():
            mirror.lock_leads([lead.pk])
            for fresh in _due_attempts(lead, at, {look}):
                if fresh.pk == attempt.pk:
                    fresh.looks += 1
                    done = None if seen is None else ENCODINGS[change.kind].done(change.parameters, seen, fresh.before)
                    verdict, what = _money_verdict(fresh, fresh.change, done)
                    _write(fresh, verdict, at, what, began_at)
        if verdict.status == ChangeStatus.ACCEPTED:
            money.read_after(connection, lead)
    _end_runs([attempt])


def _money_verdict(attempt: Attempt, change: LeadChange, done: bool | None) -> tuple[Verdict, str]:
    """Done is done. A cancellation that is seen not done is sent again (Kartra refuses a second one); whatever else costs
    or moves money is left to a person, never repeated by machine."""
    if done:
        words = _("Seen done in Kartra afterwards.")
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, message=words), gettext_noop("seen done")
    if done is False and change.kind == "cancel_subscription":
        return _not_done(attempt, change), NOT_DONE
    if done is False:
        held = Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.OUTCOME, attempt.code, change.message)
        return held, gettext_noop("not seen done")
    return _cannot_tell(attempt, change), gettext_noop("not seen yet")


def _due_attempts(lead: Lead, at: dt.datetime, looks: set[Look], *, lock: bool = True) -> list[Attempt]:
    kinds_of = [kind for kind, encoding in ENCODINGS.items() if encoding.look in looks]
    rows = (
        Attempt.objects.unclear()
        .filter(change__lead=lead, verify_at__lte=at, change__kind__in=kinds_of)
        .select_related("change__lead__account", "call")
        .order_by("pk")
    )
    return list(rows.select_for_update(of=("self",)) if lock else rows)


def _sent_again(attempt: Attempt) -> Verdict:
    """A cancelled booking is asked for again: Kartra refuses what was done. Not where the person has several bookings of
    that class: a second try could cancel another."""
    change = attempt.change
    standing = CalendarEnrollment.objects.filter(
        lead=change.lead_id, status=mirror.BOOKED, calendar_class__name=change.parameters["class"],
        calendar_class__calendar__name=change.parameters["calendar"],
    )  # fmt: skip
    if standing.count() > 1:
        words = _("This person has several bookings of the class; a second try could cancel another one.")
        return Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.OUTCOME, attempt.code, words)
    return _not_done(attempt, change)


def _judge_all(lead: Lead, at: dt.datetime, looks: set[Look], judge: Callable[[Attempt], Verdict], what: str) -> None:
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        attempts = _due_attempts(lead, at, looks)
        for attempt in attempts:
            attempt.looks += 1
            _write(attempt, judge(attempt), at, what, at)
    _end_runs(attempts)


def _write(attempt: Attempt, verdict: Verdict, at: dt.datetime, what: str, read_at: dt.datetime) -> None:
    apply_verdict(attempt.change, attempt, verdict, at, said={"what": what, "read_at": read_at.isoformat()})


def _end_runs(attempts: Sequence[Attempt]) -> None:
    for run_id in {attempt.change.run_id for attempt in attempts if attempt.change.run_id}:
        runs.close_cancelled_members(run_id)
        runs.finish_if_over(run_id)


def _look_again_later(connection: Connection, lead: Lead, at: dt.datetime, error: KartraError) -> None:
    wait_s = min(settle_times()[0], 10.0)
    if isinstance(error, CredentialsRefused):
        wait_s = 60.0
    later = timezone.now() + dt.timedelta(seconds=wait_s)
    Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at).update(verify_at=later)


def _verdict(attempt: Attempt, change: LeadChange, lead: Lead, asked: Asked) -> tuple[Verdict, str]:
    if asked.gone is not None:
        gone = Verdict(ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, attempt.code, change.message, gone=asked.gone)
        return gone, gettext_noop("the lead is deleted")
    if asked.profile is None:
        if change.kind == "create_lead" or lead.changes.filter(kind="create_lead", status__in=OPEN).exists():
            return _not_done(attempt, change), gettext_noop("Kartra has no such lead yet")
        message = change.message or _("Kartra finds no lead of this address")
        return Verdict(ChangeStatus.REJECTED, Proof.REFUSED, "", attempt.code or "243", message), gettext_noop(
            "no such lead"
        )
    facts = facts_of(asked.profile, lead.account, authority=True)
    done = ENCODINGS[change.kind].done(change.parameters, facts, attempt.before)
    receipt = receipts.says(attempt, asked.profile) if ENCODINGS[change.kind].bears_receipt else None
    if attempt.code == EXISTS and not done:
        again = Verdict(
            ChangeStatus.WAITING, Proof.NOT_DONE, message=_("Kartra had this lead already; the rest goes on.")
        )
        return again, gettext_noop("the lead was there already, and the call was refused as a whole")
    if receipt is not None:
        return _by_receipt(attempt, change, asked.began_at, receipt=receipt, done=done)
    if done:
        message = _("Seen done in Kartra afterwards.")
        if attempt.code == EXISTS and change.kind == "create_lead":
            message = _("Kartra had this lead already; it is the one in our copy now.")
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, message=message), gettext_noop("seen done")
    if done is None:
        return _cannot_tell(attempt, change), gettext_noop("the read does not show it")
    if change.kind == "subscribe_list" and _left_meanwhile(attempt, change):
        words = _("This person left the list after our call. It is not sent again by itself.")
        held = Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.OUTCOME, attempt.code, words)
        return held, gettext_noop("not on the list; a message says that the person left it meanwhile")
    return _not_done_yet(attempt, change, asked.began_at), NOT_DONE


def _by_receipt(
    attempt: Attempt, change: LeadChange, read_at: dt.datetime, *, receipt: bool, done: bool | None
) -> tuple[Verdict, str]:
    """The receipt proves that the call was begun, not that all of it was done: a second witness has to agree. Without the
    receipt nothing was begun, unless the second witness says otherwise."""
    if receipt and done:
        message = _("The safety field in Kartra shows this call, and so does what it was to do.")
        return Verdict(ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, message=message), gettext_noop("seen done")
    if receipt:
        return _cannot_tell(attempt, change), gettext_noop(
            "the safety field shows this call, a second witness is missing"
        )
    if done:
        return _cannot_tell(attempt, change), gettext_noop(
            "it looks done, but the safety field does not show this call"
        )
    return _not_done_yet(attempt, change, read_at), NOT_DONE


def _not_done_yet(attempt: Attempt, change: LeadChange, read_at: dt.datetime) -> Verdict:
    """Seen not done: sent again at once where that does no harm, else only after a second look, a settle time apart."""
    if not kinds.get(change.kind).repeatable and not _seen_not_done_before(attempt, read_at):
        times = settle_times(change)
        later = times[min(attempt.looks, len(times) - 1)]
        return Verdict(ChangeStatus.UNKNOWN, Proof.UNCLEAR, code=attempt.code, message=change.message, look_in_s=later)
    return _not_done(attempt, change)


def _left_meanwhile(attempt: Attempt, change: LeadChange) -> bool:
    """Whether Kartra told us, since the call, that the person left this list."""
    left = Activity.objects.filter(
        lead=change.lead_id, kind="list_left", source=Source.WEBHOOK, details__list=change.parameters["list"]
    )
    return attempt.call.sent_at is not None and left.filter(at__gte=attempt.call.sent_at).exists()


def _seen(attempt: Attempt, asked: Asked) -> dict[str, Any]:
    """What the read showed of what the proof rests on, as evidence for people."""
    if asked.profile is None:
        return {}
    seen: dict[str, Any] = {}
    change = attempt.change
    if change.family == "points":
        seen["score"] = asked.profile.fields.get("score", gettext_noop("not told"))
    elif change.kind in ("subscribe_sequence", "unsubscribe_sequence"):
        states = {
            each.name: _("step %(step)s, %(status)s") % {"step": each.step, "status": each.status}
            for each in asked.profile.sequences or ()
        }
        seen["sequence"] = states.get(change.parameters["sequence"], gettext_noop("not in it"))
    if attempt.call.receipt and ENCODINGS[change.kind].bears_receipt:
        stands = receipts.says(attempt, asked.profile)
        seen["receipt"] = {True: gettext_noop("there"), False: gettext_noop("not there"), None: NO_FIELD}[stands]
    meanwhile = Activity.objects.filter(lead=change.lead_id, at__gte=attempt.call.sent_at).exclude(change=change)
    others = [str(row.label) for row in meanwhile.order_by("at")[:5]] if attempt.call.sent_at else []
    if others:
        seen["meanwhile"] = "; ".join(others)
    return seen


def _seen_not_done_before(attempt: Attempt, read_at: dt.datetime) -> bool:
    """Whether the look before this one, a settle time ago at least, saw it not done too."""
    looks = [entry for entry in attempt.evidence if "read_at" in entry]
    if not looks or looks[-1]["what"] != NOT_DONE:
        return False
    apart_s = (read_at - dt.datetime.fromisoformat(looks[-1]["read_at"])).total_seconds()
    return apart_s >= 0.9 * settle_times()[0]


def _not_done(attempt: Attempt, change: LeadChange) -> Verdict:
    """Proven not done: send it again; after two in a row without an answer a person decides."""
    if attempt.call.outcome == Outcome.UNKNOWN:
        change.not_done += 1
    if change.not_done >= MOST_NOT_DONE:
        return Verdict(
            ChangeStatus.UNDECIDED, Proof.NOT_DONE, Reason.FIREWALL, message=attempt.message or change.message
        )
    return Verdict(
        ChangeStatus.WAITING, Proof.NOT_DONE, message=_("Seen not done in Kartra; sent again."), alone=change.alone
    )


def _cannot_tell(attempt: Attempt, change: LeadChange) -> Verdict:
    times: Sequence[float] = settle_times(change)
    if attempt.looks >= len(times):
        return Verdict(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.OUTCOME, attempt.code, change.message)
    return Verdict(
        ChangeStatus.UNKNOWN, Proof.UNCLEAR, code=attempt.code, message=change.message, look_in_s=times[attempt.looks]
    )
