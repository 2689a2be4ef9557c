"""Loading and writing files: a file with one bad row in a hundred in, everything out, the same file in again.

Prints seconds and the most memory above an idle command. `ROWS` in the environment (default 100,000); `DATABASE_URL` names
another database than a new SQLite file.
"""

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = int(os.environ.get("ROWS", "100000"))
MEMORY_MB = 200
HEADER = [
    "Lead ID",
    "Email",
    "First Name",
    "Last Name",
    "Phone",
    "City",
    "Country",
    "Tags",
    "Lists",
    "Date Joined",
    "Score",
]
ROOT = Path(__file__).resolve().parents[1]


def write(path: Path) -> set[int]:
    """The file, and the numbers of its bad rows."""
    chance = random.Random(5)
    bad = set(chance.sample(range(ROWS), ROWS // 100))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for n in range(ROWS):
            row = [
                str(1000 + n),
                f"lead{n}@example.com",
                f"Name{n}",
                "Lind",
                f"+1555{n:07}",
                "Bend",
                "United States",
                f"VIP;tag {n % 50}",
                "Buyers;News",
                f"2026-02-{n % 28 + 1:02} 10:00:00",
                str(n % 100),
            ]
            if n in bad:
                row[n % 3 + 7 if n % 3 else 1] = ["no address", "", ""][n % 3]
                row[0], row[9] = (row[0], "yesterday") if n % 3 else ("", row[9])
            writer.writerow(row)
    return bad


def run(*arguments: str) -> tuple[str, float, float]:
    """Runs a command: what it printed, its seconds, its peak of memory in MB."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    printed = process.stdout.read() if process.stdout else ""
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(arguments)} failed.")
    return printed, time.monotonic() - began, used.ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(VAR_DIR=folder, EMBEDDED="1", LOG_LEVEL="ERROR")
        path, out = Path(folder) / "leads.csv", Path(folder) / "out.csv"
        bad = write(path)
        run("migrate", "--verbosity", "0")
        make = (
            "from leads.models import Account; from integrations.models import Connection; "
            "Connection.objects.create(account=Account.objects.create(name='Bench'), app_id='x', api_key='x', "
            "api_password='x', api_url='http://127.0.0.1:9/api')"
        )
        _, _, idle = run("shell", "--command", make)
        for words, arguments in (
            ("check", ("import_leads", str(path), "--dry-run", "--json")),
            ("load", ("import_leads", str(path), "--ids", "kartra", "--json")),
            ("write", ("export_leads", str(out), "--json")),
            ("write for Kartra", ("export_leads", str(out.with_name("kartra.csv")), "--for-kartra", "--json")),
            ("load what was written", ("import_leads", str(out), "--json")),
        ):
            printed, seconds, peak = run(*arguments)
            facts = json.loads(printed)
            more = facts.get("sentence") or f"{facts['leads']:,} leads in {len(facts['files'])} file(s)"
            print(f"{words:22} {seconds:6.1f} s, {peak - idle:4.0f} MB above idle: {more}")
            if peak - idle > MEMORY_MB:
                sys.exit(f"More than {MEMORY_MB} MB.")
            if words == "load":
                with open(facts["reject_path"], newline="") as file:
                    lines = {int(row["line"]) - 2 for row in csv.DictReader(file)}
                if lines != bad:
                    sys.exit("The reject file does not hold exactly the bad rows.")


if __name__ == "__main__":
    main()
