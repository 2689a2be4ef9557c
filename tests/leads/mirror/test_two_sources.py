"""Two sources tell one fact at the same moment: one row, one line in the timeline, no error. Every pair, either one first.

On PostgreSQL the first writes and holds its transaction open until the second waits for it (or has gone past it).
"""

import itertools
import threading

import pytest
from django.db import connection as database, connections, transaction

from integrations import receive
from leads.models import Activity, CalendarEnrollment
from tests.two_sources import (
    BOOKED,
    BOOKING,
    DAY,
    FACTS,
    HOUR,
    PATIENCE_S,
    account_with_lead,
    push,
    waits_or_is_over,
    webhook,
    wrong_with,
)

pytestmark = pytest.mark.django_db(transaction=True)

PAIRS = [
    pytest.param(fact, first, second, id=f"{fact}: {first}, then {second}")
    for fact, what in FACTS.items()
    for first, second in itertools.permutations(what.writers, 2)
]


def meet(first, second):
    """`first` writes; before it commits `second` comes. What went wrong in the second, if anything."""
    broken, pid, connected = [], [], threading.Event()

    def come():
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                pid.append(cursor.fetchone()[0])
            connected.set()
            second()
        except Exception as error:
            broken.append(error)
        finally:
            connected.set()
            connections.close_all()

    thread = threading.Thread(target=come)
    with transaction.atomic():
        first()
        thread.start()
        assert connected.wait(PATIENCE_S)
        waits_or_is_over(pid[0], thread)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    return broken


@pytest.mark.parametrize(("fact", "first", "second"), PAIRS)
def test_two_sources_at_once_tell_one_fact(fact, first, second):
    if database.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; set TEST_DATABASE_URL to a PostgreSQL.")
    endpoint, lead = account_with_lead()
    FACTS[fact].before(endpoint, lead)
    one, two = FACTS[fact].writers[first](endpoint, lead), FACTS[fact].writers[second](endpoint, lead)

    broken = meet(one, two)
    receive.drain()  # a worker leaves the messages of an account alone while another is at them

    assert broken == []
    assert wrong_with(fact, endpoint.connection.account, first) == []


@pytest.mark.parametrize(("fact", "first", "second"), PAIRS)
def test_two_sources_after_one_another_tell_one_fact(fact, first, second):
    endpoint, lead = account_with_lead()
    FACTS[fact].before(endpoint, lead)

    for write in [FACTS[fact].writers[name](endpoint, lead) for name in (first, second)]:
        write()
    if second != "push":  # asked for twice is two wishes
        FACTS[fact].writers[second](endpoint, lead)()

    assert wrong_with(fact, endpoint.connection.account, first) == []


WE_BOOK, WE_CANCEL, BOOKING_TOLD, END_TOLD = "we book", "we cancel", "booking told", "end told"


@pytest.mark.parametrize(
    "order",
    [
        (WE_BOOK, BOOKING_TOLD, WE_CANCEL, END_TOLD),
        (WE_BOOK, BOOKING_TOLD, END_TOLD, WE_CANCEL),
        (BOOKING_TOLD, WE_BOOK, WE_CANCEL, END_TOLD),
        (BOOKING_TOLD, WE_BOOK, END_TOLD, WE_CANCEL),
        (WE_BOOK, WE_CANCEL, BOOKING_TOLD, END_TOLD),
    ],
    ids=", ".join,
)
def test_booking_made_and_cancelled_by_us_is_one_row_whenever_its_messages_come(order):
    endpoint, lead = account_with_lead()
    ours = {WE_BOOK: push("subscribe_calendar", "calendar_subscribe", **BOOKING, date=DAY, hour=HOUR)(endpoint, lead)}

    for name in order:
        if name in (WE_CANCEL, END_TOLD) and WE_CANCEL not in ours:
            ours[WE_CANCEL] = push("cancel_calendar", "calendar_cancel", **BOOKING)(endpoint, lead)
        if name in ours:
            ours[name]()
        else:
            action = "calendar_subscribe" if name == BOOKING_TOLD else "calendar_cancel"
            webhook(action, calendar=BOOKED)(endpoint, lead)()

    row = CalendarEnrollment.objects.get()
    assert (row.status, row.booking_id) == ("Cancelled", "5001")
    kinds = list(Activity.objects.order_by("pk").values_list("kind", flat=True))
    assert kinds == ["calendar_booked", "calendar_cancelled"]
