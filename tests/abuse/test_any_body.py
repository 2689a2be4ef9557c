"""Whatever is posted to either door is kept, answered, and applied or set aside with a reason: random JSON, forms, bytes."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings, strategies as st

from integrations import receive
from integrations.kartra.notices import EVENTS
from integrations.models import Delivery, DeliveryStatus
from integrations.receive.body_text import without_secret
from leads.models.remarks import sentence_of
from tests.factories import WebhookEndpointFactory

texts = st.text(max_size=40) | st.sampled_from(
    [
        "VIP",
        "Intro call",
        "",
        " ",
        "N/A",
        "a@example.com",
        " A@Example.COM ",
        "ß" * 400 + "@x",
        "0000-00-00 00:00:00",
        "2026-02-30 10:00",
        "0001-01-01 00:00:00",
        "9999-12-31 23:59:59",
        "2026-05-04 11:20:31",
        "America/Detroit",
        "../../etc/passwd",
        "\0",
        "\ud800",
        "1e400",
        "9999999999.999",
        "-1",
        "1_000",
        "1,000.50",
        "{",
        "[[]]",
        '{"id": 5}',
        "x" * 3000,
    ]
)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400, 5150])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
ids = st.sampled_from([5, "5", " 5 ", 5.0, "6", 0, "", None, True, "abc", -5]) | scalars


def some_of(**known):
    return st.fixed_dictionaries({}, optional=known)


leads = some_of(
    id=ids,
    email=texts | values,
    first_name=values,
    score=values,
    blacklisted=values,
    date_joined=values,
    source=values,
    country=values,
    gdpr_lead_status=values,
    tags=values,
    unknown_key=values,
    custom_fields=values | st.lists(some_of(field_identifier=texts, field_type=texts, field_value=values), max_size=3),
)
things = some_of(
    tag_name=texts,
    list_name=texts,
    sequence_name=texts,
    membership_name=texts,
    membership_id=ids,
    level_name=texts,
    level_id=ids,
    calendar_name=texts,
    class_name=texts,
    calendar_subscription_id=ids,
    vendor_timezone=texts,
    events=st.lists(some_of(event_date=texts, event_duration=scalars), max_size=2) | values,
)
money = some_of(
    transaction_id=ids,
    transaction_type=st.sampled_from(["sale", "refund", "rebill", "Request Can.", "cancellation", "N/A"]) | texts,
    transaction_parent_id=ids,
    transaction_full_amount=scalars,
    transaction_tax=scalars,
    transaction_quantity=scalars,
    transaction_date=texts,
    transaction_internal_subscription_id=ids,
    transaction_subscription_id=texts,
    product_name=texts,
    product_id=ids,
    product_price_point=scalars,
    lead_id=ids,
    lead_email=texts,
    buyer_id=ids,
    buyer_email=texts,
    price=scalars,
    lead_first_name=texts,
    secret_key=st.sampled_from(["right", "wrong", "N/A"]),
)
details = some_of(
    tag=things | values,
    list=things | values,
    sequence=things | values,
    membership=things | values,
    calendar=things | values,
    transaction_details=money | values,
    points=values,
)
events = some_of(
    action=st.sampled_from([*EVENTS, "new_thing", ""]) | scalars,
    action_details=details | things | money | values,
    lead=leads | values,
)
bodies = (
    st.binary(max_size=300)
    | values.map(lambda value: json.dumps(value).encode())
    | events.map(lambda event: json.dumps(event).encode())
    | events.map(lambda event: f"payload={quote_plus(json.dumps(event))}".encode())
    | money.map(
        lambda fields: "&".join(f"{k}={quote_plus(str(v), errors='replace')}" for k, v in fields.items()).encode()
    )
    | money.map(lambda fields: json.dumps(fields).encode())
)


@pytest.mark.django_db
@settings(max_examples=settings.default.max_examples // 2)  # each is posted four times and applied twice
@given(body=bodies)
def test_any_body_at_both_endpoints_is_kept_answered_and_applied_or_set_aside(client, body):
    endpoints = [WebhookEndpointFactory(), WebhookEndpointFactory(ipn_secret="right")]
    posted = 0
    for endpoint in endpoints:
        for address in (f"/webhooks/{endpoint.token}/", f"/webhooks/{endpoint.token}/ipn/"):
            answer = client.post(address, data=body, content_type="application/x-www-form-urlencoded")
            assert answer.status_code == 200
            posted += 1

    receive.drain()

    kept = list(Delivery.objects.filter(endpoint__in=endpoints))
    assert len(kept) == posted
    for delivery in kept:
        assert bytes(delivery.body) in {body, without_secret(body, "right") if delivery.endpoint.ipn_secret else body}
        assert delivery.status != DeliveryStatus.WAITING
        assert delivery.status not in (DeliveryStatus.QUARANTINED, DeliveryStatus.REFUSED) or delivery.reason
        assert "It could not be" not in sentence_of(delivery.reason)

    before = list(Delivery.objects.filter(endpoint__in=endpoints).order_by("pk").values_list("pk", "status", "changed"))
    changed = [
        words
        for _, applied in receive.replay(Delivery.objects.filter(endpoint__in=endpoints))
        for words in applied.changed
    ]

    assert changed == []
    assert (
        list(Delivery.objects.filter(endpoint__in=endpoints).order_by("pk").values_list("pk", "status", "changed"))
        == before
    )
