"""The troubles: how each begins and ends, and which words of a notice tell a person of it."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests import under_faketime
from tests.drill.house import House

KARTRA_AWAY_S = 120.0
FULL_FOR_S = 200.0
"""Beat writes its schedule down every 3 minutes."""
WRONG_BY_S = 3600
SMALL_DISK = "DRILL_SMALL_DISK"
"""In the environment where VAR_DIR may be a small disk of our own: in a mount namespace that nobody else sees."""


@dataclass(frozen=True)
class Trouble:
    """`told`: what a notice says of it. It lasts until somebody was told, and for `least_s`."""

    name: str
    words: str
    told: str
    begin: Callable[[House], None]
    end: Callable[[House], None]
    least_s: float = 0.0
    why_not: Callable[[], str] = lambda: ""
    """Why this machine cannot make it; "" where it can."""


def killed(name: str, words: str, told: str) -> Trouble:
    return Trouble(
        name,
        words,
        told,
        begin=lambda house: house.processes.kill(name),
        end=lambda house: house.processes.start(name),
    )


def _empty_redis(house: House) -> None:
    house.redis.stop()
    shutil.rmtree(house.redis.folder)
    house.redis.folder.mkdir()


def _wrong_clock(house: House) -> None:
    """The worker is ended and started again on a machine whose clock is off."""
    house.processes.end("worker")
    env = under_faketime.environment(WRONG_BY_S)
    shifted = {
        name: env[name] for name in ("LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC")
    }
    house.processes.start("worker", command=[sys.executable, "-m", "tests.under_faketime"], **shifted)


def _right_clock(house: House) -> None:
    house.processes.end("worker")
    house.processes.start("worker")


class Filler:
    """Fills the small disk, and takes at once whatever somebody frees, as a log that grows and grows does."""

    def begin(self, house: House) -> None:
        self._over, self._path = threading.Event(), house.var / "filler"
        self._thread = threading.Thread(target=self._fill, daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._over.is_set():
                try:
                    file.write(b"\0" * 4096)
                except OSError:
                    time.sleep(0.001)

    def end(self, house: House) -> None:
        self._over.set()
        self._thread.join()
        self._path.unlink()


FILLER = Filler()

TROUBLES = {
    each.name: each
    for each in (
        Trouble(
            "database",
            "database stopped and started",
            "the database does not answer",
            begin=lambda house: house.postgres.halt(),
            end=lambda house: house.postgres.start(),
        ),
        Trouble(
            "redis",
            "Redis stopped, emptied and started",
            "The broker (Redis) does not answer",
            begin=_empty_redis,
            end=lambda house: house.redis.start(),
        ),
        killed("worker", "worker that sends and reads killed", "No worker of the queue push is running"),
        killed("apply", "worker that takes messages in killed", "No worker of the queue apply is running"),
        killed("beat", "beat killed", "Beat does not run"),
        killed("web", "web killed", "Web does not run"),
        Trouble(
            "clock",
            "clock of a worker an hour ahead",
            "The clock of",
            begin=_wrong_clock,
            end=_right_clock,
            why_not=lambda: "" if under_faketime.PROGRAM else under_faketime.WHY_NOT.rstrip("."),
        ),
        Trouble(
            "disk",
            "disk of VAR_DIR full",
            "The disk of",
            begin=FILLER.begin,
            end=FILLER.end,
            least_s=FULL_FOR_S,
            why_not=lambda: (
                ""
                if os.environ.get(SMALL_DISK)
                else "this machine does not let us mount a small disk (needs root and `unshare --mount`)"
            ),
        ),
        Trouble(
            "kartra",
            f"Kartra down for {KARTRA_AWAY_S:.0f} s",
            "sending stopped",
            begin=lambda house: house.kartra("switches", {"down": True}),
            end=lambda house: house.kartra("switches", {"down": False}),
            least_s=KARTRA_AWAY_S,
        ),
    )
}
