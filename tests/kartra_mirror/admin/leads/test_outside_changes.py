"""Changed in Kartra without us, and the question about leads found deleted: the pages and who may see them."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from integrations.models import DeletionReport, DeletionVerdict
from integrations.read import deletions
from kartra_mirror.frame import bands
from kartra_mirror.ui.throughput import connections_of
from leads import mirror
from leads.mirror import LeadFacts
from leads.models import Activity, Lead
from tests.factories import AccountFactory, ConnectionFactory, LeadChangeFactory, LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db

PAGE = "admin:leads_activity_without_us"
HOSTILE = '<img x-data x-init="alert(1)" src=x>'


def read(lead, city, tags=(), days_ago=0):
    """A read that finds this."""
    at = timezone.now() - dt.timedelta(days=days_ago)
    facts = LeadFacts(lead.kartra_id, {"city": city}, tags=frozenset(tags))
    mirror.apply_facts(lead.account, facts, source="refresh", at=at, lead=lead, read_began_at=at)


@pytest.fixture
def drifted():
    """Three leads whose city changed today, one of them yesterday too; one got a tag, as a message said; ours is none."""
    leads = LeadFactory.create_batch(3, account=AccountFactory(), city="Bend", read_at="2026-01-01T00:00:00Z")
    read(leads[0], "Bonn", days_ago=1)
    for lead in leads:
        read(lead, "Vigo")
    mirror.set_tag(leads[0], "VIP", True, source="webhook", at=timezone.now())
    change = LeadChangeFactory(lead=leads[1])
    mirror.set_tag(leads[1], "VIP", True, source="push", at=timezone.now(), change=change)
    return leads


def test_page_counts_by_day_and_field(staff, drifted):
    context = staff.get(reverse(PAGE)).context

    told = [(row["what"], row["changes"], row["leads"]) for row in context["groups"]]
    assert told == [("city", 3, 3), ("tag VIP", 1, 1), ("city", 1, 1)]
    assert context["groups"][0]["day"] == timezone.localdate()
    found_by_reads = staff.get(reverse(PAGE), {"source": "refresh"}).context["groups"]
    assert [row["what"] for row in found_by_reads] == ["city", "city"]
    assert staff.get(reverse(PAGE), {"account": "999999"}).context["groups"] == []


def test_single_changes_say_was_is_and_between_when_and_when(staff, drifted):
    group = staff.get(reverse(PAGE)).context["groups"][0]
    page = staff.get(reverse(PAGE) + group["url"].removesuffix("#single"))

    told = {(each.lead, each.was, each.is_now, each.source) for each in page.context["single"]}
    assert told == {
        (drifted[0], "Bonn", "Vigo", "refresh"),
        (drifted[1], "Bend", "Vigo", "refresh"),
        (drifted[2], "Bend", "Vigo", "refresh"),
    }
    assert all(each.between_from < each.at for each in page.context["single"])
    assert "between" in page.content.decode()
    tag = staff.get(reverse(PAGE), {"what": "tag VIP", "day": timezone.localdate().isoformat()})
    assert [(each.was, each.is_now) for each in tag.context["single"]] == [("no", "yes")]


@pytest.mark.parametrize(
    "query",
    [
        {"days": "x", "source": "y", "account": "z"},
        {"what": "city", "day": "no day"},
        {"what": "city", "day": "2026-02-31"},
        {"account": "9" * 40},
    ],
)
def test_page_bears_any_question(staff, drifted, query):
    assert staff.get(reverse(PAGE), query).status_code == 200


def test_page_costs_the_same_for_more(staff, drifted, django_assert_max_num_queries):
    for number in range(40):
        lead = LeadFactory(account=drifted[0].account, read_at="2026-01-01T00:00:00Z")
        mirror.apply_facts(
            lead.account,
            LeadFacts(lead.kartra_id, {"city": HOSTILE}, custom_values={f"field {number}": HOSTILE}),
            source="refresh",
            at=timezone.now(),
            lead=lead,
            read_began_at=timezone.now(),
        )
    with django_assert_max_num_queries(10):
        page = staff.get(reverse(PAGE), {"what": "city", "day": timezone.localdate().isoformat()})
    assert HOSTILE not in page.content.decode()


def test_page_needs_the_permission(client):
    user = StaffFactory()
    client.force_login(user)
    assert client.get(reverse(PAGE)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_activity"))
    assert client.get(reverse(PAGE)).status_code == 200


@pytest.mark.parametrize(
    ("details", "label"),
    [
        ({"field": "city", "was": "Bend", "is": "Salem"}, "city: Bend → Salem"),
        ({"field": "tag VIP", "was": False, "is": True}, "tag VIP: no → yes"),
        (
            {"field": "custom.size", "was": "", "is": [["611", "Large"], ["612", "Small"]]},
            "size: — → Large, Small",
        ),
        ({"field": "score", "was": 0, "is": 5}, "score: 0 → 5"),
    ],
)
def test_change_in_kartra_in_words(details, label):
    assert Activity(kind="changed_in_kartra", details=details).label == label


# --- leads found deleted


@pytest.fixture
def asked():
    """A connection that stopped reading: 25 leads were found deleted."""
    connection = ConnectionFactory()
    for lead in LeadFactory.create_batch(25, account=connection.account):
        deletions.found(lead, connection, "deleted", timezone.now())
    assert deletions.classify(connection, all_read=True) is True
    return connection


def test_question_stands_on_every_page_with_a_link(staff, asked):
    band = next(each for each in bands.of(connections_of(None)) if each.get("url"))
    assert "25 of the last 25 leads" in band["words"]
    assert band["url"] == reverse("admin:integrations_connection_gone", args=[asked.pk])
    page = staff.get(band["url"]).content.decode()
    assert "25 leads found deleted" in page
    assert "Look and decide" in staff.get(asked.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("answer", "gone_now", "verdict"), [("yes", 25, DeletionVerdict.CONFIRMED), ("no", 0, DeletionVerdict.DROPPED)]
)
def test_answer_is_written_down_and_reading_goes_on(staff, asked, notified, answer, gone_now, verdict):
    url = reverse("admin:integrations_connection_gone", args=[asked.pk])
    staff.get(url, {"answer": answer})
    assert DeletionReport.objects.pending().count() == 25

    for _ in range(2):
        staff.post(url, {"answer": answer})

    asked.refresh_from_db()
    assert asked.reads_stopped_at is None
    assert Lead.objects.exclude(gone_at=None).count() == gone_now
    assert set(DeletionReport.objects.values_list("verdict", "decided_by__is_superuser")) == {(verdict, True)}
    assert ("refresh_leads", (asked.pk,)) in notified
    assert not [each for each in bands.of(connections_of(None)) if each.get("url")]


def test_only_who_may_change_the_connection_decides(client, asked):
    user = StaffFactory()
    client.force_login(user)
    url = reverse("admin:integrations_connection_gone", args=[asked.pk])
    assert client.post(url, {"answer": "yes"}).status_code == 403
    assert DeletionReport.objects.pending().count() == 25


@pytest.mark.parametrize(
    ("read_alive", "found", "stops"),
    [(0, 20, False), (0, 21, True), (1979, 21, True), (2079, 21, False), (3000, 31, True)],
)
def test_limit_is_twenty_or_one_in_a_hundred(read_alive, found, stops):
    connection = ConnectionFactory()
    Lead.objects.bulk_create(
        Lead(account=connection.account, kartra_id=str(number), read_at=timezone.now())
        for number in range(1, read_alive + 1)
    )
    leads = LeadFactory.create_batch(found, account=connection.account, read_at="2026-01-01T00:00:00Z")
    for lead in leads:
        deletions.found(lead, connection, "not_found", timezone.now())
    assert deletions.classify(connection, all_read=True) is stops
    assert Lead.objects.exclude(gone_at=None).count() == (0 if stops else found)
