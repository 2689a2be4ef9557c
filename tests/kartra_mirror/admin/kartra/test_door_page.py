"""The page of an address: how Kartra is told of it, and which of Kartra's events came."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations.kartra.notices import EVENTS
from integrations.models import WebhookEndpoint
from tests.factories import DeliveryFactory

pytestmark = pytest.mark.django_db(transaction=True)


# --- 20: events


def test_endpoint_page_has_the_three_steps_and_every_event(staff, connection):
    endpoint = WebhookEndpoint.objects.create(connection=connection, name="Shop")
    DeliveryFactory(endpoint=endpoint, action="assign_tag", status="applied", applied_at=timezone.now())
    DeliveryFactory(endpoint=endpoint, channel="ipn", action="ipn sale", status="applied", applied_at=timezone.now())

    answer = staff.get(reverse("admin:integrations_webhookendpoint_change", args=[endpoint.pk]))

    page = answer.content.decode()
    assert page.count("<li>") >= 3
    assert "Integrations &gt; My API &gt; Outbound API" in page
    assert endpoint.outbound_url in page
    events = answer.context["events"]
    assert len(events) == len(EVENTS) + 1
    assert {kind.name for kind, _ in events if kind.last_at} == {"assign_tag", "ipn"}
    assert page.count("never seen") == 24
