"""Messages from Kartra → mirror: facts, echoes, shapes, order."""

import datetime as dt
import json
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from integrations import receive
from integrations.models import ApiCall, Attempt, Delivery, DeliveryStatus, Proof
from leads.models import Activity, Lead, LeadTag, ListSubscription, Tag, Transaction
from leads.models.remarks import sentence_of
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory()


def lead_of(**more):
    return {"id": "50417", "email": "mara.lind@example.com", "first_name": "Mara", "score": "15", **more}


def event(endpoint, action="assign_tag", details=None, lead=None, body=None):
    """One event, stored and applied."""
    given = {
        "action": action,
        "action_details": details if details is not None else {"tag": {"tag_id": "7", "tag_name": "VIP"}},
    }
    given["lead"] = lead_of() if lead is None else lead
    delivery = DeliveryFactory(endpoint=endpoint, body=body if body is not None else json.dumps(given).encode())
    receive.drain()
    delivery.refresh_from_db()
    return delivery


def test_event_about_an_unknown_lead_makes_it_and_asks_for_a_read(endpoint):
    delivery = event(endpoint)

    lead = Lead.objects.get()
    assert (lead.kartra_id, lead.email, lead.first_name, lead.score, lead.known_from) == (
        "50417",
        "mara.lind@example.com",
        "Mara",
        15,
        "webhook",
    )
    assert lead.dirty_at is not None
    assert LeadTag.objects.get().tag.name == "VIP"
    assert (delivery.status, delivery.lead, delivery.action) == ("applied", lead, "assign_tag")
    assert list(map(sentence_of, delivery.changed)) == ["new to us", "tag VIP added"]


def test_the_same_again_changes_nothing_and_asks_for_no_read(endpoint):
    event(endpoint)
    Lead.objects.update(dirty_at=None)
    before = Activity.objects.count()

    second = event(endpoint)

    assert (second.status, second.changed) == ("applied", [])
    assert Lead.objects.get().dirty_at is None
    assert Activity.objects.count() == before


@pytest.mark.parametrize(
    ("action", "details"),
    [
        ("unassign_tag", {"tag": {"tag_name": "VIP"}}),
        ("list_subscription", {"list": {"list_id": 3, "list_name": "Buyers"}}),
        ("list_unsubscription", {"list": {"list_name": "Old"}}),
    ],
)
def test_state_events_write_their_fact_at_once(endpoint, action, details):
    account = endpoint.connection.account
    lead = LeadFactory(account=account, kartra_id="50417", email="mara.lind@example.com")
    LeadTag.objects.create(
        lead=lead, tag=Tag.objects.create(account=account, name="VIP"), since=timezone.now(), source="refresh"
    )
    old = account.mailinglists.create(name="Old")
    ListSubscription.objects.create(lead=lead, mailing_list=old, since=timezone.now(), source="refresh")

    event(endpoint, action, details)

    tags = set(lead.leadtags.values_list("tag__name", flat=True))
    lists = dict(lead.listsubscriptions.values_list("mailing_list__name", "active"))
    expected = {
        "unassign_tag": (set(), {"Old": True}),
        "list_subscription": ({"VIP"}, {"Old": True, "Buyers": True}),
        "list_unsubscription": ({"VIP"}, {"Old": False}),
    }
    assert (tags, lists) == expected[action]


VIP = {
    "action": "assign_tag",
    "action_details": {"tag": {"tag_name": "VIP"}},
    "lead": {"id": 50417, "email": " Mara.Lind@Example.com "},
}


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(VIP).encode(),
        b"\xef\xbb\xbf" + json.dumps(VIP).encode(),
        json.dumps(VIP).encode("utf-16"),
        urlencode({"payload": json.dumps(VIP)}).encode(),
        json.dumps([VIP]).encode(),
        json.dumps({**VIP, "lead": json.dumps(VIP["lead"])}).encode(),
        json.dumps({**VIP, "lead": {"id": " 50417 "}}).encode(),
        json.dumps({**VIP, "lead": {"id": 50417.0}}).encode(),
        json.dumps({**VIP, "action_details": {"tag_name": "VIP"}}).encode(),
        json.dumps({**VIP, "action_details": {"tag": "VIP"}}).encode(),
        json.dumps({**VIP, "new_key": {"deep": [1, {"x": None}]}}).encode(),
        b'{"action": "other", ' + json.dumps(VIP).encode()[1:],
        json.dumps(VIP).replace("50417", '50417, "score": NaN').encode(),
    ],
)
def test_every_shape_of_the_same_event_says_the_same(endpoint, body):
    LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com")

    delivery = event(endpoint, body=body)

    assert (delivery.status, delivery.reason) == ("applied", {})
    assert Lead.objects.count() == 1
    assert LeadTag.objects.get().lead == Lead.objects.get()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"<html>", "cannot be read"),
        (b"[]", "not an object"),
        (b"42", "cannot be read"),
        (b'{"lead": {"id": "5"}}', "names no action"),
        (b'{"action": "assign_tag"}', "names no lead"),
        (b'{"action": "assign_tag", "lead": {"id": "5"}}', "names no tag"),
        (b"a=1&b=2", "without the event"),
        (b'{"a":' * 100_000, "cannot be read"),
        (json.dumps({**VIP, "x": None}).replace("null", "[" * 900 + "]" * 900).encode(), "nested too deeply"),
    ],
    ids=range(10),
)
def test_what_cannot_be_understood_is_set_aside_with_the_reason(endpoint, body, reason):
    delivery = event(endpoint, body=body)

    assert delivery.status == DeliveryStatus.QUARANTINED
    assert reason in sentence_of(delivery.reason)
    assert not Lead.objects.exists()


def test_unknown_event_is_kept_with_profile_and_activity(endpoint):
    delivery = event(endpoint, "brand_new_thing", {"thing": {"x": 1}})

    assert delivery.status == DeliveryStatus.RECORDED
    assert Activity.objects.get(kind="brand_new_thing").details == {"thing": {"x": 1}}
    assert Lead.objects.get().first_name == "Mara"


def test_form_is_no_tag_though_it_comes_wrapped_as_one(endpoint):
    event(endpoint, "filled_form", {"tag": {"form_id": 4, "form_name": "Newsletter"}})

    assert not LeadTag.objects.exists()
    assert Activity.objects.get(kind="filled_form").details["tag"]["form_name"] == "Newsletter"


def test_missing_key_blanks_nothing_and_an_empty_one_does_but_never_the_address(endpoint):
    lead = LeadFactory(
        account=endpoint.connection.account,
        kartra_id="50417",
        email="mara.lind@example.com",
        city="Bend",
        company="Lind",
    )

    event(endpoint, lead={"id": "50417", "email": "", "company": ""})

    lead.refresh_from_db()
    assert (lead.email, lead.city, lead.company) == ("mara.lind@example.com", "Bend", "")


def test_one_that_fails_does_not_stop_the_next(endpoint, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug")

    monkeypatch.setitem(receive.HANDLERS, "assign_tag", broken)
    bad = DeliveryFactory(endpoint=endpoint, body=json.dumps(VIP).encode())
    good = DeliveryFactory(
        endpoint=endpoint,
        body=json.dumps(
            {**VIP, "action": "list_subscription", "action_details": {"list": {"list_name": "Buyers"}}}
        ).encode(),
    )

    receive.drain()

    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("quarantined", "applied")
    assert "RuntimeError" in sentence_of(bad.reason)


def unclear(endpoint, lead, *, sent_at=None, **change):
    """A change of ours that got no clear answer."""
    wish = LeadChangeFactory(lead=lead, status="unknown", **change)
    at = timezone.now()
    call = ApiCall.objects.create(
        connection=endpoint.connection,
        lead=lead,
        cause="push",
        writes=True,
        commands=wish.kind,
        claimed_at=at,
        lease_until=at,
        finished_at=at,
        outcome="unknown",
        sent_at=sent_at or at - dt.timedelta(seconds=5),
    )
    return wish, Attempt.objects.create(
        change=wish,
        call=call,
        position=0,
        command=wish.kind,
        proof=Proof.UNCLEAR,
        verify_at=at + dt.timedelta(minutes=5),
    )


def test_our_own_write_coming_back_proves_an_unclear_change(endpoint):
    lead = LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com", score=15)
    wish, attempt = unclear(endpoint, lead)

    delivery = event(endpoint)

    attempt.refresh_from_db()
    wish.refresh_from_db()
    lead.refresh_from_db()
    assert (wish.status, attempt.proof, attempt.evidence[-1]["delivery"]) == ("accepted", "done", delivery.pk)
    assert LeadTag.objects.get().change == wish
    assert lead.dirty_at is None


def test_message_that_came_before_the_call_proves_nothing_of_it(endpoint):
    lead = LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com", score=15)
    wish, attempt = unclear(endpoint, lead, sent_at=timezone.now() + dt.timedelta(seconds=30))

    event(endpoint)

    attempt.refresh_from_db()
    wish.refresh_from_db()
    assert (wish.status, attempt.proof) == ("unknown", "unclear")


def test_entering_a_sequence_is_reason_to_look_but_tells_no_step(endpoint):
    lead = LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com", score=15)
    wish, attempt = unclear(endpoint, lead, kind="subscribe_sequence", parameters={"sequence": "Welcome", "step": 2})

    event(endpoint, "sequence_subscription", {"sequence": {"sequence_name": "Welcome"}})

    attempt.refresh_from_db()
    wish.refresh_from_db()
    assert wish.status == "unknown"
    assert attempt.verify_at <= timezone.now()
    assert lead.sequenceenrollments.get().change == wish


@pytest.mark.parametrize("status", ["sending", "unknown"])
def test_echo_that_is_faster_than_the_answer_asks_for_no_read(endpoint, status):
    lead = LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com", score=15)
    LeadChangeFactory(lead=lead, status=status)

    event(endpoint, lead=lead_of(referring_id="0", owner_id="1", member_id="0"))

    lead.refresh_from_db()
    assert lead.dirty_at is None
    assert LeadTag.objects.get().lead == lead


SALE = {
    "transaction_id": "1",
    "transaction_type": "sale",
    "transaction_full_amount": "97.00",
    "lead_id": "50417",
    "lead_email": "mara.lind@example.com",
}


def payment(endpoint, **fields):
    """One payment message, stored and applied. A field that is None is left out."""
    given = {name: value for name, value in {**SALE, **fields}.items() if value is not None}
    delivery = DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(given).encode())
    receive.drain()
    delivery.refresh_from_db()
    return delivery


@pytest.fixture
def locked_endpoint():
    return WebhookEndpointFactory(ipn_secret="right")


def test_payment_with_the_right_secret_is_kartras_own_word(locked_endpoint):
    delivery = payment(locked_endpoint, secret_key="right")

    row = Transaction.objects.get()
    assert (delivery.status, delivery.secret) == ("applied", "right")
    assert list(map(sentence_of, delivery.changed)) == ["new to us", "sale 1"]
    assert (row.reported, row.full_amount, row.lead) == (False, Decimal("97.00"), Lead.objects.get())
    assert "secret_key" not in row.raw


def test_right_secret_is_not_kept_and_the_payment_can_be_applied_again():
    delivery = payment(WebhookEndpointFactory(ipn_secret="hush-hush"), secret_key="hush-hush", product_name="Hush & Co")

    assert b"hush-hush" not in bytes(delivery.body)
    assert b"Hush" in bytes(delivery.body)
    transaction = Transaction.objects.get()
    [(again, applied)] = receive.replay(Delivery.objects.all())
    assert (applied.status, applied.changed, again.secret) == ("applied", [], "right")
    assert (Transaction.objects.get().reported, Transaction.objects.get().raw) == (False, transaction.raw)


@pytest.mark.parametrize("given", ["wrong", "RIGHT", "", "N/A", "rightright", "r"])
def test_payment_with_another_secret_is_kept_and_applied_to_nothing(locked_endpoint, given):
    delivery = payment(locked_endpoint, secret_key=given)

    assert (delivery.status, delivery.secret) == ("refused", "wrong")
    assert not Lead.objects.exists()
    assert not Transaction.objects.exists()


def test_payment_without_a_secret_is_reported_until_one_of_its_kind_was_seen_to_carry_it(locked_endpoint):
    first = payment(locked_endpoint, transaction_id="1")
    of_another_kind = payment(locked_endpoint, transaction_id="2", transaction_type="rebill", secret_key="right")
    still = payment(locked_endpoint, transaction_id="3")
    carrying = payment(locked_endpoint, transaction_id="4", secret_key="right")
    then = payment(locked_endpoint, transaction_id="5")

    statuses = [each.status for each in (first, of_another_kind, still, carrying, then)]
    assert statuses == ["applied", "applied", "applied", "applied", "refused"]
    assert dict(Transaction.objects.values_list("kartra_id", "reported")) == {
        "1": True,
        "2": False,
        "3": True,
        "4": False,
    }


def test_payment_at_an_address_without_a_secret_is_reported_only(endpoint):
    assert payment(endpoint, secret_key="whatever").status == "applied"
    assert Transaction.objects.get().reported is True


def test_older_payment_message_with_buyer_keys_is_understood(endpoint):
    fields = {
        "transaction_id": "1",
        "transaction_type": "sale",
        "buyer_id": "50417",
        "buyer_email": "mara.lind@example.com",
    }
    DeliveryFactory(endpoint=endpoint, channel="ipn", body=urlencode(fields).encode())

    receive.drain()

    assert Activity.objects.get().kind == "payment_sale"
    assert Lead.objects.get().kartra_id == "50417"


def test_replay_changes_nothing(endpoint):
    event(endpoint)
    event(endpoint, "filled_form", {"tag": {"form_id": 4}})
    before = (list(Lead.objects.values()), list(LeadTag.objects.values()), Activity.objects.count())

    replayed = list(receive.replay(Delivery.objects.all()))

    assert [applied.changed for _, applied in replayed] == [[], []]
    assert (list(Lead.objects.values()), list(LeadTag.objects.values()), Activity.objects.count()) == before


def test_late_echo_of_the_first_of_two_opposites_does_not_undo_the_second(endpoint):
    lead = LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com")
    call = ApiCall.objects.create(
        connection=endpoint.connection,
        lead=lead,
        cause="push",
        writes=True,
        claimed_at=timezone.now(),
        lease_until=timezone.now(),
        sent_at=timezone.now(),
        finished_at=timezone.now(),
        outcome="unknown",
    )
    on, off = (
        LeadChangeFactory(lead=lead, kind=kind, parameters={"tag": "VIP"}, family="tag:VIP", status="unknown")
        for kind in ("assign_tag", "unassign_tag")
    )
    for place, change in enumerate((on, off)):
        Attempt.objects.create(
            change=change, call=call, position=place, command=change.kind, proof=Proof.UNCLEAR, verify_at=timezone.now()
        )

    event(endpoint, "unassign_tag")
    event(endpoint, "assign_tag")

    on.refresh_from_db()
    off.refresh_from_db()
    assert (on.status, off.status) == ("unknown", "accepted")
    assert not LeadTag.objects.exists()
