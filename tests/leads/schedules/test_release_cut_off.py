"""A release whose process was killed: the schedule asks again, and is never held by nothing."""

import datetime as dt

import pytest
from django.utils import timezone

from leads.models import BulkRun, Occurrence
from leads.schedules import due
from leads.schedules.planning import Reach
from tests.factories import AccountFactory, LeadFactory, ScheduleFactory, StaffFactory
from tests.leads.schedules.test_due import come, is_too_small

pytestmark = pytest.mark.django_db


@pytest.fixture
def schedule():
    account = AccountFactory()
    LeadFactory.create_batch(3, account=account, read_at=timezone.now())
    return ScheduleFactory(account=account)


def test_what_a_release_left_when_it_was_killed_holds_again(schedule):
    is_too_small(schedule)
    occurrence = come(schedule)
    long_ago = timezone.now() - dt.timedelta(days=1)
    Occurrence.objects.filter(pk=occurrence.pk).update(state="due", claimed_at=long_ago, due_at=long_ago)

    due.start(occurrence.pk, Reach(), timezone.now())

    occurrence.refresh_from_db()
    schedule.refresh_from_db()
    assert (occurrence.state, schedule.state, BulkRun.objects.count()) == ("held", "held", 0)
    assert due.release(occurrence, by=StaffFactory(is_superuser=True)).changes.count() == 3
    schedule.refresh_from_db()
    assert schedule.state == "on"
