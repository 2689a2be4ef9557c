"""Every page of the admin: it opens, costs a bounded number of queries, hides what is not permitted, and is not fooled."""

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import Heartbeat
from kartra_mirror.frame import bands
from kartra_mirror.ui.throughput import connections_of
from leads.models import Account, Activity, LeadTag
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    LeadChangeFactory,
    LeadFactory,
    SegmentFactory,
    StaffFactory,
)
from tests.kartra_mirror.admin.rows import OURS, fill

pytestmark = pytest.mark.django_db

HOSTILE = '<img x-data x-init="alert(1)" onerror=alert(2) src=x>{{ 7*7 }}'


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label_lower)
def test_every_list_and_page_opens(staff, model):
    fill(2)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    assert staff.get(reverse(f"{name}_changelist")).status_code == 200
    row = model.objects.first()
    if row is not None:
        assert staff.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("name", ["lead", "leadchange", "bulkrun", "activity", "tag", "mailinglist"])
def test_list_costs_the_same_queries_for_more_rows(staff, name, django_assert_max_num_queries):
    fill(3)
    url = reverse(f"admin:leads_{name}_changelist")
    staff.get(url)
    with django_assert_max_num_queries(40) as few:
        staff.get(url)
    fill(20)
    with django_assert_max_num_queries(len(few.captured_queries) + 3):
        staff.get(url)


def test_pages_of_lead_and_run_cost_a_bounded_number_of_queries(staff, django_assert_max_num_queries):
    connection = fill(5)
    lead, run = connection.account.leads.first(), connection.account.runs.first()
    for url in (lead.get_absolute_url(), run.get_absolute_url()):
        with django_assert_max_num_queries(47):
            assert staff.get(url).status_code == 200


def test_home_answers_three_questions(staff):
    fill(3)
    Heartbeat.objects.create(name="sweep", at=timezone.now())

    text = staff.get(reverse("admin:index")).content.decode()

    assert "To do" in text
    assert "failed changes: Assign a tag" in text
    assert "read-only" in text


def test_a_hostile_name_is_shown_as_text(staff):
    connection = fill(1, first_name=HOSTILE, company=HOSTILE)
    lead = connection.account.leads.get()
    Activity.objects.create(
        account=connection.account,
        lead=lead,
        kind="changed",
        at=timezone.now(),
        source="webhook",
        details={"field": HOSTILE, "was": HOSTILE, "is": HOSTILE},
    )
    urls = [
        reverse("admin:leads_lead_changelist"),
        lead.get_absolute_url(),
        reverse("admin:leads_activity_changelist"),
        connection.account.runs.get().get_absolute_url(),
    ]
    for url in urls:
        text = staff.get(url).content.decode()
        assert "<img x-data" not in text
        assert "&lt;img x-data" in text or "runs" in url or "bulkrun" in url


def test_policy_header_is_strict_and_forbids_frames(staff):
    header = staff.get(reverse("admin:index")).headers["Content-Security-Policy"]

    assert "default-src 'self'" in header
    assert "frame-ancestors 'none'" in header
    assert "unsafe-inline" not in header.split("script-src")[1].split(";")[0]


def test_one_who_may_only_view_sees_no_button_and_gets_403(client, sandbox):
    connection = ConnectionFactory(api_url=sandbox.url)
    lead, run = LeadFactory(account=connection.account), BulkRunFactory(account=connection.account)
    user = StaffFactory()
    user.user_permissions.set(
        Permission.objects.filter(codename__startswith="view_", content_type__app_label__in=["leads", "integrations"])
    )
    client.force_login(user)

    page = client.get(lead.get_absolute_url()).content.decode()
    assert "Assign a tag…" not in page
    assert 'value="cancel"' not in client.get(run.get_absolute_url()).content.decode()
    refused = [
        reverse("admin:leads_lead_prepare", args=[lead.pk, "assign_tag"]),
        reverse("admin:leads_bulkrun_steer", args=[run.pk]),
        reverse("admin:integrations_connection_do", args=[connection.pk, "on"]),
        reverse("admin:integrations_connection_do", args=[connection.pk, "check"]),
    ]
    assert [client.post(url, {"do": "cancel"}).status_code for url in refused] == [403] * 4
    endpoint_page = client.get(reverse("admin:integrations_connection_change", args=[connection.pk])).content.decode()
    assert "/webhooks/" not in endpoint_page


def test_stranger_is_sent_to_the_login(client):
    lead = LeadFactory()
    assert client.get(lead.get_absolute_url()).status_code == 302


def test_bands_say_why_nothing_is_sent(db):
    ConnectionFactory(test_mode=True)
    ConnectionFactory(stopped_by="person")

    levels = [band["level"] for band in bands.of(connections_of(StaffFactory(is_superuser=True)))]

    assert levels == ["warn", "bad"]


def test_steering_a_run(staff):
    change = LeadChangeFactory(run=BulkRunFactory())
    run = change.run
    url = reverse("admin:leads_bulkrun_steer", args=[run.pk])

    for do, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        staff.post(url, {"do": do})
        run.refresh_from_db()
        assert run.state == state
    counts = staff.get(reverse("admin:leads_bulkrun_progress", args=[run.pk])).context["progress"]
    assert counts["has_ended"] is True
    assert sum(each["number"] for each in counts["counts"]) == counts["members"] == 1


def test_lead_is_read_from_the_page(staff, sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("assign_tag", lead=lead.kartra_id, tag="VIP")

    answer = staff.post(reverse("admin:leads_lead_read", args=[lead.pk]), follow=True).content.decode()

    assert "Updated from Kartra just now." in answer
    assert "had changed in Kartra" in answer
    assert LeadTag.objects.get(lead=lead).tag.name == "VIP"


def test_what_is_not_there_and_what_is_forbidden_is_said_in_words(client):
    client.force_login(StaffFactory(is_staff=True))

    missing, forbidden = client.get("/admin/nowhere/"), client.get("/admin/leads/import/")

    assert (missing.status_code, "Page not found" in missing.content.decode()) == (404, True)
    assert (forbidden.status_code, "You may not open this" in forbidden.content.decode()) == (403, True)
    for answer in (missing, forbidden):
        assert 'href="/admin/"' in answer.content.decode()


def test_stranger_at_a_wrong_address_is_told_nothing(client):
    for path in ("/webhooks/wrong-token/", "/nothing/", "/webhooks/"):
        answer = client.get(path)
        assert (answer.status_code, answer.content) in ((404, b""), (405, b""))


def test_dates_are_written_one_way(staff):
    fill(1)

    page = staff.get(reverse("admin:leads_leadchange_changelist")).content.decode()

    assert timezone.localtime().strftime("%-d %b %Y") in page
    assert "a.m." not in page
    assert "p.m." not in page


def test_list_without_rows_speaks_our_words(staff):
    assert "Nothing here yet" in staff.get(reverse("admin:leads_lead_changelist")).content.decode()
    assert "No results" in staff.get(reverse("admin:leads_lead_changelist"), {"q": "nobody"}).content.decode()


def test_no_template_writes_an_id_as_a_number_for_people():
    """Over 999 it would be "1,006", which no address and no choice is."""
    shown = re.compile(r"=[\"'][^\"']*\{\{\s*[\w.]*(\.pk|_id|page_number)\s*\}\}")
    found = [
        f"{path.relative_to(settings.BASE_DIR)}: {match.group()}"
        for path in sorted((settings.BASE_DIR / "templates").rglob("*.html"))
        for match in shown.finditer(path.read_text())
        if match.group(1) != "_id" or "account_id" in match.group()
    ]
    assert found == []


def test_choices_of_rows_with_long_ids_can_be_chosen(staff):
    Account.objects.create(pk=12345, name="Far")
    segment = SegmentFactory(pk=54321, account_id=12345, name="Buyers", conditions={"score_min": ["1"]})
    assert "?segment=54321" in staff.get(segment.get_absolute_url()).content.decode()
    assert '?segment=54321"' in staff.get(reverse("admin:leads_lead_segments")).content.decode()
