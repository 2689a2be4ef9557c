"""The pace of the processes of one machine: a state for each app in a file, under `flock`."""

import dataclasses
import fcntl
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from integrations.kartra.rate_limit.arithmetic import (
    BACK_OFF_S,
    CLASSES,
    State,
    Turn,
    begin_slowly,
    crept,
    decide,
    slow_down,
)
from integrations.kartra.rate_limit.limiter import RateLimiter


class FileRateLimiter(RateLimiter):
    """On files in one folder: for the processes of one machine. Its time counts from the machine's start, so that nobody
    who sets a clock, right or wrong, changes the pace."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._folder = folder
        self._clock = clock

    def _with_state(self, app: str, work: Callable[[State, float], Any]) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{self._digest(app)}.json", "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            at = self._clock()
            state = self._read(file, at)
            result = work(state, at)
            file.seek(0)
            file.truncate()
            file.write(json.dumps(dataclasses.asdict(state)).encode())
            file.flush()
            return result

    def _read(self, file: Any, at: float) -> State:
        file.seek(0)
        raw = file.read()
        if not raw:
            return State()
        try:
            found = State(**json.loads(raw))
            if len(found.asked) == len(found.given) == CLASSES:
                return _until(found, at)
        except (ValueError, TypeError):
            pass
        return State(due_at=at + BACK_OFF_S)  # half-written: assume that calls were just made

    def reserve(self, app: str, rate: float, priority_class: int) -> Turn:
        if math.isinf(rate):
            return Turn(True, 0.0)
        turn: Turn = self._with_state(app, lambda state, at: decide(state, at, rate, priority_class))
        return turn

    def throttled(self, app: str) -> None:
        self._with_state(app, slow_down)

    def slow_start(self, app: str) -> None:
        self._with_state(app, begin_slowly)

    def factor(self, app: str) -> float:
        return float(self._with_state(app, crept))


def _until(state: State, at: float) -> State:
    """What a file says that was written before the machine started anew: nothing of it is later than now but the turn."""
    state.factor_at = min(state.factor_at, at)
    state.asked = [min(each, at) for each in state.asked]
    state.given = [min(each, at) for each in state.given]
    return state
