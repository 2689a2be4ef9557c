"""`python -m tests.chaos`: prints its seed, what it did, and every difference; ends with 1 if there is one."""

import argparse
import copy
import io
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from integrations.sandbox.store.demo import LISTS, SEQUENCES
from tests import under_faketime
from tests.chaos.ageing import EVERY_ROUNDS, KEPT_SHORT, Ageing, environment
from tests.chaos.servers import Missing, Postgres, Pushers, Redis
from tests.chaos.writers import WRITERS, run_writers

VARIANTS = {
    "plain": 200,
    "without the safety field": 30,
    "redis flushed": 30,
    "redis stopped": 30,
    "postgres restarted": 30,
    "postgres and redis": 200,
    "postgres clocks apart": 30,
    f"plain{KEPT_SHORT}": 30,
    f"postgres and redis{KEPT_SHORT}": 30,
    WRITERS: 50,
}
CLOCKS_AHEAD_S = (60, 660)
"""Of the pushers in "postgres clocks apart": how far each of their clocks is ahead of the database's."""
LEADS = 50
STILL_S = 240.0
"""How long the rest may take once the faults are off."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    parser.add_argument("--variant", choices=[*VARIANTS, "all"], default="all")
    parser.add_argument("--rounds", type=int, help="rounds of the variant; by default 200 or 30")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    if options.variant != "all":
        return run(options.variant, options.rounds or VARIANTS[options.variant], options.seed)
    bad = 0
    for variant, rounds in VARIANTS.items():  # each in a process of its own: settings are read once
        command = [sys.executable, "-m", "tests.chaos", "--variant", variant, "--seed", str(options.seed)]
        bad += os.spawnv(os.P_WAIT, sys.executable, [*command, "--rounds", str(options.rounds or rounds)]) != 0
    return 1 if bad else 0


def run(variant: str, rounds: int, seed: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    redis = postgres = None
    try:
        if "redis" in variant:
            redis = Redis(folder)
        if variant == "postgres clocks apart" and under_faketime.PROGRAM is None:
            raise Missing(under_faketime.WHY_NOT.rstrip("."))
        if variant.startswith("postgres") or variant == WRITERS:
            postgres = Postgres(folder)
    except Missing as reason:
        print(f"{variant}: skipped, {reason}.")
        return 0
    os.environ.update(
        VAR_DIR=str(folder),
        EMBEDDED="1",
        DEBUG="0",
        LOG_LEVEL="ERROR",
        PUBLIC_URL="http://127.0.0.1:1",
        DATABASE_URL=postgres.url if postgres else f"sqlite:///{folder / 'db.sqlite3'}",
        REDIS_URL=redis.url if redis else "",
        VERIFY_SETTLE_S="1,2,4",
        KARTRA_CONNECT_TIMEOUT_S="1",
        KARTRA_READ_TIMEOUT_S="1.5",
        KARTRA_DEADLINE_S="3",
        OUTAGE_PROBE_S="1",
        DJANGO_SETTINGS_MODULE="kartra_mirror.settings",
        **(environment() if variant.endswith(KEPT_SHORT) else {}),
    )
    import django

    django.setup()
    try:
        if variant == WRITERS:
            return 1 if run_writers(rounds, random.Random(seed)) else 0
        return Chaos(variant, rounds, random.Random(seed), folder, redis, postgres).run()
    finally:
        for server in (redis, postgres):
            if server:
                server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Chaos:
    """One variant: rounds of wishes, faults and kills, then calm, then the judgement."""

    def __init__(
        self,
        variant: str,
        rounds: int,
        chance: random.Random,
        folder: Path,
        redis: Redis | None,
        postgres: Postgres | None,
    ) -> None:
        from integrations.sandbox.wire.server import Sandbox

        self.variant, self.rounds, self.chance, self.folder = variant, rounds, chance, folder
        self.redis, self.postgres = redis, postgres
        self.sandbox = Sandbox()
        self.given_up: set[tuple[int, str]] = set()
        self.undecided = 0
        self.faulty: list[str] = []
        self.dropped_at = 0.0
        self.nouns: Counter[str] = Counter()
        self.ageing = Ageing()

    def run(self) -> int:
        from tests.chaos.judge import judge
        from tests.chaos.staff import Colleague, Staff

        began = time.monotonic()
        connection, start = self._set_up()
        self.start = start
        staff = Staff(connection.account, self.chance)
        self.colleague = Colleague(self.sandbox, self.chance)
        ahead = CLOCKS_AHEAD_S if self.variant == "postgres clocks apart" else ()
        pushers = Pushers(2, self.folder / "send.log", ahead)
        died = 0
        try:
            for number in range(self.rounds):
                self._round(number, staff, pushers)
                died += pushers.died()
            self.sandbox.faults.clear()
            self.sandbox.switches.set({"down": False})
            self._calm(pushers)
            died += pushers.died()
        finally:
            pushers.stop()
        found = judge(self.sandbox, start, self.given_up, self.colleague.wrote, self.dropped_at, gone=self.ageing.gone)
        wrong = found.wrong + self.faulty
        log = (self.folder / "send.log").read_text(errors="replace")
        if tracebacks := log.count("Traceback (most recent call last)"):
            wrong.append(f"{tracebacks} tracebacks: {log[log.index('Traceback (most recent call last)') :][:3000]}")
        if died:
            wrong.append(f"pushers ended by themselves {died} times: {log[-1500:]}")
        calls = len(self.sandbox.calls)
        print(
            f"{self.variant}: {self.rounds} rounds in {time.monotonic() - began:.0f} s; {pushers.killed} kills, {calls:,} calls, "
            f"changes {found.counts}; {found.families} families compared, {found.accepted} accepted changes, "
            f"{found.left_out} left out, {self.undecided} were left to a person {dict(self.nouns)}; {self._deleted()}{len(wrong)} wrong",
            flush=True,
        )
        for line in wrong[:20]:
            print(f"  WRONG {line}", flush=True)
        self.sandbox.stop()
        return 1 if wrong else 0

    def _deleted(self) -> str:
        if not self.variant.endswith(KEPT_SHORT):
            return ""
        return f"{self.ageing.deleted:,} rows were deleted as too old, {len(self.ageing.gone):,} of them changes; "

    def _set_up(self) -> tuple[Any, dict[str, Any]]:
        from django.core.management import call_command
        from django.db import connections

        from integrations.models import Connection
        from integrations.sandbox.state import KEY, PASSWORD, UNLIMITED_APP_ID
        from integrations.sandbox.store import demo

        demo.catalogue(self.sandbox.account())
        ids = [str(self.sandbox.account().create(f"lead{n}@example.com", {}, {})["id"]) for n in range(LEADS)]
        self.sandbox.start()
        call_command("migrate", verbosity=0)
        call_command(
            "connect",
            "Chaos",
            app_id=UNLIMITED_APP_ID,
            api_key=KEY,
            api_password=PASSWORD,
            api_url=self.sandbox.url,
            calls_per_second=0,
            send=True,
            safety_field=self.variant != "without the safety field",
            stdout=io.StringIO(),
        )
        call_command("pull", connection="Chaos", catalogue=True, stdout=io.StringIO())
        call_command("pull", connection="Chaos", lead=ids, stdout=io.StringIO())
        start = {str(lead["id"]): copy.deepcopy(lead) for lead in self.sandbox.store.leads(1)}
        connections.close_all()
        return Connection.objects.select_related("account").get(), start

    def _round(self, number: int, staff: Any, pushers: Pushers) -> None:
        chance = self.chance
        for _ in range(chance.randrange(0, 3)):
            self._fault()
        if chance.random() < 0.3:  # somebody whom our copy does not know, with something to lose
            self._stranger(number, staff)
        for _ in range(chance.randrange(4, 10)):
            self._patiently(staff.ask)
            if chance.random() < 0.15:
                self._patiently(self.colleague.write)
        if number == self.rounds // 2:
            self.sandbox.store.drop_thing(1, "custom_field", "crm_ref")
            self.dropped_at = time.time()
        if number % 40 == 39:  # Kartra is down for a moment
            self.sandbox.switches.set({"down": True})
        ends = time.monotonic() + chance.uniform(0.6, 2.0)
        time.sleep(chance.uniform(0.1, 0.6))
        if chance.random() < 0.6:
            pushers.kill_one(chance.randrange(2))
        self._trouble(number)
        time.sleep(max(0.0, ends - time.monotonic()))
        self.sandbox.switches.set({"down": False})
        if number % 10 == 9:
            self._decide()
        if self.variant.endswith(KEPT_SHORT) and number % EVERY_ROUNDS == EVERY_ROUNDS - 1:
            self._patiently(self._read_some)
            self._patiently(self.ageing.pass_by)

    def _stranger(self, number: int, staff: Any) -> None:
        account, chance = self.sandbox.account(), self.chance
        lead = account.create(f"known{number}@example.com", {}, {}, source="manual")
        account.points(lead, chance.randrange(1, 9), below_zero=True, heard=False)
        account.list(lead, LISTS[chance.randrange(3)], True, heard=False)
        if chance.random() < 0.5:
            account.list(lead, LISTS[chance.randrange(3)], False, heard=False)
        if chance.random() < 0.5:
            account.sequence(lead, next(iter(SEQUENCES)), str(chance.randrange(1, 3)), heard=False)
        staff.taken.append(lead["email"])
        self.start[str(lead["id"])] = copy.deepcopy(account.store.lead(1, id=str(lead["id"])))

    def _trouble(self, number: int) -> None:
        if self.redis and self.variant == "redis flushed":
            self.redis.flush()
        if self.redis and self.variant == "redis stopped" and number % 3 == 0:
            self.redis.stop()
            time.sleep(5)
            self.redis.start()
        if self.postgres and self.variant == "postgres restarted" and number % 2 == 0:
            self.postgres.restart()

    def _fault(self) -> None:
        from integrations.sandbox.faults import ALL

        name = self.chance.choice([each for each in ALL if each != "answer 302"])
        seconds = {"slow": 0.4, "drip": 0.5, "carried out late": 0.6}.get(name, 3.0)
        code = self.chance.choice(["212", "231", "219", "243", "999"])
        k = self.chance.randrange(1, 4)  # not the head: when that fails, the rest of the call is taken not to be done
        self.sandbox.faults.add(fault=name, count=self.chance.randrange(1, 4), seconds=seconds, k=k, code=code)

    def _patiently(self, work: Any) -> None:
        """Do it again when the database was restarted meanwhile: a person would."""
        from django.db import InterfaceError, OperationalError, connections

        for _ in range(50):
            try:
                work()
                return
            except (OperationalError, InterfaceError):
                connections.close_all()
                time.sleep(0.2)
        raise RuntimeError("The database does not come back.")

    def _calm(self, pushers: Pushers) -> None:
        """Wait until nothing is open; what nobody can know is given up, so that what it holds back goes on."""
        from leads.models import OPEN, LeadChange

        ends = time.monotonic() + STILL_S
        while time.monotonic() < ends:
            self._patiently(self._decide)
            if not LeadChange.objects.filter(status__in=OPEN).exists():
                self._read_back()
                return
            time.sleep(0.3)

    def _read_back(self) -> None:
        """Read what is due, as the worker that keeps the copy fresh would: what Kartra ignored shows."""
        from integrations.models import Connection
        from integrations.read import refresh

        for _ in range(2):  # what one read shows may make others due
            time.sleep(1.2)  # the first settle time
            refresh.read_due(Connection.objects.select_related("account").get())

    def _read_some(self) -> None:
        """Read what was changed: no day passes without Kartra answering for a while."""
        from django.db.models import F

        from integrations.clock import now
        from integrations.models import Connection
        from integrations.read import refresh
        from leads import mirror
        from leads.models import Lead

        self.sandbox.faults.clear()
        time.sleep(1.2)  # the first settle time
        Connection.objects.update(hold_until=None)
        mirror.mark_all_dirty(Lead.objects.filter(changes__settled_at__gte=F("read_at")).distinct(), now())
        refresh.read_due(Connection.objects.select_related("account").get())

    def _decide(self) -> None:
        from leads.models import LeadChange
        from tests.chaos.judge import check_evidence
        from tests.chaos.staff import decide

        for change in LeadChange.objects.questions().select_related("lead"):
            rival = (change.lead.kartra_id, change.family) in self.colleague.wrote
            if not rival and (wrong := check_evidence(change)):
                self.faulty.append(wrong)
            self.undecided += 1
            self.nouns[
                f"{change.family.partition(':')[0]}: {change.reason}{', a hand in Kartra' if rival else ''}"
            ] += 1
            if decide(change, self.chance):
                self.given_up.add((change.lead_id, change.family))


if __name__ == "__main__":
    sys.exit(main())
