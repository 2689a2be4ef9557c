"""What a stranger sent is taken back: the mirror is as it was, save what somebody else told meanwhile."""

import datetime as dt
import json
import random
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from integrations import receive
from integrations.models import Delivery, DeliveryStatus, Secret
from integrations.receive import discard
from leads import mirror
from leads.mirror import LeadFacts
from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadTag,
    ListSubscription,
    MembershipGrant,
    RecurringSubscription,
    SequenceEnrollment,
    Source,
    Transaction,
)
from tests.factories import DeliveryFactory, LeadChangeFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

TABLES = (
    Lead,
    LeadTag,
    ListSubscription,
    SequenceEnrollment,
    MembershipGrant,
    CalendarEnrollment,
    Transaction,
    RecurringSubscription,
    Activity,
)
OURS = {
    "id",
    "dirty_at",
    "orders_due_at",
    "changed_seq",
    "changed_xid",
    "read_not_before",
    "first_seen_at",
    "activity_id",
}
"""Columns that say how fresh our copy is, or which row it is."""


def state(account):
    """Everything the mirror says, by table."""
    rows = {}
    for model in TABLES:
        path = "account" if model.account_path == "account" else "lead__account"
        names = [each.attname for each in model._meta.concrete_fields if each.attname not in OURS]
        rows[model.__name__] = sorted(map(repr, model.objects.filter(**{path: account}).values_list(*names)))
    return rows


DETAILS = {
    "assign_tag": {"tag": {"tag_name": "VIP"}},
    "unassign_tag": {"tag": {"tag_name": "VIP"}},
    "list_subscription": {"list": {"list_name": "News"}},
    "list_unsubscription": {"list": {"list_name": "News"}},
    "sequence_subscription": {"sequence": {"sequence_name": "Welcome"}},
    "sequence_unsubscription": {"sequence": {"sequence_name": "Welcome"}},
    "sequence_completion": {"sequence": {"sequence_name": "Welcome"}},
    "membership_granted": {"membership": {"membership_name": "Club", "level_name": "Gold"}},
    "membership_revoked": {"membership": {"membership_name": "Club", "level_name": "Gold"}},
    "calendar_subscribe": {
        "calendar": {
            "calendar_name": "Talks",
            "class_name": "Ask me",
            "calendar_subscription_id": 81,
            "vendor_timezone": "America/Detroit",
            "events": [{"event_date": "2026-12-01 10:00", "event_duration": 30}],
        }
    },
    "calendar_cancel": {
        "calendar": {
            "calendar_name": "Talks",
            "class_name": "Ask me",
            "calendar_subscription_id": 81,
            "calendar_subscription_status": "Cancelled",
            "events": [{"event_date": "2026-12-01 10:00", "event_duration": 30}],
        }
    },
    "filled_form": {"tag": {"form_id": 3, "form_name": "Free book"}},
    "buy_product": {
        "transaction_details": {
            "transaction_id": 9001,
            "transaction_type": "sale",
            "product_name": "Course",
            "product_id": 4,
            "transaction_full_amount": 49.5,
            "transaction_date": "2026-11-01 10:00:00",
        }
    },
    "refund_product": {
        "transaction_details": {
            "transaction_id": 9002,
            "transaction_type": "refund",
            "transaction_parent_id": 9001,
            "product_name": "Course",
            "transaction_full_amount": 49.5,
        }
    },
    "cancel_subscription": {
        "transaction_details": {
            "transaction_id": 9003,
            "transaction_type": "cancellation",
            "transaction_internal_subscription_id": 77,
            "product_name": "Plan",
        }
    },
}
EVENTS = list(DETAILS)


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory()


@pytest.fixture
def account(endpoint):
    return endpoint.connection.account


def known(account, number):
    """A lead that was read long ago, with a tie of each sort."""
    at = timezone.now() - dt.timedelta(days=3)
    facts = LeadFacts(
        kartra_id=str(number),
        fields={"email": f"lead{number}@example.com", "first_name": "Ada", "city": "Bend"},
        tags=frozenset({"VIP"} if number % 2 else ()),
        lists={"News": bool(number % 3)},
        sequences={"Welcome": ("2", "active")} if number % 2 else {},
    )
    return mirror.apply_facts(account, facts, source=Source.REFRESH, at=at, read_began_at=at).lead


def post(endpoint, action, lead_id, **lead):
    told = {"id": str(lead_id), "email": f"lead{lead_id}@example.com", **lead}
    body = {"action": action, "action_details": DETAILS[action], "lead": told}
    return DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())


def ipn(endpoint, lead_id, **more):
    fields = {
        "transaction_id": "9001",
        "transaction_type": "sale",
        "transaction_full_amount": "49.50",
        "product_name": "Course",
        "lead_id": str(lead_id),
        "lead_email": f"lead{lead_id}@example.com",
        **more,
    }
    return DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(fields).encode())


def taken_back(endpoint, since=None):
    discard.order(endpoint, since or timezone.now() - dt.timedelta(hours=1))
    receive.drain()


@pytest.mark.parametrize("action", EVENTS)
@pytest.mark.parametrize("number", [1, 6, 500])
def test_each_event_is_taken_back_whole(endpoint, account, action, number):
    for each in (1, 2, 3, 6):
        known(account, each)
    before = state(account)
    post(endpoint, action, number, first_name="Eve", city="", custom_fields=[])
    receive.drain()
    assert state(account) != before

    taken_back(endpoint)

    assert state(account) == before
    assert Delivery.objects.get().status == DeliveryStatus.DISCARDED


@pytest.mark.parametrize("seed", range(6))
def test_many_messages_in_any_order_are_taken_back(endpoint, account, seed):
    rng = random.Random(seed)
    for number in range(1, 5):
        known(account, number)
    other = WebhookEndpointFactory(connection=endpoint.connection, name="Other")
    for _ in range(8):  # Kartra's own, by another address, before
        post(other, rng.choice(EVENTS), rng.randint(1, 4))
    receive.drain()
    before = state(account)
    for _ in range(25):
        lead = rng.choice([1, 2, 3, 4, 600, 601])
        if rng.random() < 0.2:
            ipn(endpoint, lead, transaction_id=str(rng.choice([9001, 9002, 9005])))
        else:
            post(endpoint, rng.choice(EVENTS), lead, first_name=rng.choice(["Eve", "Ada", "Mallory"]))
    receive.drain()

    taken_back(endpoint)

    assert state(account) == before
    assert not Lead.objects.filter(kartra_id__in=["600", "601"]).exists()
    assert set(Lead.objects.filter(dirty_at=None).values_list("kartra_id", flat=True)) <= {"1", "2", "3", "4"}


def test_what_somebody_else_told_since_stays(endpoint, account):
    lead = known(account, 2)
    other = WebhookEndpointFactory(connection=endpoint.connection, name="Other")
    post(endpoint, "assign_tag", 2, first_name="Eve")
    post(endpoint, "list_unsubscription", 2)
    receive.drain()
    post(other, "list_subscription", 2, first_name="Grace")
    receive.drain()

    taken_back(endpoint)

    lead.refresh_from_db()
    assert lead.first_name == "Grace"
    assert not lead.leadtags.exists()
    assert lead.listsubscriptions.get().active


def test_what_a_read_confirmed_since_stays(endpoint, account):
    lead = known(account, 2)
    post(endpoint, "assign_tag", 2, first_name="Eve")
    receive.drain()
    at = timezone.now() + dt.timedelta(seconds=1)
    facts = LeadFacts("2", {"first_name": "Eve"}, tags=frozenset({"VIP"}), lists={}, sequences={})
    mirror.apply_facts(account, facts, source=Source.REFRESH, at=at, read_began_at=at, lead=lead)

    taken_back(endpoint)

    lead.refresh_from_db()
    assert lead.first_name == "Eve"
    assert lead.leadtags.get().activity.kind == "tag_assigned"


@pytest.mark.parametrize("kept_by", ["change", "another message", "import", "nobody"])
def test_new_lead_goes_unless_others_know_it(endpoint, account, kept_by):
    post(endpoint, "assign_tag", 700)
    receive.drain()
    lead = Lead.objects.get()
    if kept_by == "change":
        LeadChangeFactory(lead=lead)
    elif kept_by == "another message":
        post(WebhookEndpointFactory(connection=endpoint.connection, name="Other"), "filled_form", 700)
        receive.drain()
    elif kept_by == "import":
        row = mirror.Row(number=2, kartra_id="700", email=lead.email, fields={}, custom_values={}, tags=(), lists=())
        mirror.write_rows(account, [row], source=Source.IMPORT, at=timezone.now())

    taken_back(endpoint)

    assert Lead.objects.exists() == (kept_by != "nobody")
    assert not LeadTag.objects.exists()


def test_messages_that_wait_or_are_held_are_discarded_unapplied(endpoint, account, settings):
    settings.WEBHOOK_NEW_LEADS_PER_DAY = settings.WEBHOOK_NEW_LEADS_SHARE = 0
    post(endpoint, "assign_tag", 700)
    receive.drain()
    assert Delivery.objects.get().status == DeliveryStatus.HELD
    post(endpoint, "assign_tag", 701)

    taken_back(endpoint)

    assert set(Delivery.objects.values_list("status", flat=True)) == {"discarded"}
    assert not Lead.objects.exists()


def test_only_what_came_by_the_old_address_since_is_discarded(endpoint, account):
    now = timezone.now()
    hours = dt.timedelta(hours=1)
    endpoint.rotate(now - hours)
    rows = {
        name: DeliveryFactory(**{"endpoint": endpoint, "received_at": at, **more})
        for name, at, more in (
            ("long ago", now - 9 * hours, {}),
            ("before the new address", now - 2 * hours, {}),
            ("to the old address", now, {"old_address": True}),
            ("to the new address", now, {}),
            ("with the right secret", now - 2 * hours, {"secret": Secret.RIGHT}),
            ("elsewhere", now - 2 * hours, {"endpoint": WebhookEndpointFactory()}),
        )
    }

    order = discard.order(endpoint, now - 3 * hours)

    chosen = {name for name, row in rows.items() if order.deliveries.filter(pk=row.pk).exists()}
    assert chosen == {"before the new address", "to the old address"}
    assert discard.order(WebhookEndpointFactory(), now) is None


def test_discarded_message_is_applied_again_where_it_was_kartras(endpoint, account):
    known(account, 2)
    delivery = post(endpoint, "assign_tag", 2)
    receive.drain()
    taken_back(endpoint)
    assert not LeadTag.objects.exists()

    list(receive.replay(Delivery.objects.all(), by="ada"))

    assert LeadTag.objects.get().tag.name == "VIP"
    delivery.refresh_from_db()
    assert delivery.status == DeliveryStatus.APPLIED
    taken_back(endpoint)
    assert not LeadTag.objects.exists()


def test_message_that_is_being_discarded_is_not_applied_again(endpoint, account):
    post(endpoint, "assign_tag", 2)
    discard.order(endpoint, timezone.now() - dt.timedelta(hours=1))

    assert receive.ask_again(Delivery.objects.all()) == 0
    assert list(receive.replay(Delivery.objects.all())) == []
    receive.drain()
    assert Delivery.objects.get().status == DeliveryStatus.DISCARDED
    assert not Lead.objects.exists()


def test_discarding_goes_on_after_a_kill(endpoint, account, monkeypatch):
    for number in range(1, 61):
        known(account, number)
    before = state(account)
    for number in range(1, 61):
        post(endpoint, "assign_tag", number, first_name="Eve")
    while receive.drain():
        pass
    discard.order(endpoint, timezone.now() - dt.timedelta(hours=1))
    look_now, done = mirror.look_now, []

    def killed(lead, at):
        if len(done) == 40:
            raise KeyboardInterrupt
        done.append(lead)
        look_now(lead, at)

    with monkeypatch.context() as patch:
        patch.setattr(mirror, "look_now", killed)
        with pytest.raises(KeyboardInterrupt):
            receive.drain()
    assert 0 < discard.waiting().count() < 60

    while receive.drain():
        pass

    assert state(account) == before
    assert not discard.waiting().exists()


# --- what is genuine stays


def test_sale_that_kartra_vouches_for_stays(endpoint, account):
    shop = WebhookEndpointFactory(connection=endpoint.connection, name="Shop", ipn_secret="right-secret")
    known(account, 2)
    post(shop, "buy_product", 2)
    receive.drain()
    ipn(shop, 2, secret_key="right-secret")
    receive.drain()

    taken_back(shop)

    assert (Transaction.objects.get().kartra_id, Transaction.objects.get().reported) == ("9001", False)
    assert Activity.objects.filter(kind="payment_sale").count() == 1


def test_sale_that_was_read_since_stays(endpoint, account):
    lead = known(account, 2)
    post(endpoint, "buy_product", 2)
    receive.drain()
    fact = mirror.TransactionFact("9001", type="sale", authority=True)
    mirror.set_transaction(account, fact, source=Source.REFRESH, at=timezone.now(), lead=lead)

    taken_back(endpoint)

    assert Transaction.objects.get().type == "sale"


@pytest.mark.parametrize("action", ["calendar_subscribe", "assign_tag", "membership_granted", "filled_form"])
def test_what_another_address_told_too_stays(endpoint, account, action):
    known(account, 2)
    post(endpoint, action, 2)
    receive.drain()
    other = post(WebhookEndpointFactory(connection=endpoint.connection, name="Other"), action, 2)
    receive.drain()
    with_both = {name: rows for name, rows in state(account).items() if name != "Activity"}

    taken_back(endpoint)
    receive.drain()

    found = state(account)
    if action != "filled_form":
        ties = ("LeadTag", "CalendarEnrollment", "MembershipGrant")
        assert [len(found[name]) for name in ties] == [len(with_both[name]) for name in ties]
    other.refresh_from_db()
    assert other.status == DeliveryStatus.APPLIED
    assert len(other.replays) == 1


def test_message_that_is_discarded_while_it_is_applied_again_stays_discarded(endpoint, account, monkeypatch):
    known(account, 2)
    delivery = post(endpoint, "assign_tag", 2)
    receive.drain()
    ask_again = Delivery.ask_again

    def discarded_meanwhile(self, *args):
        """What another process does between the reading of the row and the lock."""
        order = endpoint.discards.create(since=timezone.now())
        Delivery.objects.filter(pk=delivery.pk).update(status="discarded", discard=order)
        ask_again(self, *args)

    monkeypatch.setattr(Delivery, "ask_again", discarded_meanwhile)

    assert list(receive.replay(Delivery.objects.all())) == []
    assert Delivery.objects.get().status == DeliveryStatus.DISCARDED


# --- what is forged goes


def test_names_that_a_stranger_changed_are_as_they_were(endpoint, account):
    account.tags.create(name="VIP", kartra_id="12")
    account.tags.create(name="Gold", kartra_id="13")
    account.products.create(name="Course", kartra_id="4")
    known(account, 2)
    for tag in ({"tag_name": "VIP", "tag_id": 99}, {"tag_name": "Hacked", "tag_id": 13}):
        body = {"action": "assign_tag", "action_details": {"tag": tag}, "lead": {"id": "2"}}
        DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
    bought = {**DETAILS["buy_product"]["transaction_details"], "product_id": 666}
    body = {"action": "buy_product", "action_details": {"transaction_details": bought}, "lead": {"id": "2"}}
    DeliveryFactory(endpoint=endpoint, body=json.dumps(body).encode())
    receive.drain()
    assert account.tags.filter(name="Hacked").exists()

    taken_back(endpoint)

    named = dict(account.tags.exclude(kartra_id="99").values_list("kartra_id", "name"))
    assert (named["12"], named["13"]) == ("VIP", "Gold")
    assert not account.tags.filter(kartra_id__in=["12", "13"]).exclude(missing_since=None).exists()
    assert account.products.get().kartra_id == "4"
    endpoint.connection.refresh_from_db()
    assert endpoint.connection.catalogue_due


def test_deleted_lead_that_a_stranger_revived_is_deleted_again(endpoint, account):
    lead = known(account, 2)
    mirror.mark_gone(lead, "deleted", timezone.now() - dt.timedelta(hours=2), source=Source.REFRESH)
    post(endpoint, "filled_form", 2)
    receive.drain()
    lead.refresh_from_db()
    assert lead.gone_at is None

    taken_back(endpoint)

    lead.refresh_from_db()
    assert (lead.gone_at is not None, lead.gone_reason) == (True, "deleted")


def test_field_that_no_read_tells_is_taken_back_though_a_read_came(endpoint, account):
    lead = known(account, 2)
    post(endpoint, "filled_form", 2, sales_tax_id="E1", city="Salem")
    receive.drain()
    at = timezone.now() + dt.timedelta(seconds=1)
    mirror.apply_facts(account, LeadFacts("2", {"city": "Salem"}), source=Source.REFRESH, at=at, read_began_at=at)

    taken_back(endpoint)

    lead.refresh_from_db()
    assert (lead.sales_tax_id, lead.city) == ("", "Salem")
