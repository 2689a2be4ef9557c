"""Kartra's message comes while our call is still in flight, and then its answer is lost."""

import json

import pytest
from django.utils import timezone

from integrations import push, receive
from integrations.models import Attempt, Delivery
from integrations.push import send, verify
from leads import kinds
from leads.models import CalendarEnrollment
from tests.factories import DeliveryFactory, WebhookEndpointFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

CLASS = {"calendar": "Coaching", "class": "Intro call"}


def told_of(booking, lead):
    details = {
        "calendar_name": booking["calendar"],
        "class_name": booking["class"],
        "calendar_subscription_id": booking["id"],
        "vendor_timezone": "America/New_York",
        "events": [{"event_date": booking["when"], "event_duration": 60}],
    }
    who = {"id": lead.kartra_id, "email": lead.email}
    return json.dumps({"action": "calendar_subscribe", "action_details": {"calendar": details}, "lead": who}).encode()


@pytest.mark.parametrize("safety_field", ["", "mirror_receipt"], ids=["without a safety field", "with a safety field"])
def test_booking_is_proven_by_the_message_that_was_quicker_than_its_lost_answer(
    sandbox, connection, monkeypatch, safety_field
):
    if safety_field:
        sandbox.act("create_custom_field", name=safety_field, doc={"type": "input_field", "options": []})
        type(connection).objects.update(receipt_field=safety_field)
        connection.refresh_from_db()
    endpoint = WebhookEndpointFactory(connection=connection)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    day = {"date": f"{timezone.now().year + 1}-02-16", "hour": "15:00"}
    change = record_change(lead, kinds.get_kind("subscribe_calendar"), {**CLASS, **day})
    sandbox.fault("carried out, then dropped", cmd="calendar_subscribe")
    record = send.write_down

    def told_first(*given):
        DeliveryFactory(endpoint=endpoint, body=told_of(sandbox.lead(lead.kartra_id)["bookings"][0], lead))
        receive.drain()
        record(*given)

    monkeypatch.setattr(send, "write_down", told_first)
    push.drain(connection, until_s=2)
    Attempt.objects.unclear().update(verify_at=timezone.now())
    connection.refresh_from_db()
    verify.drain(connection, until_s=2)

    change.refresh_from_db()
    assert (change.status, change.reason) == ("accepted", "")
    assert CalendarEnrollment.objects.count() == 1
    assert len(sandbox.lead(lead.kartra_id)["bookings"]) == 1


def test_nobody_is_asked_about_a_booking_while_the_messages_that_came_since_wait_to_be_applied(sandbox, connection):
    endpoint = WebhookEndpointFactory(connection=connection)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    day = {"date": f"{timezone.now().year + 1}-02-16", "hour": "15:00"}
    change = record_change(lead, kinds.get_kind("subscribe_calendar"), {**CLASS, **day})
    sandbox.fault("carried out, then dropped", cmd="calendar_subscribe")
    push.drain(connection, until_s=2)
    DeliveryFactory(endpoint=endpoint, body=told_of(sandbox.lead(lead.kartra_id)["bookings"][0], lead))
    Delivery.objects.update(received_at=Attempt.objects.get().call.sent_at)
    connection.refresh_from_db()

    for _ in range(5):
        Attempt.objects.unclear().update(verify_at=timezone.now())
        verify.drain(connection, until_s=2)
    change.refresh_from_db()
    looked = change.status
    receive.drain()

    change.refresh_from_db()
    assert (looked, change.status) == ("unknown", "accepted")
