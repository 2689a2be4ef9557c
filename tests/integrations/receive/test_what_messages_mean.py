"""What messages say, kind by kind, in every spelling: one test for each line, with its sisters."""

import datetime as dt
import json
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from integrations import receive
from integrations.models import Connection, WebhookEndpoint
from integrations.push import claim
from integrations.read import order_sync, schedule
from integrations.receive.body_text import shown
from leads import mirror
from leads.models import (
    Activity,
    CalendarEnrollment,
    Lead,
    LeadChange,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    RecurringSubscription,
    Sequence,
    SequenceEnrollment,
    Tag,
    Transaction,
)
from leads.models.remarks import sentence_of
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

LEAD = {"id": "50417", "email": "mara.lind@example.com"}
EACH = pytest.mark.parametrize(
    ("noun", "model", "joined", "join", "leave"),
    [
        ("tag", Tag, LeadTag, "assign_tag", "unassign_tag"),
        ("list", MailingList, ListSubscription, "list_subscription", "list_unsubscription"),
        ("sequence", Sequence, SequenceEnrollment, "sequence_subscription", "sequence_unsubscription"),
    ],
)


@pytest.fixture
def endpoint():
    return WebhookEndpointFactory()


@pytest.fixture
def lead(endpoint):
    return LeadFactory(
        account=endpoint.connection.account,
        kartra_id="50417",
        email=LEAD["email"],
        read_at=timezone.now() - dt.timedelta(hours=1),
        orders_read_at=timezone.now(),
    )


def told(endpoint, action, details=None, body=None, **lead):
    """One event, applied."""
    given = {"action": action, "action_details": details or {}, "lead": {**LEAD, **lead}}
    delivery = DeliveryFactory(endpoint=endpoint, body=json.dumps(given).encode() if body is None else body)
    receive.drain()
    delivery.refresh_from_db()
    return delivery


def paid(endpoint, **fields):
    """One payment message, applied."""
    body = urlencode({"lead_id": LEAD["id"], "lead_email": LEAD["email"], **fields}).encode()
    delivery = DeliveryFactory(endpoint=endpoint, channel="ipn", body=body)
    receive.drain()
    delivery.refresh_from_db()
    return delivery


# --- a plan that is cancelled, a sale that only an event told

ENDS = [
    lambda endpoint: paid(
        endpoint, transaction_id="9", transaction_type="cancellation", transaction_internal_subscription_id="81"
    ),
    lambda endpoint: told(
        endpoint,
        "cancel_subscription",
        {"transaction_details": {"transaction_id": 9, "transaction_internal_subscription_id": 81}},
    ),
    lambda endpoint: told(
        endpoint,
        "cancel_subscription",
        {"transaction_id": "9", "transaction_type": "Cancellation", "transaction_internal_subscription_id": "81"},
    ),
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("known", [True, False])
def test_plan_that_is_said_to_be_cancelled_shows_so_and_is_read_next(endpoint, lead, end, known):
    if known:
        RecurringSubscription.objects.create(account=lead.account, kartra_id="81", lead=lead, status="Active")
    other = LeadFactory(account=lead.account, orders_read_at=None)
    endpoint.connection.account.leads.filter(pk=lead.pk).update(orders_read_at=timezone.now())

    end(endpoint)

    plan = RecurringSubscription.objects.get()
    assert (plan.status, plan.reported, plan.lead) == ("Cancelled", True, lead)
    assert list(order_sync.due(endpoint.connection)) == [lead, other]
    assert Activity.objects.filter(kind="subscription_cancelled").count() == 1
    facts = mirror.SubscriptionFact("81", status="Active")
    mirror.set_subscription(lead.account, facts, at=timezone.now(), lead=lead)
    mirror.mark_orders_read(lead, timezone.now())
    plan.refresh_from_db()
    assert (plan.status, plan.reported) == ("Active", False)
    assert list(order_sync.due(endpoint.connection)) == [other]


def test_payment_with_the_right_secret_confirms_a_reported_end(endpoint, lead):
    ENDS[1](endpoint)
    WebhookEndpoint.objects.update(ipn_secret="s3cret")
    paid(
        endpoint,
        transaction_id="9",
        transaction_type="cancellation",
        transaction_internal_subscription_id="81",
        secret_key="s3cret",
    )

    assert not RecurringSubscription.objects.get().reported
    assert Activity.objects.filter(kind="subscription_cancelled").count() == 1


@pytest.mark.parametrize(
    "details",
    [
        {"transaction_details": {"transaction_id": 7, "transaction_full_amount": 97.0}},
        {"transaction_id": "7", "transaction_amount": "97.00"},
    ],
)
def test_sale_that_only_an_event_told_is_read_next(endpoint, lead, details):
    told(endpoint, "buy_product", details)

    row = Transaction.objects.get()
    assert (row.full_amount, row.reported) == (Decimal("97.00"), True)
    assert list(order_sync.due(endpoint.connection)) == [lead]


def test_message_while_the_orders_are_being_read_makes_them_due_again(endpoint, lead):
    began = timezone.now()
    mirror.put_off_orders(lead, began + dt.timedelta(minutes=5))
    told(endpoint, "buy_product", {"transaction_id": "7", "transaction_amount": "97.00"})

    mirror.mark_orders_read(lead, began)

    assert list(order_sync.due(endpoint.connection)) == [lead]


# --- a lead that is said to be deleted


@pytest.mark.parametrize("yes", [1, "1", True, "true", "True", " 1 ", 1.0, "yes"])
def test_nothing_is_sent_to_a_lead_that_is_said_to_be_deleted_until_a_read_has_looked(endpoint, lead, yes):
    change = LeadChangeFactory(lead=lead)
    Connection.objects.update(switched_on_at=timezone.now())
    endpoint.connection.refresh_from_db()
    assert LeadChange.objects.due().exists()

    told(endpoint, "assign_tag", {"tag": {"tag_name": "buyer"}}, lead_deleted=yes)

    assert not LeadChange.objects.due().exists()
    assert claim.claim(endpoint.connection, 5) == []
    assert list(schedule.due(endpoint.connection)) == [lead]
    lead.refresh_from_db()
    assert lead.gone_at is None
    facts = mirror.LeadFacts(kartra_id="50417", fields={"email": LEAD["email"]})
    mirror.apply_facts(
        lead.account, facts, source="refresh", at=timezone.now(), lead=lead, read_began_at=timezone.now()
    )
    assert list(LeadChange.objects.due()) == [change]


@pytest.mark.parametrize("no", [0, "0", False, "false", "", None, "N/A"])
def test_lead_that_is_not_said_to_be_deleted_is_sent_to(endpoint, lead, no):
    LeadChangeFactory(lead=lead)
    told(endpoint, "assign_tag", {"tag": {"tag_name": "buyer"}}, lead_deleted=no, lead_deleted_date="")
    assert LeadChange.objects.due().exists()


def test_message_that_says_deleted_brings_no_deleted_lead_back(endpoint, lead):
    mirror.mark_gone(lead, "deleted", timezone.now() - dt.timedelta(minutes=1), source="refresh")
    told(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, lead_deleted="1")
    lead.refresh_from_db()
    assert lead.gone_at is not None


def test_old_message_that_says_deleted_holds_nothing_back(endpoint, lead):
    delivery = told(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, lead_deleted="1")
    Lead.objects.update(read_at=timezone.now(), said_deleted_at=None)
    list(receive.replay(type(delivery).objects.filter(pk=delivery.pk)))
    lead.refresh_from_db()
    assert lead.said_deleted_at is None


# --- things by their ids


@EACH
def test_same_id_under_a_new_name_is_the_same_renamed(endpoint, lead, noun, model, joined, join, leave):
    told(endpoint, join, {noun: {f"{noun}_id": 7, f"{noun}_name": "Old"}})
    told(endpoint, join, {noun: {f"{noun}_id": "7", f"{noun}_name": "New"}})

    [row] = model.objects.all()
    assert (row.name, row.kartra_id) == ("New", "7")
    assert joined.objects.count() == 1


@EACH
def test_new_name_that_a_read_told_first_is_folded_into_the_renamed(endpoint, lead, noun, model, joined, join, leave):
    told(endpoint, join, {noun: {f"{noun}_id": 7, f"{noun}_name": "Old"}})
    other = LeadFactory(account=lead.account)
    fresh = model.objects.create(account=lead.account, name="New")
    for each in (lead, other):
        joined.objects.create(lead=each, **{joined_field(joined): fresh}, since=timezone.now(), source="refresh")

    told(endpoint, join, {noun: {f"{noun}_id": "7", f"{noun}_name": "New"}})

    [row] = model.objects.all()
    assert row.name == "New"
    assert set(joined.objects.values_list("lead", flat=True)) == {lead.pk, other.pk}
    assert joined.objects.count() == 2


def joined_field(joined):
    return {LeadTag: "tag", ListSubscription: "mailing_list", SequenceEnrollment: "sequence"}[joined]


@EACH
def test_same_name_under_a_new_id_is_a_new_thing(endpoint, lead, noun, model, joined, join, leave):
    other = LeadFactory(account=lead.account, kartra_id="50418", email="b@example.com")
    told(endpoint, join, {noun: {f"{noun}_id": 7, f"{noun}_name": "VIP"}}, id="50418", email=other.email)

    told(endpoint, join, {noun: {f"{noun}_id": 8, f"{noun}_name": "VIP"}})

    rows = {row.kartra_id: row for row in model.objects.all()}
    assert (rows["8"].name, rows["7"].name) == ("VIP", "VIP (7)")
    assert rows["7"].missing_since is not None
    assert {row.lead_id: getattr(row, joined_field(joined)) for row in joined.objects.all()} == {
        other.pk: rows["7"],
        lead.pk: rows["8"],
    }


@EACH
def test_id_without_a_name_is_known_by_its_id_or_kept(endpoint, lead, noun, model, joined, join, leave):
    unknown = told(endpoint, join, {noun: {f"{noun}_id": "7"}})
    assert (unknown.status, joined.objects.count()) == ("recorded", 0)
    assert "7" in sentence_of(unknown.reason)

    told(endpoint, join, {noun: {f"{noun}_id": 7, f"{noun}_name": "VIP"}})
    left = told(endpoint, leave, {noun: {f"{noun}_id": "7", f"{noun}_name": ""}})

    assert (left.status, left.family) == ("applied", f"{noun}:VIP")
    assert told(endpoint, join, {noun: {}}).status == "quarantined"


# --- amounts that differ


@pytest.mark.parametrize("key", ["transaction_full_amount", "transaction_tax", "transaction_discount"])
def test_amount_that_nobody_vouches_for_is_kept_beside_the_known_one(endpoint, lead, key):
    fields = {"transaction_id": "7", "transaction_type": "sale"}
    paid(endpoint, **fields, **{key: "97.00"})

    for _ in range(2):
        paid(endpoint, **fields, **{key: "12.00"})

    name = key.removeprefix("transaction_")
    assert getattr(Transaction.objects.get(), name) == Decimal("97.00")
    line = Activity.objects.get(kind="amount_reported")
    assert (line.details["was"], line.details["is"]) == ("97.00", "12.00")
    assert "97.00 → 12.00" in line.label
    WebhookEndpoint.objects.update(ipn_secret="s3cret")
    paid(endpoint, **fields, **{key: "12.00"}, secret_key="s3cret")
    assert getattr(Transaction.objects.get(), name) == Decimal("12.00")


# --- left, though nobody knew that it was joined


@pytest.mark.parametrize(
    ("action", "details", "model", "state", "line"),
    [
        ("list_unsubscription", {"list": {"list_name": "Buyers"}}, ListSubscription, {"active": False}, "list_left"),
        (
            "sequence_unsubscription",
            {"sequence": {"sequence_name": "Welcome"}},
            SequenceEnrollment,
            {"status": "unsubscribed"},
            "sequence_left",
        ),
        (
            "membership_revoked",
            {"membership": {"membership_id": 4, "membership_name": "Club", "level_id": 2}},
            MembershipGrant,
            {"active": False},
            "membership_revoked",
        ),
        (
            "calendar_cancel",
            {"calendar": {"calendar_name": "Coaching", "class_name": "Intro"}},
            CalendarEnrollment,
            {"status": "Cancelled"},
            "calendar_cancelled",
        ),
    ],
)
def test_what_was_left_is_known_as_left(endpoint, lead, action, details, model, state, line):
    for _ in range(2):
        delivery = told(endpoint, action, details)

    assert delivery.status == "applied"
    assert model.objects.filter(**state).count() == model.objects.count() == 1
    assert Activity.objects.filter(kind=line).count() == 1


def test_membership_keeps_its_own_id(endpoint, lead):
    told(endpoint, "membership_granted", {"membership": {"membership_id": 4, "membership_name": "Club", "level_id": 2}})
    assert (Membership.objects.get().kartra_id, MembershipLevel.objects.get().kartra_id) == ("4", "2")


# --- what cannot be


@pytest.mark.parametrize("id", [0, "0", -5, "-5", "5.5", 5.5, "abc", True, [5], {"a": 5}, "5e3", "٥"])
def test_lead_whose_id_cannot_be_is_not_made_by_its_address(endpoint, id):
    delivery = told(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, id=id)

    assert (delivery.status, Lead.objects.count()) == ("quarantined", 0)
    if not isinstance(id, list | dict | bool):
        assert paid(endpoint, lead_id=str(id), transaction_id="7", transaction_type="sale").status == "quarantined"
        assert Lead.objects.count() == 0


@pytest.mark.parametrize("id", ["", None, "N/A", " "])
def test_lead_without_an_id_is_known_by_its_address(endpoint, id):
    assert told(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, id=id).status == "applied"
    assert Lead.objects.get().email == LEAD["email"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_number_is_as_if_it_were_missing(endpoint, lead, number):
    Lead.objects.update(score=15, company="Lind AB", source_id="3")
    body = '{"action": "reaches_score", "action_details": {"points": %s, "list": [1, %s]}, "lead": {"id": 50417, "score": %s, "company": %s, "source_id": %s}}'

    delivery = told(endpoint, "", body=body.replace("%s", number).encode())

    lead.refresh_from_db()
    assert (delivery.status, lead.score, lead.company, lead.source_id) == ("applied", 15, "Lind AB", "3")
    assert Activity.objects.get(kind="reaches_score").details == {"list": [1]}


@pytest.mark.parametrize("wrap", ["x%s", "%sx", "<!-- a -->%s", "%s%s", "%s;", "callback(%s)", "[1] %s"])
def test_junk_around_the_json_is_kept_whole_and_not_read(endpoint, lead, wrap):
    body = json.dumps({"action": "assign_tag", "action_details": {"tag": {"tag_name": "VIP"}}, "lead": LEAD})
    body = wrap.replace("%s", body).encode()

    delivery = told(endpoint, "", body=body)

    assert (delivery.status, bytes(delivery.body), LeadTag.objects.count()) == ("quarantined", body, 0)


@pytest.mark.parametrize("room", ["\n%s\n", "\ufeff%s", " %s\r\n", "%s\0"])
def test_white_space_and_marks_are_no_junk(endpoint, lead, room):
    body = json.dumps({"action": "assign_tag", "action_details": {"tag": {"tag_name": "VIP"}}, "lead": LEAD})
    assert told(endpoint, "", body=room.replace("%s", body).encode()).status == "applied"


@pytest.mark.parametrize("email", ["x" * 321 + "@example.com", "a@" + "b." * 200 + "com"])
def test_address_longer_than_any_can_be_is_not_read(endpoint, email):
    assert told(endpoint, "assign_tag", {"tag": {"tag_name": "VIP"}}, email=email).status == "quarantined"
    assert paid(endpoint, lead_email=email, transaction_id="7", transaction_type="sale").status == "quarantined"
    assert Lead.objects.count() == 0


# --- bookings


def booked(**more):
    return {"calendar": {"calendar_name": "Coaching", "class_name": "Intro", "calendar_subscription_id": 5001, **more}}


def test_cancelled_booking_takes_the_start_that_is_told_later(endpoint, lead):
    told(endpoint, "calendar_cancel", booked())
    told(endpoint, "calendar_cancel", booked(events=[{"event_date": "2026-07-09 10:00"}], vendor_timezone="UTC"))

    row = CalendarEnrollment.objects.get()
    assert row.starts_at == dt.datetime(2026, 7, 9, 10, tzinfo=dt.UTC)
    assert Activity.objects.filter(kind="calendar_cancelled").count() == 1


@pytest.mark.parametrize(
    "actions", [("calendar_cancel", "calendar_complete"), ("calendar_complete", "calendar_cancel")]
)
def test_booking_that_is_completed_after_a_cancel_is_kept_as_told(endpoint, lead, actions):
    for action in ("calendar_subscribe", *actions, *actions):
        told(endpoint, action, booked())

    assert CalendarEnrollment.objects.get().status == "Completed"


# --- custom values, secrets


@pytest.mark.parametrize("value", [{"street": "Main", "no": 5}, {"a": {"b": [1]}}])
@pytest.mark.parametrize("kind", ["input_field", "text_area", "drop_down", "brand_new"])
def test_custom_value_that_is_an_object_is_kept(endpoint, lead, value, kind):
    told(
        endpoint,
        "assign_tag",
        {"tag": {"tag_name": "VIP"}},
        custom_fields=[{"field_identifier": "home", "field_type": kind, "field_value": value}],
    )

    lead.refresh_from_db()
    assert json.loads(lead.custom_values["home"]) == value


SECRET = "hunter2hunter2"


@pytest.mark.parametrize("name", ["_secret", "secret", "secret_key", "Secret_Key", "secretKey", "secret-key", "SECRET"])
@pytest.mark.parametrize(
    "body",
    [
        lambda name: json.dumps({name: SECRET, "action": "new_thing", "lead": LEAD, "action_details": {name: SECRET}}),
        lambda name: json.dumps({"action": "x", "action_details": {"deep": [{name: SECRET}]}, "lead": LEAD}, indent=2),
        lambda name: urlencode({"lead_id": "50417", "transaction_type": "sale", "transaction_id": "7", name: SECRET}),
        lambda name: urlencode({"payload": json.dumps({name: SECRET, "action": "x", "lead": LEAD})}),
        lambda name: f"action=new_thing&lead[id]=50417&action_details[{name}]={SECRET}",
        lambda name: f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{SECRET}\r\n--b--',
        lambda name: f'{{\'{name}\' broken "{name}": "{SECRET}"',
    ],
)
def test_secret_is_shown_nowhere(endpoint, lead, name, body):
    text = body(name)
    page = shown(text.encode())
    assert SECRET not in page.raw + page.pretty

    for channel in ("outbound", "ipn"):
        DeliveryFactory(endpoint=endpoint, body=text.encode(), channel=channel)
    receive.drain()

    kept = [*Activity.objects.values_list("details", flat=True), *Transaction.objects.values_list("raw", flat=True)]
    assert SECRET not in json.dumps([*kept, *Lead.objects.values_list("extra", flat=True)])


def test_a_word_that_holds_secret_is_no_secret():
    assert "Alps" in shown(b'{"secret_santa": "Alps", "secretary": "Alps"}').raw
