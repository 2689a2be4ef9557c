"""Words that say no more than is known, and none that do not fit what somebody did."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from integrations.sending import switch
from kartra_mirror.admin.queue.decisions import advice
from leads import kinds
from leads.models import Transaction
from tests.factories import AccountFactory, ConnectionFactory, LeadChangeFactory, LeadFactory

pytestmark = pytest.mark.django_db


def test_lead_whose_transactions_were_read_is_not_sent_to_read_them(admin_client):
    lead = LeadFactory(orders_read_at=None)
    assert (
        "older ones come with “Update transactions”"
        in admin_client.get(lead.get_absolute_url(), {"tab": "money"}).content.decode()
    )

    lead.orders_read_at = timezone.make_aware(dt.datetime(2026, 11, 12, 10, 30))
    lead.save()

    page = admin_client.get(lead.get_absolute_url(), {"tab": "money"}).content.decode()
    assert "older ones come with" not in page
    assert page.count("Kartra had none on 12 Nov 2026 10:30.") == 2


def test_nobody_who_typed_no_text_is_told_to_change_it():
    text = LeadChangeFactory(kind="update_lead", parameters={"company": "<b>"}, status="undecided", reason="firewall")
    listed = LeadChangeFactory(
        kind="subscribe_list",
        parameters={"list": "Buyers"},
        family="list:Buyers",
        status="undecided",
        reason="firewall",
    )
    assert "change it and ask again" in advice(text)
    assert "text" not in advice(listed)


def test_warning_of_a_list_says_what_was_typed_not_the_text(admin_client):
    connection = ConnectionFactory(sending="on")
    lead = LeadFactory(account=connection.account)
    page = admin_client.post(lead.get_absolute_url(), {"company": "<b>", "do": "save"}).content.decode()
    assert "or change the text" not in page


def test_answer_that_cannot_be_used_is_not_called_unreachable():
    connection = ConnectionFactory(sending="on", failures=2, hold_until=timezone.now() + dt.timedelta(seconds=9))
    assert switch.why_not_sending(connection).startswith(
        f"No usable answer from Kartra for {connection.name} (2 times in a row)."
    )


def test_amounts_on_the_money_pages_have_their_currency_and_one_minus(admin_client):
    lead = LeadFactory()
    told = {"account": lead.account, "lead": lead, "reported": False, "currency": "EUR"}
    sale = Transaction.objects.create(kartra_id="880001", type="sale", full_amount="1299.00", at=timezone.now(), **told)
    Transaction.objects.create(
        kartra_id="880002",
        type="partial_refund",
        full_amount="-299.00",
        parent_kartra_id="880001",
        at=timezone.now(),
        **told,
    )

    page = admin_client.get(lead.get_absolute_url(), {"tab": "money"}).content.decode()
    refund = admin_client.get(reverse("admin:leads_transaction_refund", args=[sale.pk])).content.decode()

    assert "−299.00 EUR" in page
    assert "−-" not in page
    assert "the remaining 1,000.00 EUR" in refund


def test_hour_that_is_passed_over_is_refused_and_one_that_comes_twice_is_warned_of(capsys):
    account = AccountFactory(time_zone="America/New_York")
    ConnectionFactory(account=account)
    lead = LeadFactory(account=account)
    given = {"calendar": "Coaching", "class": "Intro call"}
    year = timezone.now().year + 1
    skipped = next(d for d in (dt.date(year, 3, n) for n in range(8, 15)) if d.weekday() == 6)
    doubled = next(d for d in (dt.date(year, 11, n) for n in range(1, 8)) if d.weekday() == 6)
    kind = kinds.get_kind("subscribe_calendar")

    with pytest.raises(kinds.BadParameters, match=f"{skipped} 02:30 does not exist in Kartra's time"):
        kind.clean(account, {**given, "date": str(skipped), "hour": "02:30"})
    call_command(
        "change",
        "subscribe_calendar",
        "--lead",
        lead.kartra_id,
        "--set",
        "calendar=Coaching",
        "--set",
        "class=Intro call",
        "--set",
        f"date={doubled}",
        "--set",
        "hour=01:30",
        "--dry-run",
    )

    assert f"{doubled} 01:30 comes twice" in (printed := capsys.readouterr().err)
    assert "05:30 and 06:30 UTC" in printed
    assert kinds.warnings({**given, "date": str(doubled), "hour": "03:30"}, account) == []
