"""Charges of a lead by order: what was taken, came back, failed, and what may have been charged twice."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from leads import orders as charges
from leads.models import Product, RecurringSubscription, Transaction
from tests.factories import AccountFactory, LeadFactory

pytestmark = pytest.mark.django_db

AT = timezone.now().replace(microsecond=0) - dt.timedelta(days=30)


@pytest.fixture
def lead():
    return LeadFactory(account=AccountFactory())


@pytest.fixture
def course(lead):
    return Product.objects.create(account=lead.account, name="Course")


def charge(lead, id, type, amount=None, *, minutes=0, **more):
    return Transaction.objects.create(
        account=lead.account,
        lead=lead,
        kartra_id=id,
        type=type,
        at=AT + dt.timedelta(minutes=minutes),
        full_amount=None if amount is None else Decimal(amount),
        **more,
    )


def told(orders):
    return [[(each.row.kartra_id, each.effect, each.twins) for each in order.charges] for order in orders]


def test_refund_stands_with_its_sale_and_a_failed_try_apart(lead, course):
    charge(lead, "1", "sale", "97.00", product=course)
    charge(lead, "2", "failed", "97.00", product=course, minutes=3)
    charge(lead, "3", "partial_refund", "20.00", parent_kartra_id="1", minutes=10)

    orders = charges.orders_of(lead)

    assert told(orders) == [[("3", "returned", []), ("1", "taken", [])], [("2", "failed", [])]]
    assert [(o.taken, o.returned, o.product) for o in orders] == [
        (Decimal("97.00"), Decimal("20.00"), "Course"),
        (Decimal(0), Decimal(0), "Course"),
    ]
    assert [each.all_back for each in orders[0].charges] == [False, False]


def test_all_of_it_came_back_in_parts(lead, course):
    charge(lead, "1", "sale", "97.00", product=course)
    charge(lead, "2", "partial_refund", "-20.00", parent_kartra_id="1")
    charge(lead, "3", "chargeback", "77.00", parent_kartra_id="1")

    [order] = charges.orders_of(lead)

    assert [each.row.kartra_id for each in order.charges if each.all_back] == ["1"]
    assert order.returned == Decimal("97.00")


def test_payments_of_a_plan_are_one_order_however_kartra_names_it(lead, course):
    plan = RecurringSubscription.objects.create(account=lead.account, lead=lead, kartra_id="8", product=course)
    charge(lead, "1", "sale", "29.00", product=course, subscription=plan)
    charge(lead, "2", "rebill", "29.00", product=course, subscription=plan, minutes=43_200)
    charge(lead, "3", "failed", "29.00", product=course, subscription=plan, minutes=86_400)
    charge(lead, "4", "rebill", "29.00", raw={"original_id": "1"}, minutes=90_000)
    charge(lead, "5", "refund", "29.00", parent_kartra_id="2", minutes=90_001)

    [order] = charges.orders_of(lead)

    assert [each.row.kartra_id for each in order.charges] == ["5", "4", "3", "2", "1"]
    assert (order.plan, order.taken, order.returned) == (plan, Decimal("87.00"), Decimal("29.00"))


@pytest.mark.parametrize(
    ("second", "marked"),
    [
        ({"minutes": 24 * 60}, True),
        ({"minutes": 24 * 60 + 1}, False),
        ({"amount": "97.01"}, False),
        ({"type": "failed"}, False),
        ({"type": "rebill"}, True),
        ({"amount": None}, False),
        ({"other": True}, False),
    ],
)
def test_same_product_and_amount_within_24_hours_is_marked(lead, course, second, marked):
    product = Product.objects.create(account=lead.account, name="Other") if second.get("other") else course
    charge(lead, "1", "sale", "97.00", product=course)
    charge(
        lead,
        "2",
        second.get("type", "sale"),
        second.get("amount", "97.00"),
        product=product,
        minutes=second.get("minutes", 5),
    )

    twins = {each.row.kartra_id: each.twins for order in charges.orders_of(lead) for each in order.charges}

    assert twins == ({"1": ["2"], "2": ["1"]} if marked else {"1": [], "2": []})


def test_products_that_nobody_told_are_no_match(lead):
    charge(lead, "1", "sale", "97.00")
    charge(lead, "2", "sale", "97.00")

    assert [each.twins for order in charges.orders_of(lead) for each in order.charges] == [[], []]


@pytest.mark.parametrize(
    "more",
    [
        {"parent_kartra_id": "1"},
        {"parent_kartra_id": "2"},
        {"raw": {"original_id": "1"}},
        {"raw": {"original_id": "x"}},
        {"raw": []},
        {"raw": {"original_id": ["1"]}},
        {"raw": {"original_id": "²"}},
        {"raw": {"original_id": "9" * 5000}},
    ],
)
def test_what_names_itself_or_nonsense_is_an_order_all_the_same(lead, more):
    """A transaction that is its own parent, two that name each other, keys of another type."""
    charge(lead, "1", "odd", "5.00", **more)
    charge(lead, "2", "", parent_kartra_id="1")

    orders = charges.orders_of(lead)

    assert sorted(each.row.kartra_id for order in orders for each in order.charges) == ["1", "2"]
    assert {each.effect for order in orders for each in order.charges} == {"none"}


def test_unknown_amounts_are_said_to_be_unknown(lead):
    charge(lead, "1", "sale")

    [order] = charges.orders_of(lead)

    assert order.untold
    assert order.taken == 0


def test_orders_cost_one_query(lead, course, django_assert_num_queries):
    plan = RecurringSubscription.objects.create(account=lead.account, lead=lead, kartra_id="8", product=course)
    for number in range(30):
        charge(lead, str(100 + number), "rebill", "5.00", product=course, subscription=plan, minutes=number * 2000)

    with django_assert_num_queries(1):
        [order] = charges.orders_of(lead)
        assert (order.product, order.plan.kartra_id, len(order.charges)) == ("Course", "8", 30)
