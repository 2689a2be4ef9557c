"""Both ways at once: what a person does in Kartra arrives by itself; the demo sets itself up by the ordinary ways."""

import datetime as dt
import io
import os
import threading
import time
import urllib.request

import pytest
from django.db import connections
from django.db.models import Count
from django.utils import timezone

from integrations import push, receive
from integrations.management.commands.demo import Command
from integrations.models import ApiCall, Connection, Delivery, WebhookEndpoint
from integrations.read import refresh, schedule, transactions
from integrations.sandbox.store import demo
from integrations.setup import demo_database
from leads import changes, kinds
from leads.models import Activity, CalendarEnrollment, Lead, LeadTag, RecurringSubscription, Tag
from leads.models.remarks import sentence_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _read_long_ago(sandbox):
    """Leads here were read long ago, so that they are due."""
    sandbox.read_ago = dt.timedelta(days=30)


LEADS = int(os.environ.get("TEST_LEADS", "40"))
"""How many leads the tests about echoes take; 5,000 are promised."""


def wait_for(question, seconds=10):
    ends = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < ends, "It did not happen in time."
        time.sleep(0.05)


def test_tag_put_on_in_kartras_own_page_arrives_through_the_endpoint(sandbox, connection, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    endpoint = WebhookEndpoint.objects.create(connection=connection)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.server.posts.register(endpoint.outbound_url)

    form = urllib.request.Request(f"{sandbox.base}/leads/{lead.kartra_id}/add-tag", b"tag=VIP")
    urllib.request.urlopen(form, timeout=5).close()
    wait_for(Delivery.objects.exists)
    receive.drain()

    assert LeadTag.objects.get().tag.name == "VIP"
    assert sentence_of(Delivery.objects.get().changed[-1]) == "tag VIP added"


def many(sandbox, connection, live_server, settings):
    """Leads known to both sides and just read, and a door to which the sandbox posts every event."""
    settings.PUBLIC_URL = live_server.url
    endpoint = WebhookEndpoint.objects.create(connection=connection)
    sandbox.server.posts.register(endpoint.outbound_url)
    for number in range(LEADS):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com", first_name="L")
    refresh.drain(connection, until_s=600)
    assert not schedule.due(connection).exists()
    return ApiCall.objects.filter(writes=False).count()


def all_arrive():
    wait_for(lambda: Delivery.objects.count() == LEADS, seconds=10 + LEADS / 20)
    while receive.drain():
        pass
    assert set(Delivery.objects.values_list("status", flat=True)) == {"applied"}
    assert LeadTag.objects.count() == LEADS


def test_our_own_writes_coming_back_cost_no_read(sandbox, connection, live_server, settings):
    reads = many(sandbox, connection, live_server, settings)
    changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})

    while push.drain(connection).more:
        pass
    all_arrive()

    assert not Lead.objects.filter(dirty_at__isnull=False).exists()
    assert refresh.drain(connection) == 0
    assert ApiCall.objects.filter(writes=False).count() == reads
    assert not LeadTag.objects.exclude(change__kind="assign_tag").exists()


def test_the_same_messages_without_a_change_of_ours_cost_one_read_for_each_lead(
    sandbox, connection, live_server, settings
):
    reads = many(sandbox, connection, live_server, settings)
    for id in Lead.objects.values_list("kartra_id", flat=True):
        sandbox.act("assign_tag", lead=id, tag="VIP")

    all_arrive()
    assert refresh.drain(connection, until_s=600) == LEADS
    assert refresh.drain(connection) == 0

    calls = ApiCall.objects.filter(writes=False)
    assert calls.count() == reads + LEADS
    assert set(calls.order_by().values_list("lead").annotate(n=Count("pk")).values_list("n", flat=True)) == {2}


def test_payment_message_arrives_with_its_secret(sandbox, connection, live_server, settings):
    settings.PUBLIC_URL = live_server.url
    endpoint = WebhookEndpoint.objects.create(connection=connection, ipn_secret="of-the-notification")
    sandbox.server.posts.register(endpoint.ipn_url, kind="ipn", secret="of-the-notification")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    sandbox.act("sale", lead=lead.kartra_id, amount="97.00")
    wait_for(Delivery.objects.exists)
    receive.drain()

    delivery = Delivery.objects.get()
    assert (delivery.channel, delivery.status, delivery.action, delivery.lead) == ("ipn", "applied", "ipn sale", lead)


class Once(Command):
    """The demo, ending where it would stay."""

    def _stay(self):
        self.stopping.set()


@pytest.fixture
def demo_here(db, sandbox, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *args: None)
    monkeypatch.setattr(demo_database, "refusal", lambda: "")  # where it may work is test_demo's
    settings.SANDBOX_URL, settings.VAR_DIR, settings.PUBLIC_URL = sandbox.base, tmp_path, sandbox.base


def test_demo_fills_the_mirror_and_the_second_start_goes_on(demo_here, sandbox, tmp_path):
    for number in range(30):
        sandbox.add_lead(f"lead{number}@example.com", first_name=f"L{number}")
    first, second = io.StringIO(), io.StringIO()

    Once(stdout=first).handle(prepare=False)
    calls_before = len(sandbox.calls())
    Once(stdout=second).handle(prepare=False)

    assert "Imported 30 leads" in first.getvalue()
    assert "shows how far the demo is filled" in first.getvalue()
    assert "Kartra Mirror is ready." in second.getvalue()
    assert "All 30 leads" in second.getvalue()
    assert len(sandbox.calls()) == calls_before
    assert Lead.objects.filter(read_at__isnull=False, first_name__startswith="L").count() == 30
    assert Tag.objects.filter(name="VIP").exists()
    assert Connection.objects.get().sending == "on"
    password = (tmp_path / "login.txt").read_text()
    assert password in first.getvalue()
    assert password in second.getvalue()
    assert (tmp_path / "login.txt").stat().st_mode & 0o777 == 0o600
    assert sorted(receiver["kind"] for receiver in sandbox.server.posts.receivers) == ["ipn", "outbound"]


def test_demo_says_at_once_where_to_go_and_brings_a_history_by_the_ordinary_ways(
    demo_here, sandbox, live_server, settings
):
    settings.PUBLIC_URL = live_server.url
    demo.fill(sandbox.server.account(), 40)
    told, applying = io.StringIO(), threading.Event()
    worker = threading.Thread(target=apply_until, args=[applying])
    worker.start()

    try:
        Once(stdout=told).handle(prepare=False)
    finally:
        applying.set()
        worker.join()

    lines = told.getvalue()
    assert lines.index("Kartra Mirror answers") < lines.index("All 40 leads")
    assert demo_database.filled_at() is not None
    assert CalendarEnrollment.objects.filter(status="Active", starts_at__gt=timezone.now()).count() >= 9
    assert LeadTag.objects.filter(tag__name="workshop 2026", activity__source="webhook").exists()
    days = Activity.objects.filter(kind__startswith="payment_").dates("at", "day")
    assert len(days) > 20
    plan = RecurringSubscription.objects.first()
    assert plan.lead.orders_due_at is not None
    transactions.read(Connection.objects.get(), plan.lead)
    plan.refresh_from_db()
    assert (plan.status, plan.next_payment_at > timezone.now()) == ("Active", True)


def apply_until(stop):
    """As the worker does that applies messages."""
    while not stop.wait(0.1):
        receive.drain()
    connections.close_all()
