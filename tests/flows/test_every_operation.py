"""The operations one by one, each in the admin and by its command: all that Kartra received, word for word, and our copy
afterwards. What carries everything at once is in test_operations.py, here and beside the admin's tests."""

import io
import json
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from integrations import push, receive
from integrations.models import ApiCall, Connection, WebhookEndpoint
from leads import mirror
from leads.models import (
    CalendarEnrollment,
    Lead,
    LeadTag,
    ListSubscription,
    RecurringSubscription,
    SequenceEnrollment,
    Transaction,
)
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db(transaction=True)

LEADS = "/admin/leads/lead/"
YEAR = timezone.now().year + 1
CLASS = {"calendar": "Coaching", "class": "Deep dive"}
KARTRAS_CLASS = {"calendar_name": "Coaching", "class_name": "Deep dive"}


@pytest.fixture
def staff(client):
    client.force_login(StaffFactory(username="mara", is_superuser=True))
    return client


def received(sandbox):
    """Every call that came, all its fields (the sandbox keeps no credentials), with `actions` as a list."""
    told = []
    for call in sandbox.calls():
        fields = dict(call["form"])
        if "actions" in fields:
            fields["actions"] = list(fields["actions"].values())
        told.append(fields)
    return told


def command(connection, name, *args):
    """A command's facts."""
    out = io.StringIO()
    call_command(name, *args, "--connection", connection.name, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def settle(connection):
    for _ in range(3):
        push.drain(Connection.objects.get(pk=connection.pk), until_s=2)


# --- 1: connection


@pytest.mark.parametrize("way", ["admin", "command"])
def test_connection(staff, sandbox, way):
    if way == "admin":
        given = {"name": "Shop", "app_id": sandbox.app_id, "key": sandbox.key, "password": sandbox.password}
        staff.post(
            "/admin/integrations/connection/add/",
            {**given, "api_url": sandbox.url, "calls_per_second": "19", "time_zone": ""},
        )
    else:
        keys = ["--app-id", sandbox.app_id, "--api-key", sandbox.key, "--api-password", sandbox.password]
        call_command("connect", "Shop", *keys, "--api-url", sandbox.url, stdout=io.StringIO())

    [asked] = received(sandbox)
    assert asked == {"actions": [{"cmd": "retrieve_account_lists"}]}
    made = Connection.objects.get()
    assert (made.name, made.sending, made.api_key, made.endpoints.count()) == ("Shop", "look_only", sandbox.key, 1)


# --- 2: create a lead


@pytest.mark.parametrize("way", ["admin", "command"])
def test_create(staff, sandbox, connection, way):
    given = {"email": "ada@example.com", "first_name": "Ada", "custom.shirt_size": "611"}
    if way == "admin":
        staff.post(f"{LEADS}add/", given)
        settle(connection)
    else:
        sets = [part for pair in given.items() for part in ("--set", "=".join(pair))]
        command(connection, "change", "create_lead", *sets, "--wait")

    size = {"field_identifier": "shirt_size", "field_value": "611"}
    assert received(sandbox) == [
        {
            "lead": {"email": "ada@example.com", "first_name": "Ada", "custom_fields": {"0": size}},
            "actions": [{"cmd": "create_lead"}],
        }
    ]
    lead = Lead.objects.get()
    assert (lead.kartra_id, lead.email, lead.first_name) == (
        str(sandbox.lead("ada@example.com")["id"]),
        given["email"],
        "Ada",
    )
    assert lead.custom_values == {"shirt_size": [["611", "Large"]]}


# --- 3, 4: get a lead; is there one


@pytest.mark.parametrize("way", ["find", "read now", "command"])
@pytest.mark.parametrize("named", ["email", "id"])
def test_get(staff, sandbox, connection, named, way):
    number = sandbox.add_lead("ada@example.com", first_name="Ada")
    sandbox.act("assign_tag", lead=number, tag="VIP")
    asked = "ada@example.com" if named == "email" else number
    if way == "read now":
        known = Lead.objects.create(
            account=connection.account, email="ada@example.com", **({"kartra_id": number} if named == "id" else {})
        )
        staff.post(reverse("admin:leads_lead_read", args=[known.pk]))
    elif way == "find":
        staff.post(f"{LEADS}find/", {"connection": connection.pk, "named": asked, "do": "keep"})
    else:
        command(connection, "pull", "--lead", asked)

    assert received(sandbox) == [{"get_lead": {named: asked}}]
    lead = Lead.objects.get()
    assert (lead.kartra_id, lead.first_name, lead.read_at is not None) == (number, "Ada", True)
    assert LeadTag.objects.get().tag.name == "VIP"


def test_get_as_an_action(staff, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})

    staff.post(LEADS, {"action": "read_again", "_selected_action": [lead.pk], "index": "0", "select_across": "0"})
    call_command("refresh", stdout=io.StringIO())

    assert received(sandbox) == [{"get_lead": {"id": lead.kartra_id}}]
    lead.refresh_from_db()
    assert (lead.city, lead.dirty_at) == ("Bend", None)


@pytest.mark.parametrize("way", ["admin", "command"])
def test_is_there_a_lead(staff, sandbox, connection, way):
    number = sandbox.add_lead("ada@example.com")
    if way == "admin":
        url, asked = f"{LEADS}find/", {"connection": connection.pk, "do": "look"}
        yes = staff.post(url, {**asked, "named": "ada@example.com"}).content.decode()
        no = staff.post(url, {**asked, "named": "bo@example.com"}).content.decode()
        assert f"Yes: Kartra has lead {number}" in yes
        assert "No: Kartra has no lead bo@example.com" in no
    else:
        assert command(connection, "pull", "--check", "--lead", "ada@example.com")["leads"][0]["found"] is True
        with pytest.raises(Exception, match="has no lead bo@example"):
            command(connection, "pull", "--check", "--lead", "bo@example.com")

    assert received(sandbox) == [{"get_lead": {"email": f"{name}@example.com"}} for name in ("ada", "bo")]
    assert not Lead.objects.exists()


# --- 5 to 14: one change


def in_tag(lead):
    return list(LeadTag.objects.filter(lead=lead).values_list("tag__name", "source"))


def on_list(lead):
    return list(ListSubscription.objects.filter(lead=lead).values_list("mailing_list__name", "active"))


def in_sequence(lead):
    return list(SequenceEnrollment.objects.filter(lead=lead).values_list("sequence__name", "step", "status"))


def booked(lead):
    return list(CalendarEnrollment.objects.filter(lead=lead).values_list("calendar_class__name", "status"))


def score(lead):
    return Lead.objects.get(pk=lead.pk).score


def tagged(lead, at):
    mirror.set_tag(lead, "VIP", True, source="webhook", at=at)


def subscribed(lead, at):
    mirror.set_list(lead, "Buyers", True, source="webhook", at=at)


def entered(lead, at):
    mirror.set_sequence(lead, "Upsell", "1", "active", at=at)


def has_class(lead, at):
    mirror.set_booking(lead, "Coaching", "Deep dive", None, at=at)


ONE_CHANGE = [
    (
        "give_points",
        {"points": "5", "expires_in_days": "7"},
        {"cmd": "give_points_to_lead", "points": "5", "expiration": "7"},
        None,
        score,
        5,
    ),
    ("remove_points", {"points": "3"}, {"cmd": "remove_points_from_lead", "points": "3"}, None, score, -3),
    ("assign_tag", {"tag": "VIP"}, {"cmd": "assign_tag", "tag_name": "VIP"}, None, in_tag, [("VIP", "push")]),
    ("unassign_tag", {"tag": "VIP"}, {"cmd": "unassign_tag", "tag_name": "VIP"}, tagged, in_tag, []),
    (
        "subscribe_list",
        {"list": "Buyers"},
        {"cmd": "subscribe_lead_to_list", "list_name": "Buyers"},
        None,
        on_list,
        [("Buyers", True)],
    ),
    (
        "unsubscribe_list",
        {"list": "Buyers"},
        {"cmd": "unsubscribe_lead_from_list", "list_name": "Buyers"},
        subscribed,
        on_list,
        [("Buyers", False)],
    ),
    (
        "subscribe_sequence",
        {"sequence": "Upsell", "step": "2"},
        {"cmd": "subscribe_lead_to_sequence_at_step", "sequence_name": "Upsell", "step": "2"},
        None,
        in_sequence,
        [("Upsell", "2", "active")],
    ),
    (
        "unsubscribe_sequence",
        {"sequence": "Upsell"},
        {"cmd": "unsubscribe_lead_from_sequence", "sequence_name": "Upsell"},
        entered,
        in_sequence,
        [("Upsell", "1", "unsubscribed")],
    ),
    (
        "subscribe_calendar",
        {**CLASS, "date": f"{YEAR}-01-16", "hour": "09:30"},
        {"cmd": "calendar_subscribe", **KARTRAS_CLASS, "starting_date": f"16 Jan {YEAR}", "starting_hour": "09:30"},
        None,
        booked,
        [("Deep dive", "Active")],
    ),
    (
        "cancel_calendar",
        CLASS,
        {"cmd": "calendar_cancel", **KARTRAS_CLASS},
        has_class,
        booked,
        [("Deep dive", "Cancelled")],
    ),
]


@pytest.mark.parametrize("way", ["action", "on the lead", "command"])
@pytest.mark.parametrize(
    ("kind", "given", "expected", "before", "told", "after"), ONE_CHANGE, ids=[o[0] for o in ONE_CHANGE]
)
def test_one_change(staff, sandbox, connection, kind, given, expected, before, told, after, way):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(1 if way == "on the lead" else 3)]
    Lead.objects.update(score=0)
    for lead in leads:
        sandbox.act("book", lead=lead.kartra_id, **CLASS, when=f"{YEAR}-02-02 10:00")
        if before is not None:
            before(lead, timezone.now())
    if way == "command":
        sets = [part for pair in given.items() for part in ("--set", "=".join(pair))]
        command(connection, "change", kind, "--all", *sets, "--wait")
    else:
        chosen = {"action": kind, "_selected_action": [lead.pk for lead in leads], "index": "0", "select_across": "0"}
        first = (LEADS, chosen) if way == "action" else (reverse("admin:leads_lead_prepare", args=[leads[0].pk, kind]),)
        page = staff.post(*first).url
        staff.post(page, {"do": "preview", **given})
        assert sandbox.calls() == []
        staff.post(page, {"do": "start", "mark": staff.get(page).context["preview"]["mark"]})
        settle(connection)

    asked = sorted(received(sandbox), key=lambda fields: fields["lead"]["id"])
    assert asked == [{"lead": {"id": lead.kartra_id}, "actions": [expected]} for lead in leads]
    assert [told(lead) for lead in leads] == [after] * len(leads)


# --- 15 to 17: money


@pytest.mark.parametrize("way", ["admin", "command"])
def test_transactions_and_subscriptions(staff, sandbox, connection, way):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sale = str(sandbox.act("sale", lead=lead.kartra_id, product="Trail Course", amount="97.00")["transaction"])
    plan = str(sandbox.act("start_subscription", lead=lead.kartra_id, product="Trail Club")["subscription"])
    if way == "admin":
        staff.post(reverse("admin:leads_lead_read_money", args=[lead.pk]))
        asked = received(sandbox)
    else:
        command(connection, "pull", "--lead", lead.kartra_id, "--transactions")
        first, *asked = received(sandbox)
        assert first == {"get_lead": {"id": lead.kartra_id}}

    first_payment = Transaction.objects.exclude(kartra_id=sale).get()
    of_lead = {"id": lead.kartra_id}
    assert asked[0] == {"lead": of_lead, "actions": [{"cmd": "retrieve_transactions_from_lead"}]}
    details = [each["actions"][0] for each in asked if each["actions"][0]["cmd"] == "get_transaction_details"]
    assert sorted(each["transaction_id"] for each in details) == sorted([sale, first_payment.kartra_id])
    assert {"lead": of_lead, "actions": [{"cmd": "retrieve_subscriptions_from_lead"}]} in asked
    assert {"actions": [{"cmd": "get_subscription_details", "subscription_id": plan}]} in asked
    assert len(asked) == 5
    bought = Transaction.objects.get(kartra_id=sale)
    assert (bought.lead, bought.type, bought.full_amount, bought.product.name) == (
        lead,
        "sale",
        Decimal("97.00"),
        "Trail Course",
    )
    paid_for = RecurringSubscription.objects.get()
    assert (paid_for.kartra_id, paid_for.lead, paid_for.status) == (plan, lead, "Active")
    assert (first_payment.subscription, first_payment.full_amount) == (paid_for, Decimal("29.00"))


@pytest.mark.parametrize("way", ["admin", "command", "call"])
def test_is_there_a_transaction(staff, sandbox, connection, way):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sale = str(sandbox.act("sale", lead=lead.kartra_id, amount="97.00")["transaction"])
    cmd = "get_transaction_details"
    if way == "admin":
        page = staff.post(
            "/admin/leads/transaction/find/", {"connection": connection.pk, "named": sale}
        ).content.decode()
        assert f"Yes: Kartra has transaction {sale}" in page
    elif way == "command":
        assert command(connection, "pull", "--check", "--transaction", sale)["transaction"]["amount"] == "97.00"
    else:
        cmd, out = "search_transaction", io.StringIO()
        pairs = [f"actions[0][cmd]={cmd}", f"actions[0][transaction_id]={sale}"]
        call_command("call", "--connection", connection.name, *pairs, stdout=out)
        assert "Transaction exists" in out.getvalue()

    assert received(sandbox) == [{"actions": [{"cmd": cmd, "transaction_id": sale}]}]
    assert not Transaction.objects.exists()


# --- 20: events


@pytest.mark.parametrize("way", ["admin", "command"])
def test_events_are_watched(staff, sandbox, connection, way):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    if way == "admin":
        staff.post(
            "/admin/integrations/webhookendpoint/add/", {"connection": connection.pk, "name": "Tags", "secret": ""}
        )
        endpoint = WebhookEndpoint.objects.get(name="Tags")
    else:
        endpoint = WebhookEndpoint.objects.create(connection=connection, name="Tags")
    body = {"action": "assign_tag", "lead": {"id": lead.kartra_id}, "action_details": {"tag": {"tag_name": "VIP"}}}
    assert (
        staff.post(f"/webhooks/{endpoint.token}/", json.dumps(body), content_type="application/json").status_code == 200
    )
    assert receive.drain(until_s=2)

    if way == "admin":
        events = staff.get(reverse("admin:integrations_webhookendpoint_change", args=[endpoint.pk])).context["events"]
        seen = {kind.name: kind.last_at for kind, _ in events}
    else:
        [told] = command(connection, "status")["connections"][0]["doors"]
        assert told["name"] == "Tags"
        seen = told["events"]
        text = io.StringIO()
        call_command("status", stdout=text)
        assert "messages at Tags: assign_tag 2" in text.getvalue()
        assert "never seen: buy_product" in text.getvalue()
    assert ([name for name, last in seen.items() if last], len(seen)) == (["assign_tag"], 26)
    assert received(sandbox) == []
    assert LeadTag.objects.get().tag.name == "VIP"


# --- 21: any call


@pytest.mark.parametrize("way", ["admin", "command"])
@pytest.mark.parametrize(
    "pair",
    [
        "actions[0][cmd]=retrieve_account_pages",
        "actions[][cmd]=retrieve_account_pages",
        "get_lead[email]=ada@example.com",
    ],
)
def test_any_call(staff, sandbox, connection, pair, way):
    sandbox.add_lead("ada@example.com", first_name="Ada")
    if way == "admin":
        given = {"connection": connection.pk, "pairs": pair}
        told = staff.post(reverse("admin:integrations_connection_console"), given).content.decode()
    else:
        out = io.StringIO()
        call_command("call", "--connection", connection.name, pair, stdout=out)
        told = out.getvalue()

    by_email = pair.startswith("get_lead")
    asked = {"get_lead": {"email": "ada@example.com"}} if by_email else {"actions": [{"cmd": "retrieve_account_pages"}]}
    assert received(sandbox) == [asked]
    assert ("Ada" if by_email else "Landing A") in told
    assert sandbox.key not in told
    assert sandbox.password not in told
    call = ApiCall.objects.get()
    assert (call.commands, call.cause) == ("get_lead" if by_email else "retrieve_account_pages", "console")
    assert str(call.made_by or "") == ("mara" if way == "admin" else "")
