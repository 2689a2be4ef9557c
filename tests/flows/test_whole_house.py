"""The whole house: the Procfile's processes, a PostgreSQL, a Redis, and a Kartra that tells everything back. A hundred leads are
changed, and afterwards our copy and Kartra hold each thing once and the same."""

import json
import os
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection as database, connections
from django.utils import timezone

from integrations.models import ApiCall, Attempt, Delivery, WebhookEndpoint
from kartra_mirror.celery import app as celery
from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadChange,
    LeadTag,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)
from tests.chaos.servers import ROOT, free_port, wait_for
from tests.processes import database_url, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

LEADS, BUYERS = 100, 6
SECRET = "s3cret"
YEAR = timezone.now().year + 1
BOOKING = {"calendar": "Coaching", "class": "Intro call"}
WHEN = {"date": f"{YEAR}-02-16", "hour": "15:00"}

LOST = {
    "calendar_subscribe": 3,
    "calendar_cancel": 5,
    "subscribe_lead_to_sequence_at_step": 7,
    "unsubscribe_lead_from_sequence": 11,
    "assign_tag": 13,
    "cancel_transaction": 1,
    "refund_transaction": 2,
}
"""In the house that loses answers: commands of which a few are carried out and their answers lost, and of which leads: each
fiftieth, from this one on."""


def questions():
    """What is left to a person, and why."""
    asked = Attempt.objects.filter(change__status="undecided").select_related("change", "call")
    return [(str(each.change), each.call.sent_at, each.evidence) for each in asked]


class House:
    """Processes of the Procfile on free ports with an environment of their own, and commands run beside them."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.processes = []
        self.env = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "WEB_PORT": str(self.port),
            "OUTAGE_PROBE_S": "1",
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "VERIFY_SETTLE_S": "1,2,4",
            "VERIFY_MONEY_SETTLE_S": "1,2,4",
            "KARTRA_READ_TIMEOUT_S": "5",
            "KARTRA_DEADLINE_S": "8",
            "LOG_LEVEL": "WARNING",
        }
        self.lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())

    def start(self, name, number=1):
        for index in range(number):
            program, *rest = shlex.split(self.lines[name])
            if index:
                rest += ["--hostname", f"{name}{index}@%h"]
            with open(self.folder / f"{name}{index}.log", "wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [Path(sys.executable).parent / program, *rest], cwd=ROOT, env=self.env, stdout=log, stderr=log
                    )
                )

    def command(self, *args):
        """A command of manage.py under way."""
        with open(self.folder / "commands.log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "manage.py", *args],
                cwd=ROOT,
                env=self.env,
                text=True,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def facts(self, *args):
        """What a command prints."""
        process = self.command(*args, "--json")
        told, _ = process.communicate(timeout=240)
        assert process.returncode == 0, (args, told, self.logs())
        return json.loads(told)

    def change_all(self, *wanted, wait):
        """These changes, asked for at once from a terminal each; `wait`: each sends, too, until its own are done. Else the
        workers do, as a terminal gives up where Kartra leaves three calls in a row without an answer."""
        under_way = [(args, self.command("change", *args, *(["--wait"] if wait else []))) for args in wanted]
        for args, process in under_way:
            told, _ = process.communicate(timeout=240)
            assert process.returncode == 0, (args, told, questions(), self.logs())
        wait_until(lambda: not LeadChange.objects.exclude(status="undecided").open().exists(), 120)
        assert not questions()

    def logs(self):
        return "\n".join(f"{path.name}: {path.read_text()[-4000:]}" for path in sorted(self.folder.glob("*.log")))

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def house(tmp_path, sandbox):
    if database.vendor != "postgresql" or not settings.REDIS_URL:
        pytest.skip("It needs a PostgreSQL and a Redis: set TEST_DATABASE_URL and TEST_REDIS_URL.")
    celery.control.purge()
    found = House(tmp_path)
    yield found
    found.stop()
    celery.control.purge()
    connections.close_all()


def told(parameters):
    return [part for name, value in parameters.items() for part in ("--set", f"{name}={value}")]


def furnish(house, sandbox, safety_field):
    """A Kartra with a hundred leads, some of whom bought something, that our copy has read. The buyers' payments."""
    account = sandbox.server.account()
    leads = [account.create(f"lead{n}@example.com", {}, {}) for n in range(LEADS)]
    money = []
    for lead in leads[:BUYERS]:
        sale = account.charge(lead, "sale", "Trail Course", "97.00", heard=False)
        money.append((sale, account.subscribe_plan(lead, "Trail Club", "29.00", heard=False)))
    addresses = house.facts(
        "connect",
        "House",
        "--app-id",
        sandbox.app_id,
        "--api-key",
        sandbox.key,
        "--api-password",
        sandbox.password,
        "--api-url",
        sandbox.url,
        "--calls-per-second",
        "0",
        "--send",
        *(["--safety-field"] if safety_field else []),
    )["webhooks"]
    endpoint = WebhookEndpoint.objects.get()
    endpoint.ipn_secret = SECRET
    endpoint.save()
    house.facts("pull", "--catalogue")
    house.facts("pull", "--transactions", *(part for lead in leads for part in ("--lead", str(lead["id"]))))
    sandbox.server.posts.register(addresses["outbound"])
    sandbox.server.posts.register(addresses["ipn"], kind="ipn", secret=SECRET)
    return money


def lose_answers(sandbox):
    ids = sorted(Lead.objects.values_list("kartra_id", flat=True), key=int)
    for cmd, first in LOST.items():
        for id in ids[first::50]:
            sandbox.fault("carried out, then dropped", cmd=cmd, lead=id)
    for cmd in ("cancel_transaction", "refund_transaction"):  # they name no lead
        sandbox.fault("carried out, then dropped", cmd=cmd, count=2)


def is_calm(sandbox):
    """Whether nothing is on its way any more, in either direction."""
    busy = (
        LeadChange.objects.open(),
        Delivery.objects.waiting(),
        ApiCall.objects.in_flight(),
        Lead.objects.exclude(dirty_at=None),
        Lead.objects.exclude(orders_due_at=None),
    )
    return not sandbox.server.posts.waiting() and not any(rows.exists() for rows in busy)


def lines_of(lead):
    """The lead's timeline since we began, by kind."""
    return Counter(Activity.objects.filter(lead=lead).values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("workers", "safety_field", "lossy"),
    [
        pytest.param(1, False, False, id="as the Procfile has it"),
        pytest.param(2, True, True, id="two of each worker, a safety field, answers lost"),
    ],
)
def test_a_hundred_leads_changed_in_every_way_are_one_row_and_one_line_each(
    house, sandbox, workers, safety_field, lossy
):
    money = furnish(house, sandbox, safety_field)
    Activity.objects.all().delete()
    if lossy:
        lose_answers(sandbox)
    house.start("web")
    house.start("worker", workers)
    house.start("apply", workers)
    house.start("beat")
    wait_for(house.port)

    house.change_all(
        ["subscribe_calendar", "--all", *told({**BOOKING, **WHEN})],
        ["subscribe_sequence", "--all", *told({"sequence": "Welcome series", "step": "2"})],
        ["assign_tag", "--all", *told({"tag": "VIP"})],
        wait=not lossy,
    )
    (sale, _), (part, _), *_rest = money
    house.change_all(
        ["cancel_calendar", "--all", *told(BOOKING)],
        ["unsubscribe_sequence", "--all", *told({"sequence": "Welcome series"})],
        ["refund_transaction", *told({"transaction": sale, "amount": "whole"})],
        ["refund_transaction", *told({"transaction": part, "amount": "20.00"})],
        *(["cancel_subscription", *told({"subscription": plan})] for _, plan in money[2:4]),
        wait=not lossy,
    )
    wait_until(lambda: is_calm(sandbox), 120)
    compared = house.facts("pull", "--compare")["compared"]
    house.stop()

    assert "Traceback" not in house.logs()
    assert compared == {"compared": LEADS, "differences": 0, "not_compared": 0, "leads": []}
    assert dict(Counter(LeadChange.objects.values_list("status", flat=True))) == {"accepted": 5 * LEADS + 4}
    assert not Delivery.objects.exclude(status="applied").exists()
    assert not sandbox.server.posts.failed
    if not lossy:
        assert not Attempt.objects.exclude(call__sent_at=None).exclude(proof="done").exists()

    # Kartra has each once
    for lead in sandbox.server.store.leads(1):
        assert [each["status"] for each in lead["bookings"]] == ["Cancelled"]
        assert lead["sequences"]["Welcome series"] == {"step": "2", "status": "unsubscribed", "starts": 1}

    # and so have we
    assert [row.status for row in CalendarEnrollment.objects.all()] == ["Cancelled"] * LEADS
    assert [(row.step, row.status) for row in SequenceEnrollment.objects.all()] == [("2", "unsubscribed")] * LEADS
    assert LeadTag.objects.count() == LEADS
    lines = dict.fromkeys(
        ["calendar_booked", "calendar_cancelled", "sequence_entered", "sequence_left", "tag_assigned"], 1
    )
    paid = {
        0: {"refund_confirmed": 1, "payment_refund": 1},
        1: {"refund_confirmed": 1, "payment_partial_refund": 1},
        2: {"subscription_cancelled": 1, "payment_cancellation": 1},
        3: {"subscription_cancelled": 1, "payment_cancellation": 1},
    }
    found = {lead.email: dict(lines_of(lead)) for lead in Lead.objects.all()}
    assert found == {f"lead{n}@example.com": {**lines, **paid.get(n, {})} for n in range(LEADS)}
    theirs = {
        str(payment["id"]): (payment["type"], payment["amount"])
        for lead in sandbox.server.store.leads(1)
        for payment in sandbox.server.store.payments(1, "transaction", lead["id"])
    }
    ours = {row.kartra_id: (row.type, f"{row.full_amount:.2f}") for row in Transaction.objects.all()}
    assert ours == theirs
    states = {row.kartra_id: row.status.lower() for row in RecurringSubscription.objects.all()}
    assert states == {str(plan): "cancelled" if n in (2, 3) else "active" for n, (_, plan) in enumerate(money)}
