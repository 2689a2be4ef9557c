"""Numbers of large accounts that stand on pages which are opened all the time: counted once in a minute, where that takes long."""

import time
from collections.abc import Callable
from typing import Any

from django.core.cache import cache

KEPT_S = 60
LONG_S = 0.1


def kept(key: str, count: Callable[[], Any]) -> Any:
    """What `count` finds, or what it found up to a minute ago if it took longer than LONG_S then. A small account's numbers are
    always those of this moment."""
    found = cache.get(key)
    if found is None:
        began = time.monotonic()
        found = count()
        if time.monotonic() - began > LONG_S:
            cache.set(key, found, KEPT_S)
    return found
