"""The hard cases that stop sending or hold it up, each by its number: 8, 10, 13, 15, 16, 17. docs/guarantees.md names them."""

import time

import pytest
from django.core import mail
from django.core.management import call_command

from integrations import push
from integrations.models import ApiCall, Attempt, Connection, Proof, SendingStop, StopCause
from integrations.process_state import process_state
from integrations.push import send, verify
from integrations.read import refresh
from integrations.sending import alerts, call_counter, outage, restored, switch
from integrations.setup.connecting import connect
from leads import changes, kinds
from leads.changes import retry
from leads.erasure import forget
from leads.models import Activity, ChangeStatus, Forgotten, Lead, LeadChange, LeadTag, RunState
from tests.factories import ConnectionFactory
from tests.flows.steps import leads_of, points, run_of, score, settle_all, status_of, tag
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


# --- 8: credentials revoked


def test_case_8_refused_keys_stop_and_new_ones_of_the_same_account_go_on(sandbox, connection, settings):
    settings.ADMINS = [("ops@example.com", "ops@example.com")]
    known = leads_of(sandbox, connection, 6)
    refresh.read_lead(connection, lead=known[0])
    run = run_of(connection)
    sandbox.credentials(key="new-key", password="new-password")

    push.drain(connection)

    connection.refresh_from_db()
    assert (connection.sending, connection.stopped_by) == ("stopped", StopCause.CREDENTIALS)
    assert run.changes.counts()["waiting"] == 6
    refused = connect(name=connection.name, api_key="new-key", api_password="wrong")
    assert not refused.check.ok
    assert connect(name=connection.name, api_key="new-key", api_password="new-password").connection is not None
    settle_all(connection)
    run.refresh_from_db()
    assert (run.state, run.changes.counts()["accepted"]) == ("finished", 6)
    alerts.drain(), alerts.drain()
    assert [("stopped" in m.subject, "went on" in m.subject) for m in mail.outbox] == [(True, False), (False, True)]


def test_case_8_keys_of_another_account_are_refused_with_the_reason(sandbox, connection, lead):
    sandbox.ask("POST", "accounts", {"key": "other", "password": "other"})

    answer = connect(name=connection.name, api_key="other", api_password="other")

    assert (answer.check.ok, answer.connection) == (False, None)
    assert "another Kartra account" in answer.check.text
    assert Connection.objects.get().api_key == sandbox.key


def test_case_8_keys_swapped_while_sending_goes_on_stop_nothing(sandbox, connection):
    known = leads_of(sandbox, connection, 4)
    refresh.read_lead(connection, lead=known[0])
    old = Connection.objects.select_related("account").get()
    sandbox.credentials(key="new-key", password="new-password")
    assert connect(name=connection.name, api_key="new-key", api_password="new-password").check.ok
    run = run_of(connection)

    push.drain(old)  # a drain that began with the old keys

    connection.refresh_from_db()
    assert connection.sending == "on"
    settle_all(connection)
    assert run.changes.counts()["accepted"] == 4


def test_case_8_command_that_is_not_allowed_waits_alone(sandbox, connection, lead):
    sandbox.credentials(refused_commands=["assign_tag"])
    waits, other = tag(lead), record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})

    settle_all(connection, 4)

    assert [status_of(waits), status_of(other)] == ["waiting", "accepted"]
    connection.refresh_from_db()
    assert "assign_tag" in switch.why_commands_wait(connection)
    assert SendingStop.objects.get().command == "assign_tag"
    sandbox.credentials(refused_commands=[])
    switch.on(connection)
    settle_all(connection)
    assert status_of(waits) == "accepted"
    assert SendingStop.objects.get().ended_at is not None


# --- 10: Redis lost


def test_case_10_limiter_that_does_not_answer_sends_nothing_and_loses_nothing(sandbox, connection, lead, monkeypatch):
    from integrations.kartra.rate_limit import RedisRateLimiter

    Connection.objects.update(calls_per_second=19.5)
    connection.refresh_from_db()
    process_state.rates.clear()
    change = tag(lead)
    monkeypatch.setattr(send.calls, "rate_limiter", lambda: RedisRateLimiter("redis://127.0.0.1:9/0"))

    assert push.drain(connection, until_s=2).sent == 0
    assert status_of(change) == "waiting"

    monkeypatch.undo()
    settle_all(connection)
    assert status_of(change) == "accepted"


# --- 13: 429


def test_case_13_turned_away_waits_uses_no_try_and_slows_down(sandbox, connection, lead):
    Connection.objects.update(calls_per_second=19.5, app_id="sandbox-app")
    connection.refresh_from_db()
    process_state.rates.clear()
    change = tag(lead)
    sandbox.fault("429", cmd="assign_tag")

    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.not_done) == ("accepted", 0)
    assert send.calls.rate_limiter().factor("sandbox-app") == pytest.approx(0.9, abs=0.02)


# --- 15: Kartra is down


def test_case_15_outage_stops_once_tries_again_and_goes_on_once(sandbox, connection, settings):
    settings.ADMINS = [("ops@example.com", "ops@example.com")]
    settings.OUTAGE_PROBE_S = 0.3
    leads_of(sandbox, connection, 40)
    run = run_of(connection)
    sandbox.switch(down=True)
    ends = time.monotonic() + 8
    while Connection.objects.get().stopped_by != StopCause.OUTAGE and time.monotonic() < ends:
        push.drain(Connection.objects.get(), until_s=2)
        Connection.objects.update(hold_until=None)
    connection.refresh_from_db()

    assert connection.stopped_by == StopCause.OUTAGE
    assert verify.drain(connection) == 0
    assert run.changes.counts()["unknown"] <= 30
    assert not outage.due(connection) or not outage.probe(connection)
    sandbox.switch(down=False)
    time.sleep(0.4)
    assert outage.probe(Connection.objects.get())
    settle_all(connection, 20)

    run.refresh_from_db()
    assert (run.state, run.changes.counts()["accepted"]) == ("finished", 40)
    assert len(sandbox.tagged("VIP")) == 40
    alerts.drain(), alerts.drain()
    assert len(mail.outbox) == 2
    assert "1 bulk action waited and went on" in mail.outbox[1].body
    assert "all proven" in mail.outbox[1].body


def test_case_15_stop_of_an_app_stops_all_its_connections(sandbox, connection):
    other = ConnectionFactory(api_url=sandbox.url, sending="on")

    switch.stop_app(connection, StopCause.OUTAGE, "No answer.")

    assert {c.sending for c in Connection.objects.all()} == {"stopped"}
    switch.go_on_after_outage(other)
    assert {c.sending for c in Connection.objects.all()} == {"on"}
    assert alerts.drain() == 2  # one when it stopped, one when it went on, for both together


# --- 16: a restored or copied database


def test_case_16_restored_database_sends_nothing_until_a_person_confirms(sandbox, connection):
    known = leads_of(sandbox, connection, 3)
    sent = [points(lead) for lead in known[:2]] + [tag(known[2])]
    before = {c.pk: c.status for c in LeadChange.objects.all()}
    push.drain(connection)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    # the database as it was before: nothing sent, no call, the count of calls as it was
    Attempt.objects.all().delete()
    ApiCall.objects.all().delete()
    Activity.objects.all().delete()
    LeadTag.objects.all().delete()
    LeadChange.objects.update(status="waiting", settled_at=None, code="", message="")
    Connection.objects.update(calls_made=0)
    assert set(before.values()) == {"waiting"}

    settle_all(connection, 2)
    connection.refresh_from_db()
    assert (connection.sending, connection.stopped_by) == ("stopped", StopCause.RESTORED)
    assert len(sandbox.calls(writes=True)) == 3

    assert "We check 3 open changes" in switch.on(connection)
    settle_all(connection, 10)

    assert status_of(sent[2]) == "accepted"
    assert [score(sandbox, lead) for lead in known[:2]] == [5, 5]
    assert {status_of(change) for change in sent[:2]} == {"undecided"}
    assert len(sandbox.calls(writes=True)) == 3


def test_case_16_copied_database_sends_nothing(sandbox, connection, lead, settings, tmp_path):
    tag(lead)
    push.drain(connection)
    settings.VAR_DIR = tmp_path  # another machine
    settings.REDIS_URL = ""
    process_state.counter_redis = None
    change = tag(lead, "cold")

    assert push.drain(connection).sent == 0

    assert status_of(change) == "waiting"
    connection.refresh_from_db()
    assert connection.standing_stop.words == restored.WHY[call_counter.RestoreCheck.COPIED].label


def test_case_16_people_forgotten_since_the_backup_are_forgotten_again(sandbox, connection, lead):
    email, id = lead.email, lead.kartra_id
    forget.forget(lead)
    Forgotten.objects.all().delete()
    Lead.objects.create(account=connection.account, kartra_id=id, email=email)

    assert forget.apply_again(connection.account) == 1

    assert not Lead.objects.exists()
    assert Forgotten.objects.exists()


# --- 17: something is wrong with the run itself


def test_case_17_ten_equal_refusals_pause_the_run_with_the_cause(sandbox, connection, settings):
    leads_of(sandbox, connection, 60)
    run = run_of(connection, "subscribe_sequence", {"sequence": "Win back", "step": "99"})

    push.drain(connection, until_s=60)

    run.refresh_from_db()
    counts = run.changes.counts()
    assert run.state == RunState.PAUSED
    assert "Step does not exist (230)" in run.why_paused
    assert 10 <= counts["rejected"] < 10 + settings.PUSH_SENDERS  # those that had left before the tenth was answered
    assert counts["waiting"] == 60 - counts["rejected"]


def test_refused_changes_are_grouped_by_cause_and_tried_again_once_it_is_mended(sandbox, connection):
    leads_of(sandbox, connection, 5)
    sandbox.act("delete_tag", name="VIP")
    run = run_of(connection)
    push.drain(connection)
    [group] = retry.groups(LeadChange.objects.failed())
    assert (group.number, group.code, group.what) == (5, "212", "Assign a tag: VIP")
    sandbox.act("create_tag", name="VIP")

    call_command("runs", "retry", str(run.pk))
    settle_all(connection)

    again = LeadChange.objects.exclude(retry_of=None)
    assert set(again.values_list("status", flat=True)) == {"accepted"}
    assert set(again.values_list("retry_of__run", flat=True)) == {run.pk}
    assert not LeadChange.objects.failed().exists()
    assert len(sandbox.tagged("VIP")) == 5
    with pytest.raises(changes.CannotRecord):
        retry.retry(connection.account, run.changes.failed())


def test_decisions_from_the_command_line_want_a_reason(sandbox, connection, lead, capsys):
    from django.core.management import CommandError

    change = tag(lead)
    sandbox.fault("html, nothing done", cmd="assign_tag", count=None)
    settle_all(connection)
    assert status_of(change) == ChangeStatus.UNDECIDED
    with pytest.raises(CommandError):
        call_command("decide", str(change.pk), "happened")

    call_command("decide", str(change.pk), "give-up", why="The text is not needed.")

    assert status_of(change) == "cancelled"
    assert Activity.objects.get(kind="decided").details["why"] == "The text is not needed."
    assert Attempt.objects.filter(change=change, proof=Proof.NOT_DONE).count() == 2
