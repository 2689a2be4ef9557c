"""What becomes of bodies that Kartra would send, of their strange shapes, and of those that nobody honest would send."""

import json
from urllib.parse import quote, urlencode

import pytest

from integrations import receive
from integrations.models import Delivery
from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadTag,
    MembershipGrant,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)
from leads.models.remarks import sentence_of
from tests.factories import LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

LEAD = {"id": "50417", "email": "mara.lind@example.com", "first_name": "Mara", "score": "15", "city": "Bend"}
TAG = {"action": "assign_tag", "action_details": {"tag": {"tag_id": 77, "tag_name": "VIP"}}, "lead": LEAD}
SALE = {
    "transaction_id": "70211",
    "transaction_full_amount": "97.00",
    "transaction_type": "sale",
    "transaction_parent_id": "0",
    "transaction_tax": "N/A",
    "transaction_date": "2026-05-04 11:20:31",
    "transaction_internal_subscription_id": "N/A",
    "product_name": "Trail Course",
    "product_id": "412",
    "lead_id": "50417",
    "lead_email": "mara.lind@example.com",
    "secret_key": "s3cret",
}
CALENDAR = {
    "calendar_id": 3,
    "calendar_name": "Coaching",
    "class_id": 8,
    "class_name": "Intro call",
    "vendor_timezone": "America/Detroit",
    "calendar_subscription_id": 5150,
    "events": [{"event_date": "2026-07-09 10:00", "event_duration": 60}],
}
PAID = {k: v for k, v in SALE.items() if k != "secret_key"}
MULTIPART = (
    "".join(f'--X9\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in SALE.items())
    + "--X9--\r\n"
)


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory(ipn_secret="s3cret")


@pytest.fixture
def post(client, endpoint):
    def send(body, *, ipn=False, kind="application/json"):
        raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        answer = client.post(f"/webhooks/{endpoint.token}/{'ipn/' if ipn else ''}", data=raw, content_type=kind)
        assert answer.status_code == 200
        receive.drain()
        delivery = Delivery.objects.latest("pk")
        assert bytes(delivery.body) == raw.replace(b"s3cret", b"found-right")
        return delivery

    return send


def event(action, details=None, **lead):
    return {"action": action, "action_details": {} if details is None else details, "lead": {**LEAD, **lead}}


ACTIVITY = [
    event("filled_form", {"tag": {"form_id": 33, "form_name": "Footer form"}}),
    event("reaches_score", {"points": 100}),
    event("kartra_page_visit", {"kartra_page": {"kartra_page_id": 88, "kartra_page_name": "Landing A"}}),
    event("click_page_split_test_link", {"page_split_test_link": {"page_split_test_link_id": 4}}),
    event("video_play", {"video": {"video_id": "61", "video_name": "Intro clip"}}),
    event("video_complete", {"video": {"video_id": 61}}),
    event("survey_complete", {"survey": {"survey_id": 1, "questions": [{"answers": [{"option_id": 1}]}]}}),
    event("affiliate_signup", {"product": {"product_id": 412}}),
    event("jv_signup", {"product": {"product_id": 412}}),
    event("video_play"),
]


@pytest.mark.parametrize("body", ACTIVITY, ids=lambda body: body["action"])
def test_events_without_state_are_one_line_in_the_timeline(post, body):
    delivery = post(body)

    assert (delivery.status, delivery.reason) == ("applied", {})
    line = Activity.objects.get(kind=body["action"])
    assert (line.details, line.source, line.delivery) == (body["action_details"], "webhook", delivery)


def test_sequences_tell_state_but_no_step(post):
    named = {"sequence": {"sequence_id": 5, "sequence_name": "Welcome"}}

    assert list(map(sentence_of, post(event("sequence_subscription", named)).changed)) == [
        "new to us",
        "entered sequence Welcome",
    ]
    row = SequenceEnrollment.objects.get()
    assert (row.status, row.step, row.source) == ("active", "", "webhook")

    Lead.objects.update(dirty_at=None)
    assert post(event("sequence_completion", named)).changed == []
    assert Lead.objects.get().dirty_at is not None, "what a completed sequence is called, only a read tells"

    assert list(map(sentence_of, post(event("sequence_unsubscription", named)).changed)) == ["left sequence Welcome"]
    row.refresh_from_db()
    assert row.status == "unsubscribed"


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("style", ["", "membership_"])
def test_memberships_nested_or_flat_in_either_style(post, wrapped, style):
    told = {f"{style}id": "4", f"{style}name": "Club", "level_id": 2, "level_name": "Gold"}
    details = {"membership": told} if wrapped else told

    given = post(event("membership_granted", details))
    assert sentence_of(given.changed[-1]) == "access given: Club: Gold"
    grant = MembershipGrant.objects.get()
    assert (str(grant.level.membership), str(grant.level), grant.active) == ("Club", "Gold", True)

    taken = post(event("membership_revoked", details))
    grant.refresh_from_db()
    assert (sentence_of(taken.changed), grant.active) == ("access removed: Club: Gold", False)


@pytest.mark.parametrize("order", ["subscribe cancel", "cancel subscribe", "subscribe complete", "complete subscribe"])
def test_a_booking_ends_the_same_in_whatever_order(post, order):
    for each in order.split():
        post(event(f"calendar_{each}", {"calendar": CALENDAR}))

    row = CalendarEnrollment.objects.get()
    assert row.status == ("Cancelled" if "cancel" in order else "Completed")
    assert (row.booking_id, row.starts_at.isoformat()) == ("5150", "2026-07-09T14:00:00+00:00")


def test_booking_of_the_same_id_under_another_class_is_no_second_booking(post):
    post(event("calendar_subscribe", {"calendar": CALENDAR}))
    delivery = post(event("calendar_subscribe", {"calendar": {**CALENDAR, "class_name": "Other"}}))
    assert delivery.status == "applied"
    assert CalendarEnrollment.objects.get().duration_min == 60


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("buy_product", "sale"),
        ("refund_product", "refund"),
        ("partial_refund_product", "partial_refund"),
        ("cancel_subscription", "cancellation"),
    ],
)
def test_money_of_an_event_is_only_reported(post, action, kind):
    details = {
        "transaction_details": {
            "transaction_id": 70211,
            "transaction_full_amount": 97.0,
            "product_name": "Trail Course",
        }
    }

    delivery = post(event(action, details))

    row = Transaction.objects.get()
    assert (delivery.status, row.type, row.reported) == ("applied", kind, True)


@pytest.mark.parametrize("lead", [None, {}, {"id": "0"}])
def test_payment_event_without_a_lead_is_understood_by_its_buyer(post, lead):
    body = {
        "action": "buy_product",
        "action_details": {"transaction_details": {"buyer_email": " Mara.Lind@example.com ", "price": "97"}},
        "lead": lead,
    }

    delivery = post(body)

    assert (delivery.status, delivery.lead.email_key) == ("applied", "mara.lind@example.com")
    assert Activity.objects.get(kind="buy_product").lead == delivery.lead


def test_refund_before_its_sale_makes_a_stub_that_is_filled_later(post):
    refund = {**SALE, "transaction_id": "70340", "transaction_type": "refund", "transaction_parent_id": "70211"}
    post(urlencode(refund), ipn=True)
    stub = Transaction.objects.get(kartra_id="70211")
    assert (stub.type, stub.full_amount, stub.reported) == ("", None, True)

    post(urlencode(SALE), ipn=True)
    stub.refresh_from_db()
    assert (stub.type, str(stub.full_amount), stub.reported) == ("sale", "97.00", False)


@pytest.mark.parametrize(
    "order", [("sale", "refund"), ("refund", "sale"), ("refund", "sale", "sale"), ("chargeback", "sale")]
)
def test_refunded_never_returns_to_paid(post, order):
    for kind in order:
        post(urlencode({**SALE, "transaction_type": kind}), ipn=True)
    assert Transaction.objects.get().type == next(kind for kind in order if kind != "sale")


def test_reported_refund_gives_way_to_kartras_own_word(post):
    body = event("refund_product", {"transaction_details": {"transaction_id": 70211, "transaction_full_amount": 97.0}})
    post(body)
    post(urlencode(SALE), ipn=True)
    post(body)
    row = Transaction.objects.get()
    assert (row.type, row.reported) == ("sale", False)


@pytest.mark.parametrize("kind", ["Request Can.", "Revert Can.", "rebill", "failed", "chargeback", "new_thing"])
def test_every_type_of_transaction_is_kept_raw(post, kind):
    delivery = post(urlencode({**SALE, "transaction_type": kind}), ipn=True)
    assert (delivery.status, Transaction.objects.get().type) == ("applied", kind)


@pytest.mark.parametrize(("secret", "reported"), [("s3cret", False), (None, True)])
def test_payment_message_ends_a_plan_and_only_the_right_secret_confirms_that(post, secret, reported):
    post(
        urlencode({**SALE, "transaction_internal_subscription_id": "81", "transaction_subscription_id": "I-PAYPAL"}),
        ipn=True,
    )
    fields = {
        **SALE,
        "transaction_id": "70410",
        "transaction_type": "cancellation",
        "transaction_internal_subscription_id": "81",
        "secret_key": secret,
    }
    post(urlencode({name: value for name, value in fields.items() if value}), ipn=True)

    plan = RecurringSubscription.objects.get()
    assert (plan.status, plan.reported, plan.processor_id) == ("Cancelled", reported, "I-PAYPAL")
    assert (plan.lead.orders_due_at is not None) is reported


# --- the same event in strange shapes


SHAPES = {
    "numbers": {**TAG, "lead": {**LEAD, "id": 50417, "score": 15}},
    "id with spaces": {**TAG, "lead": {**LEAD, "id": " 50417 "}},
    "id as a float": {**TAG, "lead": {**LEAD, "id": 50417.0}},
    "id with zeros": {**TAG, "lead": {**LEAD, "id": "00050417"}},
    "lead as JSON text": {**TAG, "lead": json.dumps(LEAD)},
    "lead in a list": {**TAG, "lead": [LEAD]},
    "details as JSON text": {**TAG, "action_details": json.dumps(TAG["action_details"])},
    "details in a list": {**TAG, "action_details": {"tag": [{"tag_name": "VIP"}]}},
    "flat": {**TAG, "action_details": {"tag_name": "VIP"}},
    "twice encoded": json.dumps(json.dumps(TAG)),
    "percent-encoded": quote(json.dumps(TAG)),
    "form with JSON": urlencode({"payload": json.dumps(TAG)}),
    "form with brackets": "action=assign_tag&action_details[tag][tag_name]=VIP&lead[id]=50417&lead[email]=mara.lind%40example.com&lead[first_name]=Mara",
    "form with encoded brackets": urlencode(
        {"action": "assign_tag", "action_details[tag][tag_name]": "VIP", "lead[id]": "50417"}
    ),
    "in parts": f'--B\r\nContent-Disposition: form-data; name="payload"\r\n\r\n{json.dumps(TAG)}\r\n--B--\r\n',
    "mark": b"\xef\xbb\xbf" + json.dumps(TAG).encode(),
    "UTF-16": json.dumps(TAG).encode("utf-16"),
    "duplicate keys": '{"action": "other", ' + json.dumps(TAG)[1:],
    "NaN": json.dumps({**TAG, "lead": {**LEAD, "score": float("nan")}}),
    "infinite": json.dumps(TAG).replace('"15"', "1e999"),
    "unknown keys": {**TAG, "new": {"deep": [[[1]]]}, "lead": {**LEAD, "brand_new": {"a": [1]}}},
    "email in capitals": {**TAG, "lead": {**LEAD, "email": " MARA.LIND@Example.com "}},
    "by email alone": {**TAG, "lead": {"email": "Mara.Lind@example.com"}},
    "action with spaces": {**TAG, "action": " assign_tag "},
}


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_event_in_any_shape_and_under_any_header(post, endpoint, shape, kind):
    LeadFactory(account=endpoint.connection.account, kartra_id="50417", email="mara.lind@example.com", city="Bend")

    delivery = post(SHAPES[shape], kind=kind)

    assert (delivery.status, delivery.reason, delivery.action) == ("applied", {}, "assign_tag")
    assert (Lead.objects.count(), LeadTag.objects.get().lead_id) == (1, delivery.lead_id)
    assert (delivery.lead.first_name, delivery.lead.city) == ("Mara", "Bend")


PAYMENTS = {
    "form": urlencode(SALE),
    "parts": MULTIPART,
    "parts with bare line ends": MULTIPART.replace("\r\n", "\n"),
    "JSON": json.dumps(SALE),
    "older keys": urlencode({k.replace("lead_", "buyer_"): v for k, v in SALE.items()}),
    "mark": b"\xef\xbb\xbf" + urlencode(SALE).encode(),
    "Latin-1": urlencode(SALE, encoding="latin-1").replace("Trail+Course", "Trail+Course%FC"),
    "id with spaces": urlencode({**SALE, "lead_id": " 50417 "}),
    "amount with a comma": urlencode({**SALE, "transaction_full_amount": "1,097.00"}),
}


@pytest.mark.parametrize("shape", PAYMENTS)
def test_the_same_payment_in_any_shape(post, shape):
    delivery = post(PAYMENTS[shape], ipn=True, kind="text/plain")

    row = Transaction.objects.get()
    assert (delivery.status, delivery.secret, delivery.lead.kartra_id) == ("applied", "right", "50417")
    assert (row.type, row.reported) == ("sale", False)
    assert str(row.full_amount) == ("1097.00" if "comma" in shape else "97.00")
    if shape == "Latin-1":
        assert row.product.name == "Trail Courseü"


# --- what nobody honest would send


DEEP = "[" * 100_000
HOSTILE = {
    "empty": b"",
    "blank": b"  \n",
    "null": b"null",
    "number": b"42",
    "text": b'"x"',
    "list": b"[]",
    "two": json.dumps([TAG, TAG]),
    "page": b"<html><body>{}</body></html>",
    "xml": b"<?xml version='1.0'?><a>{</a>",
    "open": b"{",
    "cut": json.dumps(TAG)[:-9],
    "bytes": bytes(range(256)),
    "zeros": b"\0" * 5000,
    "half of UTF-16": b"\xff\xfe",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "deep": DEEP,
    "deep objects": '{"a":' * 100_000,
    "deep and closed": f'{{"action":"assign_tag","lead":{"[" * 900}{"]" * 900}}}',
    "deep inside": json.dumps({**TAG, "lead": "[" * 600 + "]" * 600}),
    "braces": b"{" * 1_000_000,
    "quotes": b'{"' * 500_000,
    "no action": {"lead": LEAD},
    "action null": {**TAG, "action": None},
    "action object": {**TAG, "action": {"a": 1}},
    "action list": {**TAG, "action": ["assign_tag"]},
    "action true": {**TAG, "action": True},
    "action empty": {**TAG, "action": " "},
    "action N/A": {**TAG, "action": "N/A"},
    "no lead": {"action": "assign_tag", "action_details": TAG["action_details"]},
    "lead null": {**TAG, "lead": None},
    "lead text": {**TAG, "lead": "50417"},
    "lead empty": {**TAG, "lead": {}},
    "leads": {**TAG, "lead": [LEAD, LEAD]},
    "id true": {**TAG, "lead": {"id": True}},
    "id object": {**TAG, "lead": {"id": {"$gt": 0}}},
    "id negative": {**TAG, "lead": {"id": -5}},
    "id zero": {**TAG, "lead": {"id": 0, "email": ""}},
    "id text": {**TAG, "lead": {"id": "abc"}},
    "id infinite": '{"action":"assign_tag","lead":{"id":1e999}}',
    "id half": {**TAG, "lead": {"id": 1.5}},
    "id SQL": {**TAG, "lead": {"id": "1; DROP TABLE leads_lead"}},
    "id huge": {**TAG, "lead": {"id": 10**400}},
    "id path": {**TAG, "lead": {"id": "../../etc/passwd"}},
    "email without at": {**TAG, "lead": {"email": "nobody"}},
    "no details": {**TAG, "action_details": None},
    "details text": {**TAG, "action_details": "VIP"},
    "tag empty": {**TAG, "action_details": {"tag": {"tag_name": ""}}},
    "tag object": {**TAG, "action_details": {"tag": {"tag_name": {"a": 1}}}},
    "tag null": {**TAG, "action_details": {"tag": None}},
    "after a warning": "<br />\n<b>Warning</b>: x in y.php<br />\n" + json.dumps(TAG),
    "before rubbish": json.dumps(TAG) + "\n<!-- 0.2s -->",
    "long email": event("assign_tag", {"tag": {"tag_name": "VIP"}}, email="ß" * 400 + "@example.com"),
    "sequence without name": event("sequence_subscription"),
    "membership without name": event("membership_granted", {"membership": {}}),
    "booking without class": event("calendar_subscribe", {"calendar": {}}),
    "form without event": b"a=1&b=2",
    "ampersands": b"a=&" * 300_000,
    "payment at the other door": urlencode(SALE),
    "prototype": {"__proto__": {"action": "assign_tag"}},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_cannot_be_understood_is_kept_and_said(post, kind):
    delivery = post(HOSTILE[kind])

    assert delivery.status == "quarantined"
    assert sentence_of(delivery.reason).endswith(".")
    assert "It could not" not in sentence_of(delivery.reason)
    assert not Lead.objects.exists()


HOSTILE_PAYMENTS = {
    "empty": b"",
    "page": b"<html>",
    "event at the other door": json.dumps(TAG),
    "no fields": b"a=1",
    "bytes": bytes(range(256)),
    "no buyer": urlencode({"transaction_id": "1", "transaction_type": "sale", "secret_key": "s3cret"}),
    "buyer of nowhere": urlencode({**SALE, "lead_id": "abc", "lead_email": "nobody"}),
    "deep": DEEP,
    "ampersands": b"lead_id=5&" * 100_000,
    "percent": b"%" * 1_000_000,
}


@pytest.mark.parametrize("kind", HOSTILE_PAYMENTS)
def test_payment_that_cannot_be_understood_is_kept_and_said(post, kind):
    delivery = post(HOSTILE_PAYMENTS[kind], ipn=True)

    assert delivery.status == "quarantined"
    assert sentence_of(delivery.reason).endswith(".")
    assert "It could not" not in sentence_of(delivery.reason)
    assert not Transaction.objects.exists()


STRANGE_BUT_CLEAR = {
    "html in names": event(
        "assign_tag", {"tag": {"tag_name": "<script>alert(1)</script>"}}, first_name="<img x-data x-init=alert(1)>"
    ),
    "formula": event("assign_tag", {"tag": {"tag_name": "=1+1"}}, first_name="=cmd|' /C calc'!A0"),
    "template": event("assign_tag", {"tag": {"tag_name": "{{7*7}}{% x %}"}}),
    "NUL": event("assign_tag", {"tag": {"tag_name": "V\0IP"}}, first_name="M\0ara"),
    "surrogate": event("assign_tag", {"tag": {"tag_name": "V\ud800"}}, first_name="\udfff"),
    "right to left": event("assign_tag", {"tag": {"tag_name": "\u202eVIP"}}),
    "long": event("assign_tag", {"tag": {"tag_name": "x" * 5000}}, first_name="y" * 200_000),
    "long country": event("assign_tag", {"tag": {"tag_name": "VIP"}}, country="z" * 5000, source="q" * 5000),
    "big numbers": event(
        "assign_tag", {"tag": {"tag_name": "VIP"}}, score=10**400, blacklisted=7, date_joined="99999-01-01"
    ),
    "old dates": event("assign_tag", {"tag": {"tag_name": "VIP"}}, date_joined="0001-01-01 00:00:00"),
    "types": event(
        "assign_tag",
        {"tag": {"tag_name": "VIP"}},
        first_name={"a": 1},
        city=["x"],
        score="many",
        custom_fields="none",
        blacklisted="maybe",
    ),
    "custom fields": event(
        "assign_tag",
        {"tag": {"tag_name": "VIP"}},
        custom_fields=[
            None,
            5,
            {"field_identifier": {"x": 1}},
            {"field_identifier": "a", "field_type": "checkbox", "field_value": [[]]},
        ],
    ),
    "many keys": event("assign_tag", {"tag": {"tag_name": "VIP"}}, **{f"key{n}": "v" * 20 for n in range(5000)}),
    "tags in the lead": event("assign_tag", {"tag": {"tag_name": "VIP"}}, tags=[], lists=[], memberships=[]),
}


@pytest.mark.parametrize("kind", STRANGE_BUT_CLEAR)
def test_strange_values_are_kept_as_far_as_they_can_be(post, endpoint, kind):
    other = LeadFactory(account=endpoint.connection.account, kartra_id="9", email="other@example.com")

    delivery = post(STRANGE_BUT_CLEAR[kind])

    assert (delivery.status, delivery.reason) == ("applied", {})
    assert LeadTag.objects.get().lead.kartra_id == "50417"
    other.refresh_from_db()
    assert other.first_name == "Mara"


def test_unknown_event_without_a_lead_is_kept_too(post):
    delivery = post({"action": "account_closed", "action_details": {"x": 1}})
    assert (delivery.status, delivery.lead) == ("recorded", None)


def test_unknown_keys_are_kept_on_the_lead_but_not_without_end(post):
    for part in range(4):
        keys = {f"key{part}_{n}": "v" for n in range(300)}
        post(event("video_play", **keys, novel="x" * 20_000, owner_id=str(part)))

    extra = Lead.objects.get().extra
    assert len(extra) == 400
    assert extra["key0_5"] == "v"
    assert "novel" not in extra
