"""/readyz: for people, and for a balancer that asks where messages may go."""

import datetime as dt
import socket
import time

import pytest
from django.db import connection

from integrations import clock, notify
from integrations.models import Heartbeat
from integrations.process_state import process_state
from integrations.receive import addresses
from kartra_mirror import health
from tests.factories import WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def long_ago():
    """This web process began an hour ago."""
    process_state.began_at = time.monotonic() - 3600


@pytest.fixture
def away(monkeypatch):
    monkeypatch.setattr("kartra_mirror.health.database_answers", lambda: False)


def swept(seconds_ago):
    Heartbeat.objects.create(name="sweep", at=clock.now() - dt.timedelta(seconds=seconds_ago))


def test_ready_when_all_works(client, long_ago):
    swept(5)

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["why"]) == (200, [])


def test_not_ready_when_the_sweep_stands_still(client, long_ago):
    swept(200)

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["sweep_late"]) == (503, True)
    assert ready.json()["why"] == ["The sweep stands still: look whether the workers and beat run."]


def test_ready_just_after_the_start_whatever_the_sweep(client):
    ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["last_sweep"], ready.json()["why"]) == (200, None, [])


def test_not_ready_without_database(client, away, long_ago):
    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert [why[:31] for why in ready.json()["why"]] == ["The database does not answer, o"]


def test_not_ready_without_broker(client, monkeypatch):
    monkeypatch.setattr("kartra_mirror.health.broker_answers", lambda: False)

    ready = client.get("/readyz")

    assert (ready.status_code, ready.json()["why"]) == (503, ["The broker does not answer: look at Redis."])


def test_broker_that_is_not_there_does_not_answer(monkeypatch):
    from kartra_mirror import celery_app

    assert notify.broker_answers() is True
    monkeypatch.setattr(celery_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    assert notify.broker_answers() is False


def test_webhooks_are_taken_while_the_database_is_away(client, away):
    WebhookEndpointFactory()
    addresses.renew()

    ready = client.get("/readyz?role=webhooks")

    assert (ready.status_code, ready.json()) == (200, {"spool": True})


def test_webhooks_are_taken_by_the_database_while_the_file_is_not_there(client, settings):
    settings.SPOOL_MAX_MB = 0.001

    ready = client.get("/readyz?role=webhooks")

    assert (ready.status_code, ready.json()) == (200, {"spool": False, "database": True})


def test_webhooks_are_sent_elsewhere_when_neither_takes_them(client, away, settings):
    settings.SPOOL_MAX_MB = 0.001

    ready = client.get("/readyz?role=webhooks")

    assert (ready.status_code, ready.json()) == (503, {"spool": False, "database": False})


def test_webhooks_are_sent_elsewhere_while_nobody_knows_who_is_a_stranger(client, away):
    """The database is away, and this machine has no file of the valid addresses: it would answer 503."""
    assert client.get("/readyz?role=webhooks").status_code == 503


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is a file, which does not go silent")
def test_database_that_says_nothing_is_not_waited_for(client, monkeypatch):
    """A server that takes connections and never answers, as a frozen one does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", str(silent.getsockname()[1]))
        began = time.monotonic()

        ready = client.get("/readyz?role=webhooks")

        assert ready.status_code == 503
        assert time.monotonic() - began < 2.5
    assert health.DATABASE_S < 2.5
