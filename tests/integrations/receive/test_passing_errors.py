"""A database error that passes is tried again, and is never a verdict on a message or the end of a command."""

import io
import json
from urllib.parse import urlencode

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, OperationalError

from integrations import push, receive
from integrations.management import run_wait
from integrations.models import Delivery
from integrations.push import settle_many
from integrations.receive import queue
from integrations.receive.newcomers import Newcomers
from leads import lock_conflicts, mirror
from leads.models import LeadTag
from tests.factories import DeliveryFactory, LeadChangeFactory, WebhookEndpointFactory


class Cause(Exception):
    def __init__(self, sqlstate):
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def broken(kind, sqlstate):
    error = kind(sqlstate)
    error.__cause__ = Cause(sqlstate)
    return error


MEETINGS = [
    (OperationalError, "40P01"),
    (OperationalError, "40001"),
    (OperationalError, "55P03"),
    (IntegrityError, "23505"),
    (IntegrityError, "23503"),
]


def failing(times, error, then):
    """Something that fails so many times before it does what it should."""
    left = [times]

    def work(*given, **more):
        if left[0]:
            left[0] -= 1
            raise error
        return then(*given, **more)

    return work


@pytest.mark.parametrize(("kind", "sqlstate"), MEETINGS)
@pytest.mark.django_db(transaction=True)
def test_message_that_met_another_writer_is_applied_all_the_same(monkeypatch, kind, sqlstate):
    monkeypatch.setattr(queue, "may_go_on", lock_conflicts.passes)  # as on PostgreSQL
    endpoint = WebhookEndpointFactory()
    body = {
        "action": "assign_tag",
        "action_details": {"tag": {"tag_name": "VIP"}},
        "lead": {"id": "5", "email": "a@b.c"},
    }
    first = DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
    monkeypatch.setattr(mirror, "set_tag", failing(2, broken(kind, sqlstate), mirror.set_tag))

    receive.drain()

    first.refresh_from_db()
    assert (first.status, LeadTag.objects.count()) == ("applied", 1)


@pytest.mark.parametrize(("kind", "sqlstate"), [*MEETINGS, (OperationalError, "57P01")])
@pytest.mark.django_db(transaction=True)
def test_message_that_meets_others_every_time_waits_and_holds_up_no_other(monkeypatch, kind, sqlstate):
    monkeypatch.setattr(queue, "may_go_on", lock_conflicts.passes)
    monkeypatch.setattr(queue, "wait_a_little", lambda number: None)
    endpoint = WebhookEndpointFactory()
    body = {
        "action": "assign_tag",
        "action_details": {"tag": {"tag_name": "VIP"}},
        "lead": {"id": "5", "email": "a@b.c"},
    }
    held = DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
    body |= {"action": "list_subscription", "action_details": {"list": {"list_name": "Buyers"}}}
    free = DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
    real = mirror.set_tag
    monkeypatch.setattr(mirror, "set_tag", failing(10**6, broken(kind, sqlstate), real))

    assert receive.drain() == 1

    held.refresh_from_db()
    free.refresh_from_db()
    assert (held.status, free.status) == ("waiting", "applied")
    monkeypatch.setattr(mirror, "set_tag", real)
    assert receive.drain() == 1
    held.refresh_from_db()
    assert held.status == "applied"


@pytest.mark.django_db
def test_message_that_no_database_takes_is_set_aside(monkeypatch):
    body = {
        "action": "assign_tag",
        "action_details": {"tag": {"tag_name": "VIP"}},
        "lead": {"id": "5", "email": "a@b.c"},
    }
    delivery = DeliveryFactory(endpoint=WebhookEndpointFactory(), body=json.dumps(body).encode())
    monkeypatch.setattr(mirror, "set_tag", failing(10**6, broken(IntegrityError, "23514"), mirror.set_tag))

    receive.drain()

    delivery.refresh_from_db()
    assert delivery.status == "quarantined"


@pytest.mark.parametrize(("kind", "sqlstate"), MEETINGS)
@pytest.mark.django_db(transaction=True)
def test_writer_is_called_again(kind, sqlstate):
    waited = []
    work = failing(lock_conflicts.TRIES - 1, broken(kind, sqlstate), lambda: "written")

    assert lock_conflicts.done_again(work, wait=waited.append)() == "written"
    assert waited == list(range(lock_conflicts.TRIES - 1))


@pytest.mark.parametrize("error", [broken(IntegrityError, "23514"), broken(DatabaseError, "22001"), ValueError("no")])
@pytest.mark.django_db(transaction=True)
def test_what_does_not_pass_is_raised_at_once(error):
    calls = []

    def work():
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        lock_conflicts.done_again(work)()
    assert len(calls) == 1


@pytest.mark.parametrize("part", ["push", "verify"])
@pytest.mark.django_db(transaction=True)
def test_command_that_waits_goes_on_when_it_met_a_worker(connection, sandbox, monkeypatch, part):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    module = getattr(run_wait, part)
    monkeypatch.setattr(module, "drain", failing(2, broken(OperationalError, "40P01"), module.drain))

    told = ["--connection", connection.account.name, "--set", "tag=VIP", "--lead", lead.email, "--wait"]
    call_command("change", "assign_tag", *told, stdout=io.StringIO())

    assert sandbox.tagged("VIP") == {lead.kartra_id}


@pytest.mark.django_db(transaction=True)
def test_answer_is_written_down_after_meeting_another_writer(connection, sandbox, monkeypatch):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = LeadChangeFactory(lead=lead, family="tag:VIP")
    meets = failing(3, broken(IntegrityError, "23505"), settle_many.update_each)
    monkeypatch.setattr(settle_many, "update_each", meets)

    push.drain(connection, until_s=3)

    change.refresh_from_db()
    assert change.status == "accepted"


@pytest.mark.django_db(transaction=True)
def test_second_try_begins_with_the_message_as_it_is_stored(monkeypatch):
    """What the first try wrote on it was rolled back."""
    monkeypatch.setattr(queue, "may_go_on", lock_conflicts.passes)
    endpoint = WebhookEndpointFactory(ipn_secret="hush-hush")
    sale = {"transaction_id": "1", "transaction_type": "sale", "lead_id": "5", "secret_key": "hush-hush"}
    paid = DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(sale).encode())
    error = broken(OperationalError, "40P01")
    monkeypatch.setattr(Newcomers, "save", failing(1, error, Newcomers.save))

    receive.drain()

    paid.refresh_from_db()
    assert (paid.status, paid.secret, b"hush-hush" in bytes(paid.body)) == ("applied", "right", False)
    once = len(paid.journal)
    monkeypatch.setattr(Newcomers, "save", failing(1, error, Newcomers.save))
    [(again, applied)] = receive.replay(Delivery.objects.all(), by="ada")
    again.refresh_from_db()
    assert applied.status == "applied"
    assert (again.is_replay, again.replays[-1]["status"], len(again.journal)) == (False, "applied", once)
