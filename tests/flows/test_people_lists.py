"""A webinar's list from the paste to the end: every count on the way is what happened, and nobody is called for more often than
needed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from integrations import push, tasks
from integrations.push import verify
from leads.erasure import forget
from leads.models import BulkRun, Lead, LeadTag, PeopleList, RunDraft, Tag
from leads.people import reading
from tests.factories import StaffFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def webinar(sandbox, connection, client):
    """A file of 80: 60 known, 5 of them customers; 12 in Kartra alone; 5 nowhere, one of them mistyped; 1 deleted; 1 forgotten;
    2 repeated, 1 not readable."""
    client.force_login(StaffFactory(is_superuser=True))
    known = [sandbox.mirrored_lead(connection, f"known{n}@example.com") for n in range(60)]
    customers = Tag.objects.create(account=connection.account, name="Customer")
    for lead in known[:5]:
        LeadTag.objects.create(lead=lead, tag=customers, since=timezone.now(), source="refresh")
    for n in range(12):
        sandbox.add_lead(f"found{n}@example.com")
    sandbox.act("delete_lead", lead=sandbox.add_lead("deleted@example.com"))
    forget.forget(sandbox.mirrored_lead(connection, "forgotten@example.com"))
    rows = [
        *(f"Known{n}@example.com" for n in range(60)),
        *(f"found{n}@example.com" for n in range(12)),
        *(f"new{n}@example.com,Nell,{n}" for n in range(4)),
        "deleted@example.com",
        '"FORGOTTEN@example.com "',
        "known1@EXAMPLE.com",
        "found1@example.com",
        "nobody",
    ]
    sandbox.server.calls.clear()
    return customers, "Email,First name,Phone\n" + "\n".join(rows)


def settle(connection):
    for _ in range(60):
        push.drain(connection, until_s=2)
        verify.drain(connection, until_s=2)
        if not BulkRun.objects.under_way().exists():
            return


def test_a_webinars_list_from_paste_to_end(sandbox, connection, client, webinar):
    customers, text = webinar
    client.post("/admin/leads/peoplelist/add/", {"account": connection.account.pk, "text": text, "name": "Webinar"})
    made = PeopleList.objects.get()
    while made.is_going:
        tasks.read_people_list(made.pk)
        made.refresh_from_db()

    assert {state: n for state, n in reading.counts_of(made).items() if n} == {
        "known": 60, "found": 12, "not_in_kartra": 4, "gone": 1, "forgotten": 1, "repeated": 2, "unreadable": 1,
    }  # fmt: skip
    assert len(sandbox.calls()) == 17  # one for each stranger

    out = f"tag-{customers.pk}"
    page = client.get(made.get_absolute_url(), {"out": out, "create": "1"}).content.decode()
    assert "Next with 71 people" in page  # 55 + 12 + 4
    start = reverse("admin:leads_peoplelist_do", args=[made.pk, "start"])
    draft = client.post(start, {"kind": "assign_tag", "out": out, "create": "1"}).url
    client.post(draft, {"do": "add", "kind": "subscribe_list", "tag": "VIP"})
    client.post(draft, {"do": "preview", "tag": "VIP", "2-list": "Webinar guests"})
    preview = client.get(draft).context["preview"]
    shown = client.get(draft).content.decode()
    assert (preview["counted"].will_change, preview["counted"].total, preview["counted"].calls) == (71, 71, 71)
    assert "4 people of the list Webinar are not in Kartra" in shown
    assert "Start for 71 leads" in shown

    answer = client.post(draft, {"do": "start", "mark": preview["mark"]})
    again = client.post(draft, {"do": "start", "mark": preview["mark"]})
    run = BulkRun.objects.get()
    assert (answer.status_code, again.url) == (302, run.get_absolute_url())
    settle(connection)

    run.refresh_from_db()
    counts = {status: n for status, n in run.counts().items() if n}
    assert (run.state, run.expected, counts) == ("finished", 71, {"accepted": 71 * 2 + 4})
    assert len(sandbox.calls(writes=True)) == 71
    tagged = {lead["email"] for lead in sandbox.ask("GET", "leads", tag="VIP")}
    assert len(tagged) == 71
    assert {f"new{n}@example.com" for n in range(4)} <= tagged
    assert not {f"known{n}@example.com" for n in range(5)} & tagged
    assert sandbox.lead("new3@example.com")["first_name"] == "Nell"
    assert not Lead.objects.filter(email_key__startswith="forgotten").exists()
    progress = client.get(run.get_absolute_url()).content.decode()
    assert "71 of 71" in progress

    # the same list again: those who were created are members now
    client.post(start, {"kind": "give_points"})
    assert client.get(RunDraft.objects.order_by("created_at").last().get_absolute_url()).context["chosen"] == 76
