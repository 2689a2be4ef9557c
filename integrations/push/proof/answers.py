"""What Kartra's answer says at once of each change of a call."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from integrations.kartra.client import created_id
from integrations.kartra.errors import EXISTS, CredentialsRefused, KartraError, Next, NotSent, Throttled, next_step
from integrations.kartra.replies import ActionOutcome, ChainReply, WholeCallRefused
from integrations.models import Proof
from integrations.push.proof.evidence import UNTYPED, ChangeOutcome, Request as Carrier, superseded, turned_away
from integrations.sending.error_messages import said_by
from integrations.translate import WIRE_FORMATS
from leads.kinds.profile import gives
from leads.models import ChangeRemark, ChangeStatus, GoneReason, Reason
from leads.models.remarks import NONE, Remarks, remark

LEAD_CODES = frozenset({"206", "223", "224", "236", "243", "245"})
"""Codes about the whole call or its lead: they speak of every action in it."""

NO_LEAD = frozenset({"206", "243"})
"""Codes of an action that was told no lead."""


@dataclass(frozen=True)
class Sent:
    """A change as it was sent: `position` is the index of its action, which edits share. `creates`: the call's head makes the
    lead. `was_unclear`: an earlier try of this very change was left without a clear answer."""

    request: Carrier
    position: int
    creates: bool
    first_look_s: float
    was_unclear: bool = False


Answer = ChainReply | WholeCallRefused | KartraError


def classify_answer(sent: Sequence[Sent], answer: Answer) -> list[ChangeOutcome]:
    """One outcome for each change of the call, in its order."""
    if isinstance(answer, ChainReply):
        change_outcomes = [_of_action(each, answer.outcomes[each.position]) for each in sent]
        return _in_order(sent, _overtaken(sent, _beside_244(sent, change_outcomes, answer)))
    if isinstance(answer, WholeCallRefused):
        return _of_refused_call(sent, answer)
    if isinstance(answer, NotSent | Throttled | CredentialsRefused):
        return [ChangeOutcome(ChangeStatus.WAITING, Proof.NOT_DONE) for _each in sent]
    return [_unclear(each, **said_by(answer)) for each in sent]


def _beside_244(sent: Sequence[Sent], change_outcomes: list[ChangeOutcome], answer: ChainReply) -> list[ChangeOutcome]:
    """That a lead to be created exists may be said at its own action. The rest was not done then, whether it is refused for want
    of a lead or not mentioned: it is judged from a read of the lead that is there, as after a flat 244. Where Kartra went on
    all the same, each action is what its own answer says."""
    head = answer.outcomes[0]
    if not sent or not sent[0].creates or (head.state, head.code) != ("refused", EXISTS):
        return change_outcomes
    went_on = any(outcome.state == "done" for outcome in answer.outcomes[1:])
    found = []
    for each, change_outcome in zip(sent, change_outcomes, strict=True):
        outcome = answer.outcomes[each.position]
        not_mentioned = outcome.state == "missing" and not went_on
        if not_mentioned or (outcome.state == "refused" and outcome.code in NO_LEAD):
            change_outcome = _unclear(each, head.message, code=EXISTS, look_in_s=0)
        found.append(change_outcome)
    return found


def _overtaken(sent: Sequence[Sent], change_outcomes: list[ChangeOutcome]) -> list[ChangeOutcome]:
    """Edits travel as one action with the latest value of each field: Kartra never held what a later one overtook."""
    edits = [n for n, each in enumerate(sent) if WIRE_FORMATS[each.request.kind].lead_fields is not None]
    accepted_edits = [n for n in edits if change_outcomes[n].status == ChangeStatus.ACCEPTED]
    fields = gives([sent[n].request.parameters for n in accepted_edits])
    for n, gave in zip(accepted_edits, fields, strict=True):
        request = sent[n].request
        if gave or request.creates:
            change_outcomes[n] = replace(change_outcomes[n], gave=gave)
        else:
            change_outcomes[n] = superseded(request, sent[accepted_edits[-1]].request)
    return change_outcomes


def _in_order(sent: Sequence[Sent], change_outcomes: list[ChangeOutcome]) -> list[ChangeOutcome]:
    """No earlier request about the same thing goes out once a later one of the call may be done. One that is not settled is
    overtaken where a later one is done; where a later one is looked at, or left to a person, it is so together with it. What
    was refused only because the one before it was turned away goes out again behind it. What adds up is judged by itself."""
    for place, each in enumerate(sent):
        change_outcome = change_outcomes[place]
        if change_outcome.status not in (ChangeStatus.WAITING, ChangeStatus.UNKNOWN, ChangeStatus.UNDECIDED):
            continue
        behind = [n for n in range(place + 1, len(sent)) if _same_thing(each.request, sent[n].request)]
        done = [n for n in behind if change_outcomes[n].status == ChangeStatus.ACCEPTED]
        looked_at = [n for n in behind if change_outcomes[n].status == ChangeStatus.UNKNOWN]
        asked = [n for n in behind if change_outcomes[n].status == ChangeStatus.UNDECIDED]
        if done:
            change_outcomes[place] = superseded(each.request, sent[done[-1]].request)
        elif looked_at:
            look_in_s = change_outcomes[looked_at[-1]].look_in_s
            change_outcomes[place] = _unclear(
                each,
                change_outcome.message,
                change_outcome.remark,
                code=change_outcome.code,
                look_in_s=look_in_s,
            )
        elif asked and change_outcome.status == ChangeStatus.WAITING:
            last = change_outcomes[asked[-1]]
            change_outcomes[place] = replace(change_outcome, status=last.status, reason=last.reason)
        elif change_outcome.status == ChangeStatus.WAITING:
            for n in behind:
                if change_outcomes[n].code in WIRE_FORMATS[sent[n].request.kind].guards:
                    refused = change_outcomes[n]
                    change_outcomes[n] = turned_away(sent[n].request, refused.code, refused.message, refused.remark)
    return _one_question_each(sent, change_outcomes)


def _one_question_each(sent: Sequence[Sent], change_outcomes: list[ChangeOutcome]) -> list[ChangeOutcome]:
    """What is left to a person about one thing is one question: the last has it."""
    for place, each in enumerate(sent):
        if change_outcomes[place].status == ChangeStatus.UNDECIDED:
            same = [n for n in range(place + 1, len(sent)) if _same_thing(each.request, sent[n].request)]
            asked = [n for n in same if change_outcomes[n].status == ChangeStatus.UNDECIDED]
            if asked:
                change_outcomes[place] = replace(change_outcomes[place], decided_with=sent[asked[-1]].request.change)
    return change_outcomes


def _same_thing(one: Carrier, other: Carrier) -> bool:
    return one.family == other.family and one.family not in ("points", "profile")


def _unclear(
    sent: Sent,
    message: str = "",
    remark: Remarks = NONE,
    *,
    code: str = "",
    look_in_s: float | None = None,
    send_alone: bool | None = None,
) -> ChangeOutcome:
    wait = sent.first_look_s if look_in_s is None else look_in_s
    return ChangeOutcome(
        ChangeStatus.UNKNOWN, Proof.UNCLEAR, "", code, message, remark, look_in_s=wait, send_alone=send_alone
    )


def _of_action(sent: Sent, outcome: ActionOutcome) -> ChangeOutcome:
    if outcome.state == "done":
        made = created_id(outcome) if sent.request.creates else ""
        return ChangeOutcome(
            ChangeStatus.ACCEPTED, Proof.DONE, code=outcome.code, message=outcome.message, kartra_id=made
        )
    if outcome.state == "missing":
        return _unclear(sent, remark=remark(ChangeRemark.NOT_MENTIONED))
    return classify_refusal(sent, outcome.code, outcome.message)


def classify_refusal(sent: Sent, code: str, message: str) -> ChangeOutcome:
    """What a refusal with this code means for a change of ours; sorted by `errors.next_step`, by what to do next."""
    step = next_step(code)
    if not code and WIRE_FORMATS[sent.request.kind].witness is not None:
        return _unclear(sent, message, code=UNTYPED)  # a read can tell
    if not code:
        return ChangeOutcome(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.UNLISTED_CODE, code, message)
    if step == Next.LOOK_UP or (step == Next.ADOPT and sent.creates):
        return _unclear(sent, message, code=code, look_in_s=0)
    if step == Next.VERIFY:
        return _unclear(sent, message, code=code)
    if step == Next.GONE:
        return ChangeOutcome(ChangeStatus.SKIPPED, Proof.REFUSED, Reason.GONE, code, message, gone=GoneReason.DELETED)
    if step in (Next.STOP_CONNECTION, Next.STOP_APP, Next.STOP_COMMAND):
        return ChangeOutcome(ChangeStatus.WAITING, Proof.NOT_DONE, code=code, message=message)
    if step == Next.WAIT:
        return turned_away(sent.request, code, message)
    if step == Next.HOLD:
        return ChangeOutcome(ChangeStatus.UNDECIDED, Proof.UNDECIDED, Reason.UNLISTED_CODE, code, message)
    if code in WIRE_FORMATS[sent.request.kind].guards and sent.was_unclear:
        before = remark(ChangeRemark.DONE_BEFORE, message=message)
        return ChangeOutcome(ChangeStatus.ACCEPTED, Proof.DONE, code=code, remark=before)
    return ChangeOutcome(ChangeStatus.REJECTED, Proof.REFUSED, code=code, message=message)


def _of_refused_call(sent: Sequence[Sent], refusal: WholeCallRefused) -> list[ChangeOutcome]:
    """A flat error.

    1. Of one action it is that action's, and about the lead it is every action's.
    2. That a lead to be created exists takes the rest of the call with it: it is read and adopted, and the rest goes on.
    3. Else only the action it names is refused (an address that another lead has: the edit), and what the others did is read,
       then sent again by themselves.
    """
    code, message = refusal.code, refusal.message
    if len({each.position for each in sent}) == 1 or code in LEAD_CODES:
        return [classify_refusal(each, code, message) for each in sent]
    if code == EXISTS and sent[0].creates:
        return [_unclear(each, message, code=code, look_in_s=0) for each in sent]
    blamed = 0 if code == EXISTS else refusal.blamed
    change_outcomes = []
    for each in sent:
        if each.position == blamed:
            change_outcomes.append(classify_refusal(each, code, message))
        else:
            other = remark(ChangeRemark.OTHER_REFUSED)
            change_outcomes.append(_unclear(each, remark=other, look_in_s=0, send_alone=True))
    return change_outcomes
