"""`python -m tests.drill`: one line a trouble; ends with 1 if one did not end well."""

import argparse
import contextlib
import datetime as dt
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.servers import Missing
from tests.drill.house import House
from tests.drill.troubles import SMALL_DISK, TROUBLES, Trouble
from tests.drill.work import HEARD, HEARD_BY, Work

LEADS = 120
WELL_WITHIN_S = 120.0
TOLD_WITHIN_S = 420.0
"""So long it is waited for a notice; docs/watching.md says how soon each comes."""
BEGUN_WITH = 15
"""Calls of the bulk actions before the trouble begins."""
SMALL = "64m"
OPEN = ("waiting", "sending", "unknown", "undecided")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(TROUBLES), help="this trouble; may be given again")
    parser.add_argument("--leads", type=int, default=LEADS)
    parser.add_argument("--keep", action="store_true", help="leave the folder with the logs, and say where it is")
    options = parser.parse_args()
    chosen = [each for each in TROUBLES.values() if not options.only or each.name in options.only]
    if any(each.name == "disk" for each in chosen):
        _go_apart()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="drill-"))
    house = House(folder)
    try:
        with _small_disk(house):
            return _run(house, chosen, options.leads)
    except Missing as reason:
        print(f"The drill cannot be held here: {reason}.")
        return 1
    except KeyboardInterrupt:
        print("Interrupted; all that was started is ended.", flush=True)
        return 130
    finally:
        if options.keep:
            shutil.copytree(house.logs, kept := Path(tempfile.mkdtemp(prefix="drill-logs-")), dirs_exist_ok=True)
            print(f"Logs: {kept}")
        house.stop()


def _go_apart() -> None:
    """Begin anew in a mount namespace of our own, where that is allowed."""
    apart = ["unshare", "--mount", "--propagation", "private"]
    if os.environ.get(SMALL_DISK) or os.getuid() != 0 or shutil.which("unshare") is None:
        return
    if subprocess.run([*apart, "true"], capture_output=True).returncode == 0:
        os.environ[SMALL_DISK] = "1"
        os.execvp(apart[0], [*apart, sys.executable, "-m", "tests.drill", *sys.argv[1:]])


@contextlib.contextmanager
def _small_disk(house: House) -> Any:
    """VAR_DIR on a disk of its own, where we are apart."""
    house.var.mkdir(mode=0o700)
    mounted = bool(os.environ.get(SMALL_DISK))
    if mounted:
        how = ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0700", "drill", str(house.var)]
        if subprocess.run(how, capture_output=True).returncode:
            mounted = False
            del os.environ[SMALL_DISK]
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(house.var)], capture_output=True)


def _run(house: House, chosen: list[Trouble], leads: int) -> int:
    began = time.monotonic()
    house.start_servers()
    import django

    django.setup()
    _furnish(house, leads, [each.words for each in chosen])
    house.processes.start_all()
    if not_well := _seconds_until_well(house)[1]:
        print(f"It does not come up: {'; '.join(not_well)}")
        return 1
    print(f"Up: {leads} leads, sending, after {time.monotonic() - began:.0f} s.", flush=True)
    bad = held = 0
    for trouble in chosen:
        if why_not := trouble.why_not():
            print(f"{trouble.words}: skipped, {why_not}.", flush=True)
            continue
        held += 1
        bad += not hold(house, trouble)
    minutes = (time.monotonic() - began) / 60
    print(f"{held} troubles in {minutes:.0f} min, {held - bad} ended well, {bad} did not.", flush=True)
    return 1 if bad else 0


def _furnish(house: House, leads: int, tags: list[str]) -> None:
    """Tables, a connection that sends to the Kartra sandbox, and its leads in our copy."""
    from django.core.management import call_command
    from django.db import connections

    from integrations.sandbox.state import APP_ID, KEY, PASSWORD

    house.start_kartra(leads)
    for tag in (HEARD, *tags):
        house.kartra("act", {"do": "create_tag", "name": tag})
    ids = [str(lead["id"]) for lead in house.kartra("leads")]
    for each in ids[:HEARD_BY]:
        house.kartra("act", {"do": "assign_tag", "lead": each, "tag": HEARD})
    call_command("migrate", verbosity=0)
    keys = {"app_id": APP_ID, "api_key": KEY, "api_password": PASSWORD}
    url = f"http://127.0.0.1:{house.kartra_port}/api"
    quiet = io.StringIO()  # that keys on a command line can be seen
    call_command("connect", "Drill", **keys, api_url=url, send=True, safety_field=True, stdout=quiet, stderr=quiet)
    call_command("pull", connection="Drill", catalogue=True, stdout=io.StringIO())
    call_command("pull", connection="Drill", lead=ids, stdout=io.StringIO())
    connections.close_all()


def hold(house: House, trouble: Trouble) -> bool:
    """One trouble, from the work that is under way to the count of what became of it. Whether it ended well."""
    from django.db import connections

    house.ears.forget_mails()
    work = Work(house, trouble.words)
    work.start()
    connections.close_all()
    _wait(lambda: work.calls() >= BEGUN_WITH, 60.0)
    ended_before = len(house.processes.ended)
    began = time.monotonic()
    trouble.begin(house)
    try:
        _wait(lambda: _told(house, trouble, began) and time.monotonic() - began >= trouble.least_s, TOLD_WITHIN_S)
    finally:
        trouble.end(house)
    told_at = house.ears.when_told(trouble.told, began)
    over = time.monotonic()
    time.sleep(3.0)
    work.messages.stop()
    seconds, not_well = _seconds_until_well(house, over)
    lost, doubled, cut_off = work.lost_and_doubled(web_was_killed=trouble.name == "web")
    connections.close_all()
    told = f"told by mail and ALERT_URL after {told_at - began:.0f} s" if told_at else "TOLD NOBODY"
    words = [
        f"lasted {over - began:.0f} s",
        told,
        f"NOT WELL after {seconds:.0f} s" if not_well else f"well {seconds:.0f} s after it was over",
        f"lost {len(lost)}",
        f"doubled {len(doubled)}",
        f"{2 * len(work.before)} changes and {len(work.messages.answers)} messages"
        + (f", {unanswered} of which got no answer in time" if (unanswered := work.messages.unanswered()) else "")
        + (f" and {cut_off} of these were cut off in web's hands" if cut_off else ""),
    ]
    if ended := house.processes.ended[ended_before:]:
        words.append(f"ended by themselves and were started again: {', '.join(ended)}")
    print(f"{trouble.words}: {'; '.join(words)}", flush=True)
    for line in [*not_well, *lost[:5], *doubled[:5]]:
        print(f"  WRONG {line}", flush=True)
    return bool(told_at) and not (not_well or lost or doubled)


def _told(house: House, trouble: Trouble, since: float) -> bool:
    return house.ears.when_told(trouble.told, since) is not None


def _wait(until: Any, seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if until():
            return True
        time.sleep(0.5)
    return False


def _seconds_until_well(house: House, since: float | None = None) -> tuple[float, list[str]]:
    """How long until `status` finds nothing amiss, and what is amiss still when the time is over."""
    since = time.monotonic() if since is None else since
    last: list[str] = []
    while True:
        asked = time.monotonic()
        found = amiss(*house.status())
        if asked - since > WELL_WITHIN_S:
            return asked - since, found or [f"just before: {each}" for each in last]
        if not found:
            return asked - since, []
        last = found
        time.sleep(1.0)


def amiss(code: int, text: str) -> list[str]:
    """What `status --json` says that is not well, in words."""
    if code:
        return [f"status ended with {code}: {text.strip()[-300:]}"]
    facts = json.loads(text)
    found = [*filter(None, [facts["not_here"]]), *facts["wrong_clocks"], *(f"full: {m}" for m in facts["full_disks"])]
    swept = dt.datetime.fromisoformat(facts["last_sweep"] or "2000-01-01T00:00:00+00:00")
    if dt.datetime.now(dt.UTC) - swept > dt.timedelta(seconds=60):
        found.append(f"the last sweep was {facts['last_sweep']}")
    for each in facts["connections"]:
        found += filter(None, [each["why_not_sending"], each["why_commands_wait"], each["copy"]["stopped"]])
        found += [f"{each['queue'][status]} changes are {status}" for status in OPEN if each["queue"].get(status)]
        if each["messages_waiting"]["number"]:
            found.append(f"{each['messages_waiting']['number']} messages wait")
        if each["pace"]["slowed_to"] is None:
            found.append("the speed limit cannot be asked")
    return found


if __name__ == "__main__":
    sys.exit(main())
