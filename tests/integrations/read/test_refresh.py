"""Reads: by id or address, gone only on Kartra's word, never against our own recent writes."""

import datetime as dt
import threading

import pytest
from django.utils import timezone

from integrations.kartra.errors import KartraError
from integrations.models import ApiCall, Attempt
from integrations.push import verify
from integrations.read import catalogue, refresh, schedule
from integrations.sending import calls
from leads.models import CustomField, Lead, LeadTag, Page, Tag
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def test_lead_that_is_new_to_us_is_read_by_address(sandbox, connection):
    id = sandbox.add_lead("ada@example.com", city="Bend")
    sandbox.act("assign_tag", lead=id, tag="VIP")

    result = refresh.read_lead(connection, email="ADA@example.com")

    assert (result.found, result.applied, result.lead.kartra_id, result.lead.city) == (True, True, id, "Bend")
    assert LeadTag.objects.get().tag.name == "VIP"
    assert [(call.cause, call.commands, call.outcome) for call in ApiCall.objects.all()] == [
        ("pull", "get_lead", "answered")
    ]


def test_whether_ids_work_is_learnt(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    connection.get_lead_by_id = None
    connection.save()
    sandbox.switch(get_lead_by_id=False)

    assert refresh.read_lead(connection, lead=lead).found

    connection.refresh_from_db()
    assert connection.get_lead_by_id is False
    sandbox.server.calls.clear()
    refresh.read_lead(connection, lead=lead)
    assert [call["form"]["get_lead"] for call in sandbox.calls()] == [{"email": "ada@example.com"}]


@pytest.mark.parametrize("by_id", [True, False])
def test_deleted_lead_is_marked_and_nothing_is_removed(sandbox, connection, by_id):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    connection.get_lead_by_id = by_id
    connection.save()
    sandbox.act("delete_lead", lead=lead.kartra_id)

    assert refresh.read_lead(connection, lead=lead).gone

    lead.refresh_from_db()
    assert (lead.gone_reason, Lead.objects.count()) == ("deleted", 1)
    sandbox.act("undelete_lead", lead=lead.kartra_id)
    refresh.read_lead(connection, lead=lead)
    lead.refresh_from_db()
    assert lead.gone_at is None


def test_address_that_moved_to_another_lead_is_not_a_lead_gone(sandbox, connection):
    ada = sandbox.mirrored_lead(connection, "ada@example.com")
    bo = sandbox.mirrored_lead(connection, "bo@example.com")
    sandbox.act("swap_emails", lead=ada.kartra_id, other=bo.kartra_id)

    for lead in (ada, bo):
        refresh.read_lead(connection, lead=lead)

    assert dict(Lead.objects.values_list("kartra_id", "email")) == {
        ada.kartra_id: "bo@example.com",
        bo.kartra_id: "ada@example.com",
    }


@pytest.mark.parametrize("fault", ["502, nothing done", "html, nothing done", "refused before", "429"])
def test_failed_read_says_nothing(sandbox, connection, fault):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    before = Lead.objects.values().get()
    sandbox.fault(fault, cmd="get_lead")

    with pytest.raises(KartraError):
        refresh.read_lead(connection, lead=lead)

    assert Lead.objects.values().get() == before


def test_read_close_to_our_own_write_does_not_count(sandbox, connection, settings):
    settings.VERIFY_SETTLE_S = [30.0]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    ApiCall.objects.create(
        connection=connection,
        lead=lead,
        cause="push",
        writes=True,
        commands="assign_tag",
        claimed_at=timezone.now(),
        sent_at=timezone.now(),
        lease_until=timezone.now(),
        finished_at=timezone.now(),
        outcome="answered",
    )
    sandbox.act("assign_tag", lead=lead.kartra_id, tag="VIP")

    result = refresh.read_lead(connection, lead=lead)

    lead.refresh_from_db()
    assert (result.found, result.applied) == (True, False)
    assert not LeadTag.objects.exists()
    assert lead.dirty_at is not None
    assert not schedule.due(connection).exists()


def test_dirty_leads_come_before_old_ones_and_fresh_ones_not_at_all(sandbox, connection):
    old, _, dirty = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("old", "fresh", "dirty"))
    Lead.objects.filter(pk=old.pk).update(read_at=timezone.now() - dt.timedelta(days=2))
    Lead.objects.filter(pk=dirty.pk).update(read_at=timezone.now(), dirty_at=timezone.now())

    assert list(schedule.due(connection)) == [dirty, old]
    assert refresh.drain(connection) == 2
    assert not schedule.due(connection).exists()


def test_many_are_read_with_threads_that_only_call(sandbox, connection):
    for number in range(60):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    sandbox.act("delete_lead", lead=Lead.objects.first().kartra_id)

    read, stopped = refresh.read_many(connection, list(Lead.objects.all()))

    assert (read, stopped) == (60, None)
    assert Lead.objects.filter(gone_at__isnull=False).count() == 1
    assert Lead.objects.filter(read_at__gt=timezone.now() - dt.timedelta(minutes=1)).count() == 59


def test_many_stop_when_keys_are_refused(sandbox, connection):
    for number in range(20):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    sandbox.credentials(refuse="203")
    read, stopped = refresh.read_many(connection, list(Lead.objects.all()))
    connection.refresh_from_db()
    assert (read, stopped.code, connection.sending) == (0, "203", "stopped")


def test_catalogue_is_read_and_what_is_gone_is_marked(sandbox, connection):
    Tag.objects.create(account=connection.account, name="not in kartra")

    found = catalogue.read(connection)

    assert found.problems == {}
    assert found.counts["tags"] == Tag.objects.filter(missing_since=None).count() == 12
    assert Tag.objects.get(name="not in kartra").missing_since is not None
    assert Page.objects.count() == 3
    assert CustomField.objects.get(identifier="shirt_size").options == [["610", "Small"], ["611", "Large"]]


def test_one_part_of_the_catalogue_that_fails_does_not_lose_the_others(sandbox, connection):
    sandbox.fault("html, nothing done", cmd="retrieve_account_lists", count=None)
    found = catalogue.read(connection)
    assert list(found.problems) == ["lists"]
    assert found.counts["custom fields"] == 5
    catalogue.read_due(connection)


def test_read_that_fails_is_no_evidence_for_the_verifier(sandbox, connection):
    from integrations import push
    from leads import kinds

    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    sandbox.fault("hung, then nothing", cmd="assign_tag")
    push.drain(connection, until_s=2)
    sandbox.fault("502, nothing done", cmd="get_lead")

    verify.drain(connection, now=timezone.now() + dt.timedelta(seconds=5))

    change.refresh_from_db()
    assert (change.status, Attempt.objects.get().looks) == ("unknown", 0)


def test_readers_open_no_database_connection_of_their_own(sandbox, connection, monkeypatch):
    from django.db.backends.base.base import BaseDatabaseWrapper

    for number in range(12):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    Lead.objects.update(read_at=None)
    asked_by, opened_by, rate_of = [], [], calls.rate_of
    monkeypatch.setattr(  # what it says is kept for some seconds, so that the database would not be asked here
        calls, "rate_of", lambda given: (asked_by.append(threading.current_thread().name), rate_of(given))[1]
    )
    connect = BaseDatabaseWrapper.connect
    monkeypatch.setattr(
        BaseDatabaseWrapper,
        "connect",
        lambda self: (opened_by.append(threading.current_thread().name), connect(self))[1],
    )

    assert refresh.drain(connection) == 12

    assert asked_by
    assert [name for name in (*asked_by, *opened_by) if name.startswith("read")] == []
