"""Create leads from a file: the preview with what new contacts mean, the way out, the start, and who may."""

import csv
import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from integrations import push
from kartra_mirror import groups
from leads.labels import NEW_CONTACTS, OWN_IMPORT
from leads.models import BulkRun, GroupLimits, Lead, LeadChange, PeopleList, RunDraft
from tests.factories import LeadFactory, StaffFactory

pytestmark = pytest.mark.django_db

URL = "/admin/leads/lead/newcomers/"
HOSTILE = '<img x-data x-init="alert(1)">'


@pytest.fixture
def account(account):
    groups.make()
    return account


def member(*names):
    user = StaffFactory()
    user.groups.set(Group.objects.filter(name__in=names))
    return user


def upload(client, account, text, **given):
    file = SimpleUploadedFile("fair.csv", text.encode())
    return client.post(URL, {"account": account.pk, "file": file, **given})


def prepared(client, account, text, **given):
    answer = upload(client, account, text, **given)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return answer.url


def test_preview_says_who_and_what_new_contacts_mean(client, account):
    client.force_login(member("Manager"))
    LeadFactory(account=account, email="known@example.com")
    url = prepared(
        client,
        account,
        "Email,First name,Shoe\nada@example.com,Ada,42\nbo@example.com,Bo,43\nknown@example.com,,\nnobody,,\n",
    )

    page = client.get(url)

    text = page.content.decode()
    assert (page.context_data["number"], page.context_data["takes"]) == (2, "about 1 second")
    assert "1 person has a lead in Kartra already." in text
    assert "1 row cannot be read." in text
    assert str(NEW_CONTACTS) in text
    assert "Kartra&#x27;s own import asks how they agreed" in text
    assert "Shoe" in text
    assert not LeadChange.objects.exists()
    assert Lead.objects.count() == 1


def test_start_makes_one_bulk_action_however_often_it_is_pressed(client, account):
    client.force_login(member("Manager"))
    url = prepared(client, account, "Email,Tags\nada@example.com,VIP\nbo@example.com,\n", why="Fair in May")
    mark = client.get(url).context_data["found"].mark

    answers = [client.post(url, {"do": "start", "mark": mark}) for _ in range(2)]

    run = BulkRun.objects.get()
    assert (run.name, run.expected, run.why, run.changes.count()) == ("Create 2 leads", 2, "Fair in May", 3)
    assert [answer.url for answer in answers] == ["/admin/leads/lead/", run.get_absolute_url()]
    assert RunDraft.objects.get().selection["people"] == []
    shown = client.get(run.get_absolute_url()).content.decode()
    assert "Create 2 leads" in shown
    assert "0 of 2 leads" in shown


def test_what_starts_is_what_was_previewed(client, account):
    client.force_login(member("Manager"))
    url = prepared(client, account, "Email\nada@example.com\nbo@example.com\n")
    mark = client.get(url).context_data["found"].mark
    LeadFactory(account=account, email="bo@example.com")

    page = client.post(url, {"do": "start", "mark": mark}, follow=True)

    assert not BulkRun.objects.exists()
    assert "now 1 of these people would be created" in page.content.decode()


def test_the_same_people_as_a_file_for_kartras_own_import(client, account):
    client.force_login(member("Manager"))
    LeadFactory(account=account, email="known@example.com")
    url = prepared(
        client,
        account,
        f"Email,First name,Tags\nada@example.com,=Ada,VIP\nknown@example.com,K,\nbo@example.com,{HOSTILE},\n",
    )

    answer = client.post(url, {"do": "file"})

    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows == [
        ["Email", "First name", "Tags"],
        ["ada@example.com", "'=Ada", "VIP"],
        ["bo@example.com", HOSTILE, ""],
    ]
    line = LogEntry.objects.get()
    assert line.user.groups.get().name == "Manager"
    assert "Exported 2 leads" in line.change_message
    assert "fair.csv" in line.change_message
    assert not LeadChange.objects.exists()


def test_who_may_not_take_leads_out_gets_no_file(client, account):
    client.force_login(member("Marketer"))
    url = prepared(client, account, "Email\nada@example.com\n")
    assert "Download a file for it" not in client.get(url).content.decode()
    assert client.post(url, {"do": "file"}).status_code == 403
    assert not LogEntry.objects.exists()


def test_who_may(client, account):
    for names, status in ((("Viewer",), 403), (("Support",), 200), (("Marketer",), 200)):
        client.force_login(member(*names))
        assert client.get(URL).status_code == status
        if status == 200:
            offered = URL in client.get("/admin/leads/lead/add/").content.decode()
            assert offered is (names == ("Marketer",))
    client.force_login(member("Support"))
    url = prepared(client, account, "Email\nada@example.com\nbo@example.com\n")
    page = client.get(url)
    assert "You change one lead at a time." in page.content.decode()
    client.post(url, {"do": "start", "mark": page.context_data["found"].mark})
    assert not BulkRun.objects.exists()


def test_what_rows_ask_for_besides_takes_its_own_permission(client, account):
    person = member("Manager")
    client.force_login(person)
    url = prepared(client, account, "Email,Tags\nada@example.com,VIP\n")
    Group.objects.get(name="Manager").permissions.remove(
        *Group.objects.get(name="Manager").permissions.filter(codename="assign_tag")
    )
    assert client.get(url).status_code == 403


def test_more_than_one_may_start_is_asked_of_a_manager(client, account):
    GroupLimits.objects.filter(group__name="Marketer").update(largest_run=2)
    marketer = member("Marketer")
    client.force_login(marketer)
    url = prepared(client, account, "Email\n" + "".join(f"p{n}@example.com\n" for n in range(3)))
    assert "up to 2 leads at once" in client.get(url).content.decode()
    client.post(url, {"do": "ask"})

    client.force_login(member("Manager"))
    assert "Create 3 leads" in client.get(reverse("admin:approvals")).content.decode()
    page = client.get(url)
    assert page.status_code == 200
    client.post(url, {"do": "start", "mark": page.context_data["found"].mark})

    run = BulkRun.objects.get()
    assert (run.created_by, run.approved_by.groups.get().name) == (marketer, "Manager")


def test_a_draft_of_another_is_not_found(client, account):
    client.force_login(member("Manager"))
    url = prepared(client, account, "Email\nada@example.com\n")
    client.force_login(member("Manager"))
    assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [("Name\nAda\n", "No column is called Email"), ("", "empty"), ("PK\x03\x04zip", "Excel workbook")],
)
def test_file_that_cannot_be_taken_says_why_beside_it(client, account, text, words):
    client.force_login(member("Manager"))
    answer = upload(client, account, text)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not RunDraft.objects.exists()


def test_page_costs_the_same_queries_for_more_people(client, account, django_assert_max_num_queries):
    client.force_login(member("Manager"))
    few = prepared(client, account, "Email\nada@example.com\nbo@example.com\n")
    many = prepared(client, account, "Email\n" + "".join(f"p{n}@example.com\n" for n in range(400)))
    with django_assert_max_num_queries(60) as counted:
        client.get(few)
    with django_assert_max_num_queries(len(counted.captured_queries)):
        client.get(many)


def test_the_notice_stands_wherever_leads_are_made(client, account):
    client.force_login(member("Manager"))
    assert str(NEW_CONTACTS) in client.get("/admin/leads/lead/add/").content.decode()
    lead = LeadFactory(account=account)
    LeadChange.objects.create(
        account=account,
        lead=lead,
        kind="create_lead",
        parameters={"email": lead.email},
        family="profile",
        status="rejected",
        code="271",
        requested_at="2026-01-01T00:00Z",
        settled_at="2026-01-01T00:00Z",
    )
    assert str(NEW_CONTACTS) in client.get("/admin/failed/").content.decode()


def test_command_says_it_and_creates_them(connection, sandbox, tmp_path):
    file = tmp_path / "fair.csv"
    tag = connection.account.tags.first().name
    file.write_text(f"Email,First name,Tags\nada@example.com,Ada,{tag}\nbo@example.com,Bo,\n")

    def change(*args):
        out = io.StringIO()
        call_command("change", "create_lead", "--connection", connection.name, *args, stdout=out, stderr=io.StringIO())
        return out.getvalue()

    text = change("--people", str(file), "--dry-run")
    assert "Create 2 leads in" in text
    assert str(NEW_CONTACTS) in text
    assert str(OWN_IMPORT) in text
    assert str(NEW_CONTACTS) in change("--set", "email=cy@example.com", "--dry-run")
    assert not Lead.objects.exists()

    change("--people", str(file))
    push.drain(connection)
    assert sandbox.lead("ada@example.com")["tags"] == [tag]
    assert len(sandbox.calls(writes=True)) == 2
    assert set(BulkRun.objects.get().changes.values_list("status", flat=True)) == {"accepted"}


def test_command_takes_the_people_of_a_file_as_leads(connection, sandbox, tmp_path):
    file = tmp_path / "fair.csv"
    lead, other = LeadFactory(account=connection.account), LeadFactory(account=connection.account)
    file.write_text(f"Email\n{lead.email}\nnew@example.com\nnobody\n")
    sandbox.add_lead("new@example.com")

    def change(*args):
        given = ["--connection", connection.name, "--set", "points=5", "--people", str(file), *args]
        call_command("change", "give_points", *given, stdout=io.StringIO(), stderr=(err := io.StringIO()))
        return err.getvalue()

    told = change()
    assert [change.lead for change in LeadChange.objects.all()] == [lead]
    assert "1 of the file are not in our copy" in told
    assert "Line 4: “nobody” is not an email address" in told
    assert "1 of the file were found in Kartra" in change("--look-up", "--dry-run")
    assert LeadChange.objects.count() == 1
    assert not other.changes.exists()
    assert not PeopleList.objects.exists()
