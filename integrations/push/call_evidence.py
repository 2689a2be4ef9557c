"""The evidence about the families of a call: its attempts, what was known before, what a read shows, what Kartra told since. What
it proves is `proof`'s; `verify` writes that down.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from integrations.kartra.errors import EXISTS
from integrations.models import ApiCall, Attempt, CallOutcome, Delivery, Proof, Seen
from integrations.push import proof, proof_token
from integrations.push.baseline import family_of
from integrations.push.proof import ChangeOutcome, Evidence, Request
from integrations.push.proof.evidence import Carried, again, one_question
from integrations.push.settle import settle_times
from integrations.read.lead_lookup import Asked
from integrations.translate import KIND_OF_EVENT, NOT_TOLD, WIRE_FORMATS, State
from integrations.translate.profile import facts_of
from leads import kinds, mirror
from leads.mirror import LeadFacts
from leads.models import OPEN, Activity, CalendarEnrollment, ChangeRemark, ChangeStatus, Lead, Reason, Source
from leads.models.remarks import remark

FIELD_MISSING = remark(Seen.FIELD_MISSING)

ECHO_WITHIN = dt.timedelta(minutes=10)
"""So long after a call of ours its echo may still come."""

MADE_WITHIN_S = 60.0
"""How far Kartra's clock may be from ours when it says that a lead joined by our call. Whether its dates keep daylight saving
time is not documented, so an hour more or less counts too."""

MADE_OTHERWISE = frozenset(
    {"single-optin", "double-optin", "helpdesk", "affiliate-signup", "checkout", "import", "manual"}
)
"""What Kartra calls the source of leads that no API made."""


def families_of(attempts: Iterable[Attempt]) -> list[list[Attempt]]:
    """Attempts that are judged together: of one call and one family, in the order in which they were sent."""
    groups: dict[tuple[int, str], list[Attempt]] = {}
    for attempt in attempts:
        groups.setdefault((attempt.call_id, family_of(attempt.change)), []).append(attempt)
    return list(groups.values())


def outcomes_of(group: Sequence[Attempt], lead: Lead, asked: Asked | None) -> dict[int, ChangeOutcome]:
    """What a read proves of one family of a call: {change id: outcome}. `asked` None: nothing was read."""
    evidence = evidence_of(group, lead, asked)
    first = group[0]
    if asked is not None and asked.gone is not None:
        gone = ChangeOutcome(ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, what=Seen.LEAD_DELETED, gone=asked.gone)
        return {
            each.change: replace(gone, code=each.code, message=each.message, remark=each.remark)
            for each in evidence.unclear
        }
    if asked is not None and asked.profile is None:
        return _without_lead(group, lead, evidence)
    if first.code == EXISTS and first.before.get("new"):
        return proof.classify_adopted(evidence)
    return proof.classify(evidence)


def _without_lead(group: Sequence[Attempt], lead: Lead, evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Kartra finds no such lead. Where it was to be made, nothing of the call was done; else it is refused."""
    creating = lead.changes.filter(kind=kinds.CREATE.name, status__in=OPEN).exists()
    if creating or any(request.creates for request in evidence.unclear):
        return one_question(again(evidence.unclear, evidence, Seen.NO_LEAD_YET))
    return {
        each.change: ChangeOutcome(
            ChangeStatus.REJECTED,
            Proof.REFUSED,
            code=each.code or "243",
            message=each.message,
            remark=each.remark if each.remark or each.message else remark(ChangeRemark.NOT_FOUND),
            what=Seen.NO_SUCH_LEAD,
        )
        for each in evidence.unclear
    }


def evidence_of(group: Sequence[Attempt], lead: Lead, asked: Asked | None) -> Evidence:
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
    receipt = proof_token.says(first, profile) if profile is not None else None
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
        answered=call.outcome != CallOutcome.UNKNOWN,
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
        change.pk,
        change.kind,
        change.parameters,
        carried,
        attempt.code,
        change.message,
        change.remark,
        change.not_done,
        repeated,
    )


def _state(group: Sequence[Attempt], lead: Lead, profile: Any) -> State:
    """The family as the read shows it; of edits every field of them."""
    witness = WIRE_FORMATS[group[0].change.kind].witness
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
    came = Counter(KIND_OF_EVENT.get(action, "") for action in told.values_list("action", flat=True))
    fresh = {
        KIND_OF_EVENT.get(a, "") for a in told.filter(received_at__gte=sent_at).values_list("action", flat=True)
    } - {""}
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
    return waiting.filter(endpoint__connection__account=call.connection.account_id).exists()


def _standing(group: Sequence[Attempt]) -> int:
    """How many bookings of the class the lead has in our copy."""
    given = group[0].change.parameters
    return CalendarEnrollment.objects.filter(
        lead=group[0].change.lead_id,
        status=mirror.BOOKED,
        calendar_class__name=given["class"],
        calendar_class__calendar__name=given["calendar"],
    ).count()


def seen_of(attempt: Attempt, lead: Lead, asked: Asked | None) -> dict[str, Any]:
    """What the read showed of what the proof rests on, as evidence for people (`meanwhile`: lines of the timeline); `after` and
    `with_receipt` for the next look."""
    if asked is None or asked.profile is None:
        return {}
    seen: dict[str, Any] = {}
    change = attempt.change
    after = _state([attempt], lead, asked.profile)
    seen["after"] = None if after is NOT_TOLD else after
    if change.family == "points":
        seen["score"] = asked.profile.fields.get("score", remark(Seen.NOT_TOLD))
    elif kinds.get_kind(change.kind).noun == "sequence":
        states = {each.name: [each.step, each.status] for each in asked.profile.sequences or ()}
        seen["sequence"] = states.get(change.parameters["sequence"], remark(Seen.NOT_IN_IT))
    stands = proof_token.says(attempt, asked.profile)
    seen["with_receipt"] = stands
    if attempt.call.receipt and WIRE_FORMATS[change.kind].bears_receipt:
        shown = {True: remark(Seen.THERE), False: remark(Seen.NOT_THERE), None: FIELD_MISSING}
        seen["receipt"] = shown[stands]
    meanwhile = Activity.objects.filter(lead=change.lead_id, at__gte=attempt.call.sent_at).exclude(change=change)
    others = meanwhile.order_by("at").values_list("pk", flat=True)[:5] if attempt.call.sent_at else ()
    if others:
        seen["meanwhile"] = list(others)
    return seen
