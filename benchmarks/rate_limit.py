"""Kartra's speed limit under four pushers: calls held a second over a minute, the worst second, 429s, as the Kartra sandbox
saw them. `SECONDS` and `PUSHERS` in the environment change how long and how many.

On a busy machine calls come late and turns are given up, so the speed held falls; the worst second must not.
"""

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

SECONDS = float(os.environ.get("SECONDS", "60"))
PUSHERS = int(os.environ.get("PUSHERS", "4"))
LATENCY_MS = 100


def worst_second(at: list[float]) -> int:
    """The most calls in any window of one second."""
    worst = first = 0
    for last, moment in enumerate(at):
        while moment - at[first] >= 1.0:
            first += 1
        worst = max(worst, last - first + 1)
    return worst


def main() -> int:
    folder = tempfile.mkdtemp(prefix="rate-limit-")
    os.environ.update(
        VAR_DIR=folder,
        EMBEDDED="1",
        DATABASE_URL=os.environ.get("DATABASE_URL", f"sqlite:///{folder}/db.sqlite3"),
        LOG_LEVEL="ERROR",
        DJANGO_SETTINGS_MODULE="kartra_mirror.settings",
    )
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from integrations.sandbox.state import APP_ID, KEY, PASSWORD
    from integrations.sandbox.store import demo
    from integrations.sandbox.wire.server import Sandbox
    from leads import changes, kinds
    from leads.models import Account, Lead

    sandbox = Sandbox()
    demo.catalogue(sandbox.account())
    sandbox.start()
    sandbox.switches.set({"latency_ms": LATENCY_MS, "echo_api_writes": False})
    call_command("migrate", verbosity=0)
    call_command(
        "connect",
        "Pace",
        app_id=APP_ID,
        api_key=KEY,
        api_password=PASSWORD,
        api_url=sandbox.url,
        send=True,
        stdout=io.StringIO(),
    )
    call_command("pull", connection="Pace", catalogue=True, stdout=io.StringIO())
    account, at = Account.objects.get(), timezone.now()
    number = int(SECONDS * 20) + 400
    ids = [sandbox.account().create(f"lead{n}@example.com", {}, {})["id"] for n in range(number)]
    Lead.objects.bulk_create(
        Lead(
            account=account,
            kartra_id=str(id),
            email=f"lead{n}@example.com",
            email_key=f"lead{n}@example.com",
            read_at=at,
        )
        for n, id in enumerate(ids)
    )
    changes.record_run(account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    sandbox.calls.clear()
    pushers = [
        subprocess.Popen([sys.executable, "manage.py", "push"], cwd=ROOT, stdout=subprocess.DEVNULL)
        for _ in range(PUSHERS)
    ]
    try:
        while len(sandbox.calls) < 100:  # all are up and at speed
            time.sleep(0.1)
        began = sandbox.calls[-1]["at"]
        time.sleep(SECONDS + 0.5)
    finally:
        for each in pushers:
            each.terminate()
        for each in pushers:
            each.wait(20)
    seen = sorted(call["at"] for call in sandbox.calls)
    within = [moment for moment in seen if began <= moment < began + SECONDS]
    print(
        f"{PUSHERS} pushers, {LATENCY_MS} ms latency: {len(within) / SECONDS:.2f} calls a second held over {SECONDS:.0f} s; "
        f"at most {worst_second(seen)} in any second; {sandbox.throttled} × 429; load {os.getloadavg()[0]:.1f}"
    )
    sandbox.stop()
    return 0 if worst_second(seen) <= 20 and not sandbox.throttled else 1


if __name__ == "__main__":
    sys.exit(main())
