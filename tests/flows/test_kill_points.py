"""A pusher that is killed (SIGKILL) at each boundary of a call, for each class of command: nothing lost, nothing doubled.

The pusher is a child of this process that dies at the boundary; what it leaves is taken up here, as another worker would.
"""

import datetime as dt
import os
import signal
import time

import pytest
from django.db import connections
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall, Connection
from integrations.push import claim, lease, post, proof_token, send
from leads import changes, kinds
from leads.models import ChangeStatus, LeadChange, RecurringSubscription, Transaction
from tests.flows.steps import settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = ("before the claim is committed", "claimed", "marked as sent", "posted", "answered, not recorded")
BOOKING = {"calendar": "Coaching", "class": "Intro call", "date": "2031-02-03", "hour": "10:00"}
CLASSES = {
    "assign_tag": {"tag": "VIP"},
    "subscribe_list": {"list": "Buyers"},
    "update_lead": {"city": "Bend"},
    "create_lead": {"email": "new@example.com", "first_name": "Nova"},
    "give_points": {"points": 5},
    "subscribe_sequence": {"sequence": "Win back", "step": "2"},
    "subscribe_calendar": BOOKING,
    "cancel_calendar": {"calendar": "Support", "class": "Office hours"},
    "refund_transaction": {"amount": "whole"},
    "cancel_subscription": {},
}


def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(work):
    def done(*args, **kwargs):
        work(*args, **kwargs)
        die()

    return done


def push_and_die(connection: Connection, point: str) -> None:
    """Push in a child process that is killed at the boundary; this process never sees its answer."""
    child = os.fork()
    if child:
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
        return
    try:
        inherited = [each.connection for each in connections.all()]  # the parent's: kept, never closed here
        for each in connections.all():
            each.connection = None
        if point == POINTS[0]:
            claim.states_before = die  # inside the claim's transaction
        elif point == POINTS[1]:
            lease.mark_all_sent = die
        elif point == POINTS[2]:
            send.make_call = die
            send.ThreadPoolExecutor = _Inline
        elif point == POINTS[3]:
            post.Client.chain = die_after(post.Client.chain)
        else:
            send.write_down = die
        push.drain(Connection.objects.select_related("account").get(pk=connection.pk), until_s=5)
        del inherited
    finally:
        os._exit(0)


class _Inline:
    """A pool that calls at once, so that the kill falls exactly between the mark and the call."""

    def __init__(self, *args, **kwargs):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def submit(self, work, *args):
        die()


@pytest.fixture(autouse=True)
def _short_waits(settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.2, 0.4, 0.8]


@pytest.fixture
def lead(sandbox, connection):
    made = sandbox.mirrored_lead(connection, "ada@example.com")
    for act, given in (
        ("give_points", {"points": 40}),
        ("book", {"calendar": "Support", "class": "Office hours", "when": "2031-05-05 09:00"}),
    ):
        sandbox.act(act, lead=made.kartra_id, **given)
    from integrations.read.refresh import read_lead

    read_lead(connection, lead=made)
    made.refresh_from_db()
    return made


def wish(sandbox, lead, kind):
    given = dict(CLASSES[kind])
    if kind == "create_lead":
        return changes.create_lead(lead.account, given)[0]
    if kind == "refund_transaction":
        given["transaction"] = str(sandbox.act("sale", lead=lead.kartra_id)["transaction"])
        Transaction.objects.create(
            account=lead.account, kartra_id=given["transaction"], lead=lead, type="sale", full_amount="97.00"
        )
    if kind == "cancel_subscription":
        given["subscription"] = str(sandbox.act("start_subscription", lead=lead.kartra_id)["subscription"])
        RecurringSubscription.objects.create(
            account=lead.account, kartra_id=given["subscription"], lead=lead, status="Active", read_at=timezone.now()
        )
    return record_change(lead, kinds.get_kind(kind), given)


def effects(sandbox, change) -> int:
    """How often what was wanted was done in Kartra."""
    kind, given = change.kind, change.parameters
    if kind == "create_lead":
        return sum(lead["email"] == given["email"] for lead in sandbox.server.store.leads(1))
    theirs = sandbox.lead("ada@example.com")
    if kind == "assign_tag":
        return int(given["tag"] in theirs["tags"])
    if kind == "subscribe_list":
        return int(bool(theirs["lists"].get(given["list"])))
    if kind == "update_lead":
        return int(theirs["city"] == "Bend")
    if kind == "give_points":
        return abs(int(theirs["score"]) - 40) // 5
    if kind == "subscribe_sequence":
        return int(theirs["sequences"].get("Win back", {}).get("starts", 0))
    if kind == "subscribe_calendar":
        return sum(b["when"] == "2031-02-03 10:00" for b in theirs["bookings"])
    if kind == "cancel_calendar":
        return sum(b["class"] == "Office hours" and b["status"] == "Cancelled" for b in theirs["bookings"])
    store = sandbox.server.store
    if kind == "refund_transaction":
        return sum(
            str(row["parent"]) == given["transaction"] for row in store.payments(1, "transaction", int(theirs["id"]))
        )
    plan = store.payment(1, "subscription", given["subscription"])
    return int(plan["status"] == "Cancelled")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", CLASSES)
def test_killed_pusher_loses_nothing_and_doubles_nothing(sandbox, connection, lead, kind, point):
    proof_token.prepare(connection)
    change = wish(sandbox, lead, kind)

    push_and_die(connection, point)
    ApiCall.objects.filter(finished_at=None).update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    time.sleep(0.05)
    settle_all(connection, 15)

    change = LeadChange.objects.get(pk=change.pk)
    times = effects(sandbox, change)
    if change.status == ChangeStatus.UNDECIDED:  # only where nothing in Kartra can tell
        assert kind in ("subscribe_calendar", "refund_transaction")
        assert times <= 1
        assert change.attempts.last().evidence
    else:
        assert (change.status, times) == (ChangeStatus.ACCEPTED, 1)
    if point in POINTS[:2]:
        assert change.status == ChangeStatus.ACCEPTED
