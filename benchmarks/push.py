"""Pushes and reads beside a bare loop of `requests`, and the pace at Kartra's limit, on PostgreSQL against the Kartra sandbox.

`CALLS` in the environment: how many without a limit (default 600). `SECONDS`: how long each pace is held (default 12). Each work
runs in a process of its own; the sandbox answers from this one, so that all share it alike.
"""

import io
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import database, results
from benchmarks.rate_limit import worst_second
from benchmarks.results import Line

ROOT = Path(__file__).resolve().parents[1]
CALLS = int(os.environ.get("CALLS", "600"))
SECONDS = float(os.environ.get("SECONDS", "12"))
ROUNDS = 3
FULL = 20.0
"""Kartra's limit: calls a second."""


# --- what runs in a process of its own


def _counted(work: Any) -> dict[str, float]:
    """How long the work takes, its CPU and its queries; what a first call costs apart."""
    from django.db import connection

    queries = 0

    def note(execute: Any, *args: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*args)

    connection.ensure_connection()
    began, cpu = time.perf_counter(), time.process_time()
    with connection.execute_wrapper(note):
        work()
    return {"s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu, "queries": queries}


def _work(name: str, run: int | None, tag: str) -> dict[str, float]:
    from benchmarks.yardsticks import push as by_hand
    from integrations import push
    from integrations.models import Connection
    from integrations.read import refresh
    from leads.models import BulkRun, Lead, Tag

    connection = Connection.objects.select_related("account").get()
    url, account = connection.api_url, connection.account_id
    keys = {
        "app_id": connection.app_id,
        "api_key": str(connection.api_key),
        "api_password": str(connection.api_password),
    }
    ids = list(Lead.objects.order_by("pk").values_list("kartra_id", flat=True)[:CALLS])
    if name == "loop":
        return _counted(lambda: by_hand.loop(url, keys, ids, tag))
    if name in ("read", "read loop"):  # of others: a lead that a call of ours just touched is read with more care
        leads = Lead.objects.order_by("-pk")[:CALLS]
        if name == "read":
            return _counted(lambda: refresh.read_many(connection, leads))
        ids = list(leads.values_list("kartra_id", flat=True))
        return _counted(lambda: by_hand.read_loop(url, keys, ids))
    if name == "by hand":
        named = (Tag.objects.get(name=tag).pk, tag)
        return _counted(lambda: by_hand.keeping_promises(url, keys, account, connection.pk, run or 0, named))
    found = _counted(lambda: push.drain(connection, until_s=math.inf))
    assert not run or BulkRun.objects.get(pk=run).state == "finished"
    return found


def _apart(name: str, run: int | None = None, tag: str = "") -> dict[str, float]:
    told = [sys.executable, __file__, "--work", name, str(run or ""), tag]
    return dict(json.loads(subprocess.run(told, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout))


def _middle(found: list[dict[str, float]]) -> dict[str, float]:
    return sorted(found, key=lambda each: each["s"])[len(found) // 2]


# --- what this process does


class Bench:
    """A sandbox with leads, and our copy of them."""

    def __init__(self) -> None:
        from django.core.management import call_command

        from integrations.sandbox.state import APP_ID, KEY, PASSWORD, UNLIMITED_APP_ID
        from integrations.sandbox.store import demo
        from integrations.sandbox.wire.server import Sandbox
        from leads.models import Account

        self.apps = {True: APP_ID, False: UNLIMITED_APP_ID}
        self.sandbox = Sandbox()
        demo.catalogue(self.sandbox.account())
        self.sandbox.start()
        self.sandbox.switches.set({"echo_api_writes": False})
        call_command(
            "connect",
            "Pace",
            app_id=APP_ID,
            api_key=KEY,
            api_password=PASSWORD,
            api_url=self.sandbox.url,
            send=True,
            stdout=io.StringIO(),
        )
        self.account = Account.objects.get()
        for tag in (f"Bench {number}" for number in range(40)):
            self.sandbox.store.add_thing(1, "tag", tag)
        call_command("pull", connection="Pace", catalogue=True, stdout=io.StringIO())
        self._fill(max(CALLS, int(SECONDS * FULL) + 200) + CALLS)
        self.tags = iter(f"Bench {number}" for number in range(40))

    def _fill(self, number: int) -> None:
        from django.utils import timezone

        from leads.models import Lead

        ids = [self.sandbox.account().create(f"lead{n}@example.com", {}, {})["id"] for n in range(number)]
        Lead.objects.bulk_create(
            Lead(
                account=self.account,
                kartra_id=str(id),
                email=f"lead{n}@example.com",
                email_key=f"lead{n}@example.com",
                read_at=timezone.now(),
            )
            for n, id in enumerate(ids)
        )

    def limit(self, on: bool, latency_ms: int) -> None:
        from integrations.models import Connection

        Connection.objects.update(app_id=self.apps[on], calls_per_second=19.5 if on else 0)
        self.sandbox.switches.set({"latency_ms": latency_ms})

    def start(self, number: int, kind: str = "assign_tag", **parameters: Any) -> tuple[int, str]:
        """A bulk action with the first leads: (its primary key, its tag)."""
        from leads import changes, kinds
        from leads.models import Lead

        tag = "" if parameters else next(self.tags)
        first = Lead.objects.filter(pk__in=Lead.objects.order_by("pk").values("pk")[:number])
        run = changes.record_run(self.account, first, kinds.get_kind(kind), parameters or {"tag": tag})
        return run.pk, tag

    def unlimited(self) -> list[Line]:
        """In turn, so that what else the machine does falls on all alike."""
        self.limit(False, 0)
        found: dict[str, list[dict[str, float]]] = {
            name: [] for name in ("push", "loop", "by hand", "read", "read loop")
        }
        _apart("read")  # so that what is measured tells nothing new, as most reads do
        for _round in range(ROUNDS):
            for name in found:
                run, tag = self.start(CALLS) if name in ("push", "by hand") else (None, next(self.tags))
                found[name].append(_apart(name, run, tag))
        push, loop, hand, read, read_loop = (_middle(each) for each in found.values())
        for name, each in found.items():
            rates = ", ".join(f"{CALLS / one['s']:.0f}" for one in each)
            print(f"  {name}: {rates} a second", flush=True)
        per = 1000 / CALLS
        return [
            Line("push: ms a call, a bare loop", push["s"] * per, loop["s"] * per, "ms", 5.0),
            Line("push: ms a call, the promises by hand", push["s"] * per, hand["s"] * per, "ms"),
            Line("push: CPU a call, a bare loop", push["cpu_s"] * per, loop["cpu_s"] * per, "ms"),
            Line("push: queries a call, by hand", push["queries"] / CALLS, hand["queries"] / CALLS, ""),
            Line("refresh: ms a lead, a bare loop", read["s"] * per, read_loop["s"] * per, "ms", 3.34),
            Line("refresh: CPU a lead, a bare loop", read["cpu_s"] * per, read_loop["cpu_s"] * per, "ms"),
            Line("refresh: queries a lead", read["queries"] / CALLS, None, ""),
        ]

    def held(self, pushers: int, seconds: float) -> tuple[float, int]:
        """Calls a second while so many pushers are at speed, and the most in any second."""
        self.sandbox.calls.clear()
        running = [
            subprocess.Popen([sys.executable, "manage.py", "push"], cwd=ROOT, stdout=subprocess.DEVNULL)
            for _ in range(pushers)
        ]
        try:
            while len(self.sandbox.calls) < 20 * pushers:  # all are up and at speed
                time.sleep(0.05)
            began = self.sandbox.calls[-1]["at"]
            time.sleep(seconds + 0.5)
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(20)
        seen = sorted(call["at"] for call in self.sandbox.calls)
        return sum(began <= moment < began + seconds for moment in seen) / seconds, worst_second(seen)

    def paces(self) -> list[Line]:
        lines = []
        for latency_ms in (50, 300, 800):
            for pushers in (1, 4):
                self.limit(True, latency_ms)
                self._push(pushers, SECONDS)
                speed, worst = self.last
                name = f"{pushers} × push, {latency_ms} ms away"
                lines.append(Line(f"{name}: s for 20 calls", FULL / speed, 1.0, "s", 1 / 0.97))
                lines.append(Line(f"{name}: worst second", worst, None, "", FULL))
        return lines

    def _push(self, pushers: int, seconds: float) -> None:
        from leads.changes import runs
        from leads.models import BulkRun

        run, _tag = self.start(int(SECONDS * FULL) + 200)
        self.last = self.held(pushers, seconds)
        runs.cancel(BulkRun.objects.get(pk=run))

    def several(self) -> list[Line]:
        """Without a limit and 300 ms away, four processes beside one."""
        found = []
        for pushers in (1, 4):
            self.limit(False, 300)
            self._push(pushers, 2.0)
            found.append(self.last[0])
        return [Line("1 × push for what 4 carry, 300 ms away, no limit", found[0], found[1], "/s", 1 / 3)]

    def calls_a_lead(self) -> list[Line]:
        """A tag and a list travel in one call; of points the score is read before, where it was not read of late."""
        import datetime as dt

        from django.utils import timezone

        from leads.models import Lead

        self.limit(False, 0)
        number = 100
        self.start(number)
        self.start(number, "subscribe_list", list="Buyers")
        both = self._calls() / number
        old = list(Lead.objects.order_by("pk").values_list("pk", flat=True)[: number // 4])
        Lead.objects.filter(pk__in=old).update(read_at=timezone.now() - dt.timedelta(minutes=16))
        self.start(number, "give_points", points=1)
        return [
            Line("calls a lead, a tag and a list", both, 1.0, "", 1.0),
            Line("calls a lead, points, a fourth not read of late", self._calls() / number, 1.25, "", 1.0),
        ]

    def _calls(self) -> int:
        self.sandbox.calls.clear()
        _apart("push")
        return len(self.sandbox.calls)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        name = f"{database.PREFIX}_push"
        database.drop(name)
        with database.server() as db:
            db.execute(f'CREATE DATABASE "{name}"')
        database.prepare(name, folder)
        from django.core.management import call_command
        from django.db import connections

        try:
            call_command("migrate", verbosity=0)
            bench = Bench()
            parts = os.environ.get("PARTS", "unlimited calls_a_lead several paces").split()
            results.keep("push", CALLS, [line for part in parts for line in getattr(bench, part)()])
            bench.sandbox.stop()
        finally:
            connections.close_all()
            database.drop(name)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        import django

        django.setup()
        print(json.dumps(_work(sys.argv[2], int(sys.argv[3]) if sys.argv[3] else None, sys.argv[4])))
    else:
        main()
