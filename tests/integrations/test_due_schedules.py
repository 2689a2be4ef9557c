"""Whether Kartra is reached when a schedule is due, by its connection."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import due_schedules, tasks
from integrations.models import Connection
from leads.models import BulkRun, Lead, Occurrence
from tests.factories import ConnectionFactory, LeadFactory, ScheduleFactory

pytestmark = pytest.mark.django_db


def scheduled(connection, **lead):
    LeadFactory.create_batch(2, account=connection.account, **{"read_at": timezone.now(), **lead})
    return ScheduleFactory(account=connection.account)


def test_schedule_that_is_due_is_started_by_the_task(notified):
    schedule = scheduled(ConnectionFactory(sending="on"))

    tasks.start_schedule(schedule.pk)
    tasks.start_schedule(schedule.pk)

    assert BulkRun.objects.get().changes.count() == 2


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({"sending": "look_only"}, "read-only"),
        ({"sending": "on", "stopped_by": "person"}, "Lunch"),
    ],
)
def test_it_holds_while_nothing_is_sent(connection, words):
    schedule = scheduled(ConnectionFactory(**connection))

    due_schedules.work(schedule.pk)

    occurrence = Occurrence.objects.get()
    assert (occurrence.state, occurrence.remark["what"]) == ("held", "schedule_not_sending")
    assert words in occurrence.why


def test_short_trouble_holds_nothing():
    schedule = scheduled(ConnectionFactory(sending="on"))
    Connection.objects.update(hold_until=timezone.now() + dt.timedelta(minutes=1), failures=1)

    due_schedules.work(schedule.pk)

    assert Occurrence.objects.get().state == "started"


def test_account_without_a_connection_holds():
    schedule = ScheduleFactory()

    due_schedules.work(schedule.pk)

    assert "not connected" in Occurrence.objects.get().why


def test_old_leads_are_asked_for_and_waited_for(notified):
    connection = ConnectionFactory(sending="on")
    schedule = scheduled(connection, read_at=None)

    due_schedules.work(schedule.pk)

    assert Lead.objects.filter(dirty_at__isnull=False).count() == 2
    assert ("refresh_leads", (connection.pk,)) in notified
    notified.clear()
    due_schedules.work(schedule.pk)
    assert notified == []
    assert BulkRun.objects.count() == 0
    Lead.objects.update(read_at=timezone.now(), dirty_at=None)
    due_schedules.work(schedule.pk)
    assert BulkRun.objects.get().changes.count() == 2


def test_stopped_reading_holds():
    connection = ConnectionFactory(sending="on")
    schedule = scheduled(connection, read_at=None)
    Connection.objects.update(reads_stopped_at=timezone.now())

    due_schedules.work(schedule.pk)

    assert Occurrence.objects.get().remark["what"] == "schedule_not_reading"


def test_schedule_that_is_gone_is_no_error():
    due_schedules.work(999)

    assert not Occurrence.objects.exists()
