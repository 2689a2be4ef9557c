"""Kartra's speed limit, kept over all processes: 20 calls a second belong to an app, whoever makes them.

One arithmetic (GCRA without burst, at most 19.5 a second) on two grounds: an atomic script on Redis' own clock, or a
file under `flock` for the processes of one machine. At 19.5 no window of one second ever holds more than 20 calls.
"""

import abc
import dataclasses
import fcntl
import hashlib
import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import redis

CLASSES = 5
"""0 a person waits · 1 verification · 2 single changes · 3 runs · 4 refresh."""

AHEAD_S = 0.04
"""A turn is given this long before it is due, so that what is done between turn and call costs no speed."""

WINDOW = 20
"""Kartra's own number: calls in any one second."""

APART_S = 1.02
"""A call leaves this process no sooner after the twentieth before it: turns are 1/19.5 s apart, but a busy machine is late
for some, and late calls crowd the second that follows."""

LATE_S = 0.02
"""A call that may be later than this for its turn gives the turn up: late calls crowd the second that follows, and twenty
turns at 19.5 a second leave 25 ms to spare."""

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


class RateLimiterUnavailable(Exception):
    """The limiter cannot be asked (Redis is down): nothing may be sent."""


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


def _until(state: State, at: float) -> State:
    """What a file says that was written before the machine started anew: nothing of it is later than now but the turn."""
    state.factor_at = min(state.factor_at, at)
    state.asked = [min(each, at) for each in state.asked]
    state.given = [min(each, at) for each in state.given]
    return state


class RateLimiter(Protocol):
    """What both grounds can do. `app` is the app id; only a digest of it is ever written."""

    def reserve(self, app: str, rate: float, priority_class: int) -> Turn:
        """Ask for a turn without waiting. Raises PaceUnavailable."""

    def take(self, app: str, rate: float, priority_class: int, *, timeout_s: float, stop: Callable[[], bool]) -> bool:
        """Wait for a turn until it is due. False when the time is over or `stop` says so."""

    def depart(self, app: str) -> None:
        """Called just before a call leaves whose turn came from `reserve`."""

    def throttled(self, app: str) -> None:
        """Kartra answered 429."""

    def slow_start(self, app: str) -> None:
        """Kartra answers again after an outage: begin gently."""

    def factor(self, app: str) -> float:
        """How far the speed is stepped down just now: 1.0 is full speed."""


class _Waiting(abc.ABC):
    def __init__(self) -> None:
        self._left: dict[str, deque[float]] = {}
        self._leaving = threading.Lock()

    def depart(self, app: str) -> None:
        """Called just before a call leaves: waits the few milliseconds that keep it apart from those before it."""
        with self._leaving:
            left = self._left.setdefault(app, deque(maxlen=WINDOW))
            at = time.monotonic()
            if len(left) == WINDOW:
                at = max(at, left[0] + APART_S)
            left.append(at)
        time.sleep(max(0.0, at - time.monotonic()))

    @abc.abstractmethod
    def reserve(self, app: str, rate: float, priority_class: int) -> Turn: ...

    def take(self, app: str, rate: float, priority_class: int, *, timeout_s: float, stop: Callable[[], bool]) -> bool:
        ends = time.monotonic() + timeout_s
        while True:
            asked_at = time.monotonic()
            turn = self.reserve(app, rate, priority_class)
            if turn.granted:
                time.sleep(turn.wait_s)
                if math.isinf(rate):
                    return True
                # The answer itself may have come late, so lateness counts from the question.
                if time.monotonic() - asked_at - turn.wait_s <= LATE_S:
                    self.depart(app)
                    return True
                if stop():
                    return False
                continue
            left_s = ends - time.monotonic()
            if left_s <= 0 or stop():
                return False
            time.sleep(min(turn.wait_s, left_s, 0.5))


def _key(app: str) -> str:
    return hashlib.sha256(app.encode("utf-8", "replace")).hexdigest()[:24]


class FileRateLimiter(_Waiting):
    """On files in one folder: for the processes of one machine. Its time counts from the machine's start, so that nobody
    who sets a clock, right or wrong, changes the pace."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._folder = folder
        self._clock = clock

    def _with_state(self, app: str, work: Callable[[State, float], Any]) -> Any:
        self._folder.mkdir(parents=True, exist_ok=True)
        with open(self._folder / f"{_key(app)}.json", "a+b") as file:
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


_LUA_STATE = """
local time = redis.call('TIME')
local at = tonumber(time[1]) + tonumber(time[2]) / 1000000
local raw = redis.call('GET', KEYS[1])
local s = raw and cjson.decode(raw) or
    {due_at = 0, factor = 1, factor_at = 0, asked = {0, 0, 0, 0, 0}, given = {0, 0, 0, 0, 0}}
local function crept()
    local steps = math.floor(math.max(0, at - s.factor_at) / CREEP_EVERY_S)
    return math.min(1, s.factor + CREEP * steps)
end
local function save() redis.call('SET', KEYS[1], cjson.encode(s), 'EX', 86400) end
"""

_LUA_RESERVE = """
local rate, klass = tonumber(ARGV[1]), tonumber(ARGV[2]) + 1
local floors = {1e9, 1, 1, 1, 0.5}
if not raw then s.due_at = at + 1 / rate end
s.asked[klass] = at
local interval = 1 / (rate * crept())
if s.due_at > at + 10 + interval then s.due_at = at + interval end
local gives_way = false
for better = 1, klass - 1 do
    if at - s.asked[better] <= YIELD_S then gives_way = true end
end
if gives_way and at - s.given[klass] < 1 / floors[klass] then
    save()
    return {0, tostring(math.max(s.due_at - at, YIELD_S / 4))}
end
local ahead = s.due_at - at
if ahead > AHEAD_S then
    save()
    return {0, tostring(ahead - AHEAD_S)}
end
s.asked[klass] = 0
s.given[klass] = at
s.due_at = math.max(s.due_at, at) + interval
save()
return {1, tostring(math.max(0, ahead))}
"""

_LUA_SLOW_DOWN = """
s.factor = math.max(LOWEST, crept() * STEP_DOWN)
s.factor_at = at
s.due_at = math.max(s.due_at, at) + BACK_OFF_S
save()
return 1
"""

_LUA_EASE = """
s.factor = math.min(crept(), EASE)
s.factor_at = at
save()
return 1
"""

_LUA_FACTOR = "return tostring(crept())"


def _script(body: str) -> str:
    text = _LUA_STATE + body
    numbers = {
        "CREEP_EVERY_S": CREEP_EVERY_S,
        "CREEP": CREEP,
        "YIELD_S": YIELD_S,
        "AHEAD_S": AHEAD_S,
        "LOWEST": LOWEST,
        "STEP_DOWN": STEP_DOWN,
        "BACK_OFF_S": BACK_OFF_S,
        "EASE": EASE,
    }
    for name, number in numbers.items():
        text = text.replace(name, str(number))
    return text


class RedisRateLimiter(_Waiting):
    """On Redis, by Redis' own clock: for any number of machines. An emptied Redis starts empty, not full."""

    def __init__(self, url: str, prefix: str = "kartra_mirror:pace:") -> None:
        super().__init__()
        self._redis = redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=0.5)
        self._prefix = prefix
        self._reserve = self._redis.register_script(_script(_LUA_RESERVE))
        self._slow_down = self._redis.register_script(_script(_LUA_SLOW_DOWN))
        self._ease = self._redis.register_script(_script(_LUA_EASE))
        self._factor = self._redis.register_script(_script(_LUA_FACTOR))

    def _run(self, script: Any, app: str, *args: Any) -> Any:
        try:
            return script(keys=[self._prefix + _key(app)], args=args)
        except redis.RedisError as error:
            raise RateLimiterUnavailable(type(error).__name__) from None

    def reserve(self, app: str, rate: float, priority_class: int) -> Turn:
        if math.isinf(rate):
            return Turn(True, 0.0)
        granted, wait_s = self._run(self._reserve, app, float(rate), int(priority_class))
        return Turn(bool(granted), float(wait_s))

    def throttled(self, app: str) -> None:
        self._run(self._slow_down, app)

    def slow_start(self, app: str) -> None:
        self._run(self._ease, app)

    def factor(self, app: str) -> float:
        return float(self._run(self._factor, app))
