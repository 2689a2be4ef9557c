"""A database that was copied to another machine makes no call until a person says that the installation is there now."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from integrations import console, push, tasks
from integrations.kartra.errors import KartraError
from integrations.kartra.words import Trouble
from integrations.models import Connection, Installation, StopCause
from integrations.push import verify
from integrations.read import catalogue, order_sync, refresh
from integrations.sending import call_counter, calls, installation, outage, restored, switch
from leads import kinds
from leads.models import Lead, LeadChange
from leads.models.remarks import words_of_code
from tests.factories import ConnectionFactory, SendingStopFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lead(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.update(read_at=None)
    return lead


def forget_redis():
    if (client := call_counter.counter_redis()) is not None:
        client.delete(installation.REDIS_KEY)


@pytest.fixture
def copied(sandbox, connection, lead, settings, tmp_path):
    """The database is on another machine now: marked there, and neither its VAR_DIR nor its Redis came along."""
    assert not call_counter.is_copy()
    settings.VAR_DIR = tmp_path / "another"
    forget_redis()
    return connection


def mark_file(settings):
    return Path(settings.VAR_DIR) / "installation"


def test_first_connection_writes_the_mark(sandbox, settings):
    assert not mark_file(settings).exists()

    call_command(
        "connect",
        "My shop",
        app_id=sandbox.app_id,
        api_key=sandbox.key,
        api_password=sandbox.password,
        api_url=sandbox.url,
        stdout=io.StringIO(),
    )

    here = Installation.objects.get()
    assert mark_file(settings).read_text() == str(here.key)
    assert here.marked_at is not None
    if (client := call_counter.counter_redis()) is not None:
        assert client.get(installation.REDIS_KEY).decode() == str(here.key)


def test_copy_reads_nothing_by_itself(sandbox, copied, lead):
    sandbox.server.calls.clear()

    assert not refresh.has_work(copied)
    assert refresh.drain(copied) == 0
    assert order_sync.drain(copied) == 0
    assert not catalogue.is_due(copied)
    catalogue.read_due(copied)
    assert refresh.read_many(copied, [lead])[0] == 0
    SendingStopFactory(connection=copied, stopped_by=StopCause.OUTAGE)
    copied.refresh_from_db()
    outage.probe(copied)
    verify.drain(copied)
    tasks.sweep()

    assert sandbox.calls() == []


def test_copy_that_never_sent_anything_sends_nothing(sandbox, copied, lead):
    change = record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    sandbox.server.calls.clear()

    assert push.drain(copied).sent == 0

    copied.refresh_from_db()
    assert (copied.sending, copied.stopped_by) == ("stopped", StopCause.RESTORED)
    assert copied.standing_stop.words == restored.WHY[call_counter.RestoreCheck.COPIED].label
    change.refresh_from_db()
    assert change.status == "waiting"
    assert sandbox.calls() == []


def test_what_a_person_asks_for_is_refused_with_the_way_to_go_on(sandbox, copied, lead):
    sandbox.server.calls.clear()

    with pytest.raises(KartraError, match="probably a copy"):
        refresh.read_lead(copied, lead=lead)
    with pytest.raises(KartraError, match="probably a copy"):
        console.call(copied, [("actions[0][cmd]", "retrieve_account_pages")])
    with pytest.raises(CommandError, match="connect NAME --here"):
        call_command("pull", lead=["ada@example.com"], stdout=io.StringIO())

    assert sandbox.calls() == []
    copied.refresh_from_db()
    assert copied.failures == 0


def test_status_and_every_page_say_it(copied, admin_client):
    out, facts = io.StringIO(), io.StringIO()
    call_command("status", stdout=out)
    call_command("status", json=True, stdout=facts)

    assert words_of_code(Trouble.NOT_HERE) in out.getvalue()
    assert json.loads(facts.getvalue())["not_here"] == words_of_code(Trouble.NOT_HERE)
    page = admin_client.get(reverse("admin:leads_lead_changelist")).content.decode()
    assert "probably a copy: nothing is updated from Kartra" in page


def test_going_on_here_looks_at_what_was_open_on_every_connection_first(sandbox, copied, lead, admin_client, settings):
    other = ConnectionFactory(api_url=sandbox.url, sending="look_only")
    there = Lead.objects.create(account=other.account, email="bob@example.com", kartra_id="991")
    open_changes = [
        record_change(lead, kinds.get_kind("give_points"), {"points": 5}),
        record_change(there, kinds.get_kind("give_points"), {"points": 5}),
    ]
    page = admin_client.get(copied.get_absolute_url()).content.decode()
    assert "The installation is here now" in page

    admin_client.post(reverse("admin:integrations_connection_do", args=[copied.pk, "here"]))

    assert not call_counter.is_copy()
    assert mark_file(settings).read_text() == str(Installation.objects.get().key)
    assert {LeadChange.objects.get(pk=each.pk).status for each in open_changes} == {"unknown"}
    assert refresh.read_lead(copied, lead=lead).found


def test_going_on_needs_the_permission_of_the_switch(copied, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("eve", is_staff=True))

    assert client.post(reverse("admin:integrations_connection_do", args=[copied.pk, "here"])).status_code == 403
    assert call_counter.is_copy()


def test_connect_here_and_the_switch_go_on_too(sandbox, copied, settings, tmp_path):
    out = io.StringIO()
    call_command("connect", copied.name, here=True, stdout=out)
    assert not call_counter.is_copy()
    assert "probably a copy" not in out.getvalue()

    settings.VAR_DIR = tmp_path / "third"
    forget_redis()
    assert call_counter.is_copy()
    switch.on(copied)
    assert not call_counter.is_copy()


def test_another_installations_mark_is_not_ours(sandbox, connection, lead, settings):
    assert not call_counter.is_copy()
    mark_file(settings).write_text("00000000-0000-0000-0000-000000000001")

    assert call_counter.is_copy()
    assert refresh.drain(connection) == 0


def test_database_without_a_mark_beside_another_ones_waits(connection, settings):
    """A database made anew, or copied before there were marks, in the folder of one that runs."""
    mark_file(settings).write_text("00000000-0000-0000-0000-000000000001")

    assert call_counter.is_copy()
    assert mark_file(settings).read_text() == "00000000-0000-0000-0000-000000000001"


def test_database_without_a_mark_that_sent_from_elsewhere_waits(connection, settings, tmp_path):
    Connection.objects.update(calls_made=7)

    assert call_counter.is_copy()

    call_counter.keep_outside(Connection.objects.get())
    assert not call_counter.is_copy()


class KeptInMemory:
    """As much of Redis as the mark needs."""

    def __init__(self):
        self.rows = {}

    def get(self, name):
        return self.rows.get(name)

    def set(self, name, value, nx=False):
        if not (nx and name in self.rows):
            self.rows[name] = value.encode()

    def delete(self, name):
        self.rows.pop(name, None)

    def eval(self, _script, _keys, name, value):
        self.rows[name] = value.encode()


@pytest.fixture
def in_redis(monkeypatch):
    kept = KeptInMemory()
    monkeypatch.setattr(call_counter, "counter_redis", lambda: kept)
    return kept


def test_emptied_redis_is_mended_from_var_dir(connection, in_redis):
    assert not call_counter.is_copy()
    in_redis.rows.clear()

    assert not call_counter.is_copy()
    assert in_redis.rows[installation.REDIS_KEY].decode() == str(Installation.objects.get().key)


def test_new_worker_machine_gets_the_mark_from_redis(connection, in_redis, settings, tmp_path):
    assert not call_counter.is_copy()
    settings.VAR_DIR = tmp_path / "worker-2"

    assert not call_counter.is_copy()
    assert mark_file(settings).read_text() == str(Installation.objects.get().key)


def test_redis_of_another_installation_beside_our_file_waits(connection, in_redis):
    assert not call_counter.is_copy()
    in_redis.rows[installation.REDIS_KEY] = b"00000000-0000-0000-0000-000000000001"

    assert call_counter.is_copy()


def test_counts_are_compared_as_before(connection):
    assert call_counter.compare(connection) is call_counter.RestoreCheck.SAME
    connection.calls_made = 3
    call_counter.keep_outside(connection)
    assert call_counter.compare(connection) is call_counter.RestoreCheck.RESTORED
    assert not call_counter.is_copy()
    assert calls.be_here() is None
