"""Messages applied again: idempotent, against what is known now, in order of arrival, saying what they changed."""

import datetime as dt
import io
import json
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import receive
from integrations.models import Delivery
from leads import mirror
from leads.models import Lead, LeadTag, Source, Transaction
from leads.models.remarks import sentence_of
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory
from tests.rows import everything

pytestmark = pytest.mark.django_db

LEAD = {"id": "50417", "email": "mara.lind@example.com", "first_name": "Mara"}

CALENDAR = {
    "calendar_name": "Coaching",
    "class_name": "Intro call",
    "calendar_subscription_id": "5150",
    "vendor_timezone": "America/Detroit",
    "events": [{"event_date": "2026-07-09 10:00", "event_duration": "60"}],
}

LEVEL = {"membership_id": "4", "membership_name": "Club", "level_id": "2", "level_name": "Gold"}


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory(ipn_secret="right")


def event(endpoint, action, details=None, lead=None, *, received_at=None):
    body = json.dumps(
        {"action": action, "action_details": details or {}, "lead": LEAD if lead is None else lead}
    ).encode()
    more = {"received_at": received_at} if received_at else {}
    return DeliveryFactory(endpoint=endpoint, body=body, **more)


def payment(endpoint, **fields):
    given = {"lead_id": "50417", "lead_email": LEAD["email"], "secret_key": "right", **fields}
    return DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(given).encode())


def replayed(*deliveries):
    return [
        list(map(sentence_of, applied.changed))
        for _, applied in receive.replay(Delivery.objects.filter(pk__in=[d.pk for d in deliveries]))
    ]


def test_every_kind_told_again_changes_nothing(endpoint):
    """Opposites, several profiles, money in the wrong order: all of it again, in one go and one by one."""
    event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, {**LEAD, "city": "Bend", "member_id": "1"})
    event(endpoint, "unassign_tag", {"tag": {"tag_name": "VIP"}}, {**LEAD, "city": "Salem", "member_id": "2"})
    event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, {**LEAD, "city": ""})
    event(endpoint, "list_subscription", {"list": {"list_name": "Buyers"}})
    event(endpoint, "list_unsubscription", {"list": {"list_name": "Buyers"}})
    event(endpoint, "sequence_subscription", {"sequence": {"sequence_name": "Welcome"}})
    event(endpoint, "sequence_completion", {"sequence": {"sequence_name": "Welcome"}})
    event(endpoint, "sequence_unsubscription", {"sequence": {"sequence_name": "Welcome"}})
    event(endpoint, "membership_granted", {"membership": LEVEL})
    event(endpoint, "membership_revoked", {"membership": LEVEL})
    event(endpoint, "membership_granted", LEVEL)
    event(endpoint, "calendar_subscribe", {"calendar": CALENDAR})
    event(endpoint, "calendar_cancel", {"calendar": CALENDAR})
    event(endpoint, "calendar_subscribe", {"calendar": {**CALENDAR, "calendar_subscription_id": ""}})
    event(endpoint, "calendar_cancel", {"calendar": {**CALENDAR, "calendar_subscription_id": ""}})
    event(
        endpoint,
        "buy_product",
        {"transaction_details": {"transaction_id": 7, "transaction_full_amount": 97.0, "product_name": "A"}},
    )
    payment(
        endpoint,
        transaction_id="8",
        transaction_type="refund",
        transaction_parent_id="7",
        transaction_full_amount="97.00",
    )
    payment(
        endpoint,
        transaction_id="7",
        transaction_type="sale",
        transaction_full_amount="95.00",
        transaction_internal_subscription_id="81",
    )
    payment(
        endpoint,
        transaction_id="7",
        transaction_type="sale",
        transaction_full_amount="97.00",
        transaction_internal_subscription_id="81",
    )
    payment(endpoint, transaction_id="9", transaction_type="cancellation", transaction_internal_subscription_id="81")
    payment(endpoint, transaction_type="sale")
    payment(endpoint, transaction_id="10", transaction_type="sale", secret_key="wrong")
    event(endpoint, "brand_new_thing", {"x": 1}, {**LEAD, "city": "Reno"})
    event(endpoint, "filled_form", {"tag": {"form_id": 4}})
    event(endpoint, "buy_product", {"transaction_details": {"buyer_email": "old@example.com", "price": "5"}}, lead={})
    event(endpoint, "assign_tag", {}, lead={})
    receive.drain(until_s=120)
    statuses = list(Delivery.objects.order_by("pk").values_list("status", flat=True))
    first_changed = list(Delivery.objects.order_by("pk").values_list("changed", flat=True))
    before = everything()

    for _ in range(2):
        assert [each for each in replayed(*Delivery.objects.all()) if each] == []
    for delivery in Delivery.objects.order_by("-pk"):
        assert replayed(delivery) == [[]], delivery

    assert everything() == before
    assert list(Delivery.objects.order_by("pk").values_list("status", flat=True)) == statuses
    assert list(Delivery.objects.order_by("pk").values_list("changed", flat=True)) == first_changed
    assert {len(replays) for replays in Delivery.objects.values_list("replays", flat=True)} == {3}


def test_one_that_failed_before_is_made_good(endpoint, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setitem(receive.HANDLERS, "assign_tag", broken)
        delivery = event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}})
        receive.drain()

    assert replayed(delivery) == [["new to us", "tag VIP added"]]

    delivery.refresh_from_db()
    assert (delivery.status, delivery.reason) == ("applied", {})
    assert list(map(sentence_of, delivery.changed)) == ["new to us", "tag VIP added"]
    assert LeadTag.objects.get().tag.name == "VIP"


@pytest.mark.parametrize("newer", ["a read", "a later message", "our own change"])
def test_newer_words_stand_against_an_old_message(endpoint, newer):
    lead = LeadFactory(
        account=endpoint.connection.account, kartra_id="50417", email=LEAD["email"], first_name="Mara", read_at=None
    )
    delivery = event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, {**LEAD, "city": "Bend"})
    receive.drain()
    now = timezone.now()
    if newer == "a read":
        facts = mirror.LeadFacts("50417", {"city": "Salem"}, tags=frozenset())
        mirror.apply_facts(
            lead.account, facts, source=Source.REFRESH, at=now, lead=Lead.objects.get(), read_began_at=now
        )
    elif newer == "a later message":
        event(endpoint, "unassign_tag", {"tag": {"tag_name": "VIP"}}, {**LEAD, "city": "Salem"})
        receive.drain()
    else:
        LeadChangeFactory(lead=lead, kind="unassign_tag", status="accepted", settled_at=now)
        LeadChangeFactory(
            lead=lead, kind="update_lead", parameters={"city": "Salem"}, status="accepted", settled_at=now
        )
        mirror.set_tag(lead, "VIP", False, source=Source.PUSH, at=now)
        Lead.objects.update(city="Salem")
    Lead.objects.update(dirty_at=None)

    assert replayed(delivery) == [[]]

    assert not LeadTag.objects.exists()
    assert (Lead.objects.get().city, Lead.objects.get().dirty_at) == ("Salem", None)


def test_old_message_does_not_bring_a_deleted_lead_back(endpoint):
    delivery = event(endpoint, "kartra_page_visit")
    receive.drain()
    lead = Lead.objects.get()
    mirror.mark_gone(lead, "deleted", timezone.now(), source=Source.REFRESH)

    assert replayed(delivery) == [[]]
    lead.refresh_from_db()
    assert lead.gone_at is not None

    event(endpoint, "kartra_page_visit")
    receive.drain()
    lead.refresh_from_db()
    assert (lead.gone_at, lead.dirty_at is None) == (None, False)


def test_payments_refused_for_a_mistyped_secret_are_made_good(endpoint):
    endpoint.ipn_secret = "rihgt"
    endpoint.save()
    payment(endpoint, transaction_id="7", transaction_type="sale")
    receive.drain()
    assert not Transaction.objects.exists()
    endpoint.ipn_secret = "right"
    endpoint.save()

    assert run("--failed", "ipn sale").endswith("1 message applied again (1 applied); 1 changed something.\n")
    assert Transaction.objects.get().reported is False


def test_many_are_put_back_for_the_worker_and_say_afterwards_what_they_changed(endpoint):
    delivery = event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}})
    receive.drain()
    LeadTag.objects.all().delete()

    assert receive.ask_again(Delivery.objects.all(), by="ada") == 1
    assert receive.ask_again(Delivery.objects.all(), by="bob") == 0
    delivery.refresh_from_db()
    assert (delivery.status, delivery.applied_at) == ("waiting", None)
    assert receive.drain() == 1

    delivery.refresh_from_db()
    assert delivery.status == "applied"
    assert list(map(sentence_of, delivery.changed)) == ["new to us", "tag VIP added"]
    assert [(each["by"], sentence_of(each["changed"])) for each in delivery.replays] == [("ada", "tag VIP added")]


def run(*args, **options):
    out = io.StringIO()
    call_command("apply_deliveries", *args, stdout=out, **options)
    return out.getvalue()


def test_command_replays_by_id_since_and_by_kind_of_failure(endpoint):
    old = event(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, received_at=timezone.now() - dt.timedelta(days=3))
    bad = event(endpoint, "assign_tag", {}, {"id": "50417"})
    junk = DeliveryFactory(endpoint=endpoint, body=b"\xff\xfe")
    receive.drain()
    LeadTag.objects.all().delete()
    Lead.objects.update(read_at=None)

    assert run() == "0 messages applied.\n"
    assert f"{bad.pk}: quarantined, nothing changed (The message names no tag.)" in run(
        "--failed", "assign_tag", "--replay", str(bad.pk)
    )
    assert json.loads(run("--failed", "--json"))["applied_again"] == 2
    assert json.loads(run("--failed", "unreadable", "--json"))["messages"][0]["id"] == junk.pk
    assert json.loads(run("--since", "2d", "--json"))["changed_something"] == 0
    out = run("--since", str((timezone.now() - dt.timedelta(days=4)).date()))
    assert f"{old.pk}: applied, tag VIP added\n" in out
    assert "3 messages applied again (2 quarantined, 1 applied); 1 changed something." in out
    with pytest.raises(CommandError, match="There is no message 999999"):
        run("--replay", "999999")
    with pytest.raises(CommandError, match="invalid time value: 'yesterday'"):
        run("--since", "yesterday")
