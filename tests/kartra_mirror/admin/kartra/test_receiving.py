"""Addresses and messages in the admin: new addresses, silence, and applying again, each for those who may."""

import datetime as dt
import json

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations import receive
from integrations.models import Delivery, WebhookHour
from leads.models import Lead, LeadTag
from tests.factories import DeliveryFactory, StaffFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

TAG = {"action": "assign_tag", "action_details": {"tag": {"tag_name": "VIP"}}, "lead": {"id": "5"}}


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory(name="Shop", ipn_secret="hush-hush")


def as_user(client, *codenames):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return client


def do(client, endpoint, what):
    return client.post(
        reverse("admin:integrations_webhookendpoint_do", args=[endpoint.pk, what]), follow=True
    ).content.decode()


def test_new_address_and_the_end_of_the_old_one(staff, endpoint):
    first = endpoint.outbound_url
    page = do(staff, endpoint, "rotate")
    endpoint.refresh_from_db()
    assert "There is a new address." in page
    assert first in page
    assert endpoint.outbound_url in page
    assert "The old address got no message since then." in page

    DeliveryFactory(endpoint=endpoint, old_address=True)
    assert "the old address still got messages" in staff.get(endpoint.get_absolute_url()).content.decode()
    assert "retire the old address first" in do(staff, endpoint, "rotate")

    assert "The old address is retired" in do(staff, endpoint, "retire-old")
    page = staff.get(endpoint.get_absolute_url()).content.decode()
    assert first not in page
    assert endpoint.outbound_url in page


def test_address_is_changed_by_a_post_of_those_who_may(client, endpoint):
    url = reverse("admin:integrations_webhookendpoint_do", args=[endpoint.pk, "rotate"])
    before = endpoint.token

    assert (
        as_user(client, "view_webhookendpoint", "change_webhookendpoint", "see_webhook_addresses").post(url).status_code
        == 403
    )
    assert as_user(client, "view_webhookendpoint", "rotate_webhookendpoint").get(url).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.token == before
    page = client.get(endpoint.get_absolute_url()).content.decode()
    assert endpoint.token not in page
    assert "Make a new address" in page
    client.post(url)
    endpoint.refresh_from_db()
    assert endpoint.token != before


def test_page_never_shows_the_secret_and_says_what_it_means(staff, endpoint):
    page = staff.get(endpoint.get_absolute_url()).content.decode()
    assert "A secret key is stored" in page
    assert "hush-hush" not in page


def test_one_message_is_applied_again_from_its_page(staff, endpoint):
    delivery = DeliveryFactory(endpoint=endpoint, body=json.dumps(TAG).encode())
    receive.drain()
    LeadTag.objects.all().delete()
    assert "Apply again" in staff.get(delivery.get_absolute_url()).content.decode()

    page = staff.post(reverse("admin:integrations_delivery_again", args=[delivery.pk]), follow=True).content.decode()

    assert "1 message was applied again; 1 changed something. assign_tag" in page
    assert LeadTag.objects.exists()
    page = staff.post(reverse("admin:integrations_delivery_again", args=[delivery.pk]), follow=True).content.decode()
    assert "nothing changed: our copy had it all." in page
    assert page.count("changed nothing") == 1
    assert page.count(": tag VIP added") >= 1


def test_selected_messages_are_applied_again_few_at_once_and_many_by_the_worker(staff, endpoint, notified):
    for number in range(30):
        DeliveryFactory(endpoint=endpoint, body=json.dumps({**TAG, "lead": {"id": str(number + 1)}}).encode())
    receive.drain()
    LeadTag.objects.all().delete()
    url = reverse("admin:integrations_delivery_changelist")
    chosen = list(Delivery.objects.values_list("pk", flat=True)[:3])

    page = staff.post(url, {"action": "apply_again", "_selected_action": chosen}, follow=True).content.decode()
    assert "3 messages were applied again; 3 changed something." in page
    assert LeadTag.objects.count() == 3

    given = {"action": "apply_again", "_selected_action": chosen, "select_across": "1"}
    page = staff.post(url + "?status__exact=applied", given, follow=True).content.decode()
    assert "30 messages are queued to be applied again." in page
    assert Delivery.objects.waiting().count() == 30
    receive.drain()
    assert LeadTag.objects.count() == 30


def test_applying_again_needs_its_permission(client, endpoint):
    delivery = DeliveryFactory(endpoint=endpoint, body=json.dumps(TAG).encode())
    receive.drain()
    as_user(client, "view_delivery")

    assert client.post(reverse("admin:integrations_delivery_again", args=[delivery.pk])).status_code == 403
    given = {"action": "apply_again", "_selected_action": [delivery.pk]}
    client.post(reverse("admin:integrations_delivery_changelist"), given)
    delivery.refresh_from_db()
    assert delivery.replays == []
    assert "Apply again" not in client.get(delivery.get_absolute_url()).content.decode()


def test_equal_bodies_are_marked_and_secrets_hidden(staff, endpoint):
    bodies = [b"lead_id=5&secret_key=hush-hush&transaction_id=1", json.dumps({"secret_key": "hush-hush"}).encode()]
    first, *_ = [DeliveryFactory(endpoint=endpoint, channel="ipn", body=bodies[0], digest="d" * 64) for _ in range(2)]
    DeliveryFactory(endpoint=endpoint, channel="ipn", body=bodies[1])
    DeliveryFactory(
        endpoint=endpoint, body=b'--B\r\nContent-Disposition: form-data; name="secret_key"\r\n\r\nhush-hush\r\n--B--'
    )

    page = staff.get(reverse("admin:integrations_delivery_changelist")).content.decode()

    assert page.count(f"message {first.pk}</a>") == 1
    for delivery in Delivery.objects.all():
        page = staff.get(delivery.get_absolute_url()).content.decode()
        assert "hush-hush" not in page
        assert "(hidden)" in page


@pytest.mark.parametrize("number", [3, 30])
def test_list_of_messages_costs_the_same_whatever_its_length(staff, endpoint, number, django_assert_max_num_queries):
    for each in range(number):
        DeliveryFactory(
            endpoint=endpoint, body=json.dumps({**TAG, "lead": {"id": str(each + 1)}}).encode(), digest="e" * 64
        )
    receive.drain()
    with django_assert_max_num_queries(16):
        assert staff.get(reverse("admin:integrations_delivery_changelist")).status_code == 200


# --- an address that somebody else had


def discard(endpoint):
    return reverse("admin:integrations_webhookendpoint_discard", args=[endpoint.pk])


def an_hour_ago():
    return f"{timezone.localtime() - dt.timedelta(hours=1):%Y-%m-%dT%H:%M}"


def test_what_is_discarded_is_shown_first_and_then_taken_back(staff, endpoint, notified):
    DeliveryFactory(endpoint=endpoint, body=json.dumps(TAG).encode())
    receive.drain()
    assert "Somebody else had this address…" in staff.get(endpoint.get_absolute_url()).content.decode()
    assert "Make a new address first" in staff.get(discard(endpoint)).content.decode()

    shown = staff.get(discard(endpoint), {"since": an_hour_ago()}).content.decode()
    assert "1 message since" in shown
    assert "1 of them is known only from these messages" in shown
    assert LeadTag.objects.exists()

    page = staff.post(discard(endpoint), {"since": an_hour_ago()}, follow=True).content.decode()
    assert "1 message is being discarded" in page
    assert "1 is still to undo" in page
    receive.drain()
    assert not Lead.objects.exists()
    page = staff.get(endpoint.get_absolute_url()).content.decode()
    assert "still to be taken back" not in page
    assert LogEntry.objects.filter(object_id=endpoint.pk, change_message__contains="Discarded what came since").exists()
    assert (
        "discarded: what it changed is undone" in staff.get(Delivery.objects.get().get_absolute_url()).content.decode()
    )


@pytest.mark.parametrize("since", ["", "yesterday", "2999-01-01T00:00", "2026-13-40T00:00", "0001-01-01T00:00"])
def test_bad_time_discards_nothing(staff, endpoint, since):
    DeliveryFactory(endpoint=endpoint, status="waiting")

    answer = staff.post(discard(endpoint), {"since": since}, follow=True)

    assert answer.status_code == 200
    if not since.startswith("0001"):
        assert Delivery.objects.get().status == "waiting"


def test_discarding_is_for_those_who_may_change_addresses(client, endpoint):
    DeliveryFactory(endpoint=endpoint)
    user = as_user(client, "view_webhookendpoint", "change_webhookendpoint", "replay_delivery")

    assert user.get(discard(endpoint)).status_code == 403
    assert user.post(discard(endpoint), {"since": an_hour_ago()}).status_code == 403
    assert Delivery.objects.get().status == "waiting"


def test_home_names_what_is_refused_and_held(staff, endpoint):
    WebhookHour.objects.create(endpoint=endpoint, hour=timezone.now(), refused=1200)
    DeliveryFactory.create_batch(2, endpoint=endpoint, status="held", applied_at=timezone.now())

    page = staff.get(reverse("admin:index")).content.decode()

    assert "1,200" in page
    assert "refused since yesterday: too many came" in page
    assert "messages about new people are held, after many others that day: did Kartra" in page
