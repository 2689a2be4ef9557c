"""The dead man's switch: called by a task of its own, once a minute, however it answers."""

import datetime as dt
import logging

import pytest

from integrations import clock, tasks
from integrations.models import Heartbeat
from integrations.watching import heartbeat_url
from tests.integrations.watching.listener import listening

pytestmark = pytest.mark.django_db


def sweep_again(seconds_later):
    """Another sweep, so many seconds after the one before."""
    earlier = clock.now() - dt.timedelta(seconds=seconds_later)
    for beat in Heartbeat.objects.all():
        beat.at = min(beat.at, earlier) if beat.name == "sweep" else beat.at - dt.timedelta(seconds=seconds_later)
        beat.save()
    tasks.sweep()


def test_sweep_has_it_called_once_a_minute(notified, settings):
    settings.HEARTBEAT_URL = "http://127.0.0.1:9/"

    tasks.sweep()
    sweep_again(15)
    assert notified.count(("call_heartbeat_url", ())) == 1
    sweep_again(45)
    assert notified.count(("call_heartbeat_url", ())) == 2


def test_nobody_is_called_without_an_address(notified, settings):
    tasks.sweep()

    assert ("call_heartbeat_url", ()) not in notified
    assert heartbeat_url.call() is False


def test_address_is_asked_by_get(settings):
    with listening() as (url, heard):
        settings.HEARTBEAT_URL = f"{url}/ping/secret"

        tasks.call_heartbeat_url()

    assert heard == [("GET", "/ping/secret", b"")]


def test_no_redirect_is_followed_and_no_log_names_the_address(settings, caplog):
    with listening() as (other, elsewhere), listening(302, Location=f"{other}/x") as (url, heard):
        settings.HEARTBEAT_URL = f"{url}/secret"
        with caplog.at_level(logging.WARNING):
            assert heartbeat_url.call() is False

    assert (len(heard), elsewhere) == (1, [])
    assert "answered 302" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret", "no address at all", "http://[/"])
def test_address_that_does_not_answer_stops_nothing(settings, caplog, url):
    settings.HEARTBEAT_URL = url

    caplog.set_level(logging.WARNING)
    tasks.call_heartbeat_url()

    assert "could not be called" in caplog.text
    assert "secret" not in caplog.text
