"""Which kinds of message never came, and which stopped, each against its own past."""

import datetime as dt
import io
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations.kartra.notices import EVENTS
from integrations.receive import missing_events
from tests.factories import DeliveryFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(hour=12)


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory(name="Kartra")


def came(endpoint, action, *days_ago, status="applied", channel="outbound"):
    for days in days_ago:
        at = NOW - dt.timedelta(days=days)
        DeliveryFactory(endpoint=endpoint, action=action, status=status, channel=channel, received_at=at, applied_at=at)


def kinds(endpoint):
    return {kind.name: kind for kind in missing_events.kinds_of(endpoint.pk, NOW)}


def test_every_documented_kind_has_never_come_to_a_new_endpoint(endpoint):
    found = kinds(endpoint)
    assert len(found) == len(EVENTS) + 1
    assert all(kind.never and not kind.stopped and kind.sentence == "has never come" for kind in found.values())


@pytest.mark.parametrize(
    ("days_ago", "stopped"),
    [
        (range(10), False),
        (range(2, 12), False),
        (range(3, 13), True),
        ([5, 8, 11, 14, 17], False),  # every third day: five days are no silence yet
        ([7, 10, 13, 16, 19], True),
        ([3, 4, 7, 8, 9], False),  # its longest pause was three days
        ([8, 9, 12, 13, 14], True),
        ([20, 21, 22], False),  # too few days to tell
        ([5], False),
        ([5] * 50, False),  # many at once are one day
    ],
    ids=range(10),
)
def test_silence_is_measured_against_the_longest_pause_before(endpoint, days_ago, stopped):
    came(endpoint, "assign_tag", *days_ago)
    assert kinds(endpoint)["assign_tag"].stopped is stopped


def test_kinds_are_told_apart_and_payment_messages_are_one(endpoint):
    came(endpoint, "assign_tag", 5, 6, 7, 8)
    came(endpoint, "list_subscription", 0, 1, 2, 3)
    came(endpoint, "ipn sale", 6, 7, channel="ipn")
    came(endpoint, "ipn rebill", 8, 9, channel="ipn")
    came(endpoint, "assign_tag", 0, status="refused")
    came(WebhookEndpointFactory(), "assign_tag", 0)
    came(endpoint, "brand_new", 0)

    found = kinds(endpoint)

    assert {name for name, kind in found.items() if kind.stopped} == {"assign_tag", "ipn"}
    assert found["assign_tag"].sentence == (
        "has stopped: silent for 5 days; before, it came on 4 days, never more than 1 day apart"
    )
    assert not found["brand_new"].documented


def test_status_says_what_never_came_and_what_stopped(endpoint):
    came(endpoint, "assign_tag", 5, 6, 7, 8)
    out, raw = io.StringIO(), io.StringIO()

    call_command("status", stdout=out)
    call_command("status", "--json", stdout=raw)

    assert "    assign_tag has stopped: silent for" in out.getvalue()
    assert "never seen: buy_product, " in out.getvalue()
    told = json.loads(raw.getvalue())["connections"][0]["doors"][0]
    assert set(told["stopped"]) == {"assign_tag"}
    assert "assign_tag" not in told["never"]
    assert "ipn" in told["never"]
    assert told["old_address_since"] is None


def test_numbers_are_asked_in_two_queries(endpoint, django_assert_num_queries):
    for action in ("assign_tag", "list_subscription", "video_play"):
        came(endpoint, action, 1, 2, 3)
    with django_assert_num_queries(2):
        missing_events.kinds_of(endpoint.pk)


@pytest.mark.parametrize(("seconds", "late"), [(5, False), (300, True)])
def test_status_says_that_delivery_is_delayed(endpoint, seconds, late):
    DeliveryFactory(endpoint=endpoint, received_at=timezone.now() - dt.timedelta(seconds=seconds))
    out = io.StringIO()
    call_command("status", stdout=out)
    assert "messages not applied yet: 1, the oldest came" in out.getvalue()
    assert ("Delivery is delayed" in out.getvalue()) is late
