"""Loading and exporting files in the admin: every step, once, only by those who may; what came of it is on the page."""

import csv
import io
import re
import zipfile

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from integrations import tasks
from kartra_mirror.admin.data.exports import for_kartra
from leads import importing
from leads.exporting import KartraFiles, frozen, told
from leads.importing import columns
from leads.models import Import, ImportChunk, ImportKind, Lead, Transaction
from tests.factories import AccountFactory, ConnectionFactory, LeadFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db

TEXT = "Mail;Vorname;Rest\nada@example.com;=Ada;x\nbad;B;y\n"


@pytest.fixture
def account():
    return ConnectionFactory().account


def with_permissions(client, *names):
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=names, content_type__app_label="leads"))
    client.force_login(user)
    return client


def upload(client, account, content=TEXT, kind="leads"):
    body = content if isinstance(content, bytes) else content.encode()
    file = SimpleUploadedFile("export.csv", body, content_type="text/csv")
    return client.post(reverse("admin:leads_import_add"), {"account": account.pk, "kind": kind, "file": file})


def matched(client, job, **columns):
    """Answer the page of columns: matched(client, job, Mail="email")."""
    data = {f"column_{n}": columns.get(header, "") for n, header in enumerate(job.headers)}
    return client.post(reverse("admin:leads_import_match", args=[job.pk]), {**data, "dates": ""})


def worked(job):
    tasks.load_file(job.pk)
    job.refresh_from_db()
    return job


def test_upload_match_preview_start_result(staff, account, notified):
    answer = upload(staff, account)
    job = Import.objects.get()
    assert answer.url == reverse("admin:leads_import_match", args=[job.pk])
    assert b"=Ada" in staff.get(answer.url).content

    assert matched(staff, job, Mail="email", Vorname="first_name").url == job.get_absolute_url()
    assert worked(job).state == "checked"
    assert not Lead.objects.exists()
    page = staff.get(job.get_absolute_url()).content.decode()
    assert "2 rows: 1 would be new, 0 would be changed, 0 as they were, 1 bad." in page
    assert "“bad” is not an email address." in page
    assert "Left out: Rest" in page

    staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]))
    staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]))
    progress = staff.get(reverse("admin:leads_import_progress", args=[job.pk])).context["progress"]
    assert (progress["state"], progress["percent"], progress["is_going"]) == ("loading", 0, True)
    assert worked(job).state == "finished"

    page = staff.get(job.get_absolute_url()).content.decode()
    assert "2 rows: 1 new, 0 changed, 0 as they were, 1 bad." in page
    assert "The preview said 1 new, 0 changed, 1 bad." in page
    assert Lead.objects.get().first_name == "=Ada"
    body = b"".join(staff.get(reverse("admin:leads_import_rejects", args=[job.pk])).streaming_content)
    assert list(csv.reader(io.StringIO(body.decode("utf-8-sig")))) == [
        ["line", "reason", "Mail", "Vorname", "Rest"],
        ["3", "“bad” is not an email address.", "bad", "B", "y"],
    ]
    assert ("refresh_leads", (account.connection.pk,)) in notified
    assert [each for each in notified if each[0] == "load_file"] == [("load_file", (job.pk,))] * 2


def test_page_says_what_is_so_by_itself_and_asks_before_an_import_is_cancelled(staff, account, notified):
    upload(staff, account)
    job = Import.objects.get()
    matched(staff, job, Mail="email")
    worked(job)

    started = staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]), follow=True)
    running = started.content.decode()
    worked(job)
    ended = staff.get(reverse("admin:leads_import_progress", args=[job.pk])).content.decode()

    assert list(started.context["messages"]) == []  # a message would stand there after it has ended
    assert "You may leave this page." in running
    asking = running[running.index('id="import-cancel"') :].split("</details>")[0]
    assert 'summary class="btn bad">Cancel it…' in asking
    assert "Rows already imported stay." in asking
    assert "Cancel the import" in asking
    assert ("You may leave" in ended, "Cancel it" in ended, "Finished" in ended) == (False, False, True)


def test_page_says_whom_of_the_file_kartra_does_not_have(staff, account, notified):
    upload(staff, account)
    job = Import.objects.get()
    matched(staff, job, Mail="email", Vorname="first_name")
    worked(job)
    staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]))
    worked(job)
    Lead.objects.update(absent_at=timezone.now())

    page = staff.get(job.get_absolute_url()).content.decode()

    link = rf'\?account__id__exact={account.pk}&amp;copy=absent"\s*>\s*1 lead is not in Kartra\s*</a>'
    assert re.search(link, page)
    assert "0 known" in staff.get(reverse("admin:leads_import_changelist")).content.decode()


def test_fields_are_called_as_on_the_leads_page(staff, account):
    job = upload(staff, account)
    page = staff.get(job.url).content.decode()

    assert all(words in page for words in ("GDPR status from IP", "GDPR communications", "Google Plus"))
    assert columns.by_words(ImportKind.LEADS, "Gdpr lead status ip") == "gdpr_lead_status_ip"


def test_columns_are_matched_by_themselves_the_second_time(staff, account):
    upload(staff, account)
    matched(staff, Import.objects.get(), Mail="email", Vorname="first_name")
    upload(staff, account)
    assert Import.objects.order_by("pk").last().mapping == {"email": "Mail", "first_name": "Vorname"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + b"\0" * 50, "Excel"),
        (b"\x00\x01\x02" * 500, "not a text file"),
        (b"a@example.com,b\n", "not the names"),
    ],
)
def test_what_is_no_csv_is_refused_on_the_page(staff, account, content, words):
    answer = upload(staff, account, content)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Import.objects.exists()
    assert not ImportChunk.objects.exists()


def test_two_columns_for_one_field_and_none_for_the_address_are_refused(staff, account):
    upload(staff, account)
    job = Import.objects.get()
    assert "is chosen for the column Mail already" in matched(staff, job, Mail="email", Rest="email").content.decode()
    assert "No column is known to hold" in matched(staff, job, Vorname="city").content.decode()
    job.refresh_from_db()
    assert job.state == "new"


def test_hostile_headers_and_cells_are_only_text(staff, account):
    hostile = '<img x-data x-init="alert(1)" src=x>'
    upload(
        staff,
        account,
        f'email,{hostile.replace(",", "")}\na@example.com,"{hostile.replace(chr(34), chr(34) * 2)}"\n'.replace(
            'x-init="alert(1)" src', "x-init=alert(1) src", 1
        ),
    )
    job = Import.objects.get()
    page = staff.get(reverse("admin:leads_import_match", args=[job.pk])).content.decode()
    assert "<img x-data" not in page
    assert "&lt;img x-data" in page


def test_transactions_come_in_by_the_same_pages(staff, account):
    upload(staff, account, "Order,Kind,Total\n70001,Sale,19.00\n", "transactions")
    job = Import.objects.get()
    matched(staff, job, Order="id", Kind="type", Total="full_amount")
    worked(job)
    staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]))
    worked(job)
    assert "1 sale missing, added" in staff.get(job.get_absolute_url()).content.decode()
    assert Transaction.objects.get().full_amount == 19


def test_cancelled_import_is_not_gone_on_with(staff, account):
    upload(staff, account)
    job = Import.objects.get()
    matched(staff, job, Mail="email")
    staff.post(reverse("admin:leads_import_do", args=[job.pk, "cancel"]))
    assert worked(job).state == "cancelled"
    assert (
        "Nothing was changed"
        in staff.post(reverse("admin:leads_import_do", args=[job.pk, "start"]), follow=True).content.decode()
    )
    assert not Lead.objects.exists()


def test_get_changes_nothing(staff, account):
    upload(staff, account)
    job = Import.objects.get()
    for what in ("start", "cancel"):
        staff.get(reverse("admin:leads_import_do", args=[job.pk, what]))
    job.refresh_from_db()
    assert job.state == "new"


@pytest.mark.parametrize(
    "name", ["import_add", "import_match", "import_do", "import_rejects", "lead_export", "import_total"]
)
def test_without_the_permission_each_address_answers_403(client, account, name):
    job = importing.create(account, ImportKind.LEADS, io.BytesIO(TEXT.encode()), "x.csv", keep=True)
    with_permissions(client, "view_import", "view_lead", "view_account")
    args = {"import_add": [], "lead_export": [], "import_do": [job.pk, "start"], "import_total": [account.pk]}.get(
        name, [job.pk]
    )
    url = reverse(f"admin:leads_{name}", args=args)
    assert client.get(url).status_code == client.post(url).status_code == 403
    assert client.get(reverse("admin:leads_import_changelist")).status_code == 200
    assert b"Import a file" not in client.get(reverse("admin:leads_import_changelist")).content
    assert b"Export as a file" not in client.get(reverse("admin:leads_lead_changelist")).content


def test_worker_that_meets_a_fault_stops_the_import_and_says_so(staff, account, monkeypatch):
    upload(staff, account)
    job = Import.objects.get()
    matched(staff, job, Mail="email")
    ImportChunk.objects.update(content=b"not what was stored")
    assert worked(job).state == "stopped"
    assert "because of an error of ours" in staff.get(job.get_absolute_url()).content.decode()


def test_sweep_notifies_of_imports_that_were_cut_off(staff, account, notified):
    upload(staff, account)
    job = Import.objects.get()
    matched(staff, job, Mail="email")
    notified.clear()
    tasks.sweep()
    assert ("load_file", (job.pk,)) in notified


def exported(answer):
    body = b"".join(answer.streaming_content)
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))


def test_ticked_leads_are_exported_and_that_is_written_down(client, account):
    one, two = LeadFactory(account=account, first_name="=1+1"), LeadFactory(account=account)
    LeadFactory(account=account)
    with_permissions(client, "view_lead", "export_lead")
    data = {"action": "export", "_selected_action": [one.pk, two.pk]}
    url = client.post(reverse("admin:leads_lead_changelist"), data).url
    assert "2 leads" in client.get(url).content.decode()

    rows = exported(client.post(url, {"form": "mirror"}))

    assert [row["Email"] for row in rows] == [one.email, two.email]
    assert rows[0]["First name"] == "'=1+1"
    [entry] = LogEntry.objects.all()
    assert (str(entry.user), entry.change_message[:18]) == (
        str(client.get(url).wsgi_request.user),
        "Exported 2 leads o",
    )


def test_all_of_a_filter_are_exported_by_its_query(staff, account):
    tag = TagFactory(account=account)
    leads = [LeadFactory(account=account) for _ in range(3)]
    for lead in leads[:2]:
        lead.leadtags.create(tag=tag, since=lead.read_at, source="refresh")
    data = {"action": "export", "_selected_action": [leads[0].pk], "select_across": "1"}
    url = staff.post(f"{reverse('admin:leads_lead_changelist')}?tag={tag.pk}", data).url
    assert len(exported(staff.post(url, {"form": "mirror"}))) == 2


def test_export_for_kartra_is_one_file_or_a_zip_of_several(staff, account):
    for _ in range(3):
        LeadFactory(account=account)
    LeadFactory(account=account, email="")
    url = reverse("admin:leads_lead_export")
    assert len(exported(staff.post(url, {"form": "kartra"}))) == 3
    assert "1 left out: no email address" in staff.get(url).content.decode()

    several = KartraFiles(account, told(frozen(Lead.objects.all())), max_rows=2)
    answer = for_kartra(staff.get(url).wsgi_request, several, "leads.csv")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as bundle:
        assert [len(bundle.read(name).splitlines()) for name in bundle.namelist()] == [3, 2]


def test_leads_of_two_accounts_are_not_exported_together(staff, account):
    LeadFactory(account=account)
    LeadFactory()
    answer = staff.post(reverse("admin:leads_lead_export"), {"form": "mirror"}, follow=True)
    assert "more than one account" in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_kartras_own_total_is_entered_and_shown(staff, account):
    LeadFactory(account=account)
    LeadFactory(account=account, gone_at="2026-01-01T00:00:00Z", gone_reason="deleted")
    staff.post(reverse("admin:leads_import_total", args=[account.pk]), {"contacts_in_kartra": "60214"})
    account.refresh_from_db()
    assert account.contacts_in_kartra == 60214
    assert account.contacts_counted_at is not None
    for url in ("leads_lead_changelist", "leads_import_changelist"):
        assert "1 of 60,214 known" in staff.get(reverse(f"admin:{url}")).content.decode()


def test_list_of_imports_costs_the_same_queries_for_more_rows(staff, django_assert_max_num_queries):
    def add(number):
        for _ in range(number):
            user = StaffFactory()
            importing.create(AccountFactory(), ImportKind.LEADS, io.BytesIO(TEXT.encode()), "x.csv", by=user)

    add(2)
    url = reverse("admin:leads_import_changelist")
    staff.get(url)
    add(6)
    with django_assert_max_num_queries(14):
        staff.get(url)


IDS = "Id,Email,First name\n1,a@example.com,Ada\n2,b@example.com,Bo\n"


def checked(staff, account, text=IDS):
    """A file that was uploaded, matched and checked; Kartra cannot be asked."""
    upload(staff, account, text)
    job = Import.objects.latest("pk")
    matched(staff, job, Id="id", Email="email", **{"First name": "first_name"})
    return worked(job)


def do(client, job, what):
    return client.post(reverse("admin:leads_import_do", args=[job.pk, what]), follow=True).content.decode()


def test_ids_that_could_not_be_checked_are_shown_with_names_before_anything_is_loaded(staff, account, notified):
    job = checked(staff, account)

    page = staff.get(job.get_absolute_url()).content.decode()

    assert "Are these Kartra's ids?" in page
    assert '<td class="num">1</td><td>Ada</td><td>a@example.com</td>' in re.sub(r">\s+<", "><", page)
    assert reverse("admin:leads_import_do", args=[job.pk, "start"]) not in page
    assert "could not be checked" in do(staff, job, "start")
    assert not Lead.objects.exists()

    assert reverse("admin:leads_import_do", args=[job.pk, "start"]) in do(staff, job, "kartra")
    do(staff, job, "start")
    worked(job)
    assert sorted(Lead.objects.values_list("email", "kartra_id")) == [("a@example.com", None), ("b@example.com", None)]


def test_ids_of_another_system_are_left_out_and_the_file_is_checked_again(staff, account, notified):
    LeadFactory(account=account, kartra_id="1", email="x@example.com")
    LeadFactory(account=account, kartra_id="2", email="a@example.com")
    job = checked(staff, account, IDS + "3,c@example.com,Cy\n")
    page = staff.get(job.get_absolute_url()).content.decode()
    assert "“Id” is probably not Kartra&#x27;s id" in page
    assert reverse("admin:leads_import_do", args=[job.pk, "kartra"]) not in page

    assert "The column is left out." in do(staff, job, "not-kartra")
    assert notified[-1] == ("load_file", (job.pk,))
    worked(job)
    do(staff, job, "start")
    worked(job)

    assert (job.state, job.rejected, "id" in job.mapping) == ("finished", 0, False)
    assert set(Lead.objects.values_list("email", "kartra_id")) == {
        ("x@example.com", "1"),
        ("a@example.com", "2"),
        ("b@example.com", None),
        ("c@example.com", None),
    }


def test_only_who_may_load_says_whose_the_ids_are(client, staff, account):
    job = checked(staff, account)
    viewer = with_permissions(client, "view_import")
    assert viewer.post(reverse("admin:leads_import_do", args=[job.pk, "kartra"])).status_code == 403
    job.refresh_from_db()
    assert job.options["ids"]["said"] == ""


def test_how_cells_are_read_is_chosen_beside_the_columns(staff, account):
    LeadFactory(account=account, kartra_id="1", email="a@example.com", city="Bend")
    upload(staff, account, 'Email,City,Tags\na@example.com,,"newsletter, VIP"\n')
    job = Import.objects.latest("pk")
    page = staff.get(reverse("admin:leads_import_match", args=[job.pk])).content.decode()
    assert "Empty cells clear the field" in page
    assert "Between names of tags and lists" in page
    assert 'name="currency"' not in page

    data = {"column_0": "email", "column_1": "city", "column_2": "tags", "separator": ",", "clears": "on"}
    staff.post(reverse("admin:leads_import_match", args=[job.pk]), data)
    worked(job)
    do(staff, job, "start")
    worked(job)

    lead = Lead.objects.get()
    assert (lead.city, set(lead.leadtags.values_list("tag__name", flat=True))) == ("", {"newsletter", "VIP"})


def test_what_a_sign_means_is_chosen_for_transactions(staff, account):
    upload(staff, account, 'Transaction ID,Type,Amount\n1,Sale,"5,00 kr"\n', kind="transactions")
    job = Import.objects.latest("pk")
    data = {"column_0": "id", "column_1": "type", "column_2": "full_amount"}
    match = reverse("admin:leads_import_match", args=[job.pk])
    assert "not the code of one currency" in staff.post(match, {**data, "currency": "kr"}).content.decode()
    staff.post(match, {**data, "currency": "NOK"})
    worked(job)
    do(staff, job, "start")
    worked(job)
    assert Transaction.objects.get().currency == "NOK"
