"""The command line: what it prints, what it changes, how it ends."""

import datetime as dt
import io
import json
import os
import re
import shlex
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from integrations.management.commands import apply_deliveries
from integrations.models import ApiCall, Connection, WebhookEndpoint
from leads.models import Account, BulkRun, Lead, LeadChange, LeadTag, Tag
from tests.chaos.servers import ROOT
from tests.processes import database_url

pytestmark = pytest.mark.django_db(transaction=True)


def run(*args):
    out = io.StringIO()
    call_command(*args, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def facts(*args):
    return json.loads(run(*args, "--json"))


def connect(sandbox, name="Shop", *more, key=None):
    return run(
        "connect",
        name,
        "--app-id",
        sandbox.app_id,
        "--api-key",
        key or sandbox.key,
        "--api-password",
        sandbox.password,
        "--api-url",
        sandbox.url,
        *more,
    )


def test_connect_checks_saves_and_prints_the_addresses(sandbox):
    text = connect(sandbox)
    made = Connection.objects.get()
    endpoint = WebhookEndpoint.objects.get()
    assert (made.name, made.sending, made.account.time_zone) == ("Shop", "look_only", "America/New_York")
    assert endpoint.outbound_url in text
    assert endpoint.ipn_url in text
    assert "read-only" in text
    assert sandbox.key not in text.replace(sandbox.url, "")

    assert "Sending is on." in run("connect", "Shop", "--calls-per-second", "5", "--send")
    made.refresh_from_db()
    assert (made.sending, made.calls_per_second, made.api_key, WebhookEndpoint.objects.count()) == (
        "on",
        5,
        sandbox.key,
        1,
    )


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        ("203", "API key is wrong"),
        ("233", "API password is wrong"),
        ("239", "app id is wrong"),
        ("242", "address"),
        ("204", "switched off"),
        ("201", "https"),
    ],
)
def test_connect_says_what_is_wrong_and_saves_nothing(sandbox, refuse, words):
    sandbox.credentials(refuse=refuse)
    with pytest.raises(CommandError, match=words) as caught:
        connect(sandbox)
    assert caught.value.returncode == 1
    assert not Account.objects.exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:9/api", "cannot be reached"),
        ("http://kartra.example/api", "http:// others"),
        ("ftp://127.0.0.1/", "begins with https"),
        ("https://me:secret@127.0.0.1/api", "no name, password"),
        ("https://127.0.0.1/api?api_key=5", "question mark"),
        ("nonsense", "begins with https"),
        ("http://[::1", "no address"),
    ],
)
def test_connect_refuses_addresses_in_words(sandbox, url, words):
    with pytest.raises(CommandError, match=words):
        run("connect", "Shop", "--app-id", "a", "--api-key", "b", "--api-password", "c", "--api-url", url)
    assert not Connection.objects.exists()


def test_web_page_instead_of_json_is_one_sentence(sandbox):
    sandbox.fault("html, nothing done", cmd=None)
    with pytest.raises(CommandError, match="web page") as caught:
        connect(sandbox)
    assert "Nothing was saved." in str(caught.value)


def test_missing_keys_are_asked_for(sandbox):
    with pytest.raises(CommandError, match="api key"):
        run("connect", "Shop", "--app-id", "a", "--api-url", sandbox.url)


def test_failed_update_leaves_the_connection_as_it_was(sandbox, connection):
    with pytest.raises(CommandError):
        run("connect", connection.name, "--api-key", "wrong")
    connection.refresh_from_db()
    assert connection.api_key == sandbox.key


def test_switch(sandbox, connection):
    assert "Lunch" in run("sending", "off", connection.name, "--why", "Lunch")
    assert "is on" in run("sending", "on", connection.name)
    sandbox.credentials(refuse="233")
    run("sending", "off", connection.name)
    with pytest.raises(CommandError, match="stays as it was"):
        run("sending", "on", connection.name)


def test_pull_catalogue_leads_and_all(sandbox, connection):
    id = sandbox.add_lead("ada@example.com")
    assert "12 tags" in run("pull", "--connection", connection.name, "--catalogue")
    assert f"Kartra has lead {id}" in run("pull", "--connection", connection.name, "--lead", id, "--check")
    assert not Lead.objects.exists()
    assert facts("pull", "--connection", connection.name, "--lead", "ada@example.com")["leads"][0]["id"] == id
    sandbox.act("edit_lead", lead=id, fields={"city": "Bend"})
    assert "city: '' → 'Bend'" in run("pull", "--connection", connection.name, "--lead", id, "--compare")
    assert Lead.objects.get().city == ""
    assert "1 of 1 leads read" in run("pull", "--connection", connection.name, "--all")
    assert Lead.objects.get().city == "Bend"
    with pytest.raises(CommandError, match=r"has no lead nobody@example\.com"):
        run("pull", "--connection", connection.name, "--lead", "nobody@example.com")


def test_pull_all_says_which_leads_it_left_out_because_a_change_is_too_recent(sandbox, connection, settings):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.mirrored_lead(connection, "bob@example.com")
    run("change", "assign_tag", "--set", "tag=VIP", "--lead", lead.email, "--connection", connection.name, "--wait")
    settings.VERIFY_SETTLE_S = [600.0]
    other = sandbox.mirrored_lead(connection, "cy@example.com")
    Lead.objects.filter(pk=other.pk).update(read_not_before=timezone.now() + dt.timedelta(minutes=9))

    said = run("pull", "--connection", connection.name, "--all")

    assert "1 of 3 leads read. 1 not yet: a change of theirs was sent within the last" in said
    assert "1 not yet: a worker is reading them, or could not a short while ago." in said


def test_pull_without_anything_to_pull_is_used_wrongly(connection):
    with pytest.raises(CommandError) as caught:
        run("pull", "--connection", connection.name)
    assert caught.value.returncode == 2


def test_change_dry_run_wait_and_the_mirror(sandbox, connection):
    ada = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.mirrored_lead(connection, "bo@example.com")
    args = ("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP")

    assert facts(*args, "--all", "--dry-run")["will_change"] == 2
    assert not BulkRun.objects.exists()
    done = facts(*args, "--lead", "ada@example.com", "--wait", "--why", "Test")
    assert (done["state"], done["accepted"], done["members"]) == ("finished", 1, 1)
    assert LeadTag.objects.get().lead == ada
    assert "1 done, 1 no change needed" in run(*args, "--all", "--wait")
    assert "0 of 2 leads will change" in run(*args, "--tag", "VIP", "--dry-run")
    assert "0 of 1 lead will change" in run(*args, "--lead", "ada@example.com", "--dry-run")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--set", "tag=no", "--all"], "not in our copy"),
        (["--all"], "choose one"),
        (["--set", "tag=VIP", "--lead", "nobody@example.com"], "pull --connection"),
        (["--set", "tag=VIP", "--list", "no"], "no list called no"),
        (["--set", "tag=VIP", "--tag", "VIP"], "nothing to do"),
    ],
)
def test_change_refuses_in_words_and_records_nothing(sandbox, connection, args, words):
    with pytest.raises(CommandError, match=words):
        run("change", "assign_tag", "--connection", connection.name, *args)
    assert not BulkRun.objects.exists()


def test_change_that_kartra_refuses_ends_with_one_sentence(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("delete_tag", name="VIP")
    with pytest.raises(CommandError, match=r"Tag does not exist\. There is no such tag in Kartra"):
        run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all", "--wait")


def test_change_on_a_lead_deleted_in_kartra_ends_with_one_sentence(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("delete_lead", lead=lead.kartra_id)
    with pytest.raises(CommandError, match=f"Lead {lead.kartra_id} is deleted in Kartra"):
        run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all", "--wait")
    with pytest.raises(CommandError, match="Deleted in Kartra"):
        run("pull", "--connection", connection.name, "--lead", lead.kartra_id)


def test_change_on_a_look_only_connection_is_kept_and_says_so(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    Connection.objects.update(switched_on_at=None)
    with pytest.raises(CommandError, match="read-only"):
        run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all", "--wait")
    with pytest.raises(CommandError, match="read-only"):
        run("push", "--until-idle")
    assert sandbox.calls(writes=True) == []


def test_change_with_kartra_unreachable_ends(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    Connection.objects.update(api_url="http://127.0.0.1:9/api", failures=2)
    with pytest.raises(CommandError, match="No usable answer from Kartra"):
        run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all", "--wait")


def test_push_until_idle(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all")
    assert "1 call sent" in run("push", "--until-idle")
    assert sandbox.tagged("VIP")


def test_runs_are_listed_and_steered(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    Connection.objects.update(switched_on_at=None)
    run("change", "assign_tag", "--connection", connection.name, "--set", "tag=VIP", "--all")
    number = str(BulkRun.objects.get().pk)
    assert "running: 1 queued" in run("runs")
    assert "paused" in run("runs", "pause", number)
    assert "running" in run("runs", "resume", number)
    assert "cancelled" in run("runs", "cancel", number)
    for verb, words in (("cancel", "already cancelled"), ("pause", "cannot be paused"), ("resume", "not paused")):
        with pytest.raises(CommandError, match=words):
            run("runs", verb, number)
    with pytest.raises(CommandError, match="no bulk action"):
        run("runs", "show", "999999")
    assert facts("runs", "show", number)["cancelled"] == 1


def test_refresh_and_status(sandbox, connection):
    sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.update(read_at=None)
    assert "1 lead read" in run("refresh")
    text = run("status")
    assert "sending: on" in text
    assert "1 lead, all checked within" in text
    assert facts("status")["connections"][0]["copy"]["known"] == 1


def test_call_prints_the_answer_and_never_the_credentials(sandbox, connection):
    text = run("call", "--connection", connection.name, "actions[0][cmd]=retrieve_account_pages")
    assert "Thank you" in text
    assert sandbox.key not in text
    assert ApiCall.objects.get().cause == "console"
    with pytest.raises(CommandError, match="credentials are added"):
        run("call", "--connection", connection.name, "api_key=x")
    Connection.objects.update(switched_on_at=None)
    with pytest.raises(CommandError, match="read-only"):
        run("call", "--connection", connection.name, "lead[id]=5", "actions[][cmd]=snooze_lead")


def test_call_that_writes_is_a_change_and_prints_the_answer(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = [f"lead[id]={lead.kartra_id}", "actions[][cmd]=assign_tag", "actions[][tag_name]=VIP"]

    text = run("call", "--connection", connection.name, *pairs)

    assert '"103"' in text
    change = LeadChange.objects.get()
    assert (change.kind, change.status, change.requested_by) == ("assign_tag", "accepted", None)


def test_call_that_comes_to_nothing_fails(sandbox, connection):
    Tag.objects.create(account=connection.account, name="Not in Kartra")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    pairs = [f"lead[id]={lead.kartra_id}", "actions[][cmd]=assign_tag", "actions[][tag_name]=Not in Kartra"]

    with pytest.raises(CommandError, match="failed"):
        run("call", "--connection", connection.name, *pairs)


def test_call_that_kartra_refuses_prints_the_answer_and_fails(sandbox, connection, capsys):
    with pytest.raises(CommandError, match=r"No lead found \(234\)") as caught:
        call_command("call", "--connection", connection.name, "get_lead[email]=no@example.com")
    assert '"type": "234"' in capsys.readouterr().out
    assert caught.value.returncode == 1
    with pytest.raises(CommandError, match="key=value") as caught:
        run("call", "--connection", connection.name, "hello")
    assert caught.value.returncode == 2
    assert len(sandbox.calls()) == 1


def test_import_leads(connection, tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text("Mail Adresse;Vorname\nada@example.com;Ada\nbad;B\n")
    text = run(
        "import_leads",
        str(path),
        "--connection",
        connection.name,
        "--map",
        "email=Mail Adresse",
        "--map",
        "first_name=Vorname",
    )
    assert "1 new" in text
    assert "1 bad" in text
    assert Lead.objects.get().first_name == "Ada"
    with pytest.raises(CommandError, match="cannot be read"):
        run("import_leads", str(tmp_path / "no.csv"), "--connection", connection.name)


def test_unknown_connection_names_those_there_are(connection):
    with pytest.raises(CommandError, match=connection.name):
        run("pull", "--connection", "Nobody", "--catalogue")


def test_apply_deliveries(client, connection):
    endpoint = WebhookEndpoint.objects.create(connection=connection)
    body = {"action": "assign_tag", "lead": {"id": "5"}, "action_details": {"tag": {"tag_name": "VIP"}}}
    client.post(f"/webhooks/{endpoint.token}/", data=json.dumps(body), content_type="application/json")
    assert "1 message applied" in run("apply_deliveries")
    number = str(endpoint.deliveries.get().pk)
    assert "nothing changed" in run("apply_deliveries", "--replay", number)


# --- without a terminal


def without_terminal(*arguments, **more):
    connections.close_all()
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "DATABASE_URL": database_url(), **more},
    )


def test_forget_without_a_terminal_says_what_to_say_instead(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")

    answer = without_terminal("forget", "--lead", lead.email)

    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert answer.stderr.strip().endswith("there is no terminal to ask at. Say --yes to erase 1 lead for good.")
    assert Lead.objects.filter(pk=lead.pk).exists()


def test_forget_takes_a_yes_from_a_pipe_and_anything_else_as_no(sandbox, connection, monkeypatch):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("forget", lead=[lead.email])
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    call_command("forget", lead=[lead.email], stdout=io.StringIO())

    assert not Lead.objects.filter(email=lead.email).exists()


def test_a_command_of_djangos_own_that_asks_ends_with_a_sentence(connection):
    answer = without_terminal("flush")

    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr
    assert "Nobody can be asked here" in answer.stderr
    assert Connection.objects.filter(pk=connection.pk).exists()


def test_who_reads_only_the_first_lines_gets_no_traceback(connection):
    connections.close_all()
    line = f"set -o pipefail; {shlex.quote(sys.executable)} manage.py help --commands | head -n 1"
    for buffered in ("", "1"):
        answer = subprocess.run(
            ["bash", "-c", line],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "DATABASE_URL": database_url(), "PYTHONUNBUFFERED": buffered},
        )
        assert answer.stdout.count("\n") == 1
        assert answer.stderr == ""


def test_only_one_place_asks():
    asks = [
        str(path.relative_to(ROOT))
        for room in ("leads", "integrations", "kartra_mirror")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"(?<![\w.])input\(|getpass\.getpass\(", path.read_text())
    ]
    assert asks == ["integrations/management/arguments.py"]


def test_messages_are_applied_again_by_a_user_without_a_name(monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr(apply_deliveries.getpass, "getuser", nameless)

    assert apply_deliveries.who_runs_this() == f"user {os.getuid()}"
