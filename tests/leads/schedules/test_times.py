"""When the times of a schedule are, in zones whose clocks change in different ways."""

import datetime as dt
import itertools

import pytest
from hypothesis import given, strategies as st

from leads.schedules.times import Times

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


def utc(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def at(hour, minute=0):
    return dt.time(hour, minute)


@pytest.mark.parametrize(
    ("times", "after", "next_at"),
    [
        # Nine o'clock stays nine o'clock on either side of the change.
        (Times(BERLIN, at(9), "daily"), "2026-03-28 08:00", "2026-03-29 07:00"),
        (Times(BERLIN, at(9), "daily"), "2026-10-24 07:00", "2026-10-25 08:00"),
        (Times(NEW_YORK, at(9), "daily"), "2026-03-07 14:00", "2026-03-08 13:00"),
        (Times(LORD_HOWE, at(9), "daily"), "2026-10-02 22:30", "2026-10-03 22:00"),
        # An hour that is not: as much later as the clocks go ahead.
        (Times(BERLIN, at(2, 30), "daily"), "2026-03-28 12:00", "2026-03-29 01:30"),
        (Times(NEW_YORK, at(2, 30), "daily"), "2026-03-07 12:00", "2026-03-08 07:30"),
        (Times(LORD_HOWE, at(2, 15), "daily"), "2026-10-03 12:00", "2026-10-03 15:45"),
        # An hour that is twice: the first, and not again.
        (Times(BERLIN, at(2, 30), "daily"), "2026-10-24 12:00", "2026-10-25 00:30"),
        (Times(BERLIN, at(2, 30), "daily"), "2026-10-25 00:30", "2026-10-26 01:30"),
        (Times(NEW_YORK, at(1, 30), "daily"), "2026-10-31 12:00", "2026-11-01 05:30"),
        (Times(NEW_YORK, at(1, 30), "daily"), "2026-11-01 05:30", "2026-11-02 06:30"),
        (Times(LORD_HOWE, at(1, 45), "daily"), "2026-04-04 12:00", "2026-04-04 14:45"),
        # Days of the week are those of the zone.
        (Times(LORD_HOWE, at(7), "weekly", weekday=0), "2026-06-07 00:00", "2026-06-07 20:30"),
        (Times(NEW_YORK, at(22), "weekly", weekday=6), "2026-06-07 12:00", "2026-06-08 02:00"),
        (Times(BERLIN, at(9), "weekly", weekday=0), "2026-06-08 07:00", "2026-06-15 07:00"),
        (Times(BERLIN, at(9), "weekly", weekday=0), "2026-06-08 06:59", "2026-06-08 07:00"),
        # Of a shorter month the last day.
        (Times(BERLIN, at(7), "monthly", day=31), "2026-01-31 06:00", "2026-02-28 06:00"),
        (Times(BERLIN, at(7), "monthly", day=31), "2026-02-28 06:00", "2026-03-31 05:00"),
        (Times(BERLIN, at(7), "monthly", day=30), "2028-02-01 00:00", "2028-02-29 06:00"),
        (Times(BERLIN, at(7), "monthly", day=29), "2026-02-01 00:00", "2026-02-28 06:00"),
        (Times(BERLIN, at(7), "monthly", day=1), "2026-02-01 06:00", "2026-03-01 06:00"),
        # Once.
        (Times(BERLIN, at(9), "once", on=dt.date(2026, 6, 1)), "2026-05-01 00:00", "2026-06-01 07:00"),
        (Times(BERLIN, at(9), "once", on=dt.date(2026, 6, 1)), "2026-06-01 07:00", None),
    ],
)
def test_next_time(times, after, next_at):
    assert times.next_after(utc(after)) == (utc(next_at) if next_at else None)


def test_day_that_a_zone_left_out_is_no_time_of_its_own():
    """Samoa went from the 29th to the 31st of December 2011."""
    times = Times("Pacific/Apia", at(9), "daily")

    found = list(times.until(utc("2011-12-28 00:00"), utc("2012-01-01 00:00")))

    assert found == [utc("2011-12-28 19:00"), utc("2011-12-29 19:00"), utc("2011-12-30 19:00"), utc("2011-12-31 19:00")]


@given(
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE]),
    hour=st.times(),
    start=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 1, 1), timezones=st.just(dt.UTC)),
)
def test_every_day_has_one_time(zone, hour, start):
    times, days, moment = Times(zone, hour, "daily"), [], start
    for _day in range(5):
        later = times.next_after(moment)
        assert later > moment
        moment = later
        days.append(moment.astimezone(dt.UTC))

    assert all(
        dt.timedelta(hours=22) <= later - sooner <= dt.timedelta(hours=26) for sooner, later in itertools.pairwise(days)
    )
