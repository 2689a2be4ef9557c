"""Kartra's speed limit, kept over all processes: 20 calls a second belong to an app, whoever makes them.

One arithmetic (GCRA without burst, at most 19.5 a second) on two grounds: an atomic script on Redis' own clock, or a
file under `flock` for the processes of one machine. At 19.5 no window of one second ever holds more than 20 calls.
Which ground is taken is left to `sending`. May import nothing of ours.
"""

from integrations.kartra.rate_limit.arithmetic import Turn
from integrations.kartra.rate_limit.file import FileRateLimiter
from integrations.kartra.rate_limit.limiter import LATE_S, RateLimiter, RateLimiterUnavailable
from integrations.kartra.rate_limit.redis import RedisRateLimiter

__all__ = ["LATE_S", "FileRateLimiter", "RateLimiter", "RateLimiterUnavailable", "RedisRateLimiter", "Turn"]
