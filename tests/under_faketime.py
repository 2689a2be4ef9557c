"""Run a program of ours with a wall clock that is off and a monotonic one that is right: `command` with `environment`.

libfaketime leaves `clock_nanosleep` with an absolute monotonic time broken where it does not fake that clock, and Python sleeps
by it; waiting for a lock is as good. The library is loaded without its program, whose child would outlive a kill.
"""

import functools
import os
import runpy
import shutil
import subprocess
import sys
import threading
import time

PROGRAM = shutil.which("faketime")
WHY_NOT = "There is no faketime on this machine (apt-get install faketime)."


def command(*arguments: str) -> list[str]:
    """The command line of a Python program, to be run with an `environment`."""
    return [sys.executable, "-m", "tests.under_faketime", *arguments]


def environment(seconds: int) -> dict[str, str]:
    """For a process whose wall clock is so many seconds ahead. The monotonic one is left alone; the name of that wish
    differs by version."""
    shifted = {"LD_PRELOAD": _library(), "FAKETIME": f"{seconds:+}s"}
    return {**os.environ, **shifted, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@functools.cache
def _library() -> str:
    """What the program would load."""
    assert PROGRAM is not None, WHY_NOT
    says = "import os; print(os.environ['LD_PRELOAD'])"
    return subprocess.check_output([PROGRAM, "-f", "+1s", sys.executable, "-c", says], text=True).strip()


def _sleep(seconds: float) -> None:
    if seconds > 0:
        threading.Event().wait(seconds)


if __name__ == "__main__":
    time.sleep = _sleep
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
