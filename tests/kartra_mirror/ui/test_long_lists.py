"""Lists of any length: the count is bounded, pages are turned by keys, and what is searched is found by an index."""

import re

import pytest
from django.contrib import admin
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall, Delivery
from kartra_mirror.ui.pagination import CappedPaginator
from leads import filters
from leads.filters.searching import FEW
from leads.models import Activity, Lead, LeadChange, RunDraft, Segment
from tests.factories import (
    AccountFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    SegmentFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

LEADS = "/admin/leads/lead/"
LISTS = ["leads_lead", "leads_leadchange", "leads_activity", "integrations_delivery", "integrations_apicall"]


class FewPaginator(CappedPaginator):
    """Counts so many rows: a page and a bit."""

    most = 60


@pytest.fixture
def few(monkeypatch):
    """The lists of pages count no more than that."""
    for model in (Lead, LeadChange, Activity, Delivery, ApiCall, Segment):
        monkeypatch.setattr(admin.site.get_model_admin(model), "paginator", FewPaginator)


def rows_in_every_list(number):
    account = AccountFactory()
    connection = ConnectionFactory(account=account)
    endpoint = WebhookEndpointFactory(connection=connection)
    leads = LeadFactory.create_batch(number, account=account)
    for lead in leads:
        LeadChangeFactory(lead=lead)
        DeliveryFactory(endpoint=endpoint, lead=lead, action="assign_tag")
        Activity.objects.create(account=account, lead=lead, kind="tag_assigned", at=timezone.now(), source="webhook")
        ApiCall.objects.create(
            connection=connection,
            lead=lead,
            cause="refresh",
            commands="get_lead",
            claimed_at=timezone.now(),
            finished_at=timezone.now(),
            outcome="answered",
        )
    return leads


def words(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


@pytest.mark.parametrize("name", LISTS)
def test_more_than_are_counted_is_said_so(staff, few, name):
    rows_in_every_list(70)
    with CaptureQueriesContext(database) as asked:
        answer = staff.get(reverse(f"admin:{name}_changelist"))

    shown = answer.context_data["cl"]
    assert (shown.result_count, shown.paginator.capped, shown.paginator.num_pages) == (60, True, 2)
    assert "more than 60 " in words(answer)
    assert "60 results" not in words(answer)
    counts = [
        each["sql"]
        for each in asked
        if "COUNT(" in each["sql"]
        and f'"{shown.model._meta.db_table}"' in each["sql"]
        and "UNION" not in each["sql"]  # of the menu
    ]
    assert len(counts) == 1
    assert "LIMIT 61" in counts[0]


def test_fewer_are_counted_exactly(staff, few):
    rows_in_every_list(60)
    answer = staff.get(LEADS)
    assert answer.context_data["cl"].paginator.capped is False
    assert "60 leads" in words(answer)
    assert "more than" not in words(answer)


def test_one_page_is_not_counted_besides(staff):
    rows_in_every_list(3)
    with CaptureQueriesContext(database) as asked:
        answer = staff.get(LEADS)
    assert "3 leads" in words(answer)
    assert not [each for each in asked if "COUNT(" in each["sql"] and 'FROM "leads_lead"' in each["sql"]]


def test_pages_are_turned_in_order_and_hold_every_row_once(staff):
    leads = rows_in_every_list(120)
    seen = []
    for number in (1, 2, 3):
        page = staff.get(f"{LEADS}?p={number}")
        seen += [lead.pk for lead in page.context_data["cl"].result_list]
    assert seen == sorted((lead.pk for lead in leads), reverse=True)
    by_name = staff.get(f"{LEADS}?o=2").context_data["cl"].result_list  # by email
    assert [lead.email for lead in by_name] == sorted(lead.email for lead in leads)[:50]


def test_all_of_more_than_are_counted_are_chosen_and_counted_exactly(staff, few):
    leads = rows_in_every_list(70)
    answer = staff.get(LEADS)
    assert "Select all, more than 60" in words(answer)
    assert "All selected: more than 60" in words(answer)

    sent = {"action": "give_points", "_selected_action": [leads[0].pk], "select_across": "1", "index": "0"}
    url = staff.post(LEADS, sent).url
    staff.post(url, {"do": "preview", "points": "5"})

    assert staff.get(url).context["preview"]["counted"].total == 70
    assert RunDraft.objects.get().selection == {"version": 1, "leads": {"everybody": True}}


def test_segment_counts_as_far(staff, few):
    lead = rows_in_every_list(70)[0]
    segment = SegmentFactory(account=lead.account, name="All", conditions={"q": ["example.com"]})
    assert "More than 60 leads of" in words(staff.get(segment.get_absolute_url()))
    Lead.objects.filter(pk__gt=Lead.objects.order_by("pk")[9].pk).update(email="elsewhere@other.org")
    assert "10 leads of" in words(staff.get(segment.get_absolute_url()))


@pytest.mark.parametrize("name", LISTS[1:])
def test_lists_are_searched_by_whom_they_are_about(staff, name):
    leads = rows_in_every_list(4)
    wanted = leads[2]
    Lead.objects.filter(pk=wanted.pk).update(email="Ada.Lind@Example.com", first_name="Ada")

    for text in ("ada.lind@example.com", "ADA", "a.lind", wanted.kartra_id):
        answer = staff.get(reverse(f"admin:{name}_changelist"), {"q": text})
        assert [row.lead_id for row in answer.context_data["cl"].result_list] == [wanted.pk], text
    assert not staff.get(reverse(f"admin:{name}_changelist"), {"q": "nobody"}).context_data["cl"].result_count


def test_message_is_found_by_its_digest(staff):
    rows_in_every_list(2)
    delivery = DeliveryFactory(digest="f" * 64)
    answer = staff.get(reverse("admin:integrations_delivery_changelist"), {"q": "f" * 64})
    assert list(answer.context_data["cl"].result_list) == [delivery]


def test_search_of_many_leads_names_none_of_them_one_by_one(staff):
    leads = rows_in_every_list(5)
    Lead.objects.bulk_create(LeadFactory.build_batch(FEW, account=leads[0].account))
    with CaptureQueriesContext(database) as asked:
        answer = staff.get(reverse("admin:leads_leadchange_changelist"), {"q": "example.com"})
    assert answer.context_data["cl"].result_count == 5
    assert [each for each in asked if 'FROM "leads_leadchange"' in each["sql"] and "IN (SELECT" in each["sql"]]


def test_newest_requested_change_comes_first(staff):
    rows_in_every_list(3)
    shown = staff.get(reverse("admin:leads_leadchange_changelist")).context_data["cl"].result_list
    assert [change.pk for change in shown] == sorted(LeadChange.objects.values_list("pk", flat=True), reverse=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lind", 1),
        ("ADA LIND", 1),
        ("ada nobody", 0),
        ("da@ex", 1),
        ("555-1", 1),
        ("5551", 0),
        ("Acme", 1),
        ("comada", 0),
        ("Lind555", 0),
        ("900", 0),
        ("900123", 1),
        ("%", 0),
        ("_da", 0),
        ("ÅSA", 1),
        ("   ", 2),
    ],
)
def test_words_are_looked_for_within_one_field(text, found):
    LeadFactory(
        email="ada@example.com",
        first_name="Ada Åsa",
        last_name="Lind",
        phone="555-1",
        company="Acme",
        kartra_id="900123",
    )
    LeadFactory(email="bo@example.org", first_name="Bo", last_name="Mohr", kartra_id="700")
    if database.vendor == "sqlite" and not text.isascii():
        pytest.skip("SQLite compares letters beyond ASCII with their case.")
    assert filters.search(Lead.objects.all(), text).count() == found


@pytest.mark.skipif(database.vendor != "postgresql", reason="The index of words is PostgreSQL's.")
def test_words_are_found_by_the_index():
    for text in ("ada.lind", "900123"):
        rows = filters.search(Lead.objects.all(), text).order_by("-pk")[:51]
        with database.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        plan = rows.explain()
        assert "leads_lead_search" in plan
        assert "leads_lead_kartra_id" in plan
