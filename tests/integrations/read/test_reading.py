"""Reads by themselves: whose turn it is, what a read may not undo, order lists, the catalogue, the promise."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import tasks
from integrations.models import ApiCall, Connection, Heartbeat
from integrations.read import catalogue, lead_answer, lead_lookup, order_sync, refresh, schedule
from integrations.read.lead_lookup import Asked
from integrations.status import freshness
from leads import mirror
from leads.models import Activity, Lead, LeadTag, RecurringSubscription, Tag, Transaction
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = "2026-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def _read_long_ago(sandbox):
    """Leads here were read long ago, so that they are due."""
    sandbox.read_ago = dt.timedelta(days=30)


def our_call(connection, lead, *, sent=None, finished=None):
    """A call of ours that writes; times are seconds from now."""
    at = timezone.now()

    def when(seconds):
        return None if seconds is None else at + dt.timedelta(seconds=seconds)

    return ApiCall.objects.create(
        connection=connection,
        lead=lead,
        cause="push",
        writes=True,
        commands="assign_tag",
        claimed_at=at,
        lease_until=at + dt.timedelta(seconds=60),
        sent_at=when(sent),
        finished_at=when(finished),
        outcome="answered" if finished is not None else "",
    )


def asked_of(sandbox, connection, lead):
    """Kartra's answer, kept until it is applied: what happens meanwhile happened during the read."""
    return lead_lookup.ask(
        connection, kartra_id=lead.kartra_id, email=lead.email, cause="refresh", priority=4, lead=lead
    )


# --- what a read may not undo


def test_dirt_that_came_during_the_read_stays(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    asked = asked_of(sandbox, connection, lead)
    mirror.mark_dirty(lead, timezone.now())

    assert lead_answer.apply_answer(connection, lead, asked).applied

    assert Lead.objects.get().dirty_at is not None
    assert list(schedule.due(connection)) == [lead]


def test_what_others_wrote_during_the_read_is_not_overwritten_by_what_was_loaded_before(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    asked = asked_of(sandbox, connection, lead)
    Lead.objects.filter(pk=lead.pk).update(instagram="@ada", orders_read_at=timezone.now())

    lead_answer.apply_answer(connection, lead, asked)

    fresh = Lead.objects.get()
    assert (fresh.instagram, fresh.orders_read_at is not None) == ("@ada", True)


def test_older_answer_that_comes_late_is_dropped(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Bend")
    late = asked_of(sandbox, connection, lead)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Salem"})
    refresh.read_lead(connection, lead=lead)

    lead_answer.apply_answer(connection, lead, late)

    assert Lead.objects.get().city == "Salem"


def test_lead_found_deleted_after_the_read_began_stays_so(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    late = asked_of(sandbox, connection, lead)
    mirror.mark_gone(lead, "deleted", timezone.now(), source="push")

    lead_answer.apply_answer(connection, lead, late)

    assert Lead.objects.get().gone_at is not None


@pytest.mark.parametrize(
    ("sent", "finished", "counts"),
    [
        (None, None, True),  # claimed, not sent: it can have done nothing yet
        (-1, None, False),
        (5, None, False),
        (-40, None, False),
        (-20, -19, False),
        (-40, -10, False),
        (-60, -40, True),
        (5, 6, False),
    ],
)
def test_read_counts_only_when_no_call_of_ours_is_near(sandbox, connection, settings, sent, finished, counts):
    settings.VERIFY_SETTLE_S = [30.0]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    tag = Tag.objects.get(name="VIP")
    asked = asked_of(sandbox, connection, lead)
    our_call(connection, lead, sent=sent, finished=finished)
    LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="push")

    result = lead_answer.apply_answer(connection, lead, asked)

    assert result.applied is counts
    assert LeadTag.objects.exists() is not counts
    assert (Lead.objects.get().dirty_at is None) is counts


def test_lead_that_a_call_of_ours_touches_is_not_due_until_it_is_over(sandbox, connection, settings):
    settings.VERIFY_SETTLE_S = [30.0]
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    call = our_call(connection, lead)
    assert not schedule.due(connection).exists()
    ApiCall.objects.filter(pk=call.pk).update(sent_at=timezone.now(), finished_at=timezone.now(), outcome="answered")
    assert not schedule.due(connection).exists()
    ApiCall.objects.update(finished_at=timezone.now() - dt.timedelta(seconds=31))
    assert list(schedule.due(connection)) == [lead]


# --- whose turn it is


def test_oldest_dirt_comes_first_then_the_oldest_read(connection):
    at = timezone.now()
    names = {
        "new dirt": {"dirty_at": at, "read_at": at},
        "old dirt": {"dirty_at": at - dt.timedelta(1), "read_at": at},
        "never read": {"read_at": None},
        "old read": {"read_at": at - dt.timedelta(3)},
        "older read": {"read_at": at - dt.timedelta(4)},
        "fresh": {"read_at": at},
        "expected only": {"read_at": None, "kartra_id": None, "absent_at": at},
    }
    leads = {LeadFactory(account=connection.account, **fields).pk: name for name, fields in names.items()}

    told = [leads[lead.pk] for lead in schedule.due(connection)]

    assert told == ["old dirt", "new dirt", "never read", "older read", "old read"]


def test_claimed_lead_is_nobody_elses_until_the_lease_is_over(connection):
    lead = LeadFactory(account=connection.account, read_at=None)
    assert schedule.claim(connection, 10) == [lead]
    assert schedule.claim(connection, 10) == []
    Lead.objects.update(read_not_before=timezone.now() - dt.timedelta(seconds=1))
    assert schedule.claim(connection, 10) == [lead]


def test_many_marks_of_one_lead_are_one_read(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    for _ in range(5):
        mirror.mark_dirty(lead, timezone.now())
    assert refresh.drain(connection) == 1
    assert not schedule.due(connection).exists()
    assert [call["cmds"] for call in sandbox.calls()] == [["get_lead"]]


def test_lead_whose_read_fails_waits_while_the_others_are_read(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{number}@example.com") for number in range(10)]
    Lead.objects.filter(pk=leads[0].pk).update(dirty_at=LONG_AGO)
    sandbox.fault("html, nothing done", cmd="get_lead", count=1)

    assert refresh.drain(connection) == 9

    late = Lead.objects.get(read_at__lt=timezone.now() - dt.timedelta(hours=1))
    assert late.read_not_before > timezone.now()


def test_outage_ends_a_drain_and_gives_back_what_was_claimed(sandbox, connection, settings):
    settings.REFRESH_READERS = 1
    for number in range(20):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    sandbox.switch(down=True)

    done = refresh.read_due(connection)

    assert (done.read, done.stopped is not None) == (0, True)
    assert done.failed == 3
    assert schedule.due(connection).count() == 20 - done.failed


def test_task_asks_for_itself_while_there_is_more_and_rests_when_asked(sandbox, connection, notified, monkeypatch):
    for number in range(3):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    drain = refresh.drain
    monkeypatch.setattr(refresh, "drain", lambda connection, **how: drain(connection, limit=1, **how))
    tasks.refresh_leads(connection.pk)
    assert notified == [("refresh_leads", (connection.pk,))]
    notified.clear()
    Connection.objects.update(reads_stopped_at=timezone.now(), reads_stopped_why="25 of 30")
    sandbox.server.calls.clear()

    tasks.refresh_leads(connection.pk)
    tasks.sweep()

    assert sandbox.calls() == []
    assert "refresh_leads" not in {name for name, _ in notified}


# --- addresses that moved


def test_moved_address_is_told_once_and_does_not_hold_up_the_rest(sandbox, connection):
    """Where get_lead takes no id, a new address that nobody told cannot be found."""
    connection.get_lead_by_id = False
    connection.save()
    sandbox.switch(get_lead_by_id=False)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("change_email", lead=lead.kartra_id, to="ada@example.net")

    assert refresh.drain(connection) == 1
    assert not schedule.due(connection).exists()
    Lead.objects.update(read_not_before=None)
    assert refresh.drain(connection) == 1

    lead.refresh_from_db()
    assert (lead.gone_at, lead.email) == (None, "ada@example.com")
    assert Activity.objects.filter(kind="address_moved").count() == 1
    assert freshness(connection)["out_of_reach"] == 1
    facts = mirror.LeadFacts(lead.kartra_id, {"email": "ada@example.net"})
    mirror.apply_facts(lead.account, facts, source="webhook", at=timezone.now())
    assert refresh.drain(connection) == 1
    assert Lead.objects.get().read_at > timezone.now() - dt.timedelta(minutes=1)


@pytest.mark.parametrize("read_first", [0, 1])
def test_swap_is_seen_where_ids_do_not_work(sandbox, connection, read_first):
    connection.get_lead_by_id = False
    connection.save()
    sandbox.switch(get_lead_by_id=False)
    leads = [sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("ada", "bo")]
    sandbox.act("swap_emails", lead=leads[0].kartra_id, other=leads[1].kartra_id)

    refresh.read_lead(connection, lead=leads[read_first])

    assert dict(Lead.objects.values_list("kartra_id", "email")) == {
        leads[0].kartra_id: "bo@example.com",
        leads[1].kartra_id: "ada@example.com",
    }


def test_whether_ids_work_is_learnt_again_with_the_catalogue(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Connection.objects.update(get_lead_by_id=False)
    connection.refresh_from_db()

    catalogue.read_due(connection)

    connection.refresh_from_db()
    assert connection.get_lead_by_id is True
    sandbox.switch(get_lead_by_id=False)
    lead_lookup.learn(connection, False)
    catalogue.read_due(connection)
    connection.refresh_from_db()
    assert connection.get_lead_by_id is False
    assert refresh.read_lead(connection, lead=lead).found


# --- the catalogue


def test_catalogue_is_due_once_a_day_and_not_tried_again_at_once(sandbox, connection):
    assert catalogue.is_due(connection)
    sandbox.switch(down=True)
    catalogue.read_due(connection)
    assert not catalogue.is_due(connection)
    Heartbeat.objects.update(at=timezone.now() - dt.timedelta(minutes=16))
    assert catalogue.is_due(connection)
    sandbox.switch(down=False)

    tasks.read_catalogue(connection.pk)

    connection.refresh_from_db()
    assert connection.catalogue_read_at is not None
    assert not catalogue.is_due(connection)
    Connection.objects.update(catalogue_read_at=timezone.now() - dt.timedelta(hours=25))
    Heartbeat.objects.update(at=timezone.now() - dt.timedelta(hours=25))
    connection.refresh_from_db()
    assert catalogue.is_due(connection)


def test_tag_that_kartra_no_longer_has_is_missing_since_then(sandbox, connection):
    catalogue.read(connection)
    sandbox.act("delete_tag", name="cold")
    catalogue.read(connection)
    assert Tag.objects.get(name="cold").missing_since is not None
    sandbox.act("create_tag", name="cold")
    catalogue.read(connection)
    assert Tag.objects.get(name="cold").missing_since is None


# --- order lists


def test_order_lists_are_read_a_few_at_a_time_when_no_lead_is_due(sandbox, connection):
    for number in range(6):
        lead = sandbox.mirrored_lead(connection, f"lead{number}@example.com")
        sandbox.act("sale", lead=lead.kartra_id, amount="97.00")
    sandbox.act("start_subscription", lead=lead.kartra_id)

    tasks.refresh_leads(connection.pk)
    assert Lead.objects.filter(orders_read_at__gt=timezone.now() - dt.timedelta(minutes=1)).count() == 4
    tasks.refresh_leads(connection.pk)

    assert (Transaction.objects.count(), RecurringSubscription.objects.count()) == (7, 1)
    assert not order_sync.due(connection).exists()
    assert set(ApiCall.objects.values_list("cause", flat=True)) == {"refresh"}


def test_order_lists_that_somebody_asked_for_follow_one_another(sandbox, connection, notified):
    for number in range(order_sync.AT_A_TIME + 1):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    assert mirror.mark_all_orders_due(Lead.objects.all(), timezone.now()) == order_sync.AT_A_TIME + 1
    tasks.refresh_leads(connection.pk)
    assert notified == [("refresh_leads", (connection.pk,))]

    notified.clear()
    tasks.refresh_leads(connection.pk)

    assert not Lead.objects.filter(orders_read_at=None).exists()
    assert notified == []


@pytest.mark.parametrize(("code", "read"), [("243", 2), ("262", 0)])
def test_lead_whose_orders_are_refused_waits_a_day(sandbox, connection, code, read):
    leads = [sandbox.mirrored_lead(connection, f"lead{number}@example.com") for number in range(2)]
    sandbox.fault("whole call refused", cmd="retrieve_transactions_from_lead", code=code, count=1)
    assert order_sync.drain(connection) == read
    late = Lead.objects.get(pk=leads[0].pk)
    assert late.orders_read_at is None
    assert late.orders_due_at > timezone.now()
    assert late not in order_sync.due(connection)


# --- the promise


def state(connection, **fields):
    for name, value in fields.items():
        setattr(connection, name, value)
    connection.save()
    return freshness(connection)


def test_promise_that_the_pace_allows_needs_no_alert(connection):
    LeadFactory.create_batch(3, account=connection.account)
    copy = state(connection, calls_per_second=19.5)
    assert (copy["alert"], copy["late"], copy["promised_s"]) == ("", 0, 86400)


def test_promise_that_the_pace_cannot_keep_says_so_with_the_arithmetic(connection, settings):
    settings.REFRESH_WITHIN_H = 0.01
    LeadFactory.create_batch(36, account=connection.account)
    alert = state(connection, calls_per_second=0.5)["alert"]
    assert (
        "Checking 36 leads at 0.5 a second takes 72 s, more than the 36 s promised, which needs 1.00 a second." in alert
    )
    assert "promise 1 h (REFRESH_WITHIN_H)" in alert


def test_late_leads_are_an_alert_with_the_speed_there_was(connection):
    LeadFactory.create_batch(3, account=connection.account, read_at=timezone.now() - dt.timedelta(hours=25))
    LeadFactory(account=connection.account)
    alert = state(connection, calls_per_second=19.5)["alert"]
    assert alert.startswith("3 of 4 leads were not checked within 24 h, and none in the last hour")
    for _ in range(6):
        ApiCall.objects.create(
            connection=connection,
            cause="refresh",
            commands="get_lead",
            claimed_at=timezone.now(),
            finished_at=timezone.now(),
            outcome="answered",
        )
    alert = freshness(connection)["alert"]
    assert "The last hour had 6 checks; at that speed the late ones take 30 min, and all leads 40 min." in alert


def test_leads_that_are_gone_or_only_expected_break_no_promise(connection):
    LeadFactory(account=connection.account, read_at=LONG_AGO, gone_at=timezone.now(), gone_reason="deleted")
    mirror.create_placeholder(connection.account, "new@example.com", timezone.now())
    Lead.objects.update(known_since=LONG_AGO)
    assert freshness(connection)["late"] == 0


def test_gone_is_applied_at_once_when_a_person_or_the_verifier_asked(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    lead_answer.apply_answer(connection, lead, Asked(None, timezone.now(), "deleted"))
    assert Lead.objects.get().gone_at is not None
