"""Unknown → proven: looks at the lead in Kartra until it is known whether a change was done, or a person must decide.

Gathers the evidence of each family of each call and writes down what `proof` makes of it. A read that fails is no evidence and
does not count. Nothing is ever sent from here.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from integrations import clock, money, proof, receipts, refresh
from integrations.before import family_of
from integrations.calls import Priority
from integrations.kartra.errors import CredentialsRefused, KartraError
from integrations.models import ApiCall, Attempt, Cause, Connection, Delivery, Outcome, Proof, StoppedBy
from integrations.proof import Evidence, Request, Verdict
from integrations.proof.answers import EXISTS
from integrations.proof.evidence import Carried, again, one_question
from integrations.refresh import Asked
from integrations.settle import apply_verdict, settle_times
from integrations.translate import ENCODINGS, NOT_TOLD, Look, State
from integrations.translate.profile import facts_of
from leads import mirror, runs
from leads.mirror import LeadFacts
from leads.models import OPEN, Activity, CalendarEnrollment, ChangeStatus, Lead, Reason, Source
from leads.passing import done_again

NO_FIELD = gettext_noop("the field is missing")
NO_LEAD = gettext_noop("no such lead")

ECHOES = {
    "assign_tag": "assign_tag", "unassign_tag": "unassign_tag", "list_subscription": "subscribe_list",
    "list_unsubscription": "unsubscribe_list", "sequence_subscription": "subscribe_sequence",
    "sequence_unsubscription": "unsubscribe_sequence",
}  # fmt: skip
"""Kartra's events, and the kind of change of which each may be the echo."""

ECHO_WITHIN = dt.timedelta(minutes=10)
"""So long after a call of ours its echo may still come."""

MADE_WITHIN_S = 60.0
"""How far Kartra's clock may be from ours when it says that a lead joined by our call. Whether its dates keep daylight saving
time is not documented, so an hour more or less counts too."""

MADE_OTHERWISE = frozenset(
    {"single-optin", "double-optin", "helpdesk", "affiliate-signup", "checkout", "import", "manual"}
)
"""What Kartra calls the source of leads that no API made."""


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
        at = now or clock.now()
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
    calls = set(due.values_list("call", flat=True))
    kinds = set(Attempt.objects.unclear().filter(call__in=calls).values_list("change__kind", flat=True))
    looks = {ENCODINGS[kind].look for kind in kinds}
    try:
        for look in (Look.SUBSCRIPTION, Look.TRANSACTIONS):
            if look in looks:
                _look_at_money(connection, lead, at, look)
        if looks == {Look.GUARD}:
            _write(connection, lead, at, None)
        elif looks & {Look.LEAD, Look.MESSAGE, Look.GUARD}:
            _look_at_lead(connection, lead, at)
    except KartraError as error:
        _look_again_later(lead, at, error)
        return False
    return True


def _look_at_lead(connection: Connection, lead: Lead, at: dt.datetime) -> None:
    """Read the lead and judge by what was read."""
    asked = refresh.ask(
        connection, kartra_id=lead.kartra_id or "", email=lead.email, cause=Cause.VERIFY, priority=Priority.VERIFY,
        lead=lead,
    )  # fmt: skip
    found = _write(connection, lead, at, asked)
    refresh.apply_answer(connection, found, asked)


@done_again
def _write(connection: Connection, lead: Lead, at: dt.datetime, asked: Asked | None) -> Lead:
    """Judge what is due of a lead, family by family and call by call, and write it down. The lead as it is then: it may have
    turned out to be one that we knew by its id."""
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        lead = Lead.objects.select_related("account").filter(pk=lead.pk).first() or lead
        attempts = _due_attempts(lead, at, {Look.LEAD, Look.MESSAGE, Look.GUARD})
        if asked is not None and asked.profile is not None and not lead.kartra_id and asked.profile.id:
            lead = mirror.adopt(lead, asked.profile.id, at)
        for group in _families(attempts):
            for attempt in group:
                attempt.change.lead = lead
                attempt.looks += 1
            verdicts = _judge_group(group, lead, asked, at)
            for attempt in group:
                verdict = verdicts[attempt.change_id]
                seen = _seen(attempt, lead, asked)
                looked: dict[str, Any] = {"what": verdict.what, **seen}
                if asked is not None:
                    looked["read_at"] = asked.began_at.isoformat()
                apply_verdict(attempt.change, attempt, verdict, at, said=looked)
                if seen.get("receipt") == NO_FIELD:
                    receipts.distrust(connection)
    _end_runs(attempts)
    return lead


def _families(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Attempts that are judged together: of one call and one family, in the order in which they were sent."""
    groups: dict[tuple[int, str], list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault((attempt.call_id, family_of(attempt.change)), []).append(attempt)
    return list(groups.values())


# --- evidence


def _judge_group(group: Sequence[Attempt], lead: Lead, asked: Asked | None, at: dt.datetime) -> dict[int, Verdict]:
    evidence = _evidence(group, lead, asked)
    first = group[0]
    if asked is not None and asked.gone is not None:
        gone = Verdict(
            ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, what=gettext_noop("the lead is deleted"), gone=asked.gone
        )
        return {each.change: replace(gone, code=each.code, message=each.message) for each in evidence.unclear}
    if asked is not None and asked.profile is None:
        return _without_lead(group, lead, evidence)
    if first.code == EXISTS and first.before.get("new"):
        return proof.classify_adopted(evidence)
    return proof.classify(evidence)


def _without_lead(group: Sequence[Attempt], lead: Lead, evidence: Evidence) -> dict[int, Verdict]:
    """Kartra finds no such lead. Where it was to be made, nothing of the call was done; else it is refused."""
    creating = lead.changes.filter(kind="create_lead", status__in=OPEN).exists()
    if creating or any(request.kind == "create_lead" for request in evidence.unclear):
        what = gettext_noop("Kartra has no such lead yet")
        return one_question(again(evidence.unclear, evidence, what))
    words = _("Kartra finds no lead of this address")
    return {
        each.change: Verdict(
            ChangeStatus.REJECTED, Proof.REFUSED, code=each.code or "243", message=each.message or words, what=NO_LEAD
        )
        for each in evidence.unclear
    }


def _evidence(group: Sequence[Attempt], lead: Lead, asked: Asked | None) -> Evidence:
    """All that is known of a family of a call: the call's attempts about it, settled ones too."""
    first = group[0]
    call = first.call
    family = family_of(first.change)
    own = [
        a
        for a in call.attempts.select_related("change").order_by("position", "change")
        if family_of(a.change) == family
    ]
    ours = {attempt.pk: attempt for attempt in group}
    requests = tuple(_request(ours.get(each.pk, each)) for each in own)
    profile = asked.profile if asked is not None else None
    receipt = receipts.says(first, profile) if profile is not None else None
    before = _before(own)
    if first.before.get("new") and not (receipt or _made_by(call.sent_at, lead, profile)):
        before = NOT_TOLD  # the lead may have been there before: then nothing of the call was done
    after = _state(group, lead, profile)
    times = settle_times(first.change)
    looks = first.looks
    of_booking = family.startswith("calendar:")
    return Evidence(
        family=family,
        requests=requests,
        before=before,
        after=after,
        foreign=_told_by_others(group),
        receipt=receipt,
        same_before=_saw_the_same(first, after, receipt, asked),
        last_look=looks >= len(times) and not (of_booking and _messages_wait(call, times[-1])),
        look_in_s=times[min(looks, len(times) - 1)],
        answered=call.outcome not in (Outcome.UNKNOWN,),
        several_bookings=of_booking and _standing(group) > 1,
        told=_told_of(own) if of_booking else frozenset(),
    )


def _before(own: Sequence[Attempt]) -> State:
    """The family when the call left; of edits the fields of all of them."""
    states = [each.before["state"] for each in own if "state" in each.before]
    if not states:
        return NOT_TOLD
    if not isinstance(states[0], dict):
        return states[0]
    return {name: value for state in states for name, value in state.items()}


def _request(attempt: Attempt) -> Request:
    change = attempt.change
    carried = {Proof.UNCLEAR: Carried.UNCLEAR, Proof.DONE: Carried.DONE}.get(Proof(attempt.proof), Carried.NOT)
    earlier = change.attempts.exclude(pk=attempt.pk).values_list("evidence", flat=True) if change.not_done else ()
    repeated = any(entry.get("repeats") for entries in earlier for entry in entries)
    return Request(
        change.pk, change.kind, change.parameters, carried, attempt.code, change.message, change.not_done, repeated
    )


def _state(group: Sequence[Attempt], lead: Lead, profile: Any) -> State:
    """The family as the read shows it; of edits every field of them."""
    witness = ENCODINGS[group[0].change.kind].witness
    if profile is None or witness is None:
        return NOT_TOLD
    facts: LeadFacts = facts_of(profile, lead.account, authority=True)
    parameters: dict[str, Any] = {}
    for attempt in group:
        parameters.update(attempt.change.parameters)
    return witness.shows(parameters, facts)


def _made_by(sent_at: dt.datetime | None, lead: Lead, profile: Any) -> bool:
    """Whether the call made the lead: Kartra's date of joining is that of the call, and its source no other one."""
    if profile is None or sent_at is None:
        return False
    told = facts_of(profile, lead.account, authority=True).fields
    joined = told.get("date_joined")
    if joined is None or told.get("source") in MADE_OTHERWISE:
        return False
    apart_s = abs((joined - sent_at).total_seconds())
    return any(abs(apart_s - hours * 3600) <= MADE_WITHIN_S for hours in (0, 1))


def _told_by_others(group: Sequence[Attempt]) -> bool:
    """Whether Kartra told, since the call, of a change of this family that is none of ours: more messages of a kind than we
    sent changes of it since their echoes may still come."""
    first = group[0]
    sent_at = first.call.sent_at
    family = first.change.family
    if sent_at is None or family.partition(":")[0] not in ("tag", "list", "sequence"):
        return False
    since = sent_at - ECHO_WITHIN
    told = Delivery.objects.filter(lead=first.change.lead_id, family=family, received_at__gte=since)
    came = Counter(ECHOES.get(action, "") for action in told.values_list("action", flat=True))
    fresh = {ECHOES.get(a, "") for a in told.filter(received_at__gte=sent_at).values_list("action", flat=True)} - {""}
    if not fresh:
        return False
    ours = Attempt.objects.filter(
        change__lead=first.change.lead_id, change__family=family, call__sent_at__gte=since
    ).values_list("change__kind", flat=True)
    sent = Counter(ours)
    return any(came[kind] > sent[kind] for kind in fresh)


def _saw_the_same(attempt: Attempt, after: State, receipt: bool | None, asked: Asked | None) -> bool:
    """Whether the look before this one, a settle time ago at least, saw the same."""
    looks = [entry for entry in attempt.evidence if "read_at" in entry and "after" in entry]
    if not looks or asked is None or (after is NOT_TOLD and receipt is None):
        return False
    last = looks[-1]
    shown = None if after is NOT_TOLD else after
    if last["after"] != shown or last.get("with_receipt") != receipt:
        return False
    apart_s = (asked.began_at - dt.datetime.fromisoformat(last["read_at"])).total_seconds()
    return apart_s >= 0.9 * settle_times()[0]


def _told_of(own: Sequence[Attempt]) -> frozenset[int]:
    """Bookings of the call that Kartra's own message told of while they were in flight: it was quicker than the answer."""
    dated = [attempt.change_id for attempt in own if attempt.change.parameters.get("date")]
    lines = Activity.objects.filter(change__in=dated, kind="calendar_booked", source=Source.WEBHOOK)
    return frozenset(lines.values_list("change", flat=True))


def _messages_wait(call: ApiCall, within_s: float) -> bool:
    """Whether messages that came within so long after the call are still to be applied: one may show what was done."""
    if call.sent_at is None:
        return False
    came = (call.sent_at, call.sent_at + dt.timedelta(seconds=within_s))
    waiting = Delivery.objects.waiting().filter(received_at__range=came)
    return waiting.filter(door__connection__account=call.connection.account_id).exists()


def _standing(group: Sequence[Attempt]) -> int:
    """How many bookings of the class the lead has in our copy."""
    given = group[0].change.parameters
    return CalendarEnrollment.objects.filter(
        lead=group[0].change.lead_id, status=mirror.BOOKED, calendar_class__name=given["class"],
        calendar_class__calendar__name=given["calendar"],
    ).count()  # fmt: skip


def _seen(attempt: Attempt, lead: Lead, asked: Asked | None) -> dict[str, Any]:
    """What the read showed of what the proof rests on, as evidence for people; `after` and `with_receipt` for the next look."""
    if asked is None or asked.profile is None:
        return {}
    seen: dict[str, Any] = {}
    change = attempt.change
    after = _state([attempt], lead, asked.profile)
    seen["after"] = None if after is NOT_TOLD else after
    if change.family == "points":
        seen["score"] = asked.profile.fields.get("score", gettext_noop("not told"))
    elif change.kind in ("subscribe_sequence", "unsubscribe_sequence"):
        states = {
            each.name: _("step %(step)s, %(status)s") % {"step": each.step, "status": each.status}
            for each in asked.profile.sequences or ()
        }
        seen["sequence"] = states.get(change.parameters["sequence"], gettext_noop("not in it"))
    stands = receipts.says(attempt, asked.profile)
    seen["with_receipt"] = stands
    if attempt.call.receipt and ENCODINGS[change.kind].bears_receipt:
        seen["receipt"] = {True: gettext_noop("there"), False: gettext_noop("not there"), None: NO_FIELD}[stands]
    meanwhile = Activity.objects.filter(lead=change.lead_id, at__gte=attempt.call.sent_at).exclude(change=change)
    others = [str(row.label) for row in meanwhile.order_by("at")[:5]] if attempt.call.sent_at else []
    if others:
        seen["meanwhile"] = "; ".join(others)
    return seen


# --- money


def _look_at_money(connection: Connection, lead: Lead, at: dt.datetime, look: Look) -> None:
    """Read the payment plan or the buyer's new transactions, for each unclear change of money."""
    for attempt in _due_attempts(lead, at, {look}, lock=False):
        began_at = clock.now()
        change = attempt.change
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
        if _write_money(attempt, lead, at, look, seen, began_at):
            money.read_after(connection, lead)
        _end_runs([attempt])


@done_again
def _write_money(attempt: Attempt, lead: Lead, at: dt.datetime, look: Look, seen: Any, began_at: dt.datetime) -> bool:
    """Judge by what was seen of one change of money. True if it is done, and nobody has settled it meanwhile."""
    done = False
    with transaction.atomic():
        mirror.lock_leads([lead.pk])
        for fresh in _due_attempts(lead, at, {look}):
            if fresh.pk == attempt.pk:  # else somebody settled it meanwhile
                fresh.looks += 1
                evidence = _evidence([fresh], lead, None)
                verdict = proof.classify_money(evidence.unclear[0], seen, fresh.before, evidence)
                said = {"what": verdict.what, "read_at": began_at.isoformat()}
                done = apply_verdict(fresh.change, fresh, verdict, at, said=said)
                done = done and verdict.status == ChangeStatus.ACCEPTED
    return done


# --- rows


def _due_attempts(lead: Lead, at: dt.datetime, looks: set[Look], *, lock: bool = True) -> list[Attempt]:
    """Unclear attempts of the lead that are due, and with them all others of their calls: a family is judged as a whole."""
    kinds_of = [kind for kind, encoding in ENCODINGS.items() if encoding.look in looks]
    due = Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at, change__kind__in=kinds_of)
    rows = (
        Attempt.objects.unclear()
        .filter(call__in=set(due.values_list("call", flat=True)), change__kind__in=kinds_of)
        .select_related("change__lead__account", "call")
        .order_by("call", "position", "change")
    )
    return list(rows.select_for_update(of=("self",)) if lock else rows)


def _end_runs(attempts: Sequence[Attempt]) -> None:
    for run_id in {attempt.change.run_id for attempt in attempts if attempt.change.run_id}:
        runs.close_cancelled_members(run_id)
        runs.finish_if_over(run_id)


def _look_again_later(lead: Lead, at: dt.datetime, error: KartraError) -> None:
    wait_s = min(settle_times()[0], 10.0)
    if isinstance(error, CredentialsRefused):
        wait_s = 60.0
    later = clock.now() + dt.timedelta(seconds=wait_s)
    Attempt.objects.unclear().filter(change__lead=lead, verify_at__lte=at).update(verify_at=later)
