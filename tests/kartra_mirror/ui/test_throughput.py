"""How long something takes, for people: measured, in one unit."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.models import ApiCall, Connection
from kartra_mirror.ui import throughput

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "about 1 second"),
        (0.2, "about 1 second"),
        (7, "about 7 seconds"),
        (21, "about 20 seconds"),
        (89, "about 90 seconds"),
        (90, "about 2 minutes"),
        (243, "about 4 minutes"),
        (5399, "about 90 minutes"),
        (5400, "about 2 hours"),
        (7 * 3600 + 1200, "about 7 hours"),
        (3 * 86400, "about 3 days"),
    ],
)
def test_time_is_in_one_unit_and_never_nothing(seconds, words):
    assert throughput.about(seconds) == words


def called(connection, number, *, apart_s, since_s=0.0, **more):
    """So many calls, one after another, the last of them `since_s` ago."""
    now = timezone.now()
    for place in range(number):
        at = now - dt.timedelta(seconds=since_s + place * apart_s)
        ApiCall.objects.create(
            connection=connection,
            cause="push",
            commands="assign_tag",
            writes=more.get("writes", True),
            claimed_at=at,
            lease_until=at,
            sent_at=at,
            finished_at=at,
            outcome="answered",
        )


def test_speed_is_what_the_calls_really_did(connection):
    called(connection, 20, apart_s=0.5)

    assert throughput.speed_of(connection) == pytest.approx(2)
    assert throughput.in_figures(throughput.measured(connection)) == "2 calls a second"


def test_pauses_between_the_calls_are_no_slowness(connection):
    called(connection, 10, apart_s=0.5)
    called(connection, 10, apart_s=0.5, since_s=120)

    assert throughput.speed_of(connection) == pytest.approx(2)


@pytest.mark.parametrize(
    ("number", "since_s", "more"), [(5, 0, {}), (30, 3600, {}), (30, 0, {"writes": False})], ids=["few", "old", "reads"]
)
def test_limit_counts_where_nothing_was_measured(connection, number, since_s, more):
    Connection.objects.update(calls_per_second=4)
    connection.refresh_from_db()
    called(connection, number, apart_s=0.5, since_s=since_s, **more)

    assert throughput.speed_of(connection) == 4
    assert throughput.in_figures(throughput.measured(connection)) == ""


def test_limit_that_was_lowered_since_is_not_exceeded(connection):
    called(connection, 20, apart_s=0.5)
    Connection.objects.update(calls_per_second=1)
    connection.refresh_from_db()

    assert throughput.speed_of(connection) == 1
