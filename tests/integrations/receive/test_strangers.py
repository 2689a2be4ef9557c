"""A message may be anybody's who has the address: how many people it may bring, and what it may never do by itself."""

import datetime as dt
import json
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from integrations import receive
from integrations.models import Connection, Delivery, WebhookHour
from integrations.read import deletions, refresh
from leads.models import GoneReason, Lead, LeadEmail, LeadTag, Transaction
from leads.models.remarks import sentence_of
from tests.factories import DeliveryFactory, LeadFactory, WebhookEndpointFactory


def told(endpoint, lead, action="assign_tag"):
    body = {"action": action, "action_details": {"tag": {"tag_name": "VIP"}}, "lead": lead}
    return DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())


def sale(endpoint, number, **more):
    fields = {
        "transaction_id": str(number),
        "transaction_type": "sale",
        "transaction_full_amount": "10.00",
        "lead_id": str(number),
        "lead_email": f"buyer{number}@example.com",
        **more,
    }
    return DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(fields).encode())


@pytest.fixture
def few(settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY, settings.WEBHOOK_NEW_LEADS_SHARE = 3, 0.0


# --- how many new ones


@pytest.mark.django_db
def test_new_leads_beyond_a_day_are_held_and_known_ones_are_not(few):
    endpoint = WebhookEndpointFactory()
    known = LeadFactory(account=endpoint.connection.account, kartra_id="900")
    for number in range(1, 7):
        told(endpoint, {"id": str(number)})
    told(endpoint, {"id": "900"})

    receive.drain()

    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == [
        *["applied"] * 3,
        *["held"] * 3,
        "applied",
    ]
    assert set(Lead.objects.values_list("kartra_id", flat=True)) == {"1", "2", "3", "900"}
    assert known.leadtags.exists()
    assert WebhookHour.objects.get().new_leads == 3
    held = Delivery.objects.held().first()
    assert sentence_of(held.reason).startswith("It is about a new person, and 3 others came")


@pytest.mark.django_db
def test_what_is_held_is_applied_when_a_person_says_so(few):
    endpoint = WebhookEndpointFactory()
    for number in range(1, 7):
        told(endpoint, {"id": str(number)})
    receive.drain()

    assert receive.ask_again(Delivery.objects.held(), by="ada") == 3
    receive.drain()

    assert set(Delivery.objects.values_list("status", flat=True)) == {"applied"}
    assert Lead.objects.count() == LeadTag.objects.count() == 6


@pytest.mark.django_db
def test_each_address_has_a_day_of_its_own_and_the_day_passes(few):
    endpoints = [WebhookEndpointFactory(), WebhookEndpointFactory()]
    for number in range(1, 5):
        for endpoint in endpoints:
            told(endpoint, {"id": str(number)})
    receive.drain()
    assert Delivery.objects.held().count() == 2
    WebhookHour.objects.update(hour=timezone.now() - dt.timedelta(hours=25))

    told(endpoints[0], {"id": "10"})
    receive.drain()

    assert Delivery.objects.held().count() == 2
    assert Lead.objects.filter(kartra_id="10").exists()


@pytest.mark.django_db
def test_a_large_account_may_grow_by_a_share(settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY, settings.WEBHOOK_NEW_LEADS_SHARE = 1, 0.1
    endpoint = WebhookEndpointFactory()
    LeadFactory.create_batch(40, account=endpoint.connection.account)
    for number in range(1001, 1011):
        told(endpoint, {"id": str(number)})

    receive.drain()

    assert Lead.objects.filter(kartra_id__startswith="10").count() == 4
    assert Delivery.objects.held().count() == 6


@pytest.mark.django_db
@pytest.mark.parametrize(("secret", "held"), [("right", 0), (None, 2)])
def test_payments_with_the_right_secret_are_never_held(few, secret, held):
    endpoint = WebhookEndpointFactory(ipn_secret="right")
    for number in range(1, 6):
        sale(endpoint, number, **({"secret_key": secret} if secret else {}))

    receive.drain()

    assert Delivery.objects.held().count() == held
    assert Transaction.objects.count() == Lead.objects.count() == 5 - held


# --- addresses


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["eve@example.net", " EVE@example.net ", "ada@exаmple.com"])
def test_message_never_changes_an_email_but_asks_for_a_read(email):
    endpoint = WebhookEndpointFactory()
    soon = timezone.now() + dt.timedelta(days=1)
    lead = LeadFactory(
        account=endpoint.connection.account, kartra_id="5", email="ada@example.com", read_not_before=soon
    )

    delivery = told(endpoint, {"id": "5", "email": email, "first_name": "Eve"})
    receive.drain()

    lead.refresh_from_db()
    delivery.refresh_from_db()
    assert (lead.email, lead.first_name, lead.read_not_before) == ("ada@example.com", "Eve", None)
    assert lead.dirty_at is not None
    assert not LeadEmail.objects.filter(email_key="eve@example.net").exists()
    words = [each if isinstance(each, str) else sentence_of(each) for each in delivery.changed]
    assert "another email address; we update the lead before we change ours" in words


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("channel", ["outbound", "ipn"])
@pytest.mark.parametrize("by_id", [True, False])
def test_address_that_a_message_told_is_ours_once_kartra_agrees(sandbox, connection, by_id, channel):
    connection.get_lead_by_id = by_id
    connection.save()
    sandbox.switch(get_lead_by_id=by_id)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("change_email", lead=lead.kartra_id, to="ada@example.net")
    endpoint = WebhookEndpointFactory(connection=connection)
    if channel == "outbound":
        told(endpoint, {"id": lead.kartra_id, "email": "ada@example.net"})
    else:
        sale(endpoint, 7, lead_id=lead.kartra_id, lead_email="ada@example.net")
    receive.drain()

    refresh.drain(connection)

    lead.refresh_from_db()
    assert lead.email == "ada@example.net"


@pytest.mark.django_db(transaction=True)
def test_forged_address_comes_to_nothing(sandbox, connection):
    connection.get_lead_by_id = False
    connection.save()
    sandbox.switch(get_lead_by_id=False)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.mirrored_lead(connection, "bo@example.com")
    for email in ("bo@example.com", "nobody@example.net"):
        told(WebhookEndpointFactory(connection=connection), {"id": lead.kartra_id, "email": email})
        receive.drain()
        refresh.drain(connection)

    lead.refresh_from_db()
    assert (lead.email, lead.gone_at) == ("ada@example.com", None)
    assert lead.read_at > timezone.now() - dt.timedelta(minutes=1)


# --- reading goes on


@pytest.mark.django_db(transaction=True)
def test_invented_leads_do_not_stop_the_reading(sandbox, connection):
    for number in range(5):
        sandbox.mirrored_lead(connection, f"real{number}@example.com")
    endpoint = WebhookEndpointFactory(connection=connection)
    for number in range(40):
        told(endpoint, {"id": str(880_000 + number), "email": f"no{number}@example.net"})
    while receive.drain():
        pass

    while refresh.drain(connection):
        pass

    connection.refresh_from_db()
    assert connection.reads_stopped_at is None
    assert Lead.objects.filter(email__startswith="real", gone_at=None).count() == 5
    assert Lead.objects.hearsay().exclude(gone_at=None).count() == 40


@pytest.mark.django_db
def test_reading_with_the_keys_of_another_account_stops_though_only_messages_told_of_the_leads(connection):
    at = timezone.now()
    for number in range(deletions.FEW + 1):
        lead = LeadFactory(account=connection.account, known_from="webhook", read_at=None, kartra_id=str(number + 1))
        deletions.found(lead, connection, GoneReason.NOT_FOUND, at)

    assert deletions.classify(connection, all_read=True)

    assert Connection.objects.get().reads_stopped_at is not None
