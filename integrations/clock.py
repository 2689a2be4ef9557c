"""The database's clock (`leads.clock`), and how far this machine's is from it."""

import datetime as dt
import time

from leads.clock import now

__all__ = ["ahead_s", "now"]


def ahead_s() -> float:
    """So many seconds this machine's clock is ahead of the database's; below 0 it is behind."""
    before = time.time()
    theirs = now()
    mine = dt.datetime.fromtimestamp((before + time.time()) / 2, dt.UTC)
    return (mine - theirs).total_seconds()
