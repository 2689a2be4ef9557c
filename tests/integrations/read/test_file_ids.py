"""Ids of a file on an empty mirror: twenty rows are looked up in Kartra, by the command and by the worker."""

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import tasks
from integrations.models import Connection
from integrations.read import refresh
from leads import importing
from leads.models import Import, ImportKind, Lead
from tests.factories import LeadFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(sandbox):
    return {f"p{n}@example.com": sandbox.add_lead(f"p{n}@example.com", first_name=f"P{n}") for n in range(1, 41)}


def written(tmp_path, rows, header="Id,Email,First name"):
    path = tmp_path / "leads.csv"
    path.write_text(header + "\n" + "".join(f"{row}\n" for row in rows))
    return str(path)


def test_ids_that_kartra_confirms_are_taken(connection, sandbox, people, tmp_path):
    call_command("import_leads", written(tmp_path, [f"{id},{email}," for email, id in people.items()]))

    assert dict(Lead.objects.values_list("email", "kartra_id")) == people
    assert len(sandbox.calls()) == 20
    assert all(call["cmds"] == ["get_lead"] for call in sandbox.calls())


def test_foreign_ids_on_an_empty_mirror_write_nothing(connection, people, tmp_path):
    """The file of another system: its numbers are those of other people in Kartra."""
    ids = list(people.values())
    rows = [f"{ids[(n + 2) % 40]},{email}," for n, email in enumerate(people)]

    with pytest.raises(
        CommandError, match=r"probably not Kartra's id: of 20 rows .* 20 name somebody else.*--ids not-kartra"
    ):
        call_command("import_leads", written(tmp_path, rows))
    assert not Lead.objects.exists()
    assert not Import.objects.exists()

    call_command("import_leads", written(tmp_path, rows), "--ids", "not-kartra")
    assert set(Lead.objects.values_list("kartra_id", flat=True)) == {None}


@pytest.mark.parametrize("how", ["reading is stopped", "no answer"])
def test_where_kartra_cannot_be_asked_the_command_says_what_to_say(connection, sandbox, people, tmp_path, capsys, how):
    if how == "no answer":
        Connection.objects.update(api_url="http://127.0.0.1:9/api")
    else:
        Connection.objects.update(reads_stopped_at=timezone.now())
    path = written(tmp_path, [f"{people['p1@example.com']},p1@example.com,Ada"])

    with pytest.raises(CommandError, match=r"could not be checked: line 2: .* is Ada p1@example.com.*Say --ids kartra"):
        call_command("import_leads", path)
    call_command("import_leads", path, "--ids", "kartra")

    assert "only once a check with Kartra confirms them" in capsys.readouterr().out
    assert Lead.objects.get().kartra_id is None


def test_provisional_id_is_settled_by_the_read_of_the_address(connection, sandbox, people, tmp_path):
    Connection.objects.update(reads_stopped_at=timezone.now())
    call_command("import_leads", written(tmp_path, ["50999,p1@example.com,Ada"]), "--ids", "kartra")
    Connection.objects.update(reads_stopped_at=None)

    refresh.read_lead(connection, lead=Lead.objects.get())

    assert Lead.objects.get().kartra_id == people["p1@example.com"]


def test_worker_looks_up_before_it_checks_and_loading_waits_for_a_person(connection, people):
    ids = list(people.values())
    text = "Id,Email\n" + "".join(f"{ids[(n + 2) % 40]},{email}\n" for n, email in enumerate(people))
    file = io.BytesIO(text.encode())
    job = importing.create(connection.account, ImportKind.LEADS, file, "leads.csv", keep=True)
    importing.match(job, job.mapping)
    importing.check(job, file)

    tasks.load_file(job.pk)

    job.refresh_from_db()
    assert (job.state, job.options["ids"]["looked"]["differ"]) == ("checked", 20)
    with pytest.raises(importing.CannotImport):
        importing.start(job)


def test_numbers_of_a_dry_run_come_with_what_is_to_be_known(connection, people, tmp_path, capsys):
    for n in (1, 2):
        LeadFactory(account=connection.account, kartra_id=f"5000{n}", email=f"q{n}@example.com", first_name=f"Q{n}")
    call_command(
        "import_leads", written(tmp_path, ["50001,q2@example.com,", "50002,q1@example.com,"]), "--dry-run", "--json"
    )

    facts = json.loads(capsys.readouterr().out)
    assert (facts["rejected"], facts["created"]) == (2, 0)
    assert "it is probably not Kartra's id" in facts["remarks"][0]
