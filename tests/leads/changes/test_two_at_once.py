"""Two people, or two clicks, at the same moment: what looks first whether it is asked for already, is asked for once."""

import datetime as dt
import threading
import time

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.utils import timezone

from leads import changes, kinds, mirror
from leads.changes import bulk_insert, create_many, record, retry
from leads.importing.people_list import Person
from leads.models import Lead, LeadChange
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, StaffFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account():
    return AccountFactory()


@pytest.fixture(autouse=True)
def _slowly(monkeypatch):
    """Time between the look and what is written, so that two are in it together."""
    for module, name in ((record, "steps_of"), (bulk_insert, "insert_select"), (create_many, "steps_for")):
        real = getattr(module, name)

        def slow(*given, real=real, **more):
            time.sleep(0.15)
            return real(*given, **more)

        monkeypatch.setattr(module, name, slow)


def together(*work):
    """Do all at once; the words of those that were refused."""
    refused, broken = [], []
    ready = threading.Barrier(len(work))

    def one(each):
        try:
            ready.wait(10)
            each()
        except changes.CannotRecord as problem:
            refused.append(str(problem))
        except Exception as error:
            broken.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=one, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert broken == []
    return refused


def test_one_sale_is_refunded_once(account):
    sale = LeadFactory(account=account).transactions.create(
        account=account, kartra_id="70001", type="sale", full_amount="97.00", at=timezone.now()
    )
    refund = kinds.get_kind("refund_transaction")

    def ask():
        record_change(Lead.objects.get(), refund, {"transaction": sale.kartra_id, "amount": "20.00"})

    [words] = together(ask, ask)

    assert "has not ended yet" in words
    assert LeadChange.objects.count() == 1


@pytest.mark.parametrize("way", ["one", "run"])
def test_a_refund_that_settles_meanwhile_counts_against_the_ceiling(account, monkeypatch, way):
    """The second is asked for while the first is being settled, which holds the lead."""
    lead, refund = LeadFactory(account=account), kinds.get_kind("refund_transaction")
    lead.transactions.create(account=account, kartra_id="70001", type="sale", full_amount="150.00", reported=False)
    first = LeadChangeFactory(lead=lead, kind=refund.name, parameters={"transaction": "70001", "amount": "60.00"})
    LeadChange.objects.update(family="sale:70001")
    clerk = StaffFactory()
    clerk.groups.add(Group.objects.get(name="Support"))  # up to 100.00
    held, at_the_lock, lock = threading.Event(), threading.Event(), mirror.lock_leads

    def settle():
        with transaction.atomic():
            lock([lead.pk])
            held.set()
            if connection.features.has_select_for_update:  # else the other waits before it gets as far
                at_the_lock.wait(10)
            LeadChange.objects.filter(pk=first.pk).update(status="accepted", settled_at=timezone.now())

    def ask():
        held.wait(10)
        wanted = {"transaction": "70001", "amount": "50.00"}
        if way == "one":
            record_change(Lead.objects.get(), refund, wanted, by=clerk)
        else:
            changes.record_run(account, Lead.objects.all(), refund, wanted, by=clerk)

    def lock_told(ids):
        at_the_lock.set()
        lock(ids)

    monkeypatch.setattr(mirror, "lock_leads", lock_told)

    [words] = together(settle, ask)

    assert "refunded before, this comes to 110.00" in words
    assert LeadChange.objects.count() == 1


def test_refused_changes_are_tried_again_once(account):
    for _ in range(2):
        LeadChangeFactory(
            lead=LeadFactory(account=account),
            kind="give_points",
            parameters={"points": 5},
            family="points",
            status="rejected",
            code="212",
            settled_at=timezone.now(),
        )

    def again():
        retry.retry(account, LeadChange.objects.filter(account=account))

    [words] = together(again, again)

    assert "Nothing is left to try again" in words
    assert LeadChange.objects.filter(status="waiting").count() == 2


def test_a_lead_is_created_once(account):
    def create():
        changes.create_lead(account, {"email": "ada@example.com", "points": 15})

    [words] = together(create, create)

    assert "being created already" in words
    assert sorted(LeadChange.objects.values_list("kind", flat=True)) == ["create_lead", "give_points"]


def test_people_of_two_files_are_created_once(account):
    people = [Person(number, {"email": f"lead{number}@example.com"}) for number in (1, 2)]

    together(*[lambda: create_many.create_leads(account, people)] * 2)

    assert LeadChange.objects.filter(kind="create_lead").count() == 2


def test_a_form_that_is_sent_twice_is_recorded_once(account):
    lead = LeadFactory(account=account)
    given = {"points": 15}

    def ask():
        changes.record_changes(Lead.objects.get(), kinds.get_kind("update_lead"), given, idempotency_key="a" * 32)

    [words] = together(ask, ask)

    assert "a moment ago already" in words
    assert list(lead.changes.values_list("kind", flat=True)) == ["give_points"]
    changes.record_changes(lead, kinds.get_kind("update_lead"), given, idempotency_key="b" * 32)
    changes.record_changes(lead, kinds.get_kind("update_lead"), {"points": 16}, idempotency_key="b" * 32)
    assert [change.parameters["points"] for change in lead.changes.order_by("pk")] == [15, 15, 16]
    lead.changes.update(requested_at=timezone.now() - dt.timedelta(minutes=6))
    changes.record_changes(lead, kinds.get_kind("update_lead"), given, idempotency_key="b" * 32)
    assert lead.changes.count() == 4
