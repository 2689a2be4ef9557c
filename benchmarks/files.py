"""Loading and writing files: a file with one bad row in a hundred in, the same again, everything out. Beside the same by hand,
on PostgreSQL; and the most memory that the commands take above an idle one.

`ROWS` of the file in the environment (default 100,000); they come beside the `SIZE` leads built by `make bench-data`.
"""

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import database, results
from benchmarks.results import Line, in_turn
from benchmarks.yardsticks import files as by_hand

ROOT = Path(__file__).resolve().parents[1]
ROWS = int(os.environ.get("ROWS", "100000"))
ROUNDS = 3
MEMORY_MB = 100.0
CUSTOM = "custom.crm_ref"
COLUMNS = {
    "id": "Lead ID",
    "email": "Email",
    "first_name": "First Name",
    "last_name": "Last Name",
    "company": "Company",
    "phone": "Phone",
    "address": "Address",
    "zip": "Zip",
    "city": "City",
    "state": "State",
    "country": "Country",
    "website": "Website",
    "source": "Source",
    "lead_preferred_time_zone": "Time Zone",
    "tags": "Tags",
    "lists": "Lists",
    "date_joined": "Date Joined",
    "score": "Score",
    "notes": "Notes",
    CUSTOM: CUSTOM,
}


def write(path: Path) -> set[int]:
    """The file, and the numbers of its bad rows."""
    chance = random.Random(5)
    bad = set(chance.sample(range(ROWS), ROWS // 100))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        file.write(",".join(COLUMNS.values()) + "\r\n")
        for n in range(ROWS):
            row = {
                "id": str(50_000_000 + n),
                "email": f"reader{n}@example.org",
                "first_name": f"Name{n}",
                "last_name": "Lind",
                "company": f"Lind and {n % 900} others",
                "phone": f"+1555{n:07}",
                "address": f"{n} Long Street",
                "zip": f"{n % 90_000 + 10_000}",
                "city": "Bend",
                "state": "Oregon",
                "country": "United States",
                "website": f"https://www.example.org/{n}",
                "source": "form",
                "lead_preferred_time_zone": "(GMT -5:00) Eastern Time",
                "tags": f"VIP;tag {n % 50}",
                "lists": "Buyers;News",
                "date_joined": f"2026-02-{n % 28 + 1:02} 10:{n % 60:02}:00",
                "score": str(n % 100),
                "notes": f"Met at table {n % 300}, likes tea",
                CUSTOM: f"A-{n}",
            }
            if n in bad:
                row |= {"date_joined": "yesterday"} if n % 3 else {"id": "", "email": "no address"}
            writer.writerow(row)
    return bad


def account(name: str) -> Any:
    """A new account with a connection, and the custom field of the file."""
    from integrations.models import Connection
    from leads.models import Account, CustomField

    made = Account.objects.create(name=name)
    CustomField.objects.create(account=made, identifier=CUSTOM.removeprefix("custom."), type="input_field")
    Connection.objects.create(
        account=made, app_id=name, api_key="x", api_password="x", api_url="http://127.0.0.1:9/api"
    )
    return made


def load(account: Any, path: Path) -> None:
    """Load the file as the commands and the workers do, as if Kartra had vouched for its ids."""
    from leads import importing
    from leads.importing import ids
    from leads.models import ImportKind

    with path.open("rb") as file:
        job = importing.create(account, ImportKind.LEADS, file, path.name)
        importing.match(job, job.mapping)
        importing.survey(job, file)
        if ids.verdict(job.options) == ids.UNSURE:
            importing.looked_up(job, [(row, row.id) for row in ids.people(job.options)])
        importing.start(job, file)
        importing.work(job, file)
    if job.rejected != ROWS // 100:
        sys.exit(f"{job.rejected} bad rows were found: {job.why}")


def write_all(account: Any, path: Path) -> None:
    from leads import exporting
    from leads.models import Lead

    pks = exporting.frozen(Lead.objects.filter(account=account))
    exporting.to_disk(exporting.mirror_lines(account, pks), path)


def measured(folder: Path, path: Path) -> list[Line]:
    from leads.fields import FIELDS

    pairs = iter([(account(f"Ours {n}"), account(f"By hand {n}")) for n in range(ROUNDS)])
    pair: list[Any] = []

    def ours() -> None:
        pair[:] = next(pairs)
        load(pair[0], path)

    def unchanged() -> None:
        load(pair[0], path)

    works = (
        ours,
        lambda: by_hand.load(pair[1].pk, path, COLUMNS),
        unchanged,
        lambda: by_hand.load(pair[1].pk, path, COLUMNS),
        lambda: write_all(pair[0], folder / "ours.csv"),
        lambda: by_hand.write(pair[1].pk, folder / "by_hand.csv", FIELDS),
    )
    new, new_by_hand, again, again_by_hand, out, out_by_hand = in_turn(*works, rounds=ROUNDS)
    return [
        Line(f"load {ROWS:,} new rows of {len(COLUMNS)} columns", new, new_by_hand, "s", 3.0),
        Line("load them again, unchanged", again, again_by_hand, "s", 3.0),
        Line(f"write {ROWS - ROWS // 100:,} leads", out, out_by_hand, "s", 4.0),
    ]


MEASURED = """
import os, sys
_, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(f"\\n{status} {used.ru_maxrss}")
"""
"""A small process that starts the command: the peak of a child is never less than what its parent had when it began."""


def run(*arguments: str) -> tuple[str, float]:
    """Runs a command: what it printed, its peak of memory in MB."""
    command = [sys.executable, "-c", MEASURED, sys.executable, "manage.py", *arguments]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    printed, _, used = found.stdout.rstrip().rpartition("\n")
    status, peak = map(int, used.split())
    if status:
        sys.exit(f"{' '.join(arguments)} failed.")
    return printed, peak / 1024


def memory(folder: Path, path: Path, bad: set[int]) -> list[Line]:
    """What the commands take above an idle one. The file of bad rows has to hold exactly those that are."""
    out, of = folder / "out.csv", ("--connection", account("Commands").name)
    _, idle = run("shell", "--command", "from leads.models import Lead; Lead.objects.first()")
    lines = []
    for words, arguments in (
        ("check", ("import_leads", str(path), "--dry-run")),
        ("load", ("import_leads", str(path), "--ids", "kartra")),
        ("load again", ("import_leads", str(path), "--ids", "kartra")),
        ("write", ("export_leads", str(out))),
        ("write for Kartra", ("export_leads", str(folder / "kartra.csv"), "--for-kartra")),
        ("load what was written", ("import_leads", str(out))),
    ):
        printed, peak = run(*arguments, *of, "--json")
        lines.append(Line(f"memory above idle: {words}", peak - idle, None, "MB", MEMORY_MB))
        if words == "load":
            with open(json.loads(printed)["reject_path"], newline="") as file:
                if {int(row["line"]) - 2 for row in csv.DictReader(file)} != bad:
                    sys.exit("The reject file does not hold exactly the bad rows.")
    return lines


def main() -> None:
    if not database.exists(database.template()):
        sys.exit("Say first: make bench-data")
    with tempfile.TemporaryDirectory() as folder, database.clone("files") as name:
        database.prepare(name, folder)
        path = Path(folder) / "leads.csv"
        bad = write(path)
        try:
            lines = measured(Path(folder), path)
            print(*(line.told() for line in lines), sep="\n", flush=True)
            results.keep("files", ROWS, [*lines, *memory(Path(folder), path, bad)])
        finally:
            from django.db import connections

            connections.close_all()


if __name__ == "__main__":
    main()
