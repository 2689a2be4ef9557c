"""A whole installation under load: Kartra's messages at a rate, beside a bulk action and an import. What was answered, how soon, and
what became of it.

Its PostgreSQL, Redis, Kartra sandbox and processes are its own (`tests.drill.house`). `RATE` messages a second (default 200) for
`LOAD_S` seconds (300), a bulk action over `LEADS` leads (5,000), an import of `ROWS` rows (100,000).
"""

import csv
import http.client
import io
import itertools
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import results
from benchmarks.results import Line
from tests.chaos.servers import Missing
from tests.drill.house import HOST, House

RATE, LOAD_S = float(os.environ.get("RATE", "200")), float(os.environ.get("LOAD_S", "300"))
LEADS, ROWS = int(os.environ.get("LEADS", "5000")), int(os.environ.get("ROWS", "100000"))
TAGS = max(20, math.ceil(RATE * LOAD_S / LEADS))
SENDERS = 24
"""Connections that stay open, as a proxy in front keeps them."""
APPLIED_WITHIN_S, P99_S = 60.0, 0.5
PATIENCE_S = 600.0


class Posts:
    """Posts at the times when they are due, whatever is answered; each answer's time counts from when it was due. Each tells a tag
    that its lead does not have yet in our copy (Kartra has not given it: the next read takes it off again)."""

    def __init__(self, house: House, path: str, leads: list[dict[str, Any]]) -> None:
        self.house, self.path, self.leads = house, path, leads
        self.numbers = itertools.count()
        self.answers: Counter[int | str] = Counter()
        self.seconds: list[float] = []
        self.began = time.monotonic()

    def run(self) -> None:
        threads = [threading.Thread(target=self._post_all) for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _post_all(self) -> None:
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "Content-Type": "application/json"}
        link = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=30)
        while (number := next(self.numbers)) < RATE * LOAD_S:
            lead, tag = self.leads[number % len(self.leads)], f"Load {number // len(self.leads) % TAGS}"
            named = {"id": str(lead["id"]), "email": lead["email"]}
            told = {
                "action": "assign_tag",
                "action_details": {"tag": {"tag_name": tag}},
                "lead": named,
                "number": number,
            }
            due = self.began + number / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                link.request("POST", self.path, json.dumps(told), headers)
                answer = link.getresponse()
                answer.read()
                self.answers[answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[type(error).__name__] += 1
                link.close()
            self.seconds.append(time.monotonic() - due)


def furnish(house: House) -> list[dict[str, Any]]:
    """Tables, a connection that sends, and the sandbox's leads in our copy, by a file."""
    from django.core.management import call_command

    from integrations.sandbox.state import APP_ID, KEY, PASSWORD

    house.start_kartra(LEADS)
    for tag in ("Load of all", *(f"Load {number}" for number in range(TAGS))):
        house.kartra("act", {"do": "create_tag", "name": tag})
    leads: list[dict[str, Any]] = house.kartra("leads")
    call_command("migrate", verbosity=0)
    keys = {"app_id": APP_ID, "api_key": KEY, "api_password": PASSWORD}
    url = f"http://127.0.0.1:{house.kartra_port}/api"
    quiet = io.StringIO()
    call_command("connect", "Load", **keys, api_url=url, send=True, stdout=quiet, stderr=quiet)
    call_command("pull", connection="Load", catalogue=True, stdout=io.StringIO())
    known = _file(house.folder / "known.csv", ((str(lead["id"]), lead["email"]) for lead in leads))
    call_command("import_leads", str(known), connection="Load", ids="kartra", stdout=io.StringIO())
    return leads


def _file(path: Path, rows: Any) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Kartra id", "Email"])
        writer.writerows(rows)
    return path


def wait(until: Any, seconds: float) -> float:
    """Seconds until it is so, or until the patience is over."""
    began = time.monotonic()
    while not until() and time.monotonic() - began < seconds:
        time.sleep(0.5)
    return time.monotonic() - began


def under_load(house: House, leads: list[dict[str, Any]]) -> list[Line]:
    from integrations.models import Connection, Delivery
    from leads import changes, kinds
    from leads.models import Activity, Import, ImportState, Lead

    connection = Connection.objects.select_related("account").get()
    file = _file(house.folder / "more.csv", ((str(9_000_000 + n), f"more{n}@example.com") for n in range(ROWS)))
    command = [sys.executable, "manage.py", "import_leads", str(file), "--connection", "Load", "--ids", "kartra"]
    posts = Posts(house, f"/webhooks/{connection.endpoints.standing().get().token}/", leads)
    run = changes.record_run(
        connection.account,
        Lead.objects.filter(account=connection.account),
        kinds.get_kind("assign_tag"),
        {"tag": "Load of all"},
    )
    with subprocess.Popen(command, cwd=Path(__file__).resolve().parents[1], stdout=subprocess.DEVNULL) as importing:
        posts.run()
        ended = time.monotonic()
        applied = wait(lambda: not Delivery.objects.waiting().exists(), PATIENCE_S)
        importing.wait(PATIENCE_S)
    wait(lambda: not type(run).objects.under_way().filter(pk=run.pk).exists(), PATIENCE_S)
    counts = run.changes.counts()
    told = Activity.objects.filter(kind="tag_assigned", delivery__isnull=False).count()
    odd = Counter(Delivery.objects.exclude(status="applied").values_list("status", flat=True))
    loaded = Import.objects.filter(state=ImportState.FINISHED, rows=ROWS).count()
    print(f"  answers {dict(posts.answers)}; messages not applied: {dict(odd) or 0}; bulk action {counts}")
    errors = sum(number for answer, number in posts.answers.items() if answer != 200)
    rate = len(posts.seconds) / (ended - posts.began)
    return [
        Line("messages a second that were sent", rate, None, "/s"),
        Line("messages without a 200", errors, None, "", 0.0),
        Line("messages that are not kept", posts.answers[200] - Delivery.objects.count(), None, "", 0.0),
        Line("messages that no timeline tells", posts.answers[200] - told, None, "", 0.0),
        Line("the middle of their answers", statistics.median(posts.seconds), None, "s"),
        Line("99 of 100 answered within", statistics.quantiles(posts.seconds, n=100)[-1], None, "s", P99_S),
        Line("all applied after the last one", applied, None, "s", APPLIED_WITHIN_S),
        Line("leads that the bulk action lost", LEADS - counts["accepted"] - counts["skipped"], None, "", 0.0),
        Line("imports that did not end", 1 - loaded, None, "", 0.0),
        Line("calls in Kartra's worst second", worst_second(house), None, "", 20.0),
    ]


def worst_second(house: House) -> int:
    """The most calls that came to the sandbox within any second."""
    times = sorted(call["at"] for call in house.kartra("calls", since=0))
    worst, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - 1.0:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    house = House(folder)
    house.var.mkdir(mode=0o700)
    try:
        house.start_servers()
        import django

        django.setup()
        leads = furnish(house)
        house.processes.start_all()
        wait(lambda: house.status()[0] == 0, 60.0)
        time.sleep(5.0)
        results.keep("load", LEADS, under_load(house, leads))
    except Missing as reason:
        print(f"This cannot be measured here: {reason}.")
    finally:
        if os.environ.get("KEEP"):
            shutil.copytree(house.logs, tempfile.mkdtemp(prefix="load-logs-"), dirs_exist_ok=True)
        house.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
