"""Pushers as processes of their own: they end when told to, a person goes before a bulk action, a cancelled one stops."""

import os
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from integrations.models import ApiCall, Connection
from integrations.process_state import process_state
from leads import changes, kinds
from leads.changes import runs
from leads.models import Lead, LeadChange
from tests.chaos.servers import ROOT
from tests.processes import database_url, wait_until
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def pusher() -> subprocess.Popen[str]:
    connections.close_all()
    return subprocess.Popen(
        [sys.executable, "manage.py", "push"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "DATABASE_URL": database_url()},
    )


@pytest.fixture
def limited(sandbox, connection):
    """Through the app that has Kartra's limit."""
    sandbox.app_id = "sandbox-app"
    Connection.objects.update(app_id="sandbox-app", calls_per_second=19.5)
    process_state.rates.clear()
    connection.refresh_from_db()
    yield connection
    process_state.rates.clear()


def known_leads(sandbox, connection, number):
    """Many leads that both sides know, in one go."""
    ids = [sandbox.server.account().create(f"lead{n}@example.com", {}, {})["id"] for n in range(number)]
    at = timezone.now()
    Lead.objects.bulk_create(
        Lead(
            account=connection.account,
            kartra_id=str(id),
            email=f"lead{n}@example.com",
            email_key=f"lead{n}@example.com",
            read_at=at,
            score=0,
        )
        for n, id in enumerate(ids)
    )


def begun_since(sandbox, moment):
    """How many calls have begun since then. A count, as seconds say little on a busy machine."""
    return sum(call["at"] > moment for call in sandbox.calls(writes=True))


def tag_all(connection, tag="VIP"):
    return changes.record_run(
        connection.account, Lead.objects.filter(account=connection.account), kinds.get_kind("assign_tag"), {"tag": tag}
    )


def test_sigterm_ends_claiming_finishes_what_is_in_flight_and_leaves_the_rest_waiting(sandbox, limited):
    known_leads(sandbox, limited, 200)
    sandbox.switch(latency_ms=300)
    run = tag_all(limited)
    process = pusher()
    wait_until(lambda: len(sandbox.calls(writes=True)) > 10)

    told = time.time()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0

    assert (
        begun_since(sandbox, told) <= settings.PUSH_SENDERS
    )  # those in flight, a few of which still waited for their turn
    counts = run.changes.counts()
    assert counts["sending"] == counts["unknown"] == 0
    assert counts["accepted"] == len(sandbox.calls(writes=True)) == len(sandbox.tagged("VIP"))
    assert counts["waiting"] == 200 - counts["accepted"]
    assert not ApiCall.objects.in_flight().exists()


@pytest.mark.parametrize("whose", ["another lead", "a lead with waiting run changes"])
def test_a_single_change_is_among_the_next_twenty_calls_of_a_run_of_ten_thousand(sandbox, limited, whose):
    known_leads(sandbox, limited, 10_000)
    other = sandbox.mirrored_lead(limited, "ada@example.com")
    run = changes.record_run(
        limited.account, Lead.objects.exclude(pk=other.pk), kinds.get_kind("assign_tag"), {"tag": "VIP"}
    )
    pushers = [pusher(), pusher()]
    try:
        wait_until(lambda: len(sandbox.calls(writes=True)) > 20)
        lead = other if whose == "another lead" else run.changes.filter(status="waiting").order_by("-pk").first().lead
        before = len(sandbox.calls(writes=True))

        record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})

        wait_until(lambda: any("subscribe_lead_to_list" in c["cmds"] for c in sandbox.calls(writes=True)))
    finally:
        for each in pushers:
            each.send_signal(signal.SIGTERM)
        for each in pushers:
            each.wait(20)
    made = sandbox.calls(writes=True)[before:]
    at = next(n for n, call in enumerate(made) if "subscribe_lead_to_list" in call["cmds"])
    assert at < 20


def test_a_cancelled_run_of_five_thousand_starts_nothing_after_two_seconds_and_adds_up(sandbox, limited):
    known_leads(sandbox, limited, 5_000)
    run = tag_all(limited)
    pushers = [pusher(), pusher()]
    sums = set()
    try:
        wait_until(lambda: len(sandbox.calls(writes=True)) > 20)
        runs.cancel(run)
        cancelled = time.time()
        ends = time.monotonic() + 4
        while time.monotonic() < ends:
            sums.add(sum(run.changes.counts().values()))
            time.sleep(0.05)
    finally:
        for each in pushers:
            each.send_signal(signal.SIGTERM)
        for each in pushers:
            each.wait(20)
    run.refresh_from_db()
    assert sums == {5_000}
    assert begun_since(sandbox, cancelled) <= 2 * 20  # two seconds' worth, of the four that were watched
    counts = run.changes.counts()
    assert (run.state, counts["accepted"] + counts["cancelled"]) == ("cancelled", 5_000)
    assert counts["accepted"] == len(sandbox.tagged("VIP"))
    assert not LeadChange.objects.filter(status__in=["waiting", "sending"]).exists()


def test_a_slice_of_chaos(request):
    """Twenty rounds; `make chaos` does all of them."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--variant", "plain", "--rounds", "20"],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=400,
        env={k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")},
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 wrong" in answer.stdout
