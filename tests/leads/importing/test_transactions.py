"""Kartra's transactions export: what was missing is added and counted by type, what was reported is confirmed."""

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from leads import forgotten, mirror
from leads.erasure import forget
from leads.importing import CannotImport, words
from leads.models import Activity, ImportKind, Lead, Source, Transaction
from leads.models.remarks import sentence_of
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db

HEADER = "Transaction ID,Type,Date,Amount,Product,Lead ID,Email,Parent ID,Subscription ID\n"


@pytest.fixture
def load_money(load):
    return lambda text, mapping=None, **options: load(HEADER + text, mapping, ImportKind.TRANSACTIONS, **options)


def test_missing_ones_are_added_and_counted_by_type(load_money, account):
    lead = LeadFactory(account=account, kartra_id="5", email="ada@example.com")

    result = load_money(
        '70001,Sale,02/11/2026 14:05,"$1,019.00",Course,5,ada@example.com,0,N/A\n'
        "70002,Rebill,02/12/2026,19.00,Course,5,ada@example.com,,8001\n"
        "70003,Partial Refund,02/13/2026,(9.50),Course,,ADA@example.com,70001,\n"
        "70004,Request Can.,02/14/2026,,Course,,ada@example.com,,\n"
        "70005,Sale,02/15/2026,5,Course,,ada@example.com,,\n"
    )

    assert result.numbers == (5, 5, 0, 0, 0)
    assert words.outcome(result.job) == (
        "5 rows: 2 sales, 1 partial refund, 1 rebill and 1 of type “Request Can.” missing, added; "
        "0 corrected, 0 known already, 0 bad."
    )
    rows = {row.kartra_id: row for row in Transaction.objects.select_related("product", "subscription")}
    sale, rebill, refund = rows["70001"], rows["70002"], rows["70003"]
    assert (sale.type, sale.full_amount, sale.lead, sale.product.name) == ("sale", Decimal("1019.00"), lead, "Course")
    assert sale.at == dt.datetime(2026, 2, 11, 19, 5, tzinfo=dt.UTC)
    assert rebill.subscription.kartra_id == "8001"
    assert (refund.type, refund.full_amount, refund.parent_kartra_id, refund.lead) == (
        "partial_refund",
        Decimal("-9.50"),
        "70001",
        lead,
    )
    assert rows["70004"].type == "Request Can."
    assert not any(row.reported for row in rows.values())
    assert Activity.objects.filter(lead=lead, kind="payment_sale", source="import").count() == 2


def test_the_same_file_again_adds_nothing(load_money):
    text = "70001,Sale,2026-02-11,19.00,Course,5,ada@example.com,,8001\n70002,Refund,2026-02-12,19,Course,5,,70001,\n"
    load_money(text)
    before = list(Transaction.objects.order_by("pk").values())

    result = load_money(text)

    assert result.numbers == (2, 0, 0, 2, 0)
    assert words.outcome(result.job) == "2 rows: nothing was missing; 0 corrected, 2 known already, 0 bad."
    assert list(Transaction.objects.order_by("pk").values()) == before
    assert Activity.objects.filter(kind="payment_sale").count() == 1


def test_dry_run_counts_the_same_and_writes_nothing(load_money):
    text = "70001,Sale,2026-02-11,19.00,Course,5,ada@example.com,,8001\n70002,Sale,no date,19,Course,5,,70001,\n"
    result = load_money(text, dry_run=True)
    assert result.numbers == (2, 1, 0, 0, 1)
    assert "1 sale missing, would be added" in words.outcome(result.job)
    assert not Transaction.objects.exists()
    assert not Lead.objects.exists()


def test_what_was_only_reported_is_confirmed_and_corrected(load_money, account):
    lead = LeadFactory(account=account, kartra_id="5", email="ada@example.com")
    hint = mirror.TransactionFact("70001", type="sale", full_amount=Decimal("1"), product="Course")
    mirror.set_transaction(account, hint, source=Source.WEBHOOK, at=timezone.now(), lead=lead)

    result = load_money("70001,Sale,2026-02-11,19.00,Course,5,,,\n")

    assert result.numbers == (1, 0, 1, 0, 0)
    row = Transaction.objects.get()
    assert (row.full_amount, row.reported) == (Decimal("19.00"), False)
    assert Activity.objects.filter(kind="payment_sale").count() == 1


def test_refund_before_its_sale_makes_a_stub_that_the_sale_fills(load_money):
    load_money("70002,Refund,2026-02-12,19,Course,5,a@example.com,70001,\n")
    assert Transaction.objects.get(kartra_id="70001").type == ""

    result = load_money("70001,Sale,2026-02-11,19.00,Course,5,a@example.com,,\n")

    assert result.created == 1
    assert Transaction.objects.get(kartra_id="70001").full_amount == Decimal("19.00")


def test_what_is_not_told_is_left_as_it_is(load, load_money):
    load_money("70001,Sale,2026-02-11,19.00,Course,5,a@example.com,,8001\n")
    load("Transaction ID,Quantity\n70001,2\n", None, ImportKind.TRANSACTIONS)
    row = Transaction.objects.get()
    assert (row.type, row.full_amount, row.quantity, row.product.name) == ("sale", Decimal("19.00"), 2, "Course")


def test_lead_nobody_knew_is_made_and_due_to_be_read_and_two_of_one_address_are_not_guessed_between(
    load_money, account
):
    LeadFactory(account=account, kartra_id="8", email="two@example.com")
    LeadFactory(account=account, kartra_id="9", email="two@example.com")

    result = load_money("1,Sale,,5,,77,new@example.com,,\n2,Sale,,5,,,two@example.com,,\n3,Sale,,5,,,,,\n")

    assert result.job.counts["new_leads"] == 1
    made = Lead.objects.get(kartra_id="77")
    assert (made.email, made.dirty_at is not None) == ("new@example.com", True)
    assert dict(Transaction.objects.values_list("kartra_id", "lead")) == {"1": made.pk, "2": None, "3": None}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (",Sale,,5,,,,,", "no transaction id"),
        ("7.00E+04,Sale,,5,,,,,", "shortened"),
        ("1,Sale,never,5,,,,,", "cannot be read"),
        ("1,Sale,,1.234,,,,,", "two ways"),
        ("1,Sale,,ten,,,,,", "no amount"),
        ("1,Sale,,99999999999,,,,,", "too large"),
        ("1,Sale,,5,,,nobody,,", "not an email"),
        (f"1,{'x' * 40},,5,,,,,", "longer than 32"),
        (f"{'1' * 40},,,,,,,,", "is none"),
        ("1,Sale\0,,,,,,,", "no text"),
        ("0,Sale,,,,,,,", "no transaction id"),
    ],
)
def test_bad_row_is_set_aside_with_the_reason(load_money, row, why):
    result = load_money(f"{row}\n9,Sale,,5,,,,,\n")
    [(line, reason)] = result.rejects
    assert line == 2
    assert why in reason
    assert list(Transaction.objects.values_list("kartra_id", flat=True)) == ["9"]


def test_column_of_the_id_is_needed(load):
    with pytest.raises(CannotImport, match='--map id="<header>"'):
        load("Email,Amount\na@example.com,5\n", None, ImportKind.TRANSACTIONS)


def test_batches_cost_the_same_queries_for_more_rows(load_money, django_assert_max_num_queries):
    rows = "".join(f"{n},Sale,2026-02-11,5,Course {n % 9},{n % 200 + 1},,,{n % 50 + 1}\n" for n in range(1, 1001))
    with django_assert_max_num_queries(90):
        load_money(rows)
    with django_assert_max_num_queries(40):
        assert load_money(rows).unchanged == 1000


def test_nothing_of_people_who_asked_to_be_forgotten_comes_in(load_money, account):
    forget.forget(LeadFactory(account=account, kartra_id="5", email="ada@example.com"))
    result = load_money("1,Sale,,5,Course,,ADA@example.com,,\n2,Sale,,5,Course,5,,,\n3,Sale,,5,Course,6,,,\n")
    assert result.rejects == [(2, sentence_of(forgotten.REMARK)), (3, sentence_of(forgotten.REMARK))]
    assert list(Transaction.objects.values_list("kartra_id", flat=True)) == ["3"]


def test_line_of_a_sale_names_the_amount_with_its_currency(account):
    lead = LeadFactory(account=account, email="ada@example.com")
    told = {"transaction_id": "7", "transaction_full_amount": "97.00", "currency": "SEK", "product_name": "Course"}
    line = Activity(account=account, lead=lead, kind="payment_sale", details=told)
    assert line.label == "paid: Course, 97.00 SEK, transaction 7"
