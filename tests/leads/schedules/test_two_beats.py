"""A time of a schedule is started once, whoever hears of it: two workers at the same moment, machines whose clocks are apart."""

import datetime as dt
import os
import subprocess
import sys
import threading

import pytest
from django.db import connections
from django.utils import timezone

from leads.models import BulkRun, LeadChange, Occurrence, Schedule
from leads.schedules import due
from leads.schedules.planning import Reach
from tests import under_faketime as shifting
from tests.chaos.servers import ROOT
from tests.factories import LeadFactory, ScheduleFactory
from tests.processes import database_url

pytestmark = pytest.mark.django_db(transaction=True)

clocks_can_differ = pytest.mark.skipif(
    not os.environ["DATABASE_URL"].startswith("postgres"),
    reason="On SQLite database and machine share one clock.",
)


@pytest.fixture
def schedule():
    found = ScheduleFactory()
    LeadFactory.create_batch(3, account=found.account, read_at=timezone.now())
    return found


@clocks_can_differ
def test_two_workers_at_once_start_it_once(schedule):
    ready, broken = threading.Barrier(3), []

    def one():
        try:
            ready.wait(10)
            due.work(schedule.pk, Reach())
        except Exception as problem:
            broken.append(problem)
        finally:
            connections.close_all()

    for _round in range(2):
        threads = [threading.Thread(target=one) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        Schedule.objects.update(next_at=timezone.now() - dt.timedelta(minutes=1), only_new=False)
        LeadChange.objects.update(status="accepted", settled_at=timezone.now())

    assert broken == []
    assert BulkRun.objects.count() == Occurrence.objects.filter(state="started").count() == 2
    assert LeadChange.objects.count() == 6


@clocks_can_differ
@pytest.mark.parametrize("ahead_s", [60, -60])
def test_machine_whose_clock_is_wrong_starts_it_neither_early_nor_late(schedule, monkeypatch, ahead_s):
    """The time comes by the database's clock."""
    now, off = timezone.now, dt.timedelta(seconds=ahead_s)
    begins = now()
    monkeypatch.setattr(timezone, "now", lambda: now() + off)

    for seconds, started in ((30, 0), (-30, 1)):
        Schedule.objects.update(next_at=begins + dt.timedelta(seconds=seconds))
        due.work(schedule.pk, Reach())
        assert BulkRun.objects.count() == started


@clocks_can_differ
@pytest.mark.skipif(shifting.PROGRAM is None, reason=shifting.WHY_NOT)
def test_machines_whose_clocks_are_apart_start_it_once(schedule):
    work = f"from leads.schedules import due, planning; due.work({schedule.pk}, planning.Reach())"
    running = [
        subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", work],
            cwd=ROOT,
            env={**shifting.environment(seconds), "DATABASE_URL": database_url()},
        )
        for seconds in (60, -60)
    ]

    assert [each.wait(60) for each in running] == [0, 0]
    assert BulkRun.objects.count() == Occurrence.objects.filter(state="started").count() == 1
