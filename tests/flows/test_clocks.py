"""Machines whose clocks are wrong: what waits, expires or is stamped goes by the database's clock, and they are named."""

import datetime as dt
import io
import json
import logging
import os
import re
import subprocess
import time

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection as database, connections, models
from django.utils import timezone

from integrations import push, receive, tasks
from integrations.models import ApiCall, Attempt, CallOutcome, Cause, Connection, Heartbeat, Proof, StopCause
from integrations.push import claim, lease, verify
from integrations.read import catalogue, refresh, schedule
from integrations.sending import clocks, outage, switch
from leads import importing, kinds
from leads.changes import runs
from leads.models import BulkRun, ImportKind, Lead, LeadChange
from tests import under_faketime as shifting
from tests.chaos.servers import ROOT
from tests.factories import BulkRunFactory, LeadChangeFactory, WebhookEndpointFactory
from tests.processes import database_url
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

clocks_can_differ = pytest.mark.skipif(
    not os.environ["DATABASE_URL"].startswith("postgres"),
    reason="On SQLite database and machine share one clock.",
)
needs_faketime = pytest.mark.skipif(shifting.PROGRAM is None, reason=shifting.WHY_NOT)


@pytest.fixture(params=[660, 60, -660], ids=lambda s: f"{s:+} s")
def shifted(request, monkeypatch):
    """This process's wall clock is off; what it measures (monotonic) is right."""
    off = dt.timedelta(seconds=request.param)
    now, wall = timezone.now, time.time
    monkeypatch.setattr(timezone, "now", lambda: now() + off)
    monkeypatch.setattr(time, "time", lambda: wall() + request.param)
    return request.param


def database_now():
    """Asked for here, not by the code that is tested."""
    if database.vendor != "postgresql":
        return timezone.now()
    with database.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def unclear(connection, lead, *, in_s):
    """A change whose answer was lost, to be looked at so many seconds from now."""
    at = database_now()
    change = LeadChangeFactory(
        lead=lead, account=lead.account, kind="give_points", family="points", parameters={"points": 5}, status="unknown"
    )
    call = ApiCall.objects.create(
        connection=connection,
        lead=lead,
        cause=Cause.PUSH,
        writes=True,
        claimed_at=at,
        lease_until=at,
        sent_at=at,
        finished_at=at,
        outcome=CallOutcome.UNKNOWN,
        commands="give_points_to_lead",
    )
    later = at + dt.timedelta(seconds=in_s)
    return Attempt.objects.create(
        change=change,
        call=call,
        position=0,
        command="give_points_to_lead",
        proof=Proof.UNCLEAR,
        verify_at=later,
        before={"score": 0},
    )


def near(at, *, in_s=0.0):
    return abs((at - database_now()).total_seconds() - in_s) < 20


def test_nothing_asks_the_machine_for_the_time():
    """But the clock itself, the threads that may not ask the database (their times are put right afterwards), and a message that
    comes while the database is away."""
    asks = re.compile(
        r"timezone\.now\b|\btime\.time\b|datetime\.(now|utcnow|today)\(|timezone\.localtime\(\)|auto_now(_add)?=True"
    )
    found = {}
    for room in ("leads", "integrations", "kartra_mirror"):
        for path in (ROOT / room).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if "/migrations/" in name or name.startswith("integrations/sandbox/"):
                continue
            lines = [
                line.strip()
                for line in path.read_text().splitlines()
                if asks.search(line) and "StampField(" not in line
            ]
            if lines:
                found[name] = len(lines)

    read_in_threads, message = "integrations/read/lead_lookup_bulk.py", "integrations/webhooks.py"
    assert found == {"leads/clock.py": 2, "integrations/clock.py": 2, read_in_threads: 2, message: 1}
    wiring = (ROOT / "kartra_mirror/settings.py").read_text() + (ROOT / "kartra_mirror/celery.py").read_text()
    everything = wiring + (ROOT / "integrations/tasks.py").read_text()
    assert not re.search(r"expires[=\"']|countdown=|\beta=", everything)


@clocks_can_differ
def test_nothing_is_stamped_by_a_wrong_clock(sandbox, connection, shifted, client):
    """Much of what a day brings, on a machine whose clock is wrong: no row of any table says another time than the database's."""
    begun = database_now()
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    record_change(lead, kinds.get_kind("give_points"), {"points": 5})
    push.drain(connection)
    sandbox.fault("502, nothing done", cmd="subscribe_lead_to_list")
    record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})
    push.drain(connection)
    Lead.objects.update(read_at=None)
    refresh.drain(connection, until_s=3)
    catalogue.read_due(connection)
    body = {
        "action": "tag_assigned",
        "lead": {"id": lead.kartra_id, "email": lead.email},
        "action_details": {"tag": {"tag_name": "VIP"}},
    }
    client.post(
        f"/webhooks/{WebhookEndpointFactory(connection=connection, name='Second').token}/",
        json.dumps(body),
        content_type="application/json",
    )
    receive.drain(until_s=3)
    file = io.BytesIO(b"Email,First Name\nbob@example.com,Bob\n")
    job = importing.create(connection.account, ImportKind.LEADS, file, "x.csv")
    importing.start(job)
    importing.work(job, file)
    run = BulkRunFactory(account=connection.account, state="running")
    runs.pause(run)
    switch.off(connection, why="x")
    switch.on(connection)
    tasks.sweep()
    tasks.prune()

    wrong = []
    last = database_now() + dt.timedelta(seconds=1)
    waits = {"read_not_before", "lease_until", "verify_at", "hold_until", "probe_at", "starts_at", "next_payment_on"}
    rows = 0
    for model in [*apps.get_app_config("leads").get_models(), *apps.get_app_config("integrations").get_models()]:
        names = [
            f.attname
            for f in model._meta.concrete_fields
            if isinstance(f, models.DateTimeField) and f.name not in waits
        ]
        for row in model.objects.values_list(*names) if names else []:
            rows += 1
            wrong += [
                (model.__name__, n, v)
                for n, v in zip(names, row, strict=True)
                if v and not begun - dt.timedelta(seconds=1) <= v <= last and n not in ("date_joined", "date_added")
            ]

    assert wrong == []
    assert rows > 20


@clocks_can_differ
def test_verifier_does_not_look_before_its_time(sandbox, connection, shifted):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    early = unclear(connection, lead, in_s=600)

    assert verify.drain(connection) == 0
    early.refresh_from_db()
    assert early.proof == Proof.UNCLEAR

    Attempt.objects.update(verify_at=database_now() - dt.timedelta(seconds=1))
    assert verify.drain(connection, stop=seen_once(early)) == 1


def seen_once(attempt):
    """Asked whether to stop: once the attempt was looked at, as it may be due again before a slow drain ends."""
    return lambda: Attempt.objects.get(pk=attempt.pk).looks > 0


@clocks_can_differ
def test_reader_leases_a_lead_for_two_minutes(sandbox, connection, shifted):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.update(read_at=None, read_not_before=None)

    assert [each.pk for each in schedule.claim(connection, 10)] == [lead.pk]
    lead.refresh_from_db()
    assert near(lead.read_not_before, in_s=120)
    assert schedule.claim(connection, 10) == []

    Lead.objects.update(read_not_before=database_now() - dt.timedelta(seconds=1))
    assert [each.pk for each in schedule.claim(connection, 10)] == [lead.pk]


@clocks_can_differ
def test_read_close_after_a_call_of_ours_does_not_count(sandbox, connection, shifted, settings):
    settings.VERIFY_SETTLE_S = [30.0, 60.0, 120.0]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    push.drain(connection)

    assert refresh.read_lead(connection, lead=lead).applied is False


@clocks_can_differ
def test_lease_of_a_call_in_flight_is_not_ended_early(sandbox, connection, shifted):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    [chain] = claim.claim(connection, 10)

    assert lease.end_leases(connection) == 0
    ApiCall.objects.filter(pk=chain.call.pk).update(lease_until=database_now() - dt.timedelta(seconds=1))
    assert lease.end_leases(connection) == 1


@clocks_can_differ
def test_outage_is_tried_again_after_its_minute(sandbox, connection, shifted):
    switch.stop(connection, StopCause.OUTAGE, "no answer")

    assert not outage.due(connection)
    connection.probe_at = database_now() - dt.timedelta(seconds=1)
    assert outage.due(connection)


@clocks_can_differ
def test_back_off_holds_as_long_as_it_says(sandbox, connection, shifted):
    Connection.objects.update(hold_until=database_now() + dt.timedelta(seconds=30), failures=1)
    connection.refresh_from_db()
    assert switch.why_not_sending(connection)
    assert not refresh.has_work(connection)

    connection.hold_until = database_now() - dt.timedelta(seconds=1)
    assert not switch.why_not_sending(connection)


@clocks_can_differ
def test_asked_for_twice_is_known_by_the_databases_clock(sandbox, connection, shifted):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    first = record_change(lead, kinds.get_kind("give_points"), {"points": 5})
    first.refresh_from_db()

    assert near(first.requested_at)


@clocks_can_differ
def test_catalogue_is_tried_again_after_its_wait(sandbox, connection, shifted):
    Heartbeat.objects.create(name=f"catalogue {connection.pk}", at=database_now())
    assert not catalogue.is_due(connection)

    Heartbeat.objects.update(at=database_now() - dt.timedelta(days=1))
    assert catalogue.is_due(connection)


@clocks_can_differ
def test_run_left_half_written_is_ended_after_half_an_hour(connection, shifted):
    BulkRunFactory(account=connection.account, state="preparing")
    tasks.sweep()
    assert BulkRun.objects.get().state == "preparing"

    BulkRun.objects.update(created_at=database_now() - dt.timedelta(minutes=31))
    Heartbeat.objects.all().delete()
    tasks.sweep()
    assert BulkRun.objects.get().state != "preparing"


@clocks_can_differ
def test_sweeps_of_a_wrong_clock_go_on_and_it_is_named(sandbox, connection, shifted, client, caplog):
    direction = "ahead of" if shifted > 0 else "behind"
    sentence = re.compile(rf"The clock of \S+ is {abs(shifted)} s {direction} the database's\.")
    with caplog.at_level(logging.WARNING):
        tasks.sweep()
        [named] = clocks.wrong()
    out = io.StringIO()
    call_command("status", stdout=out)
    ready = client.get("/readyz").json()

    assert near(Heartbeat.objects.get(name="sweep").at)
    assert ready["sweep_late"] is False
    assert sentence.match(named)
    assert ready["wrong_clocks"] == [named]
    assert named in out.getvalue()
    assert named in caplog.text


def test_right_clock_is_not_named(client):
    assert clocks.wrong() == []
    assert client.get("/readyz").json()["wrong_clocks"] == []


def test_wrong_clock_is_on_the_health_page_until_shortly_after(admin_client):
    Heartbeat.objects.create(name="clock web-2", at=database_now(), ahead_s=61.0)
    words = "The clock of web-2 is 61 s ahead of the database"
    assert words in admin_client.get("/admin/health/").content.decode().replace("&#x27;", "'")

    Heartbeat.objects.update(at=database_now() - dt.timedelta(minutes=3))
    assert words not in admin_client.get("/admin/health/").content.decode()


def test_sweeps_that_piled_up_cost_nothing(sandbox, connection, notified):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    tasks.sweep()
    before = list(notified)
    assert before.count(("push_changes", (connection.pk,))) == 2  # one of the request, one of the sweep

    for _ in range(20):
        tasks.sweep()
    assert notified == before

    Heartbeat.objects.filter(name="sweep").update(at=database_now() - dt.timedelta(seconds=10))
    tasks.sweep()
    assert notified.count(("push_changes", (connection.pk,))) == 3


def test_beat_of_tomorrow_holds_nobody_up(notified):
    Heartbeat.objects.create(name="sweep", at=database_now() + dt.timedelta(days=1))

    tasks.sweep()

    assert near(Heartbeat.objects.get(name="sweep").at)


# --- a process of its own under faketime

SHOWS = """
import json, time, django
django.setup()
from integrations import clock, tasks
from integrations.push import verify
from integrations.sending import clocks
from integrations.models import Connection
print(json.dumps({"wall": time.time(), "monotonic": time.monotonic(), "ahead": clock.ahead_s()}), flush=True)
tasks.notify_worker = lambda *given: None
tasks.sweep()
print(json.dumps({"looked": verify.drain(Connection.objects.get(), until_s=2), "wrong": clocks.wrong()}))
"""


def under_faketime(seconds, *command, **how):
    connections.close_all()
    environment = {
        **shifting.environment(seconds),
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "kartra_mirror.settings",
    }
    return shifting.command(*command), {"cwd": ROOT, "env": environment, "text": True, **how}


@clocks_can_differ
@needs_faketime
@pytest.mark.parametrize("seconds", [60, 660])
def test_process_with_a_wrong_clock(sandbox, connection, seconds, tmp_path):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    unclear(connection, lead, in_s=30)
    (tmp_path / "shows.py").write_text(SHOWS)
    command, how = under_faketime(seconds, str(tmp_path / "shows.py"), capture_output=True, timeout=120)
    wall, monotonic = time.time(), time.monotonic()

    answer = subprocess.run(command, **how)

    assert answer.returncode == 0, answer.stderr
    clocks_seen, found = (json.loads(line) for line in answer.stdout.splitlines())
    assert clocks_seen["wall"] - wall == pytest.approx(seconds, abs=20)
    assert 0 <= clocks_seen["monotonic"] - monotonic < 20
    assert clocks_seen["ahead"] == pytest.approx(seconds, abs=2)
    assert found["looked"] == 0
    assert f"{seconds} s ahead of the database's" in found["wrong"][0]
    assert near(Heartbeat.objects.get(name="sweep").at)


@clocks_can_differ
@needs_faketime
def test_points_are_given_once_with_two_pushers_whose_clocks_are_apart(sandbox, connection, tmp_path):
    """The answer is lost and the effect comes late; one of two pushers is 11 minutes ahead, so that by its own clock all looks
    are due at once and see nothing."""
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(4)]
    Lead.objects.update(read_at=database_now(), score=0)
    asked = [record_change(lead, kinds.get_kind("give_points"), {"points": 5}) for lead in leads]
    sandbox.fault("carried out late", cmd="give_points_to_lead", count=4, seconds=3.0)
    pushers = []
    for seconds in (60, 660):
        log = (tmp_path / f"{seconds}.log").open("w")
        command, how = under_faketime(seconds, "manage.py", "push", stdout=log, stderr=log)
        how["env"]["VERIFY_SETTLE_S"] = "5,8,16"
        pushers.append(subprocess.Popen(command, **how, start_new_session=True))
    ends = time.monotonic() + 60
    try:
        while (
            LeadChange.objects.filter(status__in=["waiting", "sending", "unknown"]).exists() and time.monotonic() < ends
        ):
            time.sleep(0.2)
    finally:
        for each in pushers:
            os.killpg(each.pid, 15)
        for each in pushers:
            each.wait(30)

    assert {LeadChange.objects.get(pk=each.pk).status for each in asked} == {"accepted"}
    assert [sandbox.lead(lead.email)["score"] for lead in leads] == [5] * 4
