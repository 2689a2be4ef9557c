"""Somebody who has an address posts to it as fast as they can: what is stored is bounded, over all processes, and pages answer."""

import json
import threading

import pytest
from django.db.models import Sum

from integrations import receive
from integrations.models import Delivery, WebhookHour
from leads.models import Lead
from tests.abuse.web import Web, ask
from tests.factories import LeadFactory, WebhookEndpointFactory
from tests.processes import wait_until

MOST = 200
POSTS, CLIENTS = 500, 4
NEWCOMERS = 50


@pytest.fixture
def web(transactional_db, tmp_path):
    server = Web(tmp_path, WEBHOOK_MESSAGES_PER_HOUR=str(MOST), WEB_WORKERS="2")
    yield server
    server.stop()


def refused(hours):
    """What was refused, as far as it is written down: once a second at most."""
    return hours.aggregate(sum=Sum("refused"))["sum"]


def test_flood_of_invented_people_is_bounded_and_pages_answer(web, settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY, settings.WEBHOOK_NEW_LEADS_SHARE = NEWCOMERS, 0.0
    endpoint, other = WebhookEndpointFactory(), WebhookEndpointFactory()
    real = LeadFactory(account=endpoint.connection.account, kartra_id="5", email="ada@example.com")
    statuses = []

    def flood(first):
        for number in range(first, POSTS, CLIENTS):
            told = {"action": "assign_tag", "action_details": {"tag": {"tag_name": "VIP"}}}
            body = json.dumps({**told, "lead": {"id": str(10_000 + number), "email": f"eve{number}@example.net"}})
            statuses.append(ask(web.port, f"/webhooks/{endpoint.token}/", "POST", body.encode(), 20.0)[0])

    clients = [threading.Thread(target=flood, args=(first,)) for first in range(CLIENTS)]
    for client in clients:
        client.start()
    waits = []
    while any(client.is_alive() for client in clients):
        status, seconds = ask(web.port, "/healthz", timeout=20.0)
        assert status == 200
        waits.append(seconds)
    taken = ask(web.port, f"/webhooks/{other.token}/", "POST", b'{"action": "video_play", "lead": {"id": "5"}}')[0]
    for _ in range(POSTS):
        if not receive.drain():
            break

    stored = Delivery.objects.filter(endpoint=endpoint)
    hours = WebhookHour.objects.filter(endpoint=endpoint)
    assert (taken, set(statuses)) == (200, {200, 429})
    assert MOST <= stored.count() <= (MOST + 10) * hours.count()  # two processes that write down every other message
    assert stored.count() == statuses.count(200)
    assert Lead.objects.exclude(pk=real.pk).filter(account=endpoint.connection.account).count() == NEWCOMERS
    assert stored.filter(status="held").count() == stored.count() - NEWCOMERS
    assert sorted(waits)[len(waits) // 2] < 1.0
    wait_until(lambda: ask(web.port, f"/webhooks/{endpoint.token}/", "POST", b"{}")[0] == 429 and refused(hours) > 0)
