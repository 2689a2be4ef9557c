"""Run a program of ours with a wall clock that is off and a monotonic one that is right: `faketime … python -m
tests.under_faketime FILE ARGUMENTS`.

libfaketime leaves `clock_nanosleep` with an absolute monotonic time broken where it does not fake that clock, and Python sleeps
by it; waiting for a lock is as good.
"""

import os
import runpy
import shutil
import sys
import threading
import time

PROGRAM = shutil.which("faketime")
WHY_NOT = "There is no faketime on this machine (apt-get install faketime)."


def command(seconds: int, *arguments: str) -> list[str]:
    """The command line for a process whose clock is so many seconds ahead."""
    return [PROGRAM or "faketime", "-f", f"{seconds:+}s", sys.executable, "-m", "tests.under_faketime", *arguments]


def environment() -> dict[str, str]:
    """Leave the monotonic clock alone; the name of the wish differs by version."""
    return {**os.environ, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def _sleep(seconds: float) -> None:
    if seconds > 0:
        threading.Event().wait(seconds)


if __name__ == "__main__":
    time.sleep = _sleep
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
