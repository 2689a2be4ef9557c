"""The page of one connection: speed, what came from Kartra and what has gone silent, the queue, and its last stops."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations.models import SendingStop
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory

pytestmark = pytest.mark.django_db


def test_page_says_what_comes_what_is_silent_and_what_is_queued(staff, connection):
    now = timezone.now()
    endpoint = connection.endpoints.create(name="Kartra")
    for day in range(60, 50, -1):
        DeliveryFactory(endpoint=endpoint, action="assign_tag", received_at=now - dt.timedelta(days=day))
    DeliveryFactory(endpoint=endpoint, action="buy_product", received_at=now)
    LeadChangeFactory(lead=LeadFactory(account=connection.account))
    SendingStop.objects.create(connection=connection, stopped_by="person", why="Lunch", began_at=now, ended_at=now)

    page = " ".join(staff.get(connection.get_absolute_url()).content.decode().split())

    silent, arriving = page.index(">Silent<"), page.index(">Arriving<")
    assert page.index("assign_tag") < silent < page.index("buy_product") < arriving
    assert "24 kinds of event have never come" in page
    assert "1 change </dd>" in page
    assert "A person: Lunch" in page
    assert "Calls per hour" in page
    assert "Stop sending…" in page


def test_page_counts_in_as_many_queries_however_much_came(staff, connection, django_assert_max_num_queries):
    endpoint = connection.endpoints.create(name="Kartra")
    for number in range(30):
        DeliveryFactory(endpoint=endpoint, action=f"kind {number}", received_at=timezone.now())

    with django_assert_max_num_queries(45):
        assert staff.get(connection.get_absolute_url()).status_code == 200
