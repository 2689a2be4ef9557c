"""A bulk action over everybody: preview, start, claims behind it, cancel. Beside the same by hand, on PostgreSQL.

`SIZE` leads (default 1,000,000), built by `make bench-data`.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import database, results
from benchmarks.results import Line, in_turn, memory_mb
from benchmarks.yardsticks import bulk as by_hand

TAG = "tag 3"
KNOWN = 2000
"""Leads that the sandbox has, too."""


def _account():
    from leads.models import Account

    return Account.objects.get(name="Large")


def _everybody():
    from leads.models import Lead

    return Lead.objects.filter(account=_account())


def previewing() -> list[Line]:
    from leads import kinds
    from leads.changes.preview import preview_change

    account, kind = _account(), kinds.get_kind("assign_tag")
    ours, yardstick, whole = in_turn(
        lambda: preview_change(account, _everybody(), kind, {"tag": TAG}),
        lambda: by_hand.preview(account.pk, TAG),
        lambda: by_hand.whole_preview(account.pk, TAG),
    )
    return [
        Line("preview of a tag for all", ours, yardstick, "s", 1.5),
        Line("the same, beside all that it says", ours, whole, "s", 1.5),
        _whole_preview(),
    ]


def _whole_preview() -> Line:
    """All that the page of a preview asks."""
    from kartra_mirror.admin.bulk import preview_summary
    from leads import kinds
    from leads.changes.preview import Choices

    [ours] = in_turn(
        lambda: preview_summary.of(_account(), _everybody(), kinds.get_kind("assign_tag"), {"tag": TAG}, Choices())
    )
    return Line("the page of that preview", ours, None, "s", 5.0)


def claiming() -> float:
    """Seconds of one claim of four leads, put back each time."""
    from integrations.models import Connection
    from integrations.push import claim, lease

    connection = Connection.objects.get(account__name="Large")

    def once() -> None:
        lease.release_plans(claim.claim(connection, 4))

    once()
    return in_turn(once, rounds=9)[0]


def _singles() -> None:
    from leads import changes, kinds

    for lead in _everybody().order_by("-pk")[:50]:
        changes.record_changes(lead, kinds.get_kind("give_points"), {"points": 5})


def looking(run: Any) -> float:
    """Seconds of the page of a bulk action, as its own script asks for it each second."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="bench"))
    assert client.get(run.get_absolute_url()).status_code == 200
    return in_turn(lambda: client.get(run.get_absolute_url()), rounds=9)[0]


def cancelling(run: Any) -> tuple[float, float]:
    """Seconds of a cancel while a process pushes at Kartra's limit, and until the last call comes to the sandbox. The first leads
    are made known to it."""
    from integrations.models import Connection
    from integrations.sandbox.state import APP_ID, KEY, PASSWORD
    from integrations.sandbox.store import demo
    from integrations.sandbox.wire.server import Sandbox
    from leads.changes import runs

    sandbox = Sandbox()
    demo.catalogue(sandbox.account())
    sandbox.store.add_thing(1, "tag", TAG)
    first = list(_everybody().order_by("pk")[:KNOWN])
    for lead in first:
        lead.kartra_id = str(sandbox.account().create(lead.email, {}, {})["id"])
    type(first[0]).objects.bulk_update(first, ["kartra_id"])
    sandbox.start()
    connection = Connection.objects.get(account__name="Large")
    connection.app_id, connection.api_key, connection.api_password, connection.api_url = (
        APP_ID,
        KEY,
        PASSWORD,
        sandbox.url,
    )
    connection.save()
    with subprocess.Popen(
        [sys.executable, "manage.py", "push"], cwd=database.ROOT, stdout=subprocess.DEVNULL
    ) as pushing:
        try:
            while len(sandbox.calls) < 60:
                time.sleep(0.05)
            began = time.time()
            runs.cancel(run)
            cancelled = time.time() - began
            time.sleep(3.0)
        finally:
            pushing.terminate()
            pushing.wait(20)
            sandbox.stop()
    of_run = [call["at"] for call in sandbox.calls if "assign_tag" in call["cmds"]]
    return cancelled, max(0.0, max(of_run) - began)


def recording() -> list[Line]:
    from leads import kinds
    from leads.changes import new_runs, runs
    from leads.models import BulkRun

    account = _account()
    _singles()
    alone = claiming()
    before = memory_mb()
    began, cpu = time.perf_counter(), time.process_time()
    run = new_runs.record_run(account, _everybody(), kinds.get_kind("assign_tag"), {"tag": TAG})
    ours, cpu = time.perf_counter() - began, time.process_time() - cpu
    grown = memory_mb() - before
    running = claiming()
    runs.pause(run)
    paused = claiming()
    runs.resume(run)
    page = looking(run)
    cancelled, last_call = cancelling(run)
    other = BulkRun.objects.create(account=account, name="By hand", kind="assign_tag", parameters={}, expected=0)
    began = time.perf_counter()
    by_hand.record(account.pk, other.pk, "tag 4")
    yardstick = time.perf_counter() - began
    return [
        Line("start and record a tag for all", ours, yardstick, "s", 2.0),
        Line("the same, whole", ours, None, "s", 90.0),
        Line("the same, CPU of ours", cpu, None, "s"),
        Line("the same, memory grown", grown, None, "MB", 100.0),
        Line("claim of four while it runs", running, alone, "s", 1.5),
        Line("claim of four behind it, paused", paused, alone, "s", 1.5),
        Line("the page of it, while it runs", page, None, "s", 0.3),
        Line("cancel it, to the last call that came to Kartra", last_call, None, "s", 2.0),
        Line("cancel it, to the last row", cancelled, None, "s"),
    ]


def main() -> None:
    if not database.exists(database.template()):
        sys.exit("Say first: make bench-data")
    with tempfile.TemporaryDirectory() as folder, database.clone("bulk") as name:
        database.prepare(name, folder)
        try:
            previewed = previewing()
            print(*(line.told() for line in previewed), sep="\n", flush=True)
            results.keep("bulk", database.SIZE, [*previewed, *recording()])
        finally:
            from django.db import connections

            connections.close_all()


if __name__ == "__main__":
    main()
