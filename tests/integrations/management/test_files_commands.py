"""The commands that load and write files: what they print, where bad rows go, and that a killed one goes on."""

import csv
import json
import os
import subprocess
import sys
import time

import pytest
from django.core.management import CommandError, call_command
from django.db import connection as database

from leads.models import Account, Import, ImportReject, Lead, LeadTag, Transaction
from leads.models.changed import mark_changed
from tests.all_are_over import all_are_over
from tests.factories import ConnectionFactory, LeadFactory, MailingListFactory, SegmentFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return ConnectionFactory().account


def run(capsys, *arguments):
    call_command(*arguments)
    return capsys.readouterr().out


def test_bad_rows_go_to_a_file_beside(account, tmp_path, capsys, notified):
    path = tmp_path / "leads.csv"
    path.write_text("Mail;Name\nada@example.com;Ada\nbad;=B\n")

    printed = run(capsys, "import_leads", str(path), "--map", "email=Mail", "--map", "first_name=Name")

    assert printed.splitlines() == [
        "2 rows: 1 new, 0 changed, 0 as they were, 1 bad.",
        "  line 3: “bad” is not an email address.",
        f"The rejected rows are in {path}.rejected.csv.",
    ]
    with open(f"{path}.rejected.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["line", "reason", "Mail", "Name"],
            ["3", "“bad” is not an email address.", "bad", "'=B"],
        ]
    assert notified == [("refresh_leads", (account.connection.pk,))]
    assert "1 as they were" in run(capsys, "import_leads", str(path))  # the columns are remembered


def test_dry_run_leaves_no_trace(account, tmp_path, capsys, notified):
    path = tmp_path / "leads.csv"
    path.write_text("Email\nada@example.com\nbad\n")
    facts = json.loads(run(capsys, "import_leads", str(path), "--dry-run", "--json"))
    assert (facts["rows"], facts["created"], facts["rejected"], facts["examples"]) == (
        2,
        1,
        1,
        [[3, "“bad” is not an email address."]],
    )
    assert (Lead.objects.count(), Import.objects.count(), ImportReject.objects.count()) == (0, 0, 0)
    assert list(tmp_path.iterdir()) == [path]
    assert notified == []


@pytest.mark.parametrize("command", ["import_leads", "import_transactions"])
@pytest.mark.parametrize(
    ("content", "words"), [(b"", "empty"), (b"\x89PNG" + bytes(300), "picture"), (b"a,b\n1,2\n", "No column is known")]
)
def test_bad_file_is_refused_in_one_sentence_and_changes_nothing(account, tmp_path, command, content, words):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=words):
        call_command(command, str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command(command, str(tmp_path / "none.csv"))
    assert not Import.objects.exists()
    assert list(tmp_path.iterdir()) == [path]


def test_import_transactions_says_what_was_missing(account, tmp_path, capsys):
    path = tmp_path / "sales.csv"
    path.write_text("Transaction ID,Type,Total\n" + "".join(f"{n},Sale,5.00\n" for n in range(1, 15)))
    assert "14 rows: 14 sales missing, would be added" in run(capsys, "import_transactions", str(path), "--dry-run")
    assert "14 rows: 14 sales missing, added; 0 corrected, 0 known already" in run(
        capsys, "import_transactions", str(path)
    )
    assert "nothing was missing; 0 corrected, 14 known already" in run(capsys, "import_transactions", str(path))
    assert Transaction.objects.filter(type="sale", full_amount=5, reported=False).count() == 14


def test_dates_are_read_as_said(account, tmp_path, capsys):
    path = tmp_path / "leads.csv"
    path.write_text("Email,Date joined\nada@example.com,03/04/2026\n")
    run(capsys, "import_leads", str(path), "--dates", "day-first")
    assert Lead.objects.get().date_joined.month == 4


def test_export_narrows_down_and_imports_back(account, tmp_path, capsys):
    tag, mailing_list = TagFactory(account=account, name="VIP"), MailingListFactory(account=account, name="Buyers")
    leads = [LeadFactory(account=account) for _ in range(4)]
    for lead in leads[:3]:
        lead.leadtags.create(tag=tag, since=lead.read_at, source="refresh")
    for lead in leads[1:]:
        lead.listsubscriptions.create(mailing_list=mailing_list, since=lead.read_at, source="refresh")
    LeadFactory()  # of another account
    path = tmp_path / "out.csv"

    assert run(capsys, "export_leads", str(path), "--connection", account.name) == f"4 leads written to {path}.\n"
    printed = run(
        capsys, "export_leads", str(path), "--connection", account.name, "--tag", "VIP", "--list", "Buyers", "--json"
    )

    facts = json.loads(printed)
    assert (facts["leads"], facts["files"], facts["remarks"]) == (2, [str(path)], [])
    assert "0 new, 0 changed, 2 as they were" in run(capsys, "import_leads", str(path), "--connection", account.name)
    with pytest.raises(CommandError, match="no tag called Nope"):
        call_command("export_leads", str(path), "--connection", account.name, "--tag", "Nope")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_leads", str(tmp_path / "no" / "folder.csv"), "--connection", account.name)


@pytest.mark.django_db(transaction=True)
def test_export_of_what_changed_since_an_earlier_one(account, tmp_path, capsys):
    lead = LeadFactory(account=account)
    LeadFactory(account=account)
    path = tmp_path / "out.csv"
    all_are_over()
    first = json.loads(run(capsys, "export_leads", str(path), "--json"))
    assert first["leads"] == 2

    mark_changed([lead.pk])
    all_are_over()
    printed = run(capsys, "export_leads", str(path), "--changed-since", first["mark"])
    assert printed.startswith(f"1 lead written to {path}.\nWhat changes from now on: --changed-since ")
    again = run(capsys, "export_leads", str(path), "--changed-since", printed.split()[-1])
    assert again.startswith("0 leads written")
    with pytest.raises(CommandError, match="looks like 1200-88231"):
        call_command("export_leads", str(path), "--changed-since", "yesterday")


def test_export_of_a_segment(account, tmp_path, capsys):
    LeadFactory(account=account, country="Spain")
    LeadFactory(account=account, country="Peru")
    SegmentFactory(account=account, name="Spain", conditions={"country": ["Spain"]})
    path = tmp_path / "out.csv"

    assert run(capsys, "export_leads", str(path), "--segment", "spain") == f"1 lead written to {path}.\n"
    with pytest.raises(CommandError, match="no segment called Nope"):
        call_command("export_leads", str(path), "--segment", "Nope")


def test_export_for_kartra_says_what_is_left_out(account, tmp_path, capsys):
    LeadFactory(account=account)
    LeadFactory(account=account, email="")
    path = tmp_path / "out.csv"
    printed = run(capsys, "export_leads", str(path), "--for-kartra")
    assert printed == f"1 lead written to {path}.\n  1 left out: no email address, which Kartra's import needs.\n"


@pytest.mark.django_db(transaction=True)
def test_killed_half_way_and_started_again_it_ends_the_same(tmp_path):
    """A real process, killed with SIGKILL while it loads; then the same command to the end."""
    account = ConnectionFactory().account
    path = tmp_path / "leads.csv"
    lines = [
        f"{n},lead{n}@example.com,Name{n},VIP;tag{n % 7}" if n % 100 else f"{n},bad{n},," for n in range(1, 20_001)
    ]
    path.write_text("id,email,first name,tags\n" + "\n".join(lines) + "\n")
    command = [sys.executable, "manage.py", "import_leads", str(path), "--json", "--ids", "kartra"]
    url = f"sqlite:///{database.settings_dict['NAME']}"
    if database.vendor != "sqlite":
        url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{database.settings_dict['NAME']}"
    environment = {**os.environ, "DATABASE_URL": url}

    kills = 0
    for after in (1, 6_000):
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ends = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < ends:
            job = Import.objects.order_by("pk").last()
            if job is not None and job.rows >= after:
                process.kill()
                kills += 1
                break
            time.sleep(0.02)
        process.wait()
    interrupted = Import.objects.get()
    assert kills == 2
    assert 0 < interrupted.rows < 20_000

    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=True)

    facts = json.loads(done.stdout)
    assert (facts["rows"], facts["created"], facts["rejected"], facts["state"]) == (20_000, 19_800, 200, "finished")
    assert Import.objects.get().pk == interrupted.pk
    assert Lead.objects.filter(account=account).count() == 19_800
    assert LeadTag.objects.filter(lead__account=account).count() == 2 * 19_800
    with open(facts["reject_path"], newline="") as file:
        assert [row["email"] for row in csv.DictReader(file)] == [f"bad{n}" for n in range(100, 20_001, 100)]
    assert Account.objects.count() == 1
