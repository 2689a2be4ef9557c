"""A webinar's file of 800 rows, from the upload to a bulk action that starts by itself: every number that was previewed is what
happens, and nobody is called for more often than needed."""

import datetime as dt

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations import push, tasks
from integrations.push import verify
from leads.models import BulkRun, GoneReason, Lead, LeadTag, PeopleList, Schedule, Tag
from tests.browser.hands import sign_in
from tests.browser.test_clicks import type_into_choice
from tests.factories import SegmentFactory

pytestmark = pytest.mark.django_db(transaction=True)

KNOWN, CUSTOMERS, ELSEWHERE, NOWHERE, DELETED, REPEATED = 600, 88, 120, 60, 10, 8
MEMBERS = KNOWN - CUSTOMERS + ELSEWHERE + NOWHERE


def both_know(sandbox, account, emails):
    """Leads in Kartra and in our copy, in one go."""
    now, kartra = timezone.now(), sandbox.server.account()
    return Lead.objects.bulk_create(
        Lead(
            account=account,
            kartra_id=str(kartra.create(email, {}, {})["id"]),
            email=email,
            email_key=email,
            score=0,
            read_at=now,
        )
        for email in emails
    )


@pytest.fixture
def file(sandbox, connection, tmp_path):
    account = connection.account
    known = both_know(sandbox, account, [f"known{n}@example.com" for n in range(KNOWN)])
    customer = Tag.objects.create(account=account, name="Customer")
    LeadTag.objects.bulk_create(
        LeadTag(lead=lead, tag=customer, since=timezone.now(), source="refresh") for lead in known[:CUSTOMERS]
    )
    SegmentFactory(account=account, name="Customers", conditions={"tag": [str(customer.pk)]})
    for n in range(ELSEWHERE):
        sandbox.server.account().create(f"elsewhere{n}@example.com", {}, {})
    deleted = both_know(sandbox, account, [f"deleted{n}@example.com" for n in range(DELETED)])
    for lead in deleted:
        sandbox.act("delete_lead", lead=lead.kartra_id)
    gone = Lead.objects.filter(pk__in=[lead.pk for lead in deleted])
    gone.update(gone_at=timezone.now(), gone_reason=GoneReason.DELETED)
    rows = [
        *(f"known{n}@example.com,Kim" for n in range(KNOWN)),
        *(f"elsewhere{n}@example.com,Eli" for n in range(ELSEWHERE)),
        *(f"new{n}@example.com,Nell" for n in range(NOWHERE)),
        *(f"deleted{n}@example.com,Dan" for n in range(DELETED)),
        *(f"KNOWN{n}@Example.com,Kim" for n in range(100, 100 + REPEATED)),
        "no address,",
        "somebody at example.com,",
    ]
    assert len(rows) == 800
    path = tmp_path / "webinar-november.csv"
    path.write_text("Email,First name\n" + "\n".join(rows) + "\n")
    sandbox.server.calls.clear()
    return path


def test_a_webinars_file_starts_by_itself_and_ends_as_previewed(page, live_server, sandbox, connection, file):
    sign_in(page, live_server)
    page.goto(f"{live_server.url}/admin/leads/lead/")
    page.get_by_role("link", name="People from a list").click()
    page.get_by_label("Or upload a file").set_input_files(file)
    page.get_by_role("button", name="Read the list").click()
    expect(page.get_by_text("Reading the list: 0 %")).to_be_visible()
    made = PeopleList.objects.get()
    while made.is_going:
        tasks.read_people_list(made.pk)
        made.refresh_from_db()
    assert len(sandbox.calls()) == ELSEWHERE + NOWHERE  # one look-up for each who is unknown

    expect(page.get_by_text(f"Next with {KNOWN + ELSEWHERE} people")).to_be_visible()  # by itself
    page.get_by_label("create them as leads (columns: First name)").check()
    expect(page.get_by_text(f"Next with {KNOWN + ELSEWHERE + NOWHERE} people")).to_be_visible()
    page.get_by_label("Segment, list or tag").select_option(label="Customers")
    page.get_by_role("button", name="Leave out").click()
    expect(page.get_by_text(f"Next with {MEMBERS} people")).to_be_visible()
    told = page.locator("main").inner_text()
    for number, words in ((KNOWN, "known"), (NOWHERE, "not in Kartra"), (REPEATED, "repeated"), (DELETED, "deleted")):
        assert str(number) in told, words
    page.get_by_label("What to do").select_option("assign_tag")
    page.get_by_role("button", name="Next with").click()

    type_into_choice(page, "Tag", "VIP")
    for kind, label, words in (("subscribe_list", "List", "Buyers"), ("give_points", "Points", "5")):
        page.select_option("#add-kind", kind)
        page.click("button[value=add]")
        type_into_choice(page, label, words)
    page.click("button[value=preview]:visible")
    expect(page.get_by_text(f"Start for {MEMBERS} leads")).to_be_visible()

    page.get_by_text("Start later…").click()
    minute = (timezone.localtime() + dt.timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
    page.locator("#start-at").fill(minute)
    page.get_by_role("button", name="Schedule it").click()
    expect(page.get_by_text("It starts by itself then")).to_be_visible()
    schedule = Schedule.objects.get()
    assert dt.timedelta(0) < schedule.next_at - timezone.now() < dt.timedelta(minutes=2)
    sandbox.server.calls.clear()
    tasks.start_schedule(schedule.pk)
    assert not BulkRun.objects.exists()  # its time has not come
    Schedule.objects.update(next_at=timezone.now())
    tasks.start_schedule(schedule.pk)
    tasks.start_schedule(schedule.pk)

    run = BulkRun.objects.get()
    while not run.has_ended:
        push.drain(connection, until_s=5)
        verify.drain(connection, until_s=1)
        run.refresh_from_db()
    counts = {status: number for status, number in run.counts().items() if number}
    assert (run.expected, counts) == (MEMBERS, {"accepted": MEMBERS * 3 + NOWHERE})
    assert len(sandbox.calls()) == len(sandbox.calls(writes=True)) == MEMBERS  # one for each person: no score was old
    assert len(sandbox.ask("GET", "leads", tag="VIP")) == MEMBERS
    page.goto(f"{live_server.url}{run.get_absolute_url()}")
    expect(page.get_by_text(f"{MEMBERS} of {MEMBERS} leads").first).to_be_visible()
