"""Messages that come while the database is away: each is kept, in order, once, and strangers fill nothing."""

import datetime as dt
import os
import random
import stat
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import DataError, InternalError, OperationalError, connection
from django.utils import timezone

from integrations import receive
from integrations.models import Delivery, WebhookEndpoint
from integrations.process_state import process_state
from integrations.receive import addresses, spool
from integrations.receive.arrival import Arrival, Damaged
from leads.models import Lead
from tests.factories import LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)

FILE = Path(django_settings.VAR_DIR) / "spool" / "messages"


@pytest.fixture
def endpoint():
    made = WebhookEndpointFactory()
    addresses.renew()
    return made


@pytest.fixture
def away():
    """A database that refuses every statement, until it is told to be there again."""
    state = {"away": True}

    def refuse(execute, sql, params, many, context):
        if state["away"]:
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)

    def back():
        state["away"] = False
        process_state.database_away_until = 0.0

    with connection.execute_wrapper(refuse):
        yield back


def post(client, endpoint, body=b"{}", token=None):
    return client.post(f"/webhooks/{token or endpoint.token}/", data=body, content_type="application/json")


def arrival(endpoint, number=0, **more):
    told = {"channel": "outbound", "received_at": timezone.now(), "headers": {}, "size": 2, "old_address": False}
    return Arrival(endpoint=endpoint.pk, body=b"%d" % number, **{**told, **more})


def bodies():
    return [bytes(each.body) for each in Delivery.objects.order_by("pk")]


# --- what comes while the database is away


def test_messages_are_kept_in_order_and_stored_once_it_is_back(client, endpoint, away, notified):
    sent = [b'{"number": %d}' % number for number in range(20)]

    answers = [post(client, endpoint, body).status_code for body in sent]
    away()
    assert answers == [200] * 20
    assert not Delivery.objects.exists()

    assert spool.drain() == 20

    assert bodies() == sent
    assert spool.is_empty()
    assert ("apply_deliveries", ()) in notified
    row = Delivery.objects.first()
    assert (row.status, row.channel, row.endpoint) == ("waiting", "outbound", endpoint)
    assert row.headers["Content-Type"] == "application/json"
    assert timezone.now() - row.received_at < dt.timedelta(minutes=1)


def test_messages_join_the_file_until_it_is_empty(client, endpoint, away):
    post(client, endpoint, b"first")
    away()

    assert post(client, endpoint, b"second").status_code == 200
    assert not Delivery.objects.exists()
    spool.drain()
    post(client, endpoint, b"third")

    assert bodies() == [b"first", b"second", b"third"]
    assert spool.is_empty()


def test_strangers_get_404_and_fill_nothing(client, endpoint, away):
    for token in ("wrong", "x" * 200, endpoint.token[:-1]):
        assert post(client, endpoint, b"x" * 1000, token=token).status_code == 404
    assert spool.is_empty()


def test_ended_and_old_addresses_are_known(client, endpoint):
    first = endpoint.token
    ended = WebhookEndpointFactory()
    endpoint.rotate(timezone.now())
    WebhookEndpoint.objects.filter(pk=ended.pk).update(retired_at=timezone.now())
    addresses.renew()
    process_state.database_away_until = float("inf")

    assert post(client, endpoint, token=endpoint.token).status_code == 200
    assert post(client, endpoint, token=first).status_code == 200
    assert post(client, endpoint, token=ended.token).status_code == 404

    process_state.database_away_until = 0.0
    spool.drain()
    assert list(Delivery.objects.order_by("pk").values_list("old_address", flat=True)) == [False, True]


def test_file_of_addresses_follows_the_rows(endpoint):
    token = endpoint.token
    endpoint.rotate(timezone.now())
    digests = [endpoint.token_digest, endpoint.old_token_digest]
    assert [addresses.known([digest])[1] for digest in digests] == [False, True]
    endpoint.retire_old()
    assert addresses.known(digests[1:]) is None
    assert token not in (FILE.parent / "addresses").read_text()


def test_address_by_which_a_message_came_is_in_the_file_from_then_on(client, endpoint):
    """Made on another machine less than a minute ago: this one hears of it by its first message."""
    made = WebhookEndpointFactory()
    digest = [made.token_digest]
    (FILE.parent / "addresses").write_text("{}")
    process_state.addresses_kept = frozenset()
    process_state.addresses_kept_until = time.monotonic() + 60
    assert addresses.known(digest) is None

    assert client.post(f"/webhooks/{made.token}/", b"{}", content_type="application/json").status_code == 200

    assert addresses.known(digest) == (made.pk, False)


def test_without_a_file_of_addresses_nothing_is_said_to_be_wrong(client, endpoint, away):
    (FILE.parent / "addresses").unlink()
    answer = post(client, endpoint)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_too_large_and_payment_messages_are_kept_as_ever(client, endpoint, away):
    assert post(client, endpoint, b"x" * 2_000_000).status_code == 413
    answer = client.post(f"/webhooks/{endpoint.token}/ipn", data="a=b", content_type="text/plain")
    assert answer.status_code == 200
    away()
    spool.drain()

    large, payment = Delivery.objects.order_by("pk")
    assert (large.status, large.truncated, len(bytes(large.body)), large.size) == ("refused", True, 4096, 2_000_000)
    assert (payment.channel, bytes(payment.body), payment.status) == ("ipn", b"a=b", "waiting")


# --- the file


def test_file_is_for_its_owner_alone(client, endpoint, away):
    post(client, endpoint)
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    assert stat.S_IMODE((FILE.parent / "addresses").stat().st_mode) == 0o600
    assert stat.S_IMODE(FILE.parent.stat().st_mode) == 0o700


def test_full_file_refuses_with_503_and_keeps_what_it_has(client, endpoint, away, settings):
    settings.SPOOL_MAX_MB = 0.002
    answers = [post(client, endpoint, b"x" * 400) for _ in range(6)]
    kept = [answer.status_code for answer in answers].count(200)

    assert 0 < kept < 6
    assert {answer.status_code for answer in answers} == {200, 503}
    assert answers[-1].headers["Retry-After"] == "5"
    away()
    assert spool.drain() == kept


def test_full_disk_leaves_no_half_line(endpoint, monkeypatch):
    spool.append(arrival(endpoint, 1))
    before = FILE.read_bytes()

    def no_room(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_room)
        with pytest.raises(spool.Full):
            spool.append(arrival(endpoint, 2))

    assert FILE.read_bytes() == before
    assert spool.drain() == 1


@pytest.mark.parametrize("cut", [2, 5, 40, 120])
def test_half_a_line_at_the_end_is_dropped_and_the_others_are_not(endpoint, cut):
    for number in range(3):
        spool.append(arrival(endpoint, number))
    os.truncate(FILE, FILE.stat().st_size - cut)
    spool.append(arrival(endpoint, 9))

    spool.drain()

    assert bodies() == [b"0", b"1", b"9"]


def test_file_that_ends_in_half_a_line_becomes_empty(endpoint):
    spool.append(arrival(endpoint, 1))
    os.truncate(FILE, FILE.stat().st_size - 3)
    spool.drain()
    assert spool.is_empty()
    assert not Delivery.objects.exists()


def test_stored_twice_is_there_once(endpoint, monkeypatch):
    for number in range(5):
        spool.append(arrival(endpoint, number))
    kept = FILE.read_bytes()
    spool.drain()
    FILE.write_bytes(kept)  # as if it was killed before it emptied the file

    spool.drain()

    assert bodies() == [b"0", b"1", b"2", b"3", b"4"]


def test_database_that_goes_away_again_costs_nothing(endpoint):
    number_of = 2 * spool.BATCH + 5
    for number in range(number_of):
        spool.append(arrival(endpoint, number))

    def second_batch_fails(execute, sql, params, many, context):
        if sql.startswith("INSERT") and Delivery.objects.count() >= spool.BATCH:
            raise OperationalError("away again")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(second_batch_fails), pytest.raises(OperationalError):
        spool.drain()
    assert len(bodies()) == spool.BATCH

    spool.drain()
    assert bodies() == [b"%d" % number for number in range(number_of)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no database that only reads")
def test_database_that_only_reads_loses_nothing(client, endpoint):
    spool.append(arrival(endpoint, 1))
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(InternalError):
            spool.drain()
        assert post(client, endpoint, b"2").status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off")
    assert not (FILE.parent / "left").exists()

    process_state.database_away_until = 0.0
    assert spool.drain() == 2
    assert bodies() == [b"1", b"2"]


def test_large_messages_are_stored_in_batches_of_some_megabytes(endpoint):
    for _ in range(20):
        spool.append(replace(arrival(endpoint), body=b"x" * 1_000_000))
    inserts = []

    def watched(execute, sql, params, many, context):
        inserts.append(sql.startswith("INSERT"))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watched):
        assert spool.drain() == 20
    assert sum(inserts) >= 3


def test_message_that_fits_into_no_row_holds_up_no_other(endpoint, monkeypatch):
    for number in range(3):
        spool.append(arrival(endpoint, number))
    insert = Delivery.objects.bulk_create

    def odd(rows, **how):
        if any(bytes(row.body) == b"1" for row in rows):
            raise DataError("no row for this one")
        return insert(rows, **how)

    monkeypatch.setattr(Delivery.objects, "bulk_create", odd)
    spool.drain()

    assert bodies() == [b"0", b"2"]
    assert Arrival.of_line((FILE.parent / "left").read_bytes()).body == b"1"


def test_many_who_write_while_it_is_stored_lose_nothing(endpoint):
    numbers = [[writer * 1000 + number for number in range(60)] for writer in range(4)]

    def write(mine):
        for number in mine:
            spool.append(arrival(endpoint, number))

    writers = [threading.Thread(target=write, args=(mine,)) for mine in numbers]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        spool.drain()
    spool.drain()

    found = [int(body) for body in bodies()]
    assert sorted(found) == sorted(number for mine in numbers for number in mine)
    for mine in numbers:
        assert [number for number in found if number in set(mine)] == mine


# --- one line


@pytest.mark.parametrize("seed", range(30))
def test_whatever_came_is_one_line_and_the_same_again(seed):
    rng = random.Random(seed)
    came = Arrival(
        endpoint=rng.randint(1, 2**31),
        old_address=rng.random() < 0.5,
        channel=rng.choice(["outbound", "ipn"]),
        received_at=timezone.now(),
        headers={"User-Agent": rng.choice(["", "a\nb", "\x00\u2028\ud800", "é" * 400])},
        size=rng.randint(0, 2**31 - 1),
        body=rng.randbytes(rng.randint(0, 3000)),
        truncated=rng.random() < 0.5,
    )
    line = came.as_line()
    assert line.count(b"\n") == 1
    assert Arrival.of_line(line) == came
    flipped = bytearray(line)
    flipped[rng.randrange(9, len(line) - 1)] ^= 1
    with pytest.raises(Damaged):
        Arrival.of_line(bytes(flipped))


@pytest.mark.parametrize("line", [b"", b"\n", b"00000000 ", b"zz {}", b"00000000 {}", b"a3830348 [1]", b"\xff\xfe"])
def test_what_is_no_line_is_damaged(line):
    with pytest.raises(Damaged):
        Arrival.of_line(line)


# --- people


def test_forgotten_person_in_the_file_stays_forgotten(endpoint):
    lead = LeadFactory(account=endpoint.connection.account, email="ada@example.com", kartra_id="5")
    body = b'{"action": "filled_form", "lead": {"id": "5", "email": "ada@example.com"}, "action_details": {}}'
    spool.append(replace(arrival(endpoint), body=body))
    call_command("forget", "--connection", endpoint.connection.name, "--lead", lead.email, "--yes", verbosity=0)

    spool.drain()
    receive.drain()

    assert not Lead.objects.exists()
    assert bytes(Delivery.objects.get().body) == b""
    assert spool.is_empty()
    assert uuid.UUID(str(Delivery.objects.get().arrival))
