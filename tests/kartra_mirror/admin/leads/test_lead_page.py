"""The page of one lead: it reads itself when our copy is old, tells what happened in sentences, and leads to every cause."""

import datetime as dt
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall
from integrations.read import refresh
from kartra_mirror.admin.leads import lead_read, outcome_messages
from leads import changes, kinds, mirror
from leads.models import OPEN, Activity, ChangeStatus, LeadTag, Product, RecurringSubscription, Source, Transaction
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    SendingStopFactory,
    StaffFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

OLD = dt.timedelta(minutes=11)


@pytest.fixture
def lead(sandbox, connection):
    sandbox.add_lead("ada@example.com", first_name="Ada", last_name="Lind", city="Salem")
    return refresh.read_lead(connection, email="ada@example.com").lead


def get(staff, lead, tab=""):
    return staff.get(lead.get_absolute_url(), {"tab": tab} if tab else {}).content.decode()


def aged(lead, by=OLD):
    type(lead).objects.filter(pk=lead.pk).update(read_at=timezone.now() - by)
    lead.refresh_from_db()
    return lead


def read_by_script(staff, lead):
    return staff.post(reverse("admin:leads_lead_read", args=[lead.pk]), headers={"accept": "application/json"})


# --- it reads itself


def test_page_reads_itself_only_when_our_copy_is_older_than_ten_minutes(staff, lead):
    assert "data-reads" not in get(staff, lead)
    assert "data-reads" in get(staff, aged(lead))


def test_script_has_the_lead_read_in_the_class_of_a_waiting_person(staff, sandbox, lead, monkeypatch):
    aged(lead)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})
    classes = []
    wait = refresh.calls.wait_for_slot
    monkeypatch.setattr(
        refresh.calls, "wait_for_slot", lambda c, priority, **how: (classes.append(priority), wait(c, priority, **how))
    )

    answer = read_by_script(staff, lead)

    lead.refresh_from_db()
    assert answer.json() == {
        "changed": True,
        "level": "success",
        "words": "Updated from Kartra just now. 1 thing had changed in Kartra.",
    }
    assert (lead.city, set(classes)) == ("Bend", {refresh.Priority.PERSON})
    assert "data-reads" not in get(staff, lead)
    assert read_by_script(staff, lead).json()["changed"] is False


def test_a_lead_that_is_not_there_is_not_read_again_and_again(staff, connection):
    lead = LeadFactory(account=connection.account, kartra_id=None, email="nobody@example.com", read_at=None)
    assert "data-reads" in get(staff, lead)

    assert read_by_script(staff, lead).json()["level"] == "warning"

    lead.refresh_from_db()
    page = get(staff, lead)
    assert "data-reads" not in page
    assert "it has no lead of this address." in page
    assert "Never read from Kartra" not in page
    assert reverse("admin:integrations_apicall_change", args=[ApiCall.objects.get().pk]) in page


def test_a_read_by_ourselves_that_found_nobody_is_among_the_calls(staff, sandbox, connection):
    lead = LeadFactory(account=connection.account, kartra_id=None, email="nobody@example.com", read_at=None)
    refresh.drain(connection)

    page = get(staff, lead)

    assert "it has no lead of this address." in page
    assert reverse("admin:integrations_apicall_change", args=[ApiCall.objects.get().pk]) in page


def test_lead_that_is_to_be_made_is_not_said_to_have_been_asked_for(staff, connection):
    lead = mirror.create_placeholder(connection.account, "new@example.com", timezone.now())

    page = get(staff, lead)

    assert "Not in Kartra yet, so there is nothing to check." in page
    assert "Asked Kartra" not in page


def test_kartra_that_cannot_be_reached_is_told_and_changes_nothing(staff, connection, lead):
    aged(lead)
    type(connection).objects.filter(pk=connection.pk).update(api_url="http://127.0.0.1:9/api")

    told = read_by_script(staff, lead).json()

    lead.refresh_from_db()
    assert (told["changed"], told["level"], lead.city) == (False, "error", "Salem")
    assert told["words"]


@pytest.mark.parametrize(
    "why", ["gone", "no connection", "reads stopped", "outage", "keys refused", "held", "not before"]
)
def test_page_does_not_ask_where_asking_is_of_no_use(lead, connection, why):
    now = timezone.now()
    aged(lead)
    asked = connection
    match why:
        case "gone":
            lead.gone_at = now
        case "no connection":
            asked = None
        case "reads stopped":
            connection.reads_stopped_at = now
        case "outage":
            SendingStopFactory(connection=connection, stopped_by="outage")
        case "keys refused":
            SendingStopFactory(connection=connection, stopped_by="credentials")
        case "held":
            connection.hold_until = now + OLD
        case "not before":
            lead.read_not_before = now + OLD

    assert not lead_read.reads_itself(lead, asked)


def test_reading_is_refused_to_those_who_may_see_no_lead(client, lead):
    client.force_login(StaffFactory(is_staff=True))

    assert client.post(reverse("admin:leads_lead_read", args=[lead.pk])).status_code == 403
    assert client.get(reverse("admin:leads_lead_parts", args=[lead.pk])).status_code == 403


# --- said aloud


def test_outcome_is_said_in_a_sentence_to_read_aloud(staff, connection, lead):
    changes.record_changes(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"}, by=staff.user)
    before = staff.get(reverse("admin:leads_lead_parts", args=[lead.pk])).content.decode()
    push.drain(connection)

    after = staff.get(reverse("admin:leads_lead_parts", args=[lead.pk])).content.decode()

    assert "“Assign the tag VIP” for Ada Lind is next to be sent to Kartra." in before
    assert 'class="note wait"' in before
    assert "Ada Lind now has the tag VIP. Kartra confirmed it at " in after
    assert 'class="note good"' in after
    assert "Ada Lind now has the tag VIP." in get(staff, lead)


def test_what_others_asked_for_and_what_is_long_past_is_not_said(staff, lead):
    LeadChangeFactory(lead=lead, account=lead.account, requested_by=StaffFactory())
    LeadChangeFactory(
        lead=lead, account=lead.account, requested_by=staff.user, requested_at=timezone.now() - dt.timedelta(hours=1)
    )

    assert outcome_messages.just_now(lead, staff.user) == []


@pytest.mark.parametrize("status", ChangeStatus.values)
def test_every_outcome_has_a_sentence_that_names_the_lead(lead, status):
    ended = status not in OPEN
    reason = {"skipped": "already_so", "undecided": "outcome"}.get(status, "")
    change = LeadChangeFactory(
        lead=lead,
        account=lead.account,
        status=status,
        reason=reason,
        settled_at=timezone.now() if ended else None,
        code="212" if status == "rejected" else "",
        message="Tag does not exist" if status == "rejected" else "",
    )

    said = outcome_messages.sentence(change, "Sending is stopped.")

    assert "Ada Lind" in said
    assert said.endswith(".")
    assert ("Sending is stopped." in said) is (status == ChangeStatus.WAITING)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("conflict", "was not sent for Ada Lind, because it was changed meanwhile: city is now Oslo in Kartra."),
        ("outcome", "We do not know whether"),
        ("unlisted_code", "with a code that it does not document (212)"),
        ("firewall", "was sent for Ada Lind twice and was not done. It needs"),
    ],
)
def test_what_needs_a_decision_is_said_by_its_reason(lead, reason, words):
    message = "city is now Oslo in Kartra" if reason == "conflict" else "x"
    change = LeadChangeFactory(lead=lead, status="undecided", reason=reason, code="212", message=message)

    said = outcome_messages.sentence(change)

    assert words in said
    assert ("We do not know" in said) is (reason == "outcome")


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (None, "was cancelled before it was sent; nothing was changed"),
        ("undecided", "was given up. We do not know"),
        ("not_done", "was given up; nothing was changed"),
    ],
)
def test_what_was_given_up_is_said_by_what_is_known_of_it(connection, lead, proof, words):
    change = LeadChangeFactory(lead=lead, status="cancelled", settled_at=timezone.now())
    if proof:
        at = timezone.now()
        call = ApiCall.objects.create(
            connection=connection,
            lead=lead,
            cause="push",
            writes=True,
            commands="assign_tag",
            claimed_at=at,
            sent_at=at,
            lease_until=at,
            finished_at=at,
            outcome="unknown",
        )
        change.attempts.create(call=call, position=0, command="assign_tag", proof=proof)

    assert words in outcome_messages.sentence(change)


# --- from a line to its cause


def test_every_line_leads_to_what_is_behind_it(staff, connection, lead):
    now = timezone.now()
    delivery = DeliveryFactory(endpoint=WebhookEndpointFactory(connection=connection), lead=lead)
    run = BulkRunFactory(account=lead.account)
    change = LeadChangeFactory(
        lead=lead, kind="subscribe_list", parameters={"list": "News"}, run=run, requested_by=staff.user
    )
    mirror.set_tag(
        lead, "VIP", True, source=Source.WEBHOOK, at=now, cause=mirror.ActivityCause(delivery_id=delivery.pk)
    )
    mirror.set_list(lead, "News", True, source=Source.PUSH, at=now, change=change)

    ties, timeline = get(staff, lead).split('id="lead-ties"')[1].split('id="lead-time"')

    links = {
        reverse("admin:integrations_delivery_change", args=[delivery.pk]): f"message from Kartra {delivery.pk}",
        change.get_absolute_url(): "requested change",
        run.get_absolute_url(): f"bulk action “{run}”",
    }
    for url, words in links.items():
        assert f'<a href="{url}">{words}</a>' in ties
        assert f'<a href="{url}">{words}</a>' in timeline


def test_what_a_read_found_leads_to_the_call(staff, sandbox, connection, lead):
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Bend"})
    refresh.read_lead(connection, lead=lead)
    one = ApiCall.objects.latest("pk")
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    refresh.read_many(connection, [lead])
    many = ApiCall.objects.latest("pk")

    assert list(Activity.objects.filter(kind="changed_in_kartra").order_by("pk").values_list("call", flat=True)) == [
        one.pk,
        many.pk,
    ]
    assert f'<a href="{one.get_absolute_url()}">call to Kartra {one.pk}</a>' in get(staff, lead, "timeline")


def test_those_who_may_not_open_a_cause_see_its_name_without_a_link(client, connection, lead):
    viewer = StaffFactory(is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_lead"))
    client.force_login(viewer)
    delivery = DeliveryFactory(endpoint=WebhookEndpointFactory(connection=connection), lead=lead)
    cause = mirror.ActivityCause(delivery_id=delivery.pk)
    mirror.set_tag(lead, "VIP", True, source=Source.WEBHOOK, at=timezone.now(), cause=cause)

    page = client.get(lead.get_absolute_url()).content.decode()

    assert f"message from Kartra {delivery.pk}" in page
    assert reverse("admin:integrations_delivery_change", args=[delivery.pk]) not in page


# --- money, second profiles


def test_money_tells_orders_failures_and_double_charges_apart(staff, lead):
    now = timezone.now()
    course = Product.objects.create(account=lead.account, name="Course")
    for id, type, minutes in (("1", "sale", 0), ("2", "sale", 5), ("3", "failed", 6)):
        Transaction.objects.create(
            account=lead.account,
            lead=lead,
            kartra_id=id,
            type=type,
            product=course,
            full_amount=Decimal("97.00"),
            at=now + dt.timedelta(minutes=minutes),
        )

    page = get(staff, lead, "money")

    assert page.count("charged twice?") == 2
    assert "Failed: nothing was taken" in page
    assert page.count("Refund…") == 2
    assert "194.00 paid, orders: 2; failed payments: 1" in page
    Transaction.objects.exclude(type="failed").delete()
    assert "nothing paid; failed payments: 1" in get(staff, lead, "money")


def test_second_profile_is_named_with_the_reason(staff, lead):
    type(lead).objects.filter(pk=lead.pk).update(phone="5551")
    other = LeadFactory(account=lead.account, phone="5551")

    page = get(staff, lead)

    assert "Possibly the same person" in page
    assert other.get_absolute_url() in page
    assert "the same phone number" in page


def test_page_costs_the_same_queries_whatever_is_known(staff, django_assert_max_num_queries):
    connection = ConnectionFactory()
    poor, rich = (LeadFactory(account=connection.account, phone="1") for _ in range(2))
    endpoint = WebhookEndpointFactory(connection=connection)
    for lead, number in ((poor, 1), (rich, 25)):
        for each in range(number):
            _fill(lead, f"{lead.pk}-{each}", endpoint, staff.user)
    get(staff, poor)

    with django_assert_max_num_queries(60) as few:
        get(staff, poor)
    with django_assert_max_num_queries(len(few.captured_queries)):
        get(staff, rich)


def _fill(lead, name, endpoint, user):
    now = timezone.now()
    account = lead.account
    delivery = DeliveryFactory(endpoint=endpoint, lead=lead)
    run = BulkRunFactory(account=account)
    change = LeadChangeFactory(
        lead=lead, kind="subscribe_list", parameters={"list": f"list {name}"}, run=run, requested_by=user
    )
    mirror.set_tag(
        lead, f"tag {name}", True, source=Source.WEBHOOK, at=now, cause=mirror.ActivityCause(delivery_id=delivery.pk)
    )
    mirror.set_list(lead, f"list {name}", True, source=Source.PUSH, at=now, change=change)
    mirror.set_sequence(
        lead,
        f"sequence {name}",
        "1",
        "active",
        at=now,
        source=Source.WEBHOOK,
        cause=mirror.ActivityCause(delivery_id=delivery.pk),
    )
    product = Product.objects.create(account=account, name=f"product {name}")
    plan = RecurringSubscription.objects.create(
        account=account, lead=lead, kartra_id=name, product=product, status="Active"
    )
    for type in ("sale", "failed", "rebill"):
        Transaction.objects.create(
            account=account,
            lead=lead,
            kartra_id=f"{type} {name}"[:32],
            type=type,
            product=product,
            subscription=plan,
            full_amount=Decimal("5.00"),
            at=now,
        )
    LeadFactory(account=account, phone=lead.phone)
    assert LeadTag.objects.filter(lead=lead).exists()
