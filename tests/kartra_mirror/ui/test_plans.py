"""What PostgreSQL would do at a million leads, asked of a handful: where reading a whole long table is made dear, no page does so,
for an index fits each of its questions."""

import re
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from integrations.models import ApiCall
from leads.models import Activity, RunState, StaffLimits
from tests.factories import BulkRunFactory, DeliveryFactory, LeadChangeFactory, WebhookEndpointFactory
from tests.leads.filters.cases import CASES, lead_with_everything

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="asks PostgreSQL for its plans"),
]

LONG = [
    "leads_lead",
    "leads_leadchange",
    "leads_activity",
    "leads_transaction",
    "leads_leadtag",
    "leads_listsubscription",
    "leads_sequenceenrollment",
    "leads_leademail",
    "integrations_delivery",
    "integrations_apicall",
    "integrations_attempt",
]
WHOLE = re.compile(rf"Seq Scan on ({'|'.join(LONG)})\b")

LISTS = [
    "leads_lead",
    "leads_leadchange",
    "leads_activity",
    "leads_transaction",
    "leads_recurringsubscription",
    "leads_bulkrun",
    "leads_segment",
    "leads_tag",
    "leads_mailinglist",
    "leads_product",
    "leads_import",
    "integrations_delivery",
    "integrations_apicall",
    "integrations_connection",
]
PAGES = [
    "index",
    "home_now",
    "home_copies",
    "home_days",
    "failures",
    "decisions",
    "health",
    "leads_activity_without_us",
]


@pytest.fixture
def ada():
    lead = lead_with_everything(WebhookEndpointFactory().connection.account)
    run = BulkRunFactory(account=lead.account, state=RunState.FINISHED, ended_at=timezone.now())
    LeadChangeFactory(lead=lead, run=run, status="accepted", settled_at=timezone.now())
    LeadChangeFactory(lead=lead, status="rejected", code="232", settled_at=timezone.now())
    Activity.objects.create(account=lead.account, lead=lead, kind="tag_assigned", at=timezone.now(), source="webhook")
    endpoint = lead.account.connection.endpoints.get()
    DeliveryFactory(endpoint=endpoint, lead=lead, action="assign_tag")
    ApiCall.objects.create(
        connection=endpoint.connection, lead=lead, cause="refresh", commands="get_lead", claimed_at=timezone.now()
    )
    return lead


def whole_tables(client, address):
    """The queries of a page that read a long table from end to end, with their plans."""
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(address)
    assert answer.status_code == 200, address
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in asked:
            if query["sql"].lstrip("(").startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                if WHOLE.search(plan):
                    found.append(f"{query['sql'][:1500]}\n{plan[:1500]}")
        cursor.execute("SET LOCAL enable_seqscan = on")
    assert len(asked) > 3
    return found


def test_the_reader_of_plans_sees_a_table_that_is_read_whole(staff, ada):
    """A check of the check: a search within notes has no index."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("EXPLAIN SELECT id FROM leads_lead WHERE notes = 'x'")
        assert WHOLE.search("\n".join(line for (line,) in cursor.fetchall()))


@pytest.mark.parametrize("name", [*PAGES, *(f"{name}_changelist" for name in LISTS)])
def test_no_page_reads_a_long_table_whole(staff, ada, name):
    assert not whole_tables(staff, reverse(f"admin:{name}"))


@pytest.mark.parametrize("name", CASES)
def test_no_filter_reads_a_long_table_whole(staff, ada, name):
    for given in (CASES[name](), {f"not_{part}": values for part, values in CASES[name]().items()}):
        assert not whole_tables(staff, f"/admin/leads/lead/?{urlencode(given, doseq=True)}")


@pytest.mark.parametrize("text", ["ada@example.com", "Ada", "5550001", "nobody"])
def test_no_search_reads_a_long_table_whole(staff, ada, text):
    assert not whole_tables(staff, f"/admin/leads/lead/?{urlencode({'q': text})}")


def test_neither_one_lead_nor_one_bulk_action_reads_a_long_table_whole(staff, ada):
    run = ada.changes.exclude(run=None).get().run
    pages = [ada.get_absolute_url(), run.get_absolute_url(), reverse("admin:leads_bulkrun_undo", args=[run.pk])]
    for address in (*pages, ada.changes.first().get_absolute_url()):
        assert not whole_tables(staff, address)


def test_a_person_of_one_account_reads_no_long_table_whole(staff, ada):
    StaffLimits.objects.create(user=staff.user, limited=True).accounts.add(ada.account)
    type(staff.user).objects.filter(pk=staff.user.pk).update(is_superuser=False)
    staff.user.groups.add(Group.objects.get(name="Manager"))
    for name in ("leads_lead", "leads_transaction", "leads_leadchange", "leads_activity"):
        assert not whole_tables(staff, reverse(f"admin:{name}_changelist"))
