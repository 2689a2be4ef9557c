"""Whose turn is when: the arithmetic of the pace in plain Python, on a state and a time that it is given.

GCRA without burst. Where the state is kept, and by which clock, is left to `file`; `redis` reckons the same in its script.
"""

import math
from dataclasses import dataclass, field

CLASSES = 5
"""0 a person waits · 1 verification · 2 single changes · 3 runs · 4 refresh."""

AHEAD_S = 0.04
"""A turn is given this long before it is due, so that what is done between turn and call costs no speed."""

YIELD_S = 0.2
"""A class gives way while a better one has asked within this time."""

FLOORS_PER_S = (math.inf, 1.0, 1.0, 1.0, 0.5)
"""What each class may have even while it gives way."""

STEP_DOWN = 0.9
CREEP = 0.01
CREEP_EVERY_S = 5.0
LOWEST = 0.2
BACK_OFF_S = 1.0
EASE = 0.7
"""How fast it begins again after an outage."""


@dataclass(frozen=True)
class Turn:
    """The answer to asking for a turn. Granted: make the call in `wait_s` seconds. Not: ask again in `wait_s`."""

    granted: bool
    wait_s: float


@dataclass
class State:
    """An app's pace: when the next call is due, how far the speed is stepped down, who asked and got turns when."""

    due_at: float = 0.0
    factor: float = 1.0
    factor_at: float = 0.0
    asked: list[float] = field(default_factory=lambda: [0.0] * CLASSES)
    given: list[float] = field(default_factory=lambda: [0.0] * CLASSES)


def crept(state: State, at: float) -> float:
    """The factor by now: it creeps back by a hundredth for every 5 s without a 429."""
    steps = math.floor(max(0.0, at - state.factor_at) / CREEP_EVERY_S)
    return min(1.0, state.factor + CREEP * steps)


def decide(state: State, at: float, rate: float, priority_class: int) -> Turn:
    """Ask for a turn at time `at`; changes `state`. The one arithmetic, in Python."""
    state.asked[priority_class] = at
    interval = 1.0 / (rate * crept(state, at))
    if state.due_at > at + 10.0 + interval:
        state.due_at = at + interval  # a clock was set back: nobody waits for a time long past
    gives_way = any(at - state.asked[better] <= YIELD_S for better in range(priority_class))
    if gives_way and at - state.given[priority_class] < 1.0 / FLOORS_PER_S[priority_class]:
        return Turn(False, max(state.due_at - at, YIELD_S / 4))
    ahead = state.due_at - at
    if ahead > AHEAD_S:
        return Turn(False, ahead - AHEAD_S)
    state.asked[priority_class] = 0.0
    state.given[priority_class] = at
    state.due_at = max(state.due_at, at) + interval
    return Turn(True, max(0.0, ahead))


def slow_down(state: State, at: float) -> None:
    """Kartra answered 429: everyone waits a second, and the speed steps down by a tenth."""
    state.factor = max(LOWEST, crept(state, at) * STEP_DOWN)
    state.factor_at = at
    state.due_at = max(state.due_at, at) + BACK_OFF_S


def begin_slowly(state: State, at: float) -> None:
    """After an outage: begin below full speed and creep back."""
    state.factor = min(crept(state, at), EASE)
    state.factor_at = at
