"""The sending switch: what follows from the stops that stand, which takes the place of which, and two who switch at once."""

import datetime as dt

import pytest
from django.db import IntegrityError, connection as database, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations import push
from integrations.models import Connection, SendingStop, StopCause
from integrations.push import claim, lease
from integrations.sending import switch
from kartra_mirror.frame import bands
from kartra_mirror.ui.throughput import connections_of
from leads import kinds
from tests.beside import Beside, on_postgresql
from tests.factories import ConnectionFactory, SendingStopFactory, StaffFactory
from tests.recording import record_change
from tests.two_sources import waits_or_is_over

pytestmark = pytest.mark.django_db


def causes(connection, **which):
    """Who stopped it, in order, and whether that has ended."""
    stops = SendingStop.objects.filter(connection=connection, **which).order_by("pk")
    return [(stop.stopped_by, stop.ended_at is not None) for stop in stops]


# --- what follows from the stops


@pytest.mark.parametrize(
    ("made", "sending"),
    [
        ({}, "look_only"),
        ({"sending": "on"}, "on"),
        ({"sending": "on", "stopped_by": "outage"}, "stopped"),
        ({"stopped_by": "person"}, "stopped"),
        ({"sending": "on", "stopped_by": "person", "stopped_by__ended_at": timezone.now()}, "on"),
        ({"sending": "on", "stopped_by": "command", "stopped_by__command": "assign_tag"}, "on"),
    ],
)
def test_whether_a_connection_sends_follows_from_its_stops(made, sending):
    connection = ConnectionFactory(**made)

    assert (connection.sending, connection.sends) == (sending, sending == "on")
    assert Connection.objects.sending().exists() is (sending == "on")
    assert Connection.objects.stopped_by(StopCause(made.get("stopped_by", "person"))).exists() is (sending == "stopped")
    assert (connection.stopped_by or "") == (made["stopped_by"] if sending == "stopped" else "")


def test_a_standing_stop_says_who_why_and_since_when():
    person, began = StaffFactory(username="ada"), timezone.now() - dt.timedelta(hours=2)
    connection = ConnectionFactory(account__name="Shop", stopped_by="person", stopped_by__began_by=person)
    SendingStop.objects.update(began_at=began)

    assert switch.why_not_sending(connection) == "Sending to Shop was stopped 2\xa0hours ago by ada: Lunch"


def test_commands_that_are_not_allowed_stand_beside_a_stop_until_a_person_switches_on():
    connection = ConnectionFactory(sending="on")
    for command in ("give_points", "assign_tag", "give_points"):
        switch.refuse_command(connection, command, "No")
    assert (connection.refused_commands, connection.sending) == (["assign_tag", "give_points"], "on")
    switch.stop(connection, StopCause.OUTAGE, "No answer.")
    switch.go_on_after_outage(connection)
    assert (connection.refused_commands, connection.sending) == (["assign_tag", "give_points"], "on")

    switch.on(connection)

    assert (connection.refused_commands, connection.sending) == ([], "on")
    assert causes(connection) == [("command", True), ("command", True), ("outage", True)]


def test_the_stops_are_read_again_after_a_refresh():
    ConnectionFactory(sending="on")
    connection = Connection.objects.with_stops().get()
    SendingStopFactory(connection=connection)
    assert connection.sends

    connection.refresh_from_db(fields=["app_id"])

    assert not connection.sends


def test_with_their_stops_any_number_of_connections_is_read_in_two_queries(django_assert_num_queries):
    for _ in range(3):
        ConnectionFactory(sending="on", stopped_by="person", stopped_by__began_by=StaffFactory())

    with django_assert_num_queries(2):
        said = [
            (switch.why_not_sending(each), switch.why_commands_wait(each), each.sending)
            for each in Connection.objects.select_related("account").with_stops()
        ]

    assert len(said) == 3


def test_pages_ask_no_more_for_many_connections_than_for_one(client, django_assert_max_num_queries):
    client.force_login(StaffFactory(is_superuser=True))
    url = reverse("admin:integrations_connection_changelist")
    ConnectionFactory(sending="on", stopped_by="outage")
    with django_assert_max_num_queries(100) as first:
        client.get(url)
    with django_assert_max_num_queries(10) as band:
        bands.of(connections_of(None))
    for _ in range(4):
        ConnectionFactory(sending="on", stopped_by="person", stopped_by__began_by=StaffFactory())

    with django_assert_max_num_queries(len(first)):
        shown = client.get(url).content.decode()
    with django_assert_max_num_queries(len(band)):
        assert len(bands.of(connections_of(None))) == 5

    assert shown.count("was stopped") >= 5


def test_the_list_of_connections_is_sorted_by_what_the_switch_says(client):
    client.force_login(StaffFactory(is_superuser=True))
    stopped, on, look_only = (
        ConnectionFactory(stopped_by="person"),
        ConnectionFactory(sending="on"),
        ConnectionFactory(),
    )

    shown = client.get(reverse("admin:integrations_connection_changelist"), {"o": "2"})

    assert list(shown.context_data["cl"].result_list) == [look_only, on, stopped]


# --- which takes the place of which


def test_a_person_takes_the_place_of_the_machine_and_no_outage_ends_it():
    connection = ConnectionFactory(sending="on")
    switch.stop(connection, StopCause.OUTAGE, "No answer.")
    assert connection.probe_at is not None

    switch.off(connection, why="Lunch")
    switch.off(connection, why="Lunch again")
    switch.go_on_after_outage(connection)

    assert causes(connection) == [("outage", True), ("person", False)]
    assert (connection.standing_stop.why, connection.probe_at) == ("Lunch", None)


@pytest.mark.parametrize("made", [{}, {"stopped_by": "person"}, {"sending": "on", "stopped_by": "outage"}])
def test_the_machine_stops_only_what_sends(made):
    connection = ConnectionFactory(**made)
    before = causes(connection)

    switch.stop(connection, StopCause.CREDENTIALS, "No")
    switch.stop_app(connection, StopCause.CREDENTIALS, "No")

    assert causes(connection) == before


@pytest.mark.parametrize(
    "stop",
    [{"stopped_by": "credentials"}, {"stopped_by": "command"}, {"stopped_by": "credentials", "command": "assign_tag"}],
)
def test_one_stop_stands_for_everything_and_it_is_no_commands(stop):
    connection = ConnectionFactory(stopped_by="person")

    with pytest.raises(IntegrityError), transaction.atomic():
        SendingStopFactory(connection=connection, **stop)


# --- nothing is sent once it is stopped


def tag(sandbox, connection):
    return record_change(
        sandbox.mirrored_lead(connection, "ada@example.com"), kinds.get_kind("assign_tag"), {"tag": "VIP"}
    )


@pytest.mark.parametrize("why", ["read-only", "stopped"])
@pytest.mark.parametrize("claimed", [True, False])
def test_a_worker_that_knew_better_sends_nothing(sandbox, connection, why, claimed):
    change = tag(sandbox, connection)
    assert connection.sends  # as this worker knows it
    plans = claim.claim(connection, 5) if claimed else []
    if why == "read-only":
        Connection.objects.update(switched_on_at=None)
    else:
        switch.off(Connection.objects.get())

    assert [lease.mark_sent(plan) for plan in plans] == [None] * claimed
    assert push.drain(connection).sent == 0

    change.refresh_from_db()
    assert (change.status, sandbox.calls(writes=True)) == ("waiting", [])


def test_a_claim_asks_once_for_the_stops_whatever_it_takes(sandbox, connection):
    for number in range(5):
        lead = sandbox.mirrored_lead(connection, f"lead{number}@example.com")
        record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})

    with CaptureQueriesContext(database) as asked:
        plans = claim.claim(connection, 5)

    assert len(plans) == 5
    assert sum("integrations_sendingstop" in each["sql"] for each in asked.captured_queries) == 1


# --- two at once


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("first", "second", "left"),
    [
        ("outage", "outage", [("outage", False)]),
        ("outage", "credentials", [("outage", False)]),
        ("person", "outage", [("person", False)]),
        ("outage", "person", [("outage", True), ("person", False)]),
        ("outage", "on", [("outage", True)]),
        ("assign_tag", "assign_tag", [("command", False)]),
    ],
)
def test_of_two_processes_that_switch_at_once_one_comes_first(first, second, left):
    ConnectionFactory(sending="on")

    def does(what):
        connection = Connection.objects.get()
        if what == "on":
            switch.on(connection)
        elif what == "person":
            switch.off(connection)
        elif what == "assign_tag":
            switch.refuse_command(connection, what, "No")
        else:
            switch.stop(connection, StopCause(what), "No")

    beside = Beside(lambda: does(second))
    with transaction.atomic():
        does(first)
        beside.begin()
        waits_or_is_over(beside.pid, beside)
    beside.end()

    assert causes(Connection.objects.get()) == left


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_an_outage_that_ends_while_a_person_stops_ends_not_the_persons_stop():
    connection = ConnectionFactory(sending="on", stopped_by="outage")
    beside = Beside(lambda: switch.go_on_after_outage(Connection.objects.get()))

    with transaction.atomic():
        switch.off(connection)
        beside.begin()
        waits_or_is_over(beside.pid, beside)
    beside.end()

    assert causes(connection) == [("outage", True), ("person", False)]
    assert not Connection.objects.get().sends
