"""Home: every number leads to exactly those rows; what one may not see is not there; it costs the same for more rows."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from integrations.models import Connection, Delivery, Heartbeat, SendingStop
from integrations.process_state import process_state
from kartra_mirror import groups
from kartra_mirror.frame import bands
from kartra_mirror.ui.throughput import connections_of
from leads.models import BulkRun, LeadChange
from tests.factories import (
    BulkRunFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    SendingStopFactory,
    StaffFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

PARTS = ("/admin/", "/admin/home/now/", "/admin/home/copies/")


@pytest.fixture
def staff(staff):
    Heartbeat.objects.create(name="sweep", at=timezone.now())
    return staff


def change(shop, status, **given):
    ended = status in ("accepted", "rejected", "skipped", "cancelled")
    lead = given.pop("lead", None) or LeadFactory(account=shop.account)
    return LeadChangeFactory(lead=lead, status=status, settled_at=timezone.now() if ended else None, **given)


def needs(client):
    return client.get("/admin/home/now/").context_data["needs"]


def text(client, url="/admin/"):
    return " ".join(client.get(url).content.decode().split())


def rows_at(client, url):
    """How many rows the page behind a link says it has."""
    facts = client.get(url).context_data
    if "cl" in facts:
        return facts["cl"].result_count
    return facts["shown"].paginator.count if "shown" in facts else facts["total"]


def test_nothing_waits_and_nothing_runs(staff, shop):
    page = text(staff)
    assert "Nothing to do" in page
    assert "No bulk action is running" in page


def test_every_number_leads_to_exactly_those_rows(staff, shop):
    for _ in range(3):
        change(shop, "undecided", reason="conflict")
    for _ in range(2):
        change(shop, "undecided", reason="outcome")
    for code, message, number in (("212", "Tag does not exist", 4), ("230", "Step does not exist", 2)):
        for _ in range(number):
            change(shop, "rejected", code=code, message=message)
    change(shop, "rejected", code="212", closed_at=timezone.now(), closed_why="Seen")
    change(shop, "accepted")
    endpoint = WebhookEndpointFactory(connection=shop)
    for status in ("quarantined", "quarantined", "refused", "applied"):
        DeliveryFactory(endpoint=endpoint, status=status, applied_at=timezone.now())
    DeliveryFactory(
        endpoint=endpoint,
        status="refused",
        applied_at=timezone.now(),
        received_at=timezone.now() - dt.timedelta(days=9),
    )

    found = needs(staff)

    assert [(need["number"], need["words"].split(" ")[0]) for need in found] == [
        (3, "changes"),
        (2, "changes"),
        (4, "failed"),
        (2, "failed"),
        (2, "messages"),
        (1, "message"),
    ]
    for need in found:
        assert rows_at(staff, need["url"]) == need["number"], need
    assert "Tag does not exist." in found[2]["why"]


def test_a_single_question_and_a_single_failure_lead_straight_to_their_forms(staff, shop):
    question = change(shop, "undecided", reason="conflict")
    failure = change(shop, "rejected", code="212", message="Tag does not exist")

    found = {need["url"]: need for need in needs(staff)}

    asked, failed = (
        found[reverse("admin:decision", args=[question.pk])],
        found[reverse("admin:failure", args=[failure.pk])],
    )
    assert (str(question.lead) in asked["words"], asked["do"]) == (True, "Decide")
    assert (str(failure.lead) in failed["words"], failed["do"]) == (True, "Correct")
    assert "Tag does not exist." in failed["why"]
    assert {staff.get(url).status_code for url in found} == {200}


def test_more_causes_than_fit_are_told_together(staff, shop):
    for code in range(220, 228):
        change(shop, "rejected", code=str(code))

    found = needs(staff)

    assert len(found) == 6
    assert (found[-1]["number"], rows_at(staff, found[-1]["url"])) == (8, 8)


def test_what_stands_still_says_why(staff, shop):
    SendingStopFactory(connection=shop, stopped_by="credentials", why="The API password is wrong.")
    run = BulkRunFactory(
        account=shop.account, state="paused", paused_at=timezone.now(), paused_why="Ten equal refusals."
    )

    stop, standing = needs(staff)

    assert "The API password is wrong." in stop["words"]
    assert stop["url"] == shop.get_absolute_url()
    assert (standing["why"], standing["url"]) == ("Ten equal refusals.", run.get_absolute_url())
    for _ in range(8):
        BulkRunFactory(account=shop.account, state="paused", paused_at=timezone.now())
    many = needs(staff)[1]
    assert (many["number"], rows_at(staff, many["url"])) == (9, 9)


def test_no_worker_is_said_first(staff, shop):
    Heartbeat.objects.update(at=timezone.now() - dt.timedelta(minutes=12))
    assert "no worker is running" in needs(staff)[0]["words"]
    Heartbeat.objects.all().delete()
    assert "None has been seen yet" in needs(staff)[0]["why"]


def test_an_outage_of_the_night_is_one_line_in_the_morning(staff, shop):
    began = timezone.now() - dt.timedelta(hours=8)
    SendingStop.objects.create(
        connection=shop,
        stopped_by="outage",
        why="Kartra does not answer.",
        began_at=began,
        ended_at=began + dt.timedelta(hours=4),
    )
    [line] = needs(staff)
    assert f"Shop: No answer {began:%H:%M}" in line["words"]


def test_what_is_running_has_bar_and_time_left(staff, shop):
    run = BulkRunFactory(account=shop.account, name="Assign the tag VIP")
    for status in ("accepted", "accepted", "accepted", *["waiting"] * 17):
        change(shop, status, run=run)
    change(shop, "waiting")

    page = text(staff, "/admin/home/now/")

    assert "3 of 20 leads" in page
    assert 'value="15"' in page
    assert "about 2 seconds left" in page
    context = staff.get("/admin/home/now/").context_data
    url = f"{reverse('admin:leads_leadchange_changelist')}?{context['singles_query']}"
    assert context["singles"] == staff.get(url).context_data["cl"].result_count == 1


def test_a_run_that_is_only_checked_says_so(staff, shop):
    change(shop, "unknown", run=BulkRunFactory(account=shop.account))

    page = text(staff, "/admin/home/now/")

    assert "running · checking with Kartra" in page
    assert "0 of 1 lead" in page
    assert "left" not in page


def test_a_run_that_cannot_be_sent_says_so(staff, shop):
    Connection.objects.update(switched_on_at=None)
    change(shop, "waiting", run=BulkRunFactory(account=shop.account))
    assert "nothing is sent just now" in text(staff, "/admin/home/now/")


def test_copy_is_told_in_numbers_and_silence_is_seen(staff, shop):
    now = timezone.now()
    LeadFactory(account=shop.account, read_at=now - dt.timedelta(hours=2), dirty_at=now)
    endpoint = WebhookEndpointFactory(connection=shop)
    for days in range(20, 10, -1):
        DeliveryFactory(endpoint=endpoint, action="assign_tag", received_at=now - dt.timedelta(days=days))
    for hours in (9, 6, 3, 1):
        DeliveryFactory(endpoint=endpoint, action="buy_product", received_at=now - dt.timedelta(hours=hours))

    page = text(staff, "/admin/home/copies/")

    assert "2 h" in page
    assert "copy=due" in page
    assert "These messages have stopped" in page
    assert "A lead gets a tag: has stopped: silent for 11 days" in page
    assert "Somebody buys" not in page
    assert "an hour ago" in page.replace("\xa0", " ")


def test_who_is_not_in_kartra_is_not_said_to_be_unread(staff, shop):
    now = timezone.now()
    LeadFactory(account=shop.account, read_at=now - dt.timedelta(minutes=28))
    LeadFactory(account=shop.account, read_at=None)
    LeadFactory.create_batch(2, account=shop.account, kartra_id=None, read_at=None, absent_at=now)

    page = text(staff, "/admin/home/copies/")

    assert "<dt>Not in Kartra</dt>" in page
    assert "<dt>Not checked yet</dt> <dd>1</dd>" in page
    assert "28 min" in page
    assert "copy=absent" in page


def fill(number, shop):
    account = shop.account
    endpoint = shop.endpoints.first() or WebhookEndpointFactory(connection=shop)
    for index in range(number):
        run = BulkRunFactory(account=account)
        lead = LeadFactory(account=account)
        change(shop, "waiting", run=run, lead=lead)
        change(shop, "waiting", lead=lead)
        change(shop, "undecided", reason="conflict", lead=lead)
        change(shop, "rejected", code=str(200 + index), lead=lead)
        BulkRunFactory(account=account, state="paused", paused_at=timezone.now())
        DeliveryFactory(endpoint=endpoint, action=f"event {index}", status="quarantined", applied_at=timezone.now())


@pytest.mark.parametrize("url", PARTS)
def test_home_costs_the_same_queries_for_more_rows(staff, shop, url, django_assert_max_num_queries):
    fill(6, shop)
    staff.get(url)
    process_state.rates.clear()
    with django_assert_max_num_queries(45) as few:
        staff.get(url)
    fill(30, shop)
    process_state.rates.clear()
    with django_assert_max_num_queries(len(few.captured_queries)):
        staff.get(url)


def test_one_without_any_right_sees_an_empty_home(client, shop):
    fill(2, shop)
    Heartbeat.objects.create(name="sweep", at=timezone.now())
    client.force_login(StaffFactory())

    page = text(client)

    assert "Nothing to do" in page
    for words in ("Running</h2>", "Is our copy fresh", "/admin/setup/", "/admin/health/"):
        assert words not in page
    assert client.get("/admin/health/").status_code == 403


def test_parts_are_for_those_who_are_signed_in(client):
    for url in (
        *PARTS,
        "/admin/health/",
        "/admin/health/now/",
        "/admin/health/charts/",
        "/admin/setup/",
        "/admin/setup/now/",
    ):
        assert client.get(url).status_code == 302


def test_band_is_on_every_page(client, shop, settings):
    Connection.objects.update(switched_on_at=None, test_mode=True, api_url=f"{settings.SANDBOX_URL}/api")
    groups.make()
    user = StaffFactory()
    user.groups.set([Group.objects.get(name="Manager")])
    client.force_login(user)
    lead, run = LeadFactory(account=shop.account), BulkRunFactory(account=shop.account)

    assert [band["level"] for band in bands.of(connections_of(user))] == ["warn"]
    for url in (
        "/admin/",
        "/admin/leads/lead/",
        lead.get_absolute_url(),
        run.get_absolute_url(),
        "/admin/integrations/delivery/",
        "/admin/health/",
        "/admin/setup/",
        "/admin/auth/user/add/",
        shop.get_absolute_url(),
        "/admin/leads/lead/find/",
    ):
        page = text(client, url)
        assert "nothing here reaches a real person" in page, url
        assert "test mode" in page
        assert "Shop is read-only" in page


def test_counts_are_of_what_is_in_the_database(staff, shop):
    fill(3, shop)
    fill(3, shop)
    assert LeadChange.objects.failed().count() == sum(
        need["number"] for need in needs(staff) if "failed" in need["words"]
    )
    assert BulkRun.objects.under_way().count() == 12
    assert Delivery.objects.count() == 6
