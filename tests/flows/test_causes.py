"""What each way into the mirror leaves as the cause of its line in the timeline, and what stands when the cause goes."""

import io
import json
from urllib.parse import urlencode

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations import push, receive
from integrations.models import ApiCall, Delivery
from integrations.read import refresh
from leads import importing, mirror
from leads.models import Activity, Import, ImportKind, LeadChange, LeadTag, ListSubscription
from tests.factories import DeliveryFactory, LeadChangeFactory, LeadFactory, StaffFactory, WebhookEndpointFactory
from tests.flows.steps import tag
from tests.kartra_mirror.admin.forms import edit

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = ("change", "call", "delivery", "import_job")


def by_a_push(lead, **_):
    tag(lead)
    push.drain(lead.account.connection)
    return "tag_assigned", {"change": LeadChange.objects.get().pk}


def by_a_form(lead, staff, **_):
    edit(staff, lead, city="Bend")
    push.drain(lead.account.connection)
    return "field_changed", {"change": LeadChange.objects.get().pk}


def by_a_deletion_met_by_a_push(lead, sandbox, **_):
    tag(lead)
    sandbox.act("delete_lead", lead=lead.kartra_id)
    push.drain(lead.account.connection)
    return "gone", {"call": ApiCall.objects.latest("pk").pk}


def deliver(lead, body, **fields):
    endpoint = WebhookEndpointFactory(connection=lead.account.connection)
    delivery = DeliveryFactory(endpoint=endpoint, body=body.encode(), **fields)
    receive.drain()
    return {"delivery": delivery.pk}


def message(lead, action="assign_tag", details=None):
    told = {"tag": {"tag_id": 77, "tag_name": "VIP"}} if details is None else details
    whom = {"id": lead.kartra_id, "email": lead.email}
    return json.dumps({"action": action, "action_details": told, "lead": whom})


def by_a_message(lead, **_):
    return "tag_assigned", deliver(lead, message(lead))


def by_a_message_without_state(lead, **_):
    return "jv_signup", deliver(lead, message(lead, "jv_signup", {"product": {"product_id": 4}}))


def by_a_message_of_our_own_change(lead, **_):
    change = LeadChangeFactory(lead=lead, account=lead.account, status="unknown", parameters={"tag": "VIP"})
    return "tag_assigned", {**deliver(lead, message(lead)), "change": change.pk}


def by_a_payment(lead, **_):
    sale = {"transaction_id": "1", "transaction_type": "sale", "lead_id": lead.kartra_id, "lead_email": lead.email}
    return "payment_sale", deliver(lead, urlencode(sale), channel="ipn")


def by_a_read(lead, sandbox, **_):
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})
    refresh.read_lead(lead.account.connection, lead=lead)
    return "changed_in_kartra", {"call": ApiCall.objects.latest("pk").pk}


def load(lead, text, kind):
    file = io.BytesIO(text.encode())
    job = importing.create(lead.account, kind, file, "export.csv")
    importing.match(job, job.mapping)
    assert importing.start(job, file)
    importing.work(job, file)
    return {"import_job": Import.objects.get().pk}


def by_an_import(lead, **_):
    return "changed_in_kartra", load(lead, f"email,city\n{lead.email},Reno\n", ImportKind.LEADS)


DOORS = [
    (by_a_push, "push"),
    (by_a_form, "push"),
    (by_a_deletion_met_by_a_push, "push"),
    (by_a_message, "webhook"),
    (by_a_message_without_state, "webhook"),
    (by_a_message_of_our_own_change, "webhook"),
    (by_a_payment, "ipn"),
    (by_a_read, "refresh"),
    (by_an_import, "import"),
]


@pytest.fixture
def staff(client):
    client.force_login(StaffFactory(is_superuser=True))
    return client


@pytest.mark.parametrize(("door", "source"), DOORS, ids=lambda each: getattr(each, "__name__", None))
def test_every_door_leaves_its_key(sandbox, connection, staff, door, source):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
    type(lead).objects.filter(pk=lead.pk).update(read_at=timezone.now())
    lead.refresh_from_db()

    kind, keys = door(lead=lead, sandbox=sandbox, staff=staff)

    lines = Activity.objects.filter(kind=kind)
    assert {line.source for line in lines} == {source}
    for line in lines:
        assert {name: getattr(line, f"{name}_id") for name in KEYS} == {**dict.fromkeys(KEYS), **keys}


@pytest.fixture
def rows(connection):
    lead = LeadFactory(account=connection.account)
    call = ApiCall.objects.create(
        connection=connection,
        lead=lead,
        cause="refresh",
        commands="get_lead",
        claimed_at=timezone.now(),
        finished_at=timezone.now(),
        outcome="answered",
    )
    return {
        "lead": lead,
        "change": LeadChangeFactory(lead=lead, account=lead.account),
        "call": call,
        "delivery": DeliveryFactory(endpoint=WebhookEndpointFactory(connection=connection), lead=lead),
        "import_job": importing.create(lead.account, ImportKind.LEADS, io.BytesIO(b"email\na@example.com\n"), "a.csv"),
    }


def line_of(rows, *names):
    given = {name: rows[name] for name in names}
    return Activity.objects.create(
        account=rows["lead"].account, lead=rows["lead"], kind="back", at=timezone.now(), source="refresh", **given
    )


@pytest.mark.parametrize("names", [(), ("change",), ("call",), ("delivery",), ("import_job",), ("change", "delivery")])
def test_causes_that_may_stand(rows, names):
    assert line_of(rows, *names).pk


@pytest.mark.parametrize(
    "names",
    [
        ("call", "delivery"),
        ("call", "import_job"),
        ("delivery", "import_job"),
        ("change", "call"),
        ("change", "import_job"),
        KEYS,
    ],
)
def test_causes_that_exclude_each_other(rows, names):
    with pytest.raises(IntegrityError, match=r"leads_activity_one_cause"), transaction.atomic():
        line_of(rows, *names)


@pytest.mark.parametrize("name", ["call", "delivery", "import_job"])
def test_line_outlives_its_cause_and_keeps_its_source(rows, name):
    line = line_of(rows, name)

    rows[name].delete()

    line.refresh_from_db()
    assert (line.source, [getattr(line, f"{each}_id") for each in KEYS]) == ("refresh", [None] * 4)


def test_tie_points_at_the_line_that_tells_of_it(rows):
    lead, told = rows["lead"], {"source": "webhook", "at": timezone.now()}
    cause = mirror.ActivityCause(delivery_id=rows["delivery"].pk)
    mirror.set_tag(lead, "VIP", True, cause=cause, **told)
    mirror.set_list(lead, "News", True, cause=cause, **told)
    mirror.set_list(lead, "News", False, **told)

    tied, left = LeadTag.objects.get(), ListSubscription.objects.get()
    assert (tied.activity.kind, tied.activity.delivery) == ("tag_assigned", rows["delivery"])
    assert (left.activity.kind, left.activity.delivery) == ("list_left", None)
    Delivery.objects.all().delete()
    Activity.objects.all().delete()
    tied.refresh_from_db()
    assert (tied.activity, tied.source) == (None, "webhook")


def test_tie_that_a_read_finds_otherwise_points_at_no_older_line(rows):
    lead, at = rows["lead"], timezone.now()
    mirror.set_list(lead, "News", True, source="webhook", at=at)

    mirror.apply_facts(
        lead.account,
        mirror.LeadFacts(lead.kartra_id, lists={"News": False}),
        source="refresh",
        at=at,
        lead=lead,
        read_began_at=at,
    )

    assert ListSubscription.objects.get().activity is None
