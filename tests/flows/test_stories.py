"""Five events about one lead, in every order, one dropped and one doubled: after reads the copy says the same."""

import itertools
import json
import random

import pytest
from django.utils import timezone

from integrations import receive
from integrations.models import ApiCall, Delivery
from integrations.read import refresh, transactions
from leads.models import Lead, RecurringSubscription, Tag, Transaction
from tests.factories import DeliveryFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

DROPS = list(itertools.product(range(5), range(5)))
"""(which event never comes, which of the others comes twice)."""


@pytest.fixture
def story(sandbox, connection):
    """What happened to Ada in Kartra, and the five messages about it: tag on, list on, tag off, purchase, refund."""
    ada = sandbox.add_lead("ada@example.com", first_name="Ada")
    sandbox.act("assign_tag", lead=ada, tag="VIP")
    sandbox.act("subscribe_list", lead=ada, list="Buyers")
    sandbox.act("unassign_tag", lead=ada, tag="VIP")
    sale = str(sandbox.act("sale", lead=ada, amount="97.00", product="Trail Course")["transaction"])
    refund = str(sandbox.act("refund", transaction=sale)["transaction"])
    lead = {"id": ada, "email": "ada@example.com", "first_name": "Ada"}
    buyer = {"lead_id": ada, "lead_email": "ada@example.com", "product_name": "Trail Course", "product_id": "1"}
    events = [
        ("assign_tag", {"tag": {"tag_name": "VIP"}}),
        ("list_subscription", {"list": {"list_name": "Buyers"}}),
        ("unassign_tag", {"tag": {"tag_name": "VIP"}}),
        ("buy_product", {"transaction_details": {**buyer, "transaction_id": sale, "transaction_full_amount": "97.00"}}),
        (
            "refund_product",
            {
                "transaction_details": {
                    **buyer,
                    "transaction_id": refund,
                    "transaction_full_amount": 97.0,
                    "transaction_parent_id": sale,
                    "transaction_type": "refund",
                }
            },
        ),
    ]
    return [json.dumps({"action": a, "action_details": d, "lead": lead}).encode() for a, d in events]


def rows():
    """The mirror's rows, save when and by whom each became known to us."""
    lead = Lead.objects.get()
    return {
        "lead": {
            f.name: getattr(lead, f.name)
            for f in Lead._meta.fields
            if f.name
            not in (
                "id",
                "known_since",
                "known_from",
                "read_at",
                "changed_seq",
                "changed_xid",
                "dirty_at",
                "account",
                "extra",
                "orders_read_at",
                "read_not_before",
            )
        },
        "tags": set(lead.leadtags.values_list("tag__name", flat=True)),
        "lists": dict(lead.listsubscriptions.values_list("mailing_list__name", "active")),
        "money": list(
            Transaction.objects.order_by("kartra_id").values_list(
                "kartra_id", "type", "full_amount", "parent_kartra_id", "product__name", "lead", "reported", "at"
            )
        ),
        "plans": RecurringSubscription.objects.count(),
        "catalogue": set(Tag.objects.filter(name="VIP").values_list("name", flat=True)),
    }


def forget():
    Delivery.objects.all().delete()
    Transaction.objects.all().delete()
    ApiCall.objects.all().delete()
    Lead.objects.all().delete()


def told(order, dropped, doubled):
    """The five in this order, without the one, with the other once more at its end."""
    left = [number for number in order if number != dropped]
    return left if doubled == dropped else [*left, doubled]


@pytest.mark.parametrize("first", range(5))
def test_every_order_of_the_story_ends_in_the_same_rows(connection, story, first):
    endpoint = WebhookEndpointFactory(connection=connection)
    chance = random.Random(first)
    as_it_was = tuple(range(5))
    expected = None
    for order in [as_it_was, *(each for each in itertools.permutations(range(5)) if each[0] == first)]:
        dropped, doubled = chance.choice(DROPS)
        for number in told(order, dropped, doubled):
            DeliveryFactory(endpoint=endpoint, body=story[number])
        receive.drain()
        lead = Lead.objects.get()
        assert lead.dirty_at is not None

        assert refresh.read_lead(connection, lead=lead).applied
        transactions.read(connection, lead)

        found = rows()
        assert Lead.objects.get().dirty_at is None
        found["money"] = [(*row[:5], row[5] is not None, *row[6:]) for row in found["money"]]
        expected = expected or found
        assert found == expected, (order, dropped, doubled)
        forget()
    assert expected["tags"] == set()
    assert expected["lists"] == {"Buyers": True}
    assert [(row[1], row[6]) for row in expected["money"]] == [("sale", False), ("refund", False)]


def test_every_order_without_reads_never_doubles_or_unpays(connection, story):
    """Before any read: one lead, each transaction once, the refund beside its sale; nothing was deleted."""
    endpoint = WebhookEndpointFactory(connection=connection)
    for order in itertools.permutations((2, 0, 3, 4)):
        for number in (*order, *order):
            DeliveryFactory(endpoint=endpoint, body=story[number])
        receive.drain()

        kinds = sorted(Transaction.objects.values_list("type", "reported"))
        assert kinds == [("refund", True), ("sale", True)], order
        assert Lead.objects.count() == 1
        forget()


def test_replaying_everything_twice_changes_nothing(connection, story):
    endpoint = WebhookEndpointFactory(connection=connection)
    for number in (0, 2, 1, 4, 3, 0, 2):
        DeliveryFactory(endpoint=endpoint, body=story[number])
    receive.drain()
    Lead.objects.update(dirty_at=None, read_at=timezone.now())

    from tests.rows import everything

    before = everything()
    for _ in range(2):
        changed = [applied.changed for _, applied in receive.replay(Delivery.objects.all())]
        assert changed == [[]] * 7
    assert everything() == before
