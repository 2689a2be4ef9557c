"""What happened to this lead yesterday at 10: the lists of messages, calls, changes and the timeline, and the ways between."""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall, Attempt
from kartra_mirror.admin.queue.calls import COMMANDS
from leads.models import Activity
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    StaffFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

YESTERDAY = timezone.now().replace(hour=10, minute=0, second=0, microsecond=0) - dt.timedelta(days=1)


def story(lead, endpoint, run=None, *, at=YESTERDAY, tag="VIP"):
    """A tag that was asked for, sent, confirmed by a message, and stands in the timeline."""
    change = LeadChangeFactory(
        lead=lead,
        run=run,
        parameters={"tag": tag},
        status="accepted",
        requested_at=at,
        settled_at=at + dt.timedelta(seconds=2),
    )
    call = ApiCall.objects.create(
        connection=endpoint.connection,
        lead=lead,
        cause="push",
        writes=True,
        commands="edit_lead, assign_tag",
        claimed_at=at,
        lease_until=at,
        sent_at=at,
        finished_at=at,
        outcome="answered",
        code="103",
        answer='{"status":"Success","actions":[{"assign_tag":{"status":"Success"}}]}',
    )
    Attempt.objects.create(change=change, call=call, position=1, command="assign_tag", proof="done")
    delivery = DeliveryFactory(
        endpoint=endpoint,
        lead=lead,
        action="assign_tag",
        received_at=at,
        status="applied",
        applied_at=at,
        changed=["tag VIP"],
    )
    kept = {"account": lead.account, "lead": lead, "kind": "tag_assigned", "details": {"tag": tag}}
    ours = Activity.objects.create(at=at, source="push", change=change, **kept)
    theirs = Activity.objects.create(at=at, source="webhook", delivery=delivery, **kept)
    return SimpleNamespace(lead=lead, run=run, change=change, call=call, delivery=delivery, ours=ours, theirs=theirs)


@pytest.fixture
def told(db):
    """The story of one lead yesterday at 10, and another one of somebody else today."""
    connection = ConnectionFactory()
    endpoint = WebhookEndpointFactory(connection=connection)
    ada = LeadFactory(account=connection.account, email="ada@example.com")
    run = BulkRunFactory(account=connection.account, name="Tag for May")
    other = LeadFactory(account=connection.account, email="bo@example.com")
    later = story(other, WebhookEndpointFactory(connection=connection), at=timezone.now(), tag="Other")
    for row, fields in (
        (later.change, {"status": "rejected", "code": "212", "kind": "give_points", "family": "points"}),
        (later.call, {"outcome": "unknown", "code": "", "cause": "verify", "commands": "unassign_tag"}),
        (later.delivery, {"status": "quarantined", "action": "something_new"}),
        (later.ours, {"kind": "points_given", "source": "refresh"}),
        (later.theirs, {"kind": "points_given", "source": "refresh"}),
    ):
        type(row).objects.filter(pk=row.pk).update(**fields)
    return SimpleNamespace(ada=story(ada, endpoint, run), bo=later)


def url_of(row, what="change"):
    return reverse(
        f"admin:{row._meta.app_label}_{row._meta.model_name}_{what}", args=[row.pk] if what == "change" else []
    )


AT_TEN = [
    (YESTERDAY - dt.timedelta(minutes=5)).strftime("%Y-%m-%d"),
    (YESTERDAY - dt.timedelta(minutes=5)).strftime("%H:%M:%S"),
    (YESTERDAY + dt.timedelta(minutes=5)).strftime("%Y-%m-%d"),
    (YESTERDAY + dt.timedelta(minutes=5)).strftime("%H:%M:%S"),
]


def between(field):
    return dict(zip([f"{field}_from_0", f"{field}_from_1", f"{field}_to_0", f"{field}_to_1"], AT_TEN, strict=True))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("delivery", {"q": "ada@example.com"}),
        ("delivery", between("received_at")),
        ("delivery", {"action": "assign_tag"}),
        ("delivery", {"status__exact": "applied"}),
        ("delivery", {"endpoint__id__exact": "door"}),
        ("call", {"q": "ada@example.com"}),
        ("call", between("claimed_at")),
        ("call", {"command": "assign_tag"}),
        ("call", {"command": "edit_lead"}),
        ("call", {"code": "103"}),
        ("call", {"outcome__exact": "answered"}),
        ("call", {"cause__exact": "push"}),
        ("change", {"q": "ada@example.com"}),
        ("change", between("requested_at")),
        ("change", {"status__exact": "accepted"}),
        ("change", {"kind": "assign_tag"}),
        ("change", {"about": "VIP"}),
        ("change", {"run__id__exact": "run"}),
        ("ours", {"q": "ada@example.com", "source__exact": "push"}),
        ("ours", {**between("at"), "source__exact": "push"}),
        ("theirs", {"kind": "tag_assigned", "source__exact": "webhook"}),
    ],
)
def test_filter_finds_what_happened_to_her_yesterday_at_ten(staff, told, name, asked):
    wanted = getattr(told.ada, name)
    keys = {"door": told.ada.delivery.endpoint_id, "run": told.ada.run.pk}
    asked = {key: keys.get(value, value) for key, value in asked.items()}

    answer = staff.get(url_of(wanted, "changelist"), asked)

    assert [row.pk for row in answer.context_data["cl"].result_list] == [wanted.pk]


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("delivery", {"action": "other"}),
        ("call", {"command": "unassign_tag"}),
        ("change", {"code": "212"}),
        ("ours", {"kind": "points_given", "q": "bo@example.com"}),
    ],
)
def test_filter_finds_the_other_one(staff, told, name, asked):
    found = staff.get(url_of(getattr(told.bo, name), "changelist"), asked).context_data["cl"].result_list
    assert {row.lead.email for row in found} == {"bo@example.com"}


def asked_between(staff, **given):
    answer = staff.get(
        reverse("admin:leads_leadchange_changelist"), {f"requested_at_{name}": text for name, text in given.items()}
    )
    return [row.lead.email for row in answer.context_data["cl"].result_list]


def test_a_day_without_a_time_is_the_whole_day(staff, told):
    day = f"{YESTERDAY:%Y-%m-%d}"
    assert asked_between(staff, from_0=day, to_0=day) == ["ada@example.com"]
    assert sorted(asked_between(staff, from_0=day)) == ["ada@example.com", "bo@example.com"]


def test_times_are_those_of_the_reader(staff, told, settings):
    day = f"{YESTERDAY:%Y-%m-%d}"
    settings.TIME_ZONE = "Asia/Tokyo"  # nine hours ahead
    assert asked_between(staff, from_0=day, from_1="09:55:00", to_0=day, to_1="10:05:00") == []
    assert asked_between(staff, from_0=day, from_1="18:55:00", to_0=day, to_1="19:05:00") == ["ada@example.com"]


@pytest.mark.parametrize(
    "given", [{"from_0": "31.31.2026"}, {"to_0": "2026-01-01", "to_1": "soon"}, {"from_1": "10:00"}]
)
def test_what_cannot_be_read_fits_nothing(staff, told, given):
    assert asked_between(staff, **given) == []


def test_payment_messages_are_one_event(staff, told):
    ipn = DeliveryFactory(channel="ipn", action="ipn sale")
    found = staff.get(url_of(ipn, "changelist"), {"action": "ipn"}).context_data["cl"].result_list
    assert list(found) == [ipn]


def test_all_that_can_be_said_to_kartra_can_be_filtered_by():
    assert len(COMMANDS) == 30


WAYS = [
    ("change", ["run", "lead", "call", "ours"]),
    ("call", ["change", "run", "lead", "ours"]),
    ("delivery", ["lead", "theirs"]),
    ("ours", ["lead", "change", "run", "call"]),
    ("theirs", ["lead", "delivery"]),
    ("lead", ["change", "call", "delivery", "run"]),
]


@pytest.mark.parametrize(("start", "goals"), WAYS)
def test_from_each_there_is_a_way_to_the_others(staff, told, start, goals):
    page = staff.get(
        getattr(told.ada, start).get_absolute_url() if start == "lead" else url_of(getattr(told.ada, start))
    )
    text = page.content.decode()
    for goal in goals:
        assert f'href="{url_of(getattr(told.ada, goal))}' in text, f"{start} leads to no {goal}"


def test_lists_lead_to_the_lead_and_to_what_is_behind(staff, told):
    ada = told.ada
    for row, goals in (
        (ada.change, [ada.lead, ada.run]),
        (ada.call, [ada.lead, ada.change]),
        (ada.delivery, [ada.lead]),
        (ada.ours, [ada.lead, ada.change, ada.delivery]),
    ):
        text = staff.get(url_of(row, "changelist")).content.decode()
        for goal in goals:
            assert f'href="{url_of(goal)}"' in text, (row, goal)


def test_run_leads_to_its_changes(staff, told):
    text = staff.get(told.ada.run.get_absolute_url()).content.decode()
    assert f"{url_of(told.ada.change, 'changelist')}?run__id__exact={told.ada.run.pk}" in text


def test_who_may_not_open_a_page_gets_no_link_to_it(client, told):
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_activity", "view_leadchange"]))
    client.force_login(person)
    for row in (told.ada.ours, told.ada.change):
        text = client.get(url_of(row)).content.decode()
        assert f'href="{url_of(told.ada.call)}"' not in text
        assert f"call to Kartra {told.ada.call.pk}" in text


def test_answer_of_a_call_is_made_readable(staff, told):
    text = staff.get(url_of(told.ada.call)).content.decode()
    assert "&quot;status&quot;: &quot;Success&quot;" in text


@pytest.mark.parametrize("name", ["change", "call", "delivery", "ours"])
def test_lists_cost_the_same_queries_for_more_rows(staff, told, name, django_assert_max_num_queries):
    ada = told.ada
    url = url_of(getattr(ada, name), "changelist")
    staff.get(url)
    with django_assert_max_num_queries(25) as few:
        staff.get(url)
    run = ada.run
    for number in range(30):
        story(LeadFactory(account=ada.lead.account), ada.delivery.endpoint, run, tag=f"t{number}")
    with django_assert_max_num_queries(len(few.captured_queries) + 1):  # the count, once there is more than one page
        staff.get(url)


@pytest.mark.parametrize("name", ["change", "call", "delivery", "ours"])
def test_pages_cost_the_same_queries_for_more_that_came_of_it(staff, told, name, django_assert_max_num_queries):
    ada = told.ada
    url = url_of(getattr(ada, name))
    staff.get(url)
    with django_assert_max_num_queries(25) as few:
        staff.get(url)
    for number in range(20):
        change = LeadChangeFactory(lead=ada.lead, run=ada.run, parameters={"tag": f"t{number}"})
        Attempt.objects.create(change=change, call=ada.call, position=number + 2, command="assign_tag", proof="open")
        for cause in ({"call": ada.call}, {"delivery": ada.delivery, "change": ada.change}):
            Activity.objects.create(
                account=ada.lead.account,
                lead=ada.lead,
                kind="tag_assigned",
                at=YESTERDAY,
                source="push",
                details={"tag": "x"},
                **cause,
            )
        other = ApiCall.objects.create(
            connection=ada.call.connection,
            cause="push",
            commands="assign_tag",
            claimed_at=YESTERDAY,
            finished_at=YESTERDAY,
            outcome="lost",
        )
        Attempt.objects.create(change=ada.change, call=other, position=0, command="assign_tag", proof="not_done")
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url)
