"""Database errors that pass: two writers met. What they interrupted is done again; they say nothing about what was written."""

import functools
import random
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection

P = ParamSpec("P")
R = TypeVar("R")

MEETINGS = frozenset(
    {
        "40001",  # serialization failure
        "40P01",  # deadlock
        "55P03",  # lock not available
        "23505",  # somebody else made the same row at this moment
        "23503",  # the row it points at was folded into another at this moment
    }
)
"""PostgreSQL's codes of errors that another writer caused."""

TRIES = 6
FIRST_WAIT_S = 0.02


def met_another(error: BaseException) -> bool:
    """Whether the database gave up because another writer was at the same rows."""
    return isinstance(error, DatabaseError) and getattr(error.__cause__, "sqlstate", None) in MEETINGS


def passes(error: BaseException) -> bool:
    """Whether the same may work a moment later: another writer, or a database that is busy, gone or being restarted."""
    return met_another(error) or isinstance(error, OperationalError | InterfaceError)


def wait_a_little(number: int) -> None:
    """Wait before the next try after try `number`, each time longer, and not as long as the other does."""
    time.sleep(FIRST_WAIT_S * 2**number * (0.5 + random.random()))


def done_again(work: Callable[P, R], *, wait: Callable[[int], None] = wait_a_little) -> Callable[P, R]:
    """A function that writes in a transaction of its own is called again when it met another writer. Inside a transaction
    that somebody else began nothing can be done again: the error goes to them."""

    @functools.wraps(work)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        for number in range(TRIES):
            try:
                return work(*args, **kwargs)
            except DatabaseError as error:
                if connection.in_atomic_block or not met_another(error) or number == TRIES - 1:
                    raise
            wait(number)
        raise AssertionError("The last try returns or raises.")

    return repeated


def again_if_dropped(work: Callable[[], R]) -> R:
    """Do it, once more on a new connection where the database has dropped the one that was kept."""
    try:
        return work()
    except (OperationalError, InterfaceError):
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return work()
