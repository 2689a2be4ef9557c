"""Workers and beat that are dead are named, by a thread of the web process that depends on none of them."""

import datetime as dt
import time
from pathlib import Path

import pytest
from celery.signals import after_task_publish, beat_init
from django.db import OperationalError

from integrations import clock, tasks
from integrations.models import Concern, Heartbeat
from integrations.process_state import process_state
from integrations.watching import alive, web
from tests.abuse.web import Web
from tests.factories import ConnectionFactory, LeadChangeFactory, LeadFactory
from tests.processes import wait_until

pytestmark = pytest.mark.django_db

ALL = ("push", "apply", "read", "beat", "web")


@pytest.fixture(autouse=True)
def _watched(settings):
    settings.ADMINS = [("kim@example.com", "kim@example.com")]
    settings.PUBLIC_URL = "https://mirror.example.com"
    process_state.began_at = time.monotonic() - 3600
    mark = Path(settings.VAR_DIR) / "database-is-away"
    mark.unlink(missing_ok=True)
    yield
    mark.unlink(missing_ok=True)


def at_work(*names, seconds_ago=0):
    for name in names:
        alive.note(name)
        at = clock.now() - dt.timedelta(seconds=seconds_ago)
        Heartbeat.objects.filter(name=f"{name} alive").update(at=at)


def look_again():
    """Half a minute later."""
    Concern.objects.standing().filter(told_at=None).update(since=clock.now() - dt.timedelta(seconds=30))
    web.look()


def test_word_is_written_by_a_task_of_each_queue():
    for task in (tasks.push_alive, tasks.apply_alive, tasks.read_alive):
        task()

    assert alive.missing(clock.now()) == ["beat"]


@pytest.mark.parametrize("name", ["push", "apply", "read"])
def test_each_queue_is_asked_by_a_task_that_goes_there(name):
    from kartra_mirror import celery_app

    route = celery_app.amqp.router.route({}, f"integrations.tasks.{alive.QUEUES[name]}")
    assert route["queue"].name == name


@pytest.mark.parametrize("dead", ALL[:-1])
def test_the_one_that_is_dead_is_told_and_that_it_is_back(dead, mailoutbox):
    at_work(*ALL)
    at_work(dead, seconds_ago=200)

    web.look()
    assert mailoutbox == []
    look_again()
    look_again()
    [mail] = mailoutbox
    name = "Beat does not run" if dead == "beat" else f"No worker of the queue {dead} is running"
    assert mail.body.startswith(name)
    assert mail.body.endswith("\nhttps://mirror.example.com/admin/health/")

    at_work(dead)
    look_again()
    assert [mail.subject[:20] for mail in mailoutbox[1:]] == ["Kartra Mirror: over:"]


def test_web_that_is_dead_is_told_by_a_worker(mailoutbox, settings):
    at_work(*ALL)
    at_work("web", seconds_ago=200)

    tasks.watch_concerns()
    Concern.objects.standing().update(since=clock.now() - dt.timedelta(seconds=50))
    tasks.watch_concerns()
    tasks.watch_concerns()
    [mail] = mailoutbox
    assert mail.body.startswith("Web does not run")

    web.look()
    assert [mail.subject for mail in mailoutbox[1:]] == ["Kartra Mirror: over: web does not run"]


def test_web_that_never_ran_is_not_missed():
    at_work(*ALL[:-1])

    assert alive.missing(clock.now()) == []


def test_all_that_are_dead_are_told_in_one_notice(mailoutbox):
    web.look()
    look_again()

    [mail] = mailoutbox
    assert mail.subject == "Kartra Mirror: 4 things need a person"
    assert [name for name in ("push", "apply", "read") if f"queue {name} is running" in mail.body] == [
        "push",
        "apply",
        "read",
    ]


def test_just_after_the_start_nobody_is_missed(mailoutbox):
    process_state.began_at = time.monotonic() - 60

    web.look()
    look_again()

    assert (Concern.objects.count(), mailoutbox) == (0, [])


def test_workers_are_not_blamed_for_the_broker(mailoutbox, monkeypatch):
    monkeypatch.setattr("integrations.watching.concerns.broker_answers", lambda: False)

    web.look()
    look_again()

    assert [mail.body.partition(" does")[0] for mail in mailoutbox] == ["The broker (Redis)"]


def test_web_tells_whatever_waits_while_no_worker_does(mailoutbox, settings):
    settings.ALERT_AFTER_MIN = 0
    at_work(*ALL)
    lead = LeadFactory(account=ConnectionFactory().account)
    LeadChangeFactory(lead=lead, status="undecided", reason="outcome")
    Concern.objects.create(code="decisions", connection=lead.account.connection, since=clock.now())

    web.look()

    assert [mail.subject for mail in mailoutbox] == ["Kartra Mirror: changes need a decision"]


def test_web_asks_the_workers_whoever_else_does(notified):
    web.look()
    web.look()

    assert [name for name, _ in notified] == ["push_alive", "apply_alive", "read_alive"]


def test_beat_writes_down_that_it_asks_for_the_sweep(monkeypatch):
    monkeypatch.setattr("integrations.watching.alive.close_old_connections", lambda: None)  # the test's own

    def published(name):
        after_task_publish.send(sender=f"integrations.tasks.{name}")
        return Heartbeat.objects.filter(name="beat alive").exists()

    before = list(after_task_publish.receivers or [])
    assert published("sweep") is False  # a worker may ask for it too
    beat_init.send(sender=None)
    try:
        assert [published("prune"), published("sweep")] == [False, True]
    finally:
        after_task_publish.receivers[:] = before


def gone(*args, **how):
    raise OperationalError("the server is gone")


def test_database_that_is_away_is_told_once_and_that_it_is_back(mailoutbox, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("integrations.watching.web.now", gone)
        web.look()
        assert mailoutbox == []
        process_state.database_missing_since -= 61
        web.look()
        web.look()
        process_state.database_missing_told = False  # another process of this machine
        web.look()
        assert [mail.subject for mail in mailoutbox] == ["Kartra Mirror: the database does not answer"]
        assert mailoutbox[0].body.endswith("\nhttps://mirror.example.com/readyz")
    at_work(*ALL)
    web.look()
    web.look()

    assert [mail.subject for mail in mailoutbox[1:]] == ["Kartra Mirror: over: the database does not answer"]


def test_database_that_is_restarted_is_told_to_nobody(mailoutbox, monkeypatch):
    at_work(*ALL)
    with monkeypatch.context() as patched:
        patched.setattr("integrations.watching.web.now", gone)
        web.look()
    web.look()

    assert (mailoutbox, process_state.database_missing_since) == ([], None)


def test_beat_goes_on_without_a_database(monkeypatch):
    monkeypatch.setattr("integrations.watching.alive.close_old_connections", gone)

    alive.note_beat()


@pytest.mark.django_db(transaction=True)
def test_web_is_at_work_from_its_first_moment(tmp_path):
    """Else one that dies soon after its start were never missed. A process of its own, as its thread does not end."""
    server = Web(tmp_path)
    try:
        wait_until(lambda: Heartbeat.objects.filter(name="web alive").exists(), web.EVERY_S / 2)
    finally:
        server.stop()
