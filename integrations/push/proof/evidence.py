"""What the judge is given, and what it answers."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.kartra.errors import Next, next_step
from integrations.models import Proof, Seen
from integrations.translate import NOT_TOLD, WIRE_FORMATS, State
from leads import kinds
from leads.models import ChangeRemark, ChangeStatus, GoneReason, Reason
from leads.models.remarks import NONE, Remarks, remark

MOST_UNANSWERED = 2
"""Calls in a row without an answer that were proven not done: something refuses this change each time."""

MOST_NOT_DONE = 5
"""Calls in a row that were proven not done, whatever became of them; then a person decides."""

UNTYPED = "untyped"
"""Stands for Kartra's code where an error came without one."""

TEXTLESS = frozenset({"points", "calendar", "transaction", "subscription"})
"""Families whose changes hold no text that a firewall could refuse."""


class Carried(enum.Enum):
    """What is known of a request of the call."""

    UNCLEAR = "unclear"
    DONE = "done"
    NOT = "not"  # refused, or proven not done


def judged_with(family: str, parameters: Mapping[str, Any]) -> str:
    """What is judged together: the family; of bookings the class, as Kartra cancels by class alone."""
    if family == "calendar":
        return f"calendar:{parameters.get('calendar')}:{parameters.get('class')}"
    return family


@dataclass(frozen=True)
class Request:
    """A change as it travelled in the call, and what is known of it. `not_done`: how often in a row it was sent and proven not
    done. `repeated`: it is here for the second time because a read proved nothing the first time."""

    change: int
    kind: str
    parameters: Mapping[str, Any]
    carried: Carried = Carried.UNCLEAR
    code: str = ""
    message: str = ""
    remark: Remarks = field(default_factory=dict)
    not_done: int = 0
    repeated: bool = False

    @property
    def repeatable(self) -> bool:
        return kinds.get_kind(self.kind).repeatable

    @property
    def creates(self) -> bool:
        return kinds.get_kind(self.kind).creates

    @property
    def may_be_turned_down(self) -> bool:
        """Whether there are people who undo by themselves what it does: they leave the list."""
        return kinds.get_kind(self.kind).opted_out_q is not None

    @property
    def family(self) -> str:
        return judged_with(kinds.get_kind(self.kind).family(self.parameters), self.parameters)

    @property
    def witness(self) -> Any:
        return WIRE_FORMATS[self.kind].witness


@dataclass(frozen=True)
class Evidence:
    """All that is known of one family of a lead in one call.

    `requests`: its changes, in the order in which they were sent. `before`: its state when the call left, `after` what a read
    shows now. `foreign`: Kartra told since of a change of this family that is none of ours. `receipt`: whether the call's
    receipt stands in the lead; None: none was written, or it cannot be told. `same_before`: a look a settle time ago saw the
    same. `last_look`: no later look is planned; `look_in_s`: when the next one is due. `answered`: Kartra answered the
    call, so that a change that is not done was not merely lost. `several_bookings`: more than one stands in the class. `told`:
    changes whose own message came since, maybe sooner than it was known that the answer is lost.
    """

    family: str
    requests: tuple[Request, ...]
    before: State = NOT_TOLD
    after: State = NOT_TOLD
    foreign: bool = False
    receipt: bool | None = None
    same_before: bool = False
    last_look: bool = False
    look_in_s: float = 0.0
    answered: bool = False
    several_bookings: bool = False
    told: frozenset[int] = frozenset()

    @property
    def unclear(self) -> tuple[Request, ...]:
        return tuple(request for request in self.requests if request.carried is Carried.UNCLEAR)


@dataclass(frozen=True)
class ChangeOutcome:
    """What becomes of one change and of its attempt.

    `message` is Kartra's, `remark` ours. `what`: what was seen, as evidence for people. `look_in_s`: of one that stays unclear.
    `send_alone`: it goes out again without other families. `superseded_by`: the change that overtook it. `decided_with`: the change
    whose question this one shares. `gave`: of an edit the fields that it gave, where later ones of the same call overtook the
    others. `baseline`: of a conflict what Kartra held before, by field. `repeats`: it goes out again because the read proved
    nothing. `gone`: the lead is deleted. `kartra_id`: of the lead that the call made.
    """

    status: ChangeStatus
    proof: Proof
    reason: str = ""
    code: str = ""
    message: str = ""
    remark: Remarks = field(default_factory=dict)
    what: Seen = Seen.ANSWER
    look_in_s: float | None = None
    send_alone: bool | None = None
    not_done: int | None = None
    superseded_by: int | None = None
    decided_with: int | None = None
    gave: frozenset[str] | None = None
    baseline: Mapping[str, Any] = field(default_factory=dict)
    repeats: bool = False
    gone: GoneReason | None = None
    kartra_id: str = ""


def accepted(
    request: Request, said: ChangeRemark = ChangeRemark.SEEN_DONE, what: Seen = Seen.DONE, **more: Any
) -> ChangeOutcome:
    return ChangeOutcome(ChangeStatus.ACCEPTED, Proof.DONE, code=request.code, remark=remark(said), what=what, **more)


def superseded(request: Request, by: Request, *, is_so: bool = True) -> ChangeOutcome:
    """Ended: a later change of the same thing in the same call is so, or is what counts now (`is_so` False)."""
    said = remark(ChangeRemark.LATER_DONE) if is_so else remark(ChangeRemark.LATER_COUNTS)
    return ChangeOutcome(
        ChangeStatus.SUPERSEDED,
        Proof.DONE,
        remark=said,
        what=Seen.OVERTAKEN,
        superseded_by=by.change,
    )


def again(
    requests: Sequence[Request],
    evidence: Evidence,
    what: Seen = Seen.NOT_DONE,
    *,
    send_alone: bool | None = None,
    repeats: bool = False,
) -> dict[int, ChangeOutcome]:
    """Proven not done: all of them are sent again, in order. Where one was sent too often in a row, a person decides."""
    untyped = any(request.code == UNTYPED for request in requests)
    if any(request.code not in ("", UNTYPED) and next_step(request.code) is Next.HOLD for request in requests):
        return {request.change: asked(request, what, reason=Reason.UNLISTED_CODE) for request in requests}
    most = MOST_NOT_DONE if evidence.answered and not untyped else MOST_UNANSWERED
    if any(request.not_done + 1 >= most for request in requests):
        reason = Reason.REPEATED if evidence.family.partition(":")[0] in TEXTLESS else Reason.FIREWALL
        if untyped:
            reason = Reason.UNLISTED_CODE
        return {
            request.change: replace(
                asked(request, what, reason=reason), proof=Proof.NOT_DONE, not_done=request.not_done + 1
            )
            for request in requests
        }
    return {
        request.change: ChangeOutcome(
            ChangeStatus.WAITING,
            Proof.NOT_DONE,
            remark=remark(ChangeRemark.SEEN_NOT_DONE),
            what=what,
            not_done=request.not_done + 1,
            send_alone=send_alone,
            repeats=repeats,
        )
        for request in requests
    }


def turned_away(request: Request, code: str, message: str, said: Remarks = NONE) -> ChangeOutcome:
    """One action of a call was turned away and not done: sent again, but not without end."""
    not_done = request.not_done + 1
    if not_done >= MOST_NOT_DONE:
        return ChangeOutcome(
            ChangeStatus.UNDECIDED, Proof.NOT_DONE, Reason.REPEATED, code, message, said, not_done=not_done
        )
    return ChangeOutcome(ChangeStatus.WAITING, Proof.NOT_DONE, "", code, message, said, not_done=not_done)


def later(request: Request, evidence: Evidence, what: Seen) -> ChangeOutcome:
    """Nothing is proven yet: another look. Where none is planned any more, a person decides."""
    if evidence.last_look:
        return asked(request, what)
    return ChangeOutcome(
        ChangeStatus.UNKNOWN,
        Proof.UNCLEAR,
        code=request.code,
        message=request.message,
        remark=request.remark,
        what=what,
        look_in_s=evidence.look_in_s,
    )


def asked(
    request: Request, what: Seen, *, reason: Reason = Reason.OUTCOME, said: Remarks = NONE, **more: Any
) -> ChangeOutcome:
    """A person decides. `said`: what we say of it, instead of what was said of it before."""
    message, words = ("", said) if said else (request.message, request.remark)
    return ChangeOutcome(
        ChangeStatus.UNDECIDED, Proof.UNDECIDED, reason, request.code, message, words, what=what, **more
    )


def one_question(outcomes: Mapping[int, ChangeOutcome]) -> dict[int, ChangeOutcome]:
    """The verdicts, those left to a person as one question: the last of them has it, the others share it."""
    held = [change for change, outcome in outcomes.items() if outcome.status == ChangeStatus.UNDECIDED]
    return {
        change: replace(outcome, decided_with=held[-1]) if change in held[:-1] else outcome
        for change, outcome in outcomes.items()
    }
