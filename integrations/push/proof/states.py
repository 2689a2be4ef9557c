"""Tags, lists, sequences: a family that a read shows as a state. It is judged as a whole, by the rules of
docs/guarantees.md ("Requests about the same thing in one call"), in their order; the first that fits decides."""

from collections.abc import Sequence

from integrations.models import Seen
from integrations.push.proof.evidence import (
    Carried,
    ChangeOutcome,
    Evidence,
    Request,
    accepted,
    again,
    asked,
    later,
    one_question,
    superseded,
)
from integrations.translate import NOT_TOLD, State
from integrations.translate.lists import LEFT
from leads.models import ChangeRemark, Reason
from leads.models.remarks import remark


def classify_states(evidence: Evidence) -> dict[int, ChangeOutcome]:
    """Verdicts for the unclear changes of a tag, a list or a sequence."""
    overtaken, rest, before = _after_what_is_known(evidence)
    if not rest:
        return overtaken
    if evidence.after is NOT_TOLD:
        return {
            **overtaken,
            **one_question({request.change: later(request, evidence, Seen.NOT_SHOWN) for request in rest}),
        }
    return {**overtaken, **one_question(_by_rules(rest, before, evidence))}


def _after_what_is_known(evidence: Evidence) -> tuple[dict[int, ChangeOutcome], list[Request], State]:
    """What a later change of the call that is known to be done overtakes; the unclear changes behind it; and the state that
    they found."""
    requests = [request for request in evidence.requests if request.carried is not Carried.NOT]
    known = [place for place, request in enumerate(requests) if request.carried is Carried.DONE]
    if not known:
        return {}, requests, evidence.before
    last = requests[known[-1]]
    earlier = [request for request in requests[: known[-1]] if request.carried is Carried.UNCLEAR]
    state = last.witness.makes(last.parameters, evidence.before)
    return {each.change: superseded(each, last) for each in earlier}, requests[known[-1] + 1 :], state


def _by_rules(requests: Sequence[Request], before: State, evidence: Evidence) -> dict[int, ChangeOutcome]:
    after, last = evidence.after, requests[-1]
    states = _made(requests, before)
    moved = before is not NOT_TOLD and after != before
    so = last.witness.is_so(after, states[-1], before)
    confirmed = evidence.same_before or (len(requests) == 1 and last.repeatable)
    begun = evidence.receipt is True
    repeatable = all(request.repeatable for request in requests)

    if so and moved:  # 1
        return _so(requests, len(requests) - 1)
    if evidence.foreign:  # 2
        return _ask(requests, Seen.FOREIGN, ChangeRemark.CHANGED_BY_OTHERS, reason=Reason.CONFLICT)
    if after == LEFT and last.may_be_turned_down:
        return _ask(requests, Seen.LEFT_LIST, ChangeRemark.HAS_LEFT)
    if after == LEFT and so:  # nobody who has left is put back on the way to being taken off
        return _so(requests, len(requests) - 1)
    if evidence.receipt is False and not so and (evidence.same_before or not evidence.last_look):  # 3, by the receipt
        return (
            again(requests, evidence, Seen.NOT_BEGUN)
            if evidence.same_before
            else _later(requests, evidence, Seen.NOT_BEGUN)
        )
    if before is NOT_TOLD:
        return _without_before(requests, states, so, repeatable, evidence)
    if not moved and not so:  # 3
        if begun and not repeatable:
            return _later(requests, evidence, Seen.NOT_SHOWN)
        return again(requests, evidence) if confirmed else _later(requests, evidence, Seen.NOT_SHOWN)
    if not moved:  # 4
        return _proves_nothing(requests, repeatable, begun, evidence)
    hits = [place for place, state in enumerate(states[:-1]) if requests[place].witness.is_so(after, state, before)]
    if hits and (len(hits) == 1 or all(request.repeatable for request in requests[hits[0] + 1 :])):  # 5
        if not evidence.same_before:
            return _later(requests, evidence, Seen.HALF_DONE)
        return {**_so(requests[: hits[0] + 1], hits[0]), **again(requests[hits[0] + 1 :], evidence, Seen.HALF_DONE)}
    return _later(requests, evidence, Seen.NEITHER)  # 6


def _made(requests: Sequence[Request], before: State) -> list[State]:
    """The state after each request, carried out one after the other."""
    states = []
    state = before
    for request in requests:
        state = request.witness.makes(request.parameters, state)
        states.append(state)
    return states


def _without_before(
    requests: Sequence[Request], states: Sequence[State], so: bool, repeatable: bool, evidence: Evidence
) -> dict[int, ChangeOutcome]:
    """Nobody knows how it was before. One request whose end is so is done; what may be repeated goes out once more, whole."""
    last = requests[-1]
    if so and (len(requests) == 1 or any(request.repeated for request in requests)):
        return _so(requests, len(requests) - 1)
    if repeatable:
        return again(requests, evidence, Seen.BEFORE_UNKNOWN, repeats=True)
    if so and last.repeatable:
        return _so(requests, len(requests) - 1)
    return _later(requests, evidence, Seen.BEFORE_UNKNOWN)


def _proves_nothing(
    requests: Sequence[Request], repeatable: bool, begun: bool, evidence: Evidence
) -> dict[int, ChangeOutcome]:
    """It is as it was, and as the last request wants it."""
    last = requests[-1]
    if repeatable:
        if any(request.repeated for request in requests):
            return _so(requests, len(requests) - 1)
        if len(requests) > 1 and not evidence.same_before:
            return _later(requests, evidence, Seen.PROVES_NOTHING)
        return again(requests, evidence, Seen.PROVES_NOTHING, repeats=True)
    if last.repeatable or begun:
        return _so(requests, len(requests) - 1)
    if evidence.receipt is False:  # nothing of the call was begun
        return (
            again(requests, evidence, Seen.NOT_BEGUN)
            if evidence.same_before
            else _later(requests, evidence, Seen.NOT_BEGUN)
        )
    held: dict[int, ChangeOutcome] = {each.change: superseded(each, last, is_so=False) for each in requests[:-1]}
    return {**held, last.change: asked(last, Seen.PROVES_NOTHING)}


def _so(requests: Sequence[Request], place: int) -> dict[int, ChangeOutcome]:
    """The request at `place` is done; those before it are overtaken."""
    last = requests[place]
    earlier = {each.change: superseded(each, last) for each in requests[:place]}
    return {**earlier, last.change: accepted(last)}


def _ask(
    requests: Sequence[Request], what: Seen, said: ChangeRemark, *, reason: Reason = Reason.OUTCOME
) -> dict[int, ChangeOutcome]:
    return {request.change: asked(request, what, reason=reason, said=remark(said)) for request in requests}


def _later(requests: Sequence[Request], evidence: Evidence, what: Seen) -> dict[int, ChangeOutcome]:
    return {request.change: later(request, evidence, what) for request in requests}
