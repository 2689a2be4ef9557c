"""Every file that people take out leaves a line: who, and what."""

import getpass
import io
import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from leads import importing
from leads.models import ImportKind, ImportReject
from tests.factories import AccountFactory, ConnectionFactory, LeadChangeFactory, LeadFactory
from tests.kartra_mirror.admin.staff.members import member

pytestmark = pytest.mark.django_db


def test_bad_rows_of_an_import(client):
    file = io.BytesIO(b"Email\r\nada\r\n")
    job = importing.create(AccountFactory(), ImportKind.LEADS, file, "a.csv")
    ImportReject.objects.create(file=job, line=2, reason="no address", cells=["ada"])
    client.force_login(manager := member("Manager"))

    answer = client.get(reverse("admin:leads_import_rejects", args=[job.pk]))

    assert "No address." in answer.getvalue().decode()
    line = LogEntry.objects.get()
    assert (line.user, line.object_id) == (manager, str(job.pk))
    assert line.get_change_message() == "Downloaded its bad rows."


def test_failed_changes(client):
    change = LeadChangeFactory(status="rejected", settled_at=timezone.now(), code="212", kind="assign_tag")
    given = {"account": change.account_id, "kind": "assign_tag", "family": change.family, "code": "212"}
    client.force_login(manager := member("Manager"))

    answer = client.get("/admin/failed/csv/", given)

    assert change.lead.email in answer.getvalue().decode()
    line = LogEntry.objects.get()
    assert line.user == manager
    assert line.get_change_message() == f"Downloaded 1 failed change of {change.account}: Assign a tag 212"


def test_refused_download_leaves_none(client):
    change = LeadChangeFactory(status="rejected", settled_at=timezone.now(), code="212")
    client.force_login(member("Viewer"))

    assert client.get("/admin/failed/csv/", {"account": change.account_id, "kind": "assign_tag"}).status_code == 403
    assert not LogEntry.objects.exists()


def test_export_on_the_command_line(tmp_path, caplog):
    account = ConnectionFactory().account
    LeadFactory(account=account)

    with caplog.at_level(logging.INFO, logger="integrations"):
        call_command("export_leads", str(tmp_path / "leads.csv"), "--connection", account.name, "--json")

    words = f"User {getpass.getuser()} of this machine exports 1 leads of account {account.pk} on the command line."
    assert words in [record.getMessage() for record in caplog.records]
