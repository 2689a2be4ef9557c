"""Numbers of large accounts that stand on pages which are opened all the time: counted once in a minute, where that takes long."""

import math
import time
from collections.abc import Callable
from typing import Any

from django.core.cache import cache

KEPT_S = 60
LONG_S = 0.1


def kept(key: str, count: Callable[[], Any], *, times: float = math.inf) -> Any:
    """What `count` finds, or what it found up to a minute ago if it took longer than LONG_S then. A small account's numbers are
    always those of this moment. `times`: for numbers that move while one looks, kept for so many times as long as they took."""
    found = cache.get(key)
    if found is None:
        began = time.monotonic()
        found = count()
        if (took_s := time.monotonic() - began) > LONG_S:
            cache.set(key, found, min(KEPT_S, times * took_s))
    return found
