"""What stands in a cell: dates of all kinds, numbers, amounts, names; never guessed where it can be read in two ways."""

import zoneinfo
from decimal import Decimal

import pytest

from leads.importing import currencies, values
from leads.importing.values import Bad

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-02-11 14:05:09", "2026-02-11T19:05:09"),
        ("2026-07-11 14:05:09", "2026-07-11T18:05:09"),
        ("2026-02-11", "2026-02-11T05:00:00"),
        ("2026-02-11T14:05:09Z", "2026-02-11T14:05:09"),
        ("2026-11-01 01:30:00-05:00", "2026-11-01T06:30:00"),
        ("2026-02-11 14:05", "2026-02-11T19:05:00"),
        ("2026/02/11", "2026-02-11T05:00:00"),
        ("02/11/2026", "2026-02-11T05:00:00"),
        ("2/11/26 2:05 PM", "2026-02-11T19:05:00"),
        ("11.02.2026 14:05", "2026-02-11T19:05:00"),
        ("11 Feb 2026", "2026-02-11T05:00:00"),
        ("February 11, 2026 12:00 am", "2026-02-11T05:00:00"),
        ("Wed, 11 Feb 2026 14:05:09", "2026-02-11T19:05:09"),
        ("11th February 2026", "2026-02-11T05:00:00"),
        ("2026-02-11 14:05:09.123", "2026-02-11T19:05:09.123000"),
    ],
)
def test_dates_of_all_kinds(cell, moment):
    assert values.moment(cell, NEW_YORK).at.isoformat() == f"{moment}+00:00"


def test_days_first_where_it_is_said():
    assert values.moment("02/11/2026", NEW_YORK, day_first=True).at.date().isoformat() == "2026-11-02"
    assert (values.order_of("13/02/2026"), values.order_of("02/13/2026"), values.order_of("02/03/2026")) == (
        True,
        False,
        None,
    )


@pytest.mark.parametrize("cell", ["", "N/A", "0000-00-00 00:00:00", "0000-00-00"])
def test_no_date(cell):
    assert values.moment(cell, NEW_YORK) is None


@pytest.mark.parametrize(
    "cell",
    [
        "yesterday",
        "2026-02-30",
        "31/31/2026",
        "45123.5",
        "1700000000",
        "9999-12-31",
        "0001-01-01",
        "25:00",
        "2026-02-11 25:00",
        "٢٠٢٦-٠٢-١١",
        "1/2/3/4",
        "13 PM",
        "11 Smarch 2026",
        "2026-02-11 13:00 PM",
    ],
)
def test_bad_dates(cell):
    with pytest.raises(Bad, match="cannot be read"):
        values.moment(cell, NEW_YORK)


@pytest.mark.parametrize(
    ("cell", "amount"),
    [
        ("19.99", "19.99"),
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("$1,234", "1234.00"),
        ("12,5", "12.50"),
        ("(12.00)", "-12.00"),
        ("-12", "-12.00"),
        ("USD 7", "7.00"),
        ("7 €", "7.00"),
        ("1 234,50", "1234.50"),
        ("0.125", "0.13"),
        ("19.990000000000002", "19.99"),
        ("'1", "1.00"),
        ("9999999999.99", "9999999999.99"),
        ("-$5.00", "-5.00"),
    ],
)
def test_amounts(cell, amount):
    assert values.amount(cell.lstrip("'")).number == Decimal(amount)


@pytest.mark.parametrize(
    "cell", ["1.234", "NaN", "Infinity", "1e9", "12.3.4.5", "ten", "1" * 400, "99999999999", "--5", "٣"]
)
def test_amount_that_is_none_or_could_be_two_is_bad(cell):
    with pytest.raises(Bad):
        values.amount(cell)


@pytest.mark.parametrize(
    ("cell", "number"), [("7", 7), ("-5", -5), ("1,000", 1000), ("7.0", 7), ("", None), ("N/A", None)]
)
def test_numbers(cell, number):
    assert values.whole(cell) == number


@pytest.mark.parametrize("cell", ["many", "1" * 300, "2147483648", "1.5", "0x10", "1_000", "٣"])
def test_bad_numbers(cell):
    with pytest.raises(Bad, match="no number"):
        values.whole(cell)


def test_names_between_semicolons():
    assert values.names("VIP; cold ;VIP;;  ") == ("VIP", "cold")
    assert values.names(r"a\;b;c\\;d\e;'=cmd") == ("a;b", "c\\", "d\\e", "=cmd")


@pytest.mark.parametrize(
    ("cell", "number", "currency"),
    [
        ("1\u00a0299,00 kr", "1299.00", "kr"),
        ("1 299,00 kr", "1299.00", "kr"),
        ("₹1,00,000.00", "100000.00", "₹"),
        ("R$ 49,90", "49.90", "R$"),
        ("CHF 1’299.00", "1299.00", "CHF"),
        ("zł 49,00", "49.00", "zł"),
        ("1’299.00", "1299.00", ""),
        ("-299,00 €", "-299.00", "€"),
        ("€ -299,00", "-299.00", "€"),
        ("299.00-", "-299.00", ""),
        ("−299.00", "-299.00", ""),
        ("(€ 12,00)", "-12.00", "€"),
        ("49.00 USD", "49.00", "USD"),
        ("US$ 49.00", "49.00", "US$"),
        ("1.299.000", "1299000.00", ""),
        ("12 345.60 Kč", "12345.60", "Kč"),
        ("0.125", "0.13", ""),
        ("kr. 49,00", "49.00", "kr"),
    ],
)
def test_amounts_with_their_currencies(cell, number, currency):
    assert values.amount(cell) == values.Amount(Decimal(number), currency)


@pytest.mark.parametrize("cell", ["49,00 quatloos", "0,500", "1.299E+03", "12 34", "1,2,3", "5 € 6", "- 5 -", "€"])
def test_amount_of_no_known_currency_or_form_is_bad(cell):
    with pytest.raises(values.Bad):
        values.amount(cell)


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("kr", {"SEK", "NOK", "DKK", "ISK"}),
        ("$", {"USD", "CAD", "AUD"}),
        ("¥", {"JPY", "CNY"}),
        ("zł", {"PLN"}),
        ("₹", {"INR"}),
        ("R$", {"BRL"}),
        ("eur", {"EUR"}),
        ("USD $", {"USD"}),
        ("€", {"EUR"}),
    ],
)
def test_what_signs_mean(text, some):
    assert some <= currencies.meanings(text)
    assert (len(some) == 1) == (len(currencies.meanings(text)) == 1)


def test_hours_that_summer_time_passes_over_or_shows_twice():
    with pytest.raises(values.Bad, match="does not exist in America/New_York"):
        values.moment("2027-03-14 02:30", NEW_YORK)
    assert values.moment("2027-11-07 01:30", NEW_YORK).doubled
    assert not values.moment("2027-11-07 03:30", NEW_YORK).doubled
    assert not values.moment("2027-11-07 01:30:00-05:00", NEW_YORK).doubled
    beirut = zoneinfo.ZoneInfo("Asia/Beirut")  # there midnight itself is passed over; a day without an hour is that day
    assert values.moment("2027-03-28", beirut).at.astimezone(beirut).date().isoformat() == "2027-03-28"


@pytest.mark.parametrize(
    ("cell", "is_it"),
    [
        ("4.47912E+11", True),
        ("4,47912E+11", True),
        ("5E+10", True),
        ("447912000000", False),
        ("1E5", False),
        ("E+5", False),
    ],
)
def test_number_that_a_spreadsheet_has_shortened(cell, is_it):
    assert values.is_shortened(cell) is is_it
