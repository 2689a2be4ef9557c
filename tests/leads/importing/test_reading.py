"""How cells are read: the order of dates over a whole column, what separates names, currencies, shortened numbers."""

import pytest

from leads import orders
from leads.importing import CannotImport, words
from leads.models import ImportKind, Lead, LeadTag, Tag, Transaction
from tests.factories import LeadFactory, TagFactory

pytestmark = pytest.mark.django_db

SALES = "Transaction ID,Transaction type,Date,Product,Amount,Lead email,Parent ID,Currency\n"


@pytest.fixture
def sales(load):
    def loaded(rows, **how):
        return load(SALES + rows, kind=ImportKind.TRANSACTIONS, **how)

    return loaded


def days():
    return {row.kartra_id: f"{row.at:%m-%d}" for row in Transaction.objects.all()}


def test_order_of_dates_is_decided_over_the_whole_column(sales):
    result = sales(
        "1,Sale,05/11/2026,Course,5.00,,,\n2,Sale,03/10/2026,Course,5.00,,,\n3,Sale,25/10/2026,Course,5.00,,,\n"
    )
    assert days() == {"1": "11-05", "2": "10-03", "3": "10-25"}
    assert words.remarks(result.job) == ["Dates have the day first: 05/11/2026 in line 2 is 5 Nov 2026."]


def test_order_that_the_column_does_not_show_is_said(sales):
    result = sales("1,Sale,05/11/2026 10:00,Course,5.00,,,\n")
    assert days() == {"1": "05-11"}
    assert words.remarks(result.job) == ["Dates have the month first: 05/11/2026 10:00 in line 2 is 11 May 2026."]
    assert words.remarks(sales("2,Sale,05/05/2026,Course,5.00,,,\n").job) == []


def test_column_that_shows_both_orders_asks_and_what_does_not_fit_is_bad(sales):
    rows = "1,Sale,25/10/2026,Course,5.00,,,\n2,Sale,10/26/2026,Course,5.00,,,\n"
    with pytest.raises(CannotImport, match=r"25/10/2026 in line 2 .* 10/26/2026 in line 3"):
        sales(rows)
    assert not Transaction.objects.exists()

    result = sales(rows, day_first=True)
    assert [line for line, _why in result.rejects] == [3]
    assert days() == {"1": "10-25"}


def test_doubled_hours_are_counted_and_skipped_ones_refused(sales):
    result = sales("1,Sale,2026-11-01 01:30,Course,5.00,,,\n2,Sale,2026-03-08 02:30,Course,5.00,,,\n")
    assert [line for line, _why in result.rejects] == [3]
    assert "does not exist in America/New_York" in result.rejects[0][1]
    assert words.remarks(result.job) == [
        "1 date lies in the hour that the clocks of America/New_York show twice; the first is taken."
    ]


def test_currencies_by_code_sign_and_column(sales):
    result = sales(
        '1,Sale,2026-10-01,Kurs,"1 299,00 kr",,,\n2,Sale,2026-10-01,Kurs,"₹1,00,000.00",,,\n3,Sale,2026-10-01,Kurs,"R$ 49,90",,,\n'
        '4,Sale,2026-10-01,Kurs,CHF 1’299.00,,,\n5,Sale,2026-10-01,Kurs,"zł 49,00",,,\n6,Sale,2026-10-01,Kurs,$5.00,,,cad\n'
        "7,Sale,2026-10-01,Kurs,5.00,,,\n8,Sale,2026-10-01,Kurs,5.00,,,quatloo\n"
    )

    told = {row.kartra_id: (str(row.full_amount), row.currency) for row in Transaction.objects.all()}
    assert told == {
        "1": ("1299.00", "kr"),
        "2": ("100000.00", "INR"),
        "3": ("49.90", "BRL"),
        "4": ("1299.00", "CHF"),
        "5": ("49.00", "PLN"),
        "6": ("5.00", "CAD"),
        "7": ("5.00", ""),
    }
    assert result.rejects == [(9, "The currency “quatloo” is not known.")]
    [remark] = words.remarks(result.job)
    assert remark.startswith("1 amount is in “kr”, which may be DKK, ISK, NOK, SEK")


def test_sign_of_several_currencies_is_the_one_that_was_said_or_the_accounts(sales):
    sales('1,Sale,2026-10-01,Kurs,"1 299,00 kr",,,\n', currency="sek")
    sales('2,Sale,2026-10-01,Kurs,"99,00 kr",,,\n')
    sales("3,Sale,2026-10-01,Kurs,$99.00,,,\n")  # no kronor

    assert dict(Transaction.objects.values_list("kartra_id", "currency")) == {"1": "SEK", "2": "SEK", "3": "$"}
    with pytest.raises(CannotImport, match="not the code of one currency"):
        sales("4,Sale,2026-10-01,Kurs,5.00,,,\n", currency="kr")


def test_refund_written_with_a_minus_is_given_back_once(sales, account):
    lead = LeadFactory(account=account, email="ben.lind1@example.org")
    sales(
        '880001,Sale,2026-11-05 10:00,Course,"1.299,00 €",ben.lind1@example.org,,\n'
        '880002,Partial refund,2026-11-07 09:00,Course,"-299,00 €",ben.lind1@example.org,880001,\n'
    )

    [order] = orders.orders_of(lead)

    assert [charge.amount for charge in order.charges] == ["−299.00 EUR", "1,299.00 EUR"]
    assert (order.taken_words, order.returned_words) == ("1,299.00 EUR", "299.00 EUR")


def test_shortened_phone_is_a_bad_row(load):
    result = load("Email,First name,Phone\nphone.one@example.com,Pho,4.47912E+11\n")
    assert result.numbers == (1, 0, 0, 0, 1)
    assert "a spreadsheet has shortened it" in result.rejects[0][1]


def test_one_cell_of_several_names_makes_no_tag_without_asking(load, account):
    TagFactory(account=account, name="Smith, Bo")
    text = 'Email,Tags\na@example.com,"newsletter, VIP"\nb@example.com,"""VIP"",""buyer"""\nc@example.com,"Smith, Bo"\n'

    result = load(text)

    assert [line for line, _why in result.rejects] == [2]
    assert "separated by ; (semicolons)" in result.rejects[0][1]
    assert "--separator" in result.rejects[0][1]
    assert not Tag.objects.filter(name__contains="newsletter").exists()
    assert set(LeadTag.objects.values_list("lead__email", "tag__name")) == {
        ("b@example.com", "VIP"),
        ("b@example.com", "buyer"),
        ("c@example.com", "Smith, Bo"),
    }


@pytest.mark.parametrize(
    ("separator", "tags"),
    [(",", {"newsletter", "VIP"}), (";", {"newsletter, VIP"}), ("|", {"newsletter, VIP"})],
)
def test_separator_that_was_said(load, separator, tags):
    load('Email,Tags\na@example.com,"newsletter, VIP"\n', separator=separator)
    assert set(LeadTag.objects.values_list("tag__name", flat=True)) == tags


def test_tag_with_a_space_at_its_end_is_the_known_one(load, account):
    TagFactory(account=account, name="Trail ")
    load("Email,Tags\nnt1@example.com,Trail \nnt2@example.com,trail\n")
    assert set(LeadTag.objects.values_list("lead__email", "tag__name")) == {
        ("nt1@example.com", "Trail "),
        ("nt2@example.com", "trail"),
    }
    assert Lead.objects.count() == 2
