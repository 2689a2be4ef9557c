"""The hard cases, 0 to 17, each by its number: what must be true when things go wrong. docs/guarantees.md names them."""

import datetime as dt
import itertools
import json
import time

import pytest
from django.core import mail
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone

from integrations import push, receive
from integrations.connecting import connect
from integrations.models import ApiCall, Attempt, Connection, Delivery, Proof, Stop, StoppedBy
from integrations.push import claim, proof_token, send, verify
from integrations.read import refresh
from integrations.sending import alerts, call_counter, outage, restored, switch
from leads import changes, forgotten, kinds, mirror
from leads.changes import conflicts, retry, runs
from leads.erasure import forget
from leads.models import (
    Activity,
    ChangeStatus,
    Forgotten,
    Lead,
    LeadChange,
    LeadTag,
    Reason,
    RunState,
    Source,
    Transaction,
)
from tests.factories import ConnectionFactory, DeliveryFactory, DoorFactory
from tests.flows.test_push import settle_all, tag

pytestmark = pytest.mark.django_db(transaction=True)

BOOKING = {"calendar": "Coaching", "class": "Intro call", "date": "2031-02-03", "hour": "10:00"}


@pytest.fixture
def lead(sandbox, connection):
    return sandbox.mirrored_lead(connection, "ada@example.com")


@pytest.fixture
def safety_field(sandbox, connection):
    proof_token.prepare(connection)
    sandbox.server.calls.clear()


def points(lead, number=5):
    return changes.record_change(lead, kinds.get_kind("give_points"), {"points": number})


def score(sandbox, lead):
    return int(sandbox.lead(lead.kartra_id)["score"])


def status_of(change):
    return LeadChange.objects.get(pk=change.pk).status


def leads_of(sandbox, connection, number):
    return [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(number)]


def run_of(connection, kind="assign_tag", given=None):
    return changes.record_run(
        connection.account, Lead.objects.filter(gone_at=None), kinds.get_kind(kind), given or {"tag": "VIP"}
    )


# --- 0: how far each command may be repeated


@pytest.mark.parametrize(
    ("kind", "given", "cmd"),
    [
        ("update_lead", {"city": "Bend"}, "edit_lead"),
        ("assign_tag", {"tag": "VIP"}, "assign_tag"),
        ("subscribe_list", {"list": "Buyers"}, "subscribe_lead_to_list"),
        ("give_points", {"points": 5}, "give_points_to_lead"),
        ("subscribe_sequence", {"sequence": "Win back", "step": "2"}, "subscribe_lead_to_sequence_at_step"),
    ],
)
@pytest.mark.parametrize("fault", ["carried out, then dropped", "502, nothing done"])
def test_case_0_what_a_read_shows_is_done_once(sandbox, connection, lead, kind, given, cmd, fault):
    change = changes.record_change(lead, kinds.get_kind(kind), given)
    sandbox.fault(fault, cmd=cmd)

    settle_all(connection)

    assert status_of(change) == "accepted"
    assert len(sandbox.calls(writes=True)) == (1 if fault.startswith("carried") else 2)


def test_case_0_a_person_who_left_a_list_meanwhile_is_not_put_back(sandbox, connection, lead):
    door = DoorFactory(connection=connection)
    change = changes.record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})
    sandbox.act("subscribe_list", lead=lead.kartra_id, list="Buyers")
    sandbox.act("unsubscribe_list", lead=lead.kartra_id, list="Buyers")
    mirror.set_list(lead, "Buyers", False, source=Source.REFRESH, at=timezone.now())
    mirror.set_list(lead, "Buyers", True, source=Source.REFRESH, at=timezone.now())
    LeadChange.objects.filter(pk=change.pk).update(status="waiting")
    sandbox.fault("502, nothing done", cmd="subscribe_lead_to_list")
    from leads.models import ListSubscription

    ListSubscription.objects.update(active=False)
    push.drain(connection, until_s=2)
    ListSubscription.objects.update(active=True)
    body = json.dumps(
        {
            "action": "list_unsubscription",
            "action_details": {"list": {"list_id": "1", "list_name": "Buyers"}},
            "lead": {"id": lead.kartra_id, "email": "ada@example.com"},
        }
    ).encode()
    DeliveryFactory(door=door, body=body, size=len(body))
    receive.drain()

    settle_all(connection, 6)

    assert status_of(change) == "undecided"
    assert len(sandbox.calls(writes=True)) == 1


# --- 1: time-out after giving points


@pytest.mark.parametrize("with_field", [False, True])
@pytest.mark.parametrize("fault", ["carried out, then hung", "hung, then nothing"])
def test_case_1_points_are_given_exactly_once(sandbox, connection, lead, fault, with_field):
    if with_field:
        proof_token.prepare(connection)
    change = points(lead)
    sandbox.fault(fault, cmd="give_points_to_lead")

    settle_all(connection)

    assert (status_of(change), score(sandbox, lead)) == ("accepted", 5)


def test_case_1_score_that_tells_nothing_is_left_to_a_person_with_the_evidence(sandbox, connection, lead):
    change = points(lead)
    sandbox.fault("carried out, then hung", cmd="give_points_to_lead")
    push.drain(connection, until_s=3)
    sandbox.act("give_points", lead=lead.kartra_id, points=2)

    settle_all(connection, 8)

    change.refresh_from_db()
    assert (change.status, change.reason) == ("undecided", Reason.OUTCOME)
    attempt = Attempt.objects.get(change=change)
    assert (attempt.before["state"], attempt.evidence[-1]["score"]) == (0, "7")
    assert len([c for c in sandbox.calls() if "give_points_to_lead" in c["cmds"]]) == 1
    conflicts.decide(change, "happened", why="seen in Kartra")
    assert status_of(change) == "accepted"


def test_case_1_receipt_tells_although_the_score_was_changed_by_others(sandbox, connection, lead, safety_field):
    change = points(lead)
    sandbox.fault("502, nothing done", cmd="give_points_to_lead")
    push.drain(connection, until_s=3)
    sandbox.act("give_points", lead=lead.kartra_id, points=2)

    settle_all(connection, 8)

    assert (status_of(change), score(sandbox, lead)) == ("accepted", 7)


def test_case_1_receipt_without_its_second_witness_is_left_to_a_person(sandbox, connection, lead, safety_field):
    change = points(lead)
    sandbox.fault("carried out, then hung", cmd="give_points_to_lead")
    push.drain(connection, until_s=3)
    sandbox.act("give_points", lead=lead.kartra_id, points=2)

    settle_all(connection, 8)

    assert (status_of(change), score(sandbox, lead)) == ("undecided", 7)
    assert Attempt.objects.get(change=change).evidence[-1]["receipt"] == "there"


def test_case_1_no_other_call_with_a_receipt_goes_before_the_first_is_proven(sandbox, connection, lead, safety_field):
    first = points(lead)
    sandbox.fault("carried out, then hung", cmd="give_points_to_lead")
    push.drain(connection, until_s=3)
    second = changes.record_change(lead, kinds.get_kind("subscribe_sequence"), {"sequence": "Win back", "step": "1"})
    other = tag(lead)
    Connection.objects.update(hold_until=None)

    push.drain(connection, until_s=1)

    assert [status_of(c) for c in (first, second, other)] == ["unknown", "waiting", "accepted"]
    settle_all(connection)
    assert [status_of(c) for c in (first, second)] == ["accepted", "accepted"]


def test_case_1_field_that_somebody_deleted_in_kartra_is_no_longer_trusted(sandbox, connection, lead, safety_field):
    change = points(lead)
    sandbox.act("delete_custom_field", name="mirror_receipt")
    sandbox.fault("carried out, then hung", cmd="give_points_to_lead")

    settle_all(connection)

    connection.refresh_from_db()
    assert (status_of(change), score(sandbox, lead)) == ("accepted", 5)
    assert connection.receipt_field == ""


def test_case_1_stale_score_is_read_before_the_points_are_given(sandbox, connection, lead):
    sandbox.act("give_points", lead=lead.kartra_id, points=5)
    Lead.objects.update(read_at=timezone.now() - dt.timedelta(days=1), score=0)
    change = points(lead)
    sandbox.fault("502, nothing done", cmd="give_points_to_lead")

    settle_all(connection)

    assert (status_of(change), score(sandbox, lead)) == ("accepted", 10)


# --- 2: our own write coming back


def test_case_2_our_own_write_coming_back_causes_nothing(sandbox, connection, lead):
    door = DoorFactory(connection=connection)
    tag(lead)
    push.drain(connection)
    reads = len(sandbox.calls())
    body = json.dumps(
        {
            "action": "assign_tag",
            "action_details": {"tag": {"tag_id": "1", "tag_name": "VIP"}},
            "lead": {"id": lead.kartra_id, "email": "ada@example.com"},
        }
    ).encode()
    DeliveryFactory(door=door, body=body, size=len(body))

    receive.drain()

    lead.refresh_from_db()
    assert lead.dirty_at is None
    assert not refresh.due(connection).exists()
    assert len(sandbox.calls()) == reads
    assert Activity.objects.filter(lead=lead, source="webhook").count() == 0


# --- 3: a webhook out of order


def test_case_3_any_order_ends_after_reads_in_the_same_rows(sandbox, connection, lead):
    door = DoorFactory(connection=connection)

    def event(action, **details):
        told = {"action": action, "action_details": details, "lead": {"id": lead.kartra_id, "email": "ada@example.com"}}
        return json.dumps(told).encode()

    sale = {
        "transaction_id": "70211",
        "lead_id": lead.kartra_id,
        "transaction_full_amount": "97.00",
        "transaction_type": "sale",
    }
    refund = {**sale, "transaction_id": "70212", "transaction_type": "refund", "transaction_parent_id": "70211"}
    story = [
        event("assign_tag", tag={"tag_id": "1", "tag_name": "VIP"}),
        event("list_subscription", list={"list_id": "1", "list_name": "Buyers"}),
        event("unassign_tag", tag={"tag_id": "1", "tag_name": "VIP"}),
        event("buy_product", transaction_details=sale),
        event("refund_product", transaction_details=refund),
    ]
    sandbox.act("subscribe_list", lead=lead.kartra_id, list="Buyers")
    states = set()
    for order in list(itertools.permutations(story))[::12]:
        for model in (LeadTag, Transaction, Activity, Delivery):
            model.objects.all().delete()
        lead.listsubscriptions.all().delete()
        for body in order:
            DeliveryFactory(door=door, body=body, size=len(body))
        receive.drain()
        Lead.objects.update(read_at=F("read_at") - dt.timedelta(minutes=5))
        refresh.read_lead(connection, lead=Lead.objects.get(pk=lead.pk))
        states.add(
            (
                tuple(LeadTag.objects.values_list("tag__name", flat=True)),
                tuple(lead.listsubscriptions.values_list("mailing_list__name", "active")),
                tuple(Transaction.objects.order_by("kartra_id").values_list("kartra_id", "type", "parent_kartra_id")),
            )
        )
    assert len(states) == 1


# --- 4: a run cancelled half-way


def test_case_4_cancelled_run_adds_up_and_goes_no_further(sandbox, connection):
    leads_of(sandbox, connection, 12)
    run = run_of(connection)
    sent = claim.claim(connection, 4)
    stamped = [claim.stamp(chain) for chain in sent[:2]]

    runs.cancel(run)

    assert sum(run.changes.counts().values()) == 12
    assert claim.stamp(sent[2]) is None
    assert claim.claim(connection, 4) == []
    for chain in stamped:
        send.settle(chain, send._send(send.calls.client_for(connection), chain, chain.said())[0])
    claim.release(sent)
    run.refresh_from_db()
    assert (run.state, run.changes.counts()["accepted"], run.changes.counts()["cancelled"]) == ("cancelled", 2, 10)


# --- 5: opposite wishes


def test_case_5_opposite_wishes_go_in_the_order_of_their_ids_in_one_call(sandbox, connection, lead):
    tag(lead), tag(lead, kind="unassign_tag"), tag(lead)

    push.drain(connection)

    [call] = sandbox.calls(writes=True)
    assert call["cmds"] == ["assign_tag", "unassign_tag", "assign_tag"]
    preview = changes.preview_change(
        connection.account, Lead.objects.all(), kinds.get_kind("unassign_tag"), {"tag": "VIP"}
    )
    assert preview.opposite_waiting == 0
    tag(lead, "cold")
    preview = changes.preview_change(
        connection.account, Lead.objects.all(), kinds.get_kind("unassign_tag"), {"tag": "cold"}
    )
    assert preview.opposite_waiting == 1


# --- 6: addresses that changed in Kartra


def test_case_6_swapped_addresses_stay_two_people(sandbox, connection):
    ada, bo = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("ada", "bo"))
    sandbox.act("swap_emails", lead=ada.kartra_id, other=bo.kartra_id)

    for lead in (ada, bo):
        refresh.read_lead(connection, lead=lead)

    assert {each.kartra_id: each.email for each in Lead.objects.all()} == {
        ada.kartra_id: "bo@example.com",
        bo.kartra_id: "ada@example.com",
    }


# --- 7: a lead deleted in Kartra


def test_case_7_deleted_lead_is_marked_and_its_changes_end(sandbox, connection, lead):
    change, other = tag(lead), points(lead)
    sandbox.act("delete_lead", lead=lead.kartra_id)

    settle_all(connection)

    assert [(c.status, c.reason) for c in LeadChange.objects.all()] == [("skipped", "gone")] * 2
    lead.refresh_from_db()
    assert lead.gone_at is not None
    sandbox.act("undelete_lead", lead=lead.kartra_id)
    time.sleep(0.4)  # a read so soon after a call of ours does not count
    refresh.read_lead(connection, lead=lead)
    lead.refresh_from_db()
    assert lead.gone_at is None
    assert {change.pk, other.pk} == set(LeadChange.objects.values_list("pk", flat=True))


# --- 8: credentials revoked


def test_case_8_refused_keys_stop_and_new_ones_of_the_same_account_go_on(sandbox, connection, settings):
    settings.ADMINS = [("ops@example.com", "ops@example.com")]
    known = leads_of(sandbox, connection, 6)
    refresh.read_lead(connection, lead=known[0])
    run = run_of(connection)
    sandbox.credentials(key="new-key", password="new-password")

    push.drain(connection)

    connection.refresh_from_db()
    assert (connection.sending, connection.stopped_by) == ("stopped", StoppedBy.CREDENTIALS)
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
    sandbox._ask("POST", "accounts", {"key": "other", "password": "other"})

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
    waits, other = tag(lead), changes.record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})

    settle_all(connection, 4)

    assert [status_of(waits), status_of(other)] == ["waiting", "accepted"]
    connection.refresh_from_db()
    assert "assign_tag" in switch.why_commands_wait(connection)
    assert Stop.objects.get().command == "assign_tag"
    sandbox.credentials(refused_commands=[])
    switch.on(connection)
    settle_all(connection)
    assert status_of(waits) == "accepted"
    assert Stop.objects.get().ended_at is not None


# --- 9: killed between sending and recording (test_kill_points.py kills real processes)


def test_case_9_lease_over_sends_nothing_again_by_itself(sandbox, connection, lead):
    change = points(lead)
    [chain] = claim.claim(connection, 1)
    chain = claim.stamp(chain)
    send._send(send.calls.client_for(connection), chain, chain.said())
    ApiCall.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))

    settle_all(connection)

    assert (status_of(change), score(sandbox, lead)) == ("accepted", 5)
    assert len([c for c in sandbox.calls() if "give_points_to_lead" in c["cmds"]]) == 1


# --- 10: Redis lost


def test_case_10_limiter_that_does_not_answer_sends_nothing_and_loses_nothing(sandbox, connection, lead, monkeypatch):
    from integrations.kartra.rate_limit import RedisPace

    Connection.objects.update(calls_per_second=19.5)
    connection.refresh_from_db()
    send.calls._rates.clear()
    change = tag(lead)
    monkeypatch.setattr(send.calls, "pace", lambda: RedisPace("redis://127.0.0.1:9/0"))

    assert push.drain(connection, until_s=2).sent == 0
    assert status_of(change) == "waiting"

    monkeypatch.undo()
    settle_all(connection)
    assert status_of(change) == "accepted"


# --- 11: refunds


@pytest.mark.parametrize("fault", [{"name": "carried out, then hung"}, {"name": "whole call refused", "code": "266"}])
def test_case_11_unclear_refund_is_never_sent_twice(sandbox, connection, lead, fault, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.2, 0.4, 0.8]
    sale = str(sandbox.act("sale", lead=lead.kartra_id)["transaction"])
    Transaction.objects.create(account=lead.account, kartra_id=sale, lead=lead, type="sale", full_amount="97.00")
    change = changes.record_change(lead, kinds.get_kind("refund_transaction"), {"transaction": sale, "amount": "20.00"})
    sandbox.fault(fault["name"], cmd="refund_transaction", **({"code": fault["code"]} if "code" in fault else {}))

    settle_all(connection, 8)

    assert len([c for c in sandbox.calls() if c["cmds"] == ["refund_transaction"]]) == 1
    assert status_of(change) == ("accepted" if "hung" in fault["name"] else "undecided")
    if "hung" not in fault["name"]:
        with pytest.raises(changes.CannotRecord):
            changes.record_change(lead, kinds.get_kind("refund_transaction"), {"transaction": sale, "amount": "20.00"})


# --- 12: a chain half done


@pytest.mark.parametrize("shape", ["action k fails", "whole call refused"])
def test_case_12_each_change_of_a_chain_is_judged_by_itself(sandbox, connection, lead, shape):
    wishes = [tag(lead), changes.record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})]
    sandbox.fault(shape, code="231", k=1)

    settle_all(connection)

    assert [status_of(wish) for wish in wishes] == ["accepted", "rejected"]
    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP"]


# --- 13: 429


def test_case_13_turned_away_waits_uses_no_try_and_slows_down(sandbox, connection, lead):
    Connection.objects.update(calls_per_second=19.5, app_id="sandbox-app")
    connection.refresh_from_db()
    send.calls._rates.clear()
    change = tag(lead)
    sandbox.fault("429", cmd="assign_tag")

    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.not_done) == ("accepted", 0)
    assert send.calls.pace().factor("sandbox-app") == pytest.approx(0.9, abs=0.02)


# --- 14: a person who was forgotten comes back


def test_case_14_forgotten_person_is_left_out_at_every_entrance(sandbox, connection, lead):
    door = DoorFactory(connection=connection)
    tag(lead)
    push.drain(connection)
    id = lead.kartra_id
    forget.forget(Lead.objects.get(pk=lead.pk))
    assert not Lead.objects.exists()
    assert not LeadChange.objects.exists()
    assert not ApiCall.objects.filter(lead__isnull=False).exists()

    body = json.dumps(
        {
            "action": "assign_tag",
            "action_details": {"tag": {"tag_id": "1", "tag_name": "VIP"}},
            "lead": {"id": id, "email": " ADA@example.com"},
        }
    ).encode()
    delivery = DeliveryFactory(door=door, body=body, size=len(body))
    receive.drain()
    delivery.refresh_from_db()
    assert "asked to be forgotten" in delivery.reason
    assert b"ADA" not in bytes(delivery.body)

    with pytest.raises(forgotten.LeftOut):
        refresh.read_lead(connection, email="ada@example.com")
    with pytest.raises(changes.CannotRecord):
        changes.create_lead(connection.account, {"email": "ada@example.com"})
    written = mirror.write_rows(connection.account, [mirror.Row(number=2, email="Ada@example.com")], at=timezone.now())
    assert "asked to be forgotten" in written.refused[0][1]
    assert not Lead.objects.exists()
    assert sum(Forgotten.objects.values_list("met", flat=True)) == 3  # by id and address, and by the file's address


# --- 15: Kartra is down


def test_case_15_outage_stops_once_tries_again_and_goes_on_once(sandbox, connection, settings):
    settings.ADMINS = [("ops@example.com", "ops@example.com")]
    settings.OUTAGE_PROBE_S = 0.3
    leads_of(sandbox, connection, 40)
    run = run_of(connection)
    sandbox.switch(down=True)
    ends = time.monotonic() + 8
    while Connection.objects.get().stopped_by != StoppedBy.OUTAGE and time.monotonic() < ends:
        push.drain(Connection.objects.get(), until_s=2)
        Connection.objects.update(hold_until=None)
    connection.refresh_from_db()

    assert connection.stopped_by == StoppedBy.OUTAGE
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

    switch.stop_app(connection, StoppedBy.OUTAGE, "No answer.")

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
    assert (connection.sending, connection.stopped_by) == ("stopped", StoppedBy.RESTORED)
    assert len(sandbox.calls(writes=True)) == 3

    assert "3 open changes are looked at" in switch.on(connection)
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
    call_counter._redis = None
    change = tag(lead, "cold")

    assert push.drain(connection).sent == 0

    assert status_of(change) == "waiting"
    connection.refresh_from_db()
    assert connection.sending_why == restored.WHY[call_counter.Told.COPIED]


def test_case_16_people_forgotten_since_the_backup_are_forgotten_again(sandbox, connection, lead):
    email, id = lead.email, lead.kartra_id
    forget.forget(lead)
    Forgotten.objects.all().delete()
    Lead.objects.create(account=connection.account, kartra_id=id, email=email)

    assert forget.apply_again(connection.account) == 1

    assert not Lead.objects.exists()
    assert Forgotten.objects.exists()


# --- 17: something is wrong with the run itself


def test_case_17_ten_equal_refusals_pause_the_run_with_the_cause(sandbox, connection):
    leads_of(sandbox, connection, 40)
    run = run_of(connection, "subscribe_sequence", {"sequence": "Win back", "step": "99"})

    push.drain(connection, until_s=60)

    run.refresh_from_db()
    counts = run.changes.counts()
    assert run.state == RunState.PAUSED
    assert "Step does not exist (230)" in run.paused_why
    assert 10 <= counts["rejected"] <= 10 + 2 * 8
    assert counts["waiting"] == 40 - counts["rejected"]


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
