"""What a benchmark found: ours beside a yardstick measured in the same run, their ratio, the goal."""

import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = Path(__file__).parent / "results" / "latest.json"


@dataclass
class Line:
    """One row of the table. `ratio` is ours by the yardstick's, `goal` what it may be at most (None: no goal)."""

    name: str
    ours: float
    yardstick: float | None
    unit: str
    goal: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.yardstick if self.yardstick else None

    @property
    def met(self) -> bool | None:
        judged = self.ours if self.yardstick is None else self.ratio
        return None if self.goal is None or judged is None else judged <= self.goal

    def told(self) -> str:
        yardstick = "" if self.yardstick is None else f"{self.yardstick:10.3f}"
        ratio = "" if self.ratio is None else f"{self.ratio:6.2f} ×"
        goal = "" if self.goal is None else f"≤ {self.goal:g}"
        verdict = {None: "", True: "met", False: "MISSED"}[self.met]
        return f"{self.name:52} {self.ours:10.3f} {yardstick:>10} {self.unit:4} {ratio:>9} {goal:>8} {verdict}"


def in_turn(*works: Callable[[], object], rounds: int = 3) -> list[float]:
    """The middle of the seconds that each takes, each in turn in every round."""
    times: list[list[float]] = [[] for _ in works]
    for _round in range(rounds):
        for work, found in zip(works, times, strict=True):
            began = time.perf_counter()
            work()
            found.append(time.perf_counter() - began)
    return [statistics.median(found) for found in times]


def memory_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def keep(subject: str, size: int, lines: list[Line]) -> None:
    """Print the table and write it into `results/latest.json`, beside those of the other subjects."""
    import django
    from django.db import connection

    for line in lines:
        print(line.told())
    kept = json.loads(FILE.read_text()) if FILE.exists() else {}
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        server = cursor.fetchone()[0]
    kept[subject] = {
        "size": size,
        "versions": {"python": platform.python_version(), "django": django.__version__, "postgresql": server},
        "lines": [{**asdict(line), "ratio": line.ratio, "met": line.met} for line in lines],
    }
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    sys.stdout.flush()
