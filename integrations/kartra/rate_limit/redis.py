"""The pace of any number of machines: an atomic script on Redis, by Redis' own clock."""

import math
from typing import Any

import redis

from integrations.kartra.rate_limit.arithmetic import (
    AHEAD_S,
    BACK_OFF_S,
    CREEP,
    CREEP_EVERY_S,
    EASE,
    LOWEST,
    STEP_DOWN,
    YIELD_S,
    Turn,
)
from integrations.kartra.rate_limit.limiter import RateLimiter, RateLimiterUnavailable

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


class RedisRateLimiter(RateLimiter):
    """On Redis, by Redis' own clock: for any number of machines. An emptied Redis starts empty, not full."""

    def __init__(self, url: str, prefix: str = "kartra_mirror:rate_limit:") -> None:
        super().__init__()
        self._redis = redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=0.5)
        self._prefix = prefix
        self._reserve = self._redis.register_script(_script(_LUA_RESERVE))
        self._slow_down = self._redis.register_script(_script(_LUA_SLOW_DOWN))
        self._ease = self._redis.register_script(_script(_LUA_EASE))
        self._factor = self._redis.register_script(_script(_LUA_FACTOR))

    def _run(self, script: Any, app: str, *args: Any) -> Any:
        try:
            return script(keys=[self._prefix + self._digest(app)], args=args)
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
