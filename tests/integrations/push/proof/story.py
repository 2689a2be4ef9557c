"""A Kartra in a few lines, for the judge alone: a lead's families, a call that is carried out as far as somebody says, a person
in Kartra who writes in between, reads, and what comes of it until all is settled or left to a person. No network, no database.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.push.proof import Evidence, Request, classify
from integrations.push.proof.evidence import Carried
from integrations.translate import NOT_TOLD
from leads.models import ChangeStatus

LOOKS = 3
CLASS = {"calendar": "Coaching", "class": "Intro call"}


def tag(on: bool) -> tuple[str, dict[str, Any]]:
    return ("assign_tag" if on else "unassign_tag"), {"tag": "VIP"}


def on_list(on: bool) -> tuple[str, dict[str, Any]]:
    return ("subscribe_list" if on else "unsubscribe_list"), {"list": "News"}


def step(number: int | None) -> tuple[str, dict[str, Any]]:
    if number is None:
        return "unsubscribe_sequence", {"sequence": "Welcome"}
    return "subscribe_sequence", {"sequence": "Welcome", "step": str(number)}


def edit(**fields: Any) -> tuple[str, dict[str, Any]]:
    return "update_lead", fields


def points(number: int) -> tuple[str, dict[str, Any]]:
    return ("give_points" if number > 0 else "remove_points"), {"points": abs(number)}


def carry_out(kind: str, parameters: dict[str, Any], state: Any) -> Any:
    """What Kartra makes of a family's state. Written from the facts, apart from what the product believes."""
    match kind:
        case "assign_tag" | "unassign_tag":
            return kind == "assign_tag"
        case "subscribe_list":
            return "on"
        case "unsubscribe_list":
            return "left" if state == "on" else state
        case "subscribe_sequence":
            return [parameters["step"], "active"]
        case "unsubscribe_sequence":
            return [state[0], "unsubscribed"] if state else state
        case "update_lead":
            return {**state, **parameters}
        case "give_points":
            return state + parameters["points"]
        case "remove_points":
            return state - parameters["points"]
    raise AssertionError(kind)


def ends_as(kind: str, parameters: dict[str, Any], state: Any) -> bool:
    """Whether a family's state is as this request wanted it."""
    match kind:
        case "assign_tag" | "unassign_tag":
            return state is (kind == "assign_tag")
        case "subscribe_list" | "unsubscribe_list":
            return (state == "on") is (kind == "subscribe_list")
        case "subscribe_sequence":
            return bool(state) and state[1] == "active" and int(state[0]) >= int(parameters["step"])
        case "unsubscribe_sequence":
            return not state or state[1] != "active"
        case "update_lead":
            return all(state.get(name) == value for name, value in parameters.items())
    raise AssertionError(kind)


@dataclass
class Story:
    """One family of a lead, the requests about it that share a call, and what became of them."""

    family: str
    requests: list[tuple[str, dict[str, Any]]]
    state: Any
    with_receipt: bool = False
    before_known: bool = True
    statuses: dict[int, ChangeStatus] = field(default_factory=dict)
    not_done: dict[int, int] = field(default_factory=dict)
    repeated: set[int] = field(default_factory=set)
    carried: list[int] = field(default_factory=list)  # the requests that Kartra carried out, in order
    told_by_others: bool = False
    accepted_over: list[Any] = field(default_factory=list)  # states that a read showed when the last was called done
    rival_wrote: bool = False
    receipt: bool = False
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting = list(range(len(self.requests)))

    def rival(self, kind: str, parameters: dict[str, Any], *, noticed: bool) -> None:
        """Somebody writes in Kartra itself; its message reaches us or not."""
        self.state = carry_out(kind, parameters, self.state)
        self.rival_wrote = True
        self.told_by_others |= noticed

    def send(
        self, done: int | None, *, answered: bool = False, rivals: Sequence[tuple[int, str, dict[str, Any], bool]] = ()
    ) -> None:
        """Send all that waits in one call, of which Kartra carries out the first `done` (None: all); then look until it is
        known. `rivals`: (before which action, kind, parameters, noticed)."""
        sent = [n for n in self.waiting if n not in self.statuses]
        if not sent:
            return
        before = self.state if self.before_known else NOT_TOLD
        self.receipt = False
        merged = self.family == "profile"
        done = len(sent) if done is None else min(done, len(sent))
        if merged and done:
            done = len(sent)  # edits travel as one action
        for place, number in enumerate([*sent, None]):
            for at, kind, parameters, noticed in rivals:
                if min(at, len(sent)) == place:
                    self.rival(kind, parameters, noticed=noticed)
            if number is not None and place < done:
                self.receipt = self.receipt or self.with_receipt
                self.state = carry_out(*self.requests[number], self.state)
                self.carried.append(number)
        if answered:
            for n in sent:
                self.statuses[n] = ChangeStatus.ACCEPTED
            return
        self._verify(sent, before)

    def _verify(self, sent: list[int], before: Any) -> None:
        unclear = list(sent)
        shown: list[tuple[Any, bool | None]] = []
        for look in range(1, LOOKS + 1):
            receipt = self.receipt if self.with_receipt else None
            seen = (self.state, receipt)
            evidence = Evidence(
                family=self.family,
                requests=tuple(self._request(n, n in unclear) for n in sent),
                before=before,
                after=self.state,
                foreign=self.told_by_others,
                receipt=receipt,
                same_before=bool(shown) and shown[-1] == seen,
                last_look=look == LOOKS,
                look_in_s=1.0,
            )
            shown.append(seen)
            verdicts = classify(evidence)
            assert set(verdicts) == set(unclear)
            for number, verdict in verdicts.items():
                if verdict.status == ChangeStatus.UNKNOWN:
                    continue
                unclear.remove(number)
                if verdict.not_done is not None:
                    self.not_done[number] = verdict.not_done
                if verdict.repeats:
                    self.repeated.add(number)
                if verdict.status == ChangeStatus.WAITING:
                    continue
                self.statuses[number] = verdict.status
                if verdict.status == ChangeStatus.ACCEPTED:
                    self.accepted_over.append((number, self.state))
                if verdict.status == ChangeStatus.UNDECIDED:
                    self.asked.append(number)
            if not unclear:
                break
        assert not unclear
        self.before_known = True  # a read has shown it

    def _request(self, number: int, unclear: bool) -> Request:
        kind, parameters = self.requests[number]
        settled = Carried.DONE if self.statuses.get(number) == ChangeStatus.ACCEPTED else Carried.NOT
        return Request(
            number,
            kind,
            parameters,
            Carried.UNCLEAR if unclear else settled,
            not_done=self.not_done.get(number, 0),
            repeated=number in self.repeated,
        )

    def answer(self, answer: str) -> None:
        """A person decides about all that was left to one."""
        held, self.asked = self.asked, []
        for number in held:
            del self.statuses[number]
        if answer == "again":
            self.told_by_others = False
            self.send(None, answered=True)
            return
        for number in held:
            last = number == held[-1]
            happened = ChangeStatus.ACCEPTED if last else ChangeStatus.SUPERSEDED
            self.statuses[number] = happened if answer == "happened" else ChangeStatus.CANCELLED

    @property
    def open(self) -> list[int]:
        return [n for n in self.waiting if n not in self.statuses]

    @property
    def left_to_a_person(self) -> bool:
        return bool(self.asked)

    def wrong(self) -> list[str]:
        """What must never be, as sentences."""
        found = []
        for number, state in self.accepted_over:
            if (
                self.family != "points"
                and number == len(self.requests) - 1
                and not ends_as(*self.requests[number], state)
            ):
                found.append(f"request {number} is called done over {state}")
        if self.statuses.get(len(self.requests) - 1) == ChangeStatus.SUPERSEDED:
            found.append("the last request is called overtaken")
        settled = not self.asked and not self.open and not self.rival_wrote and self.family != "points"
        done = self.statuses.get(len(self.requests) - 1) == ChangeStatus.ACCEPTED
        if settled and done and not ends_as(*self.requests[-1], self.state):
            found.append(f"the last request is done and Kartra holds {self.state}: {self.carried} were carried out")
        if self.family == "points" and any(self.carried.count(n) > 1 for n in self.carried):
            found.append("points were given twice")
        if (
            self.family.startswith("sequence")
            and not self.rival_wrote
            and any(
                self.carried.count(n) > 1 and self.requests[n][0] == "subscribe_sequence" and self.with_receipt
                for n in self.carried
            )
        ):
            found.append("a sequence was entered twice although the safety field tells")
        return found


def runs_of(values: Sequence[Any], most: int) -> Iterator[tuple[Any, ...]]:
    """All sequences of one to `most` of the values."""
    for n in range(1, most + 1):
        yield from itertools.product(values, repeat=n)
