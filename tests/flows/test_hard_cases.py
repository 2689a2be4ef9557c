"""The hard cases about one wish, each by its number: 0 to 5, 9, 11, 12. What must be true when things go wrong; test_hard_people.py
and test_hard_stops.py have the others. docs/guarantees.md names them."""

import datetime as dt
import itertools
import json

import pytest
from django.db.models import F
from django.utils import timezone

from integrations import push, receive
from integrations.models import ApiCall, Attempt, Connection, Delivery
from integrations.push import claim, lease, proof_token, send, settle
from integrations.read import refresh, schedule
from leads import changes, kinds, mirror
from leads.changes import conflicts, runs
from leads.models import Activity, Lead, LeadChange, LeadTag, Reason, Source, Transaction
from tests.factories import DeliveryFactory, WebhookEndpointFactory
from tests.flows.steps import leads_of, points, run_of, score, settle_all, status_of, tag
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

BOOKING = {"calendar": "Coaching", "class": "Intro call", "date": "2031-02-03", "hour": "10:00"}


@pytest.fixture
def safety_field(sandbox, connection):
    proof_token.prepare(connection)
    sandbox.server.calls.clear()


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
    change = record_change(lead, kinds.get_kind(kind), given)
    sandbox.fault(fault, cmd=cmd)

    settle_all(connection)

    assert status_of(change) == "accepted"
    assert len(sandbox.calls(writes=True)) == (1 if fault.startswith("carried") else 2)


def test_case_0_a_person_who_left_a_list_meanwhile_is_not_put_back(sandbox, connection, lead):
    endpoint = WebhookEndpointFactory(connection=connection)
    change = record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})
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
    DeliveryFactory(endpoint=endpoint, body=body, size=len(body))
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
    assert Attempt.objects.get(change=change).evidence[-1]["receipt"] == {"what": "there"}


def test_case_1_no_other_call_with_a_receipt_goes_before_the_first_is_proven(sandbox, connection, lead, safety_field):
    first = points(lead)
    sandbox.fault("carried out, then hung", cmd="give_points_to_lead")
    push.drain(connection, until_s=3)
    second = record_change(lead, kinds.get_kind("subscribe_sequence"), {"sequence": "Win back", "step": "1"})
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
    endpoint = WebhookEndpointFactory(connection=connection)
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
    DeliveryFactory(endpoint=endpoint, body=body, size=len(body))

    receive.drain()

    lead.refresh_from_db()
    assert lead.dirty_at is None
    assert not schedule.due(connection).exists()
    assert len(sandbox.calls()) == reads
    assert Activity.objects.filter(lead=lead, source="webhook").count() == 0


# --- 3: a webhook out of order


def test_case_3_any_order_ends_after_reads_in_the_same_rows(sandbox, connection, lead):
    endpoint = WebhookEndpointFactory(connection=connection)

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
            DeliveryFactory(endpoint=endpoint, body=body, size=len(body))
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
    stamped = [lease.mark_sent(chain) for chain in sent[:2]]

    runs.cancel(run)

    assert sum(run.changes.counts().values()) == 12
    assert lease.mark_sent(sent[2]) is None
    assert claim.claim(connection, 4) == []
    for chain in stamped:
        settle.settle(chain, send.make_call(send.calls.client_for(connection), chain, chain.request())[0])
    lease.release_plans(sent)
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


# --- 9: killed between sending and recording (test_kill_points.py kills real processes)


def test_case_9_lease_over_sends_nothing_again_by_itself(sandbox, connection, lead):
    change = points(lead)
    [chain] = claim.claim(connection, 1)
    chain = lease.mark_sent(chain)
    send.make_call(send.calls.client_for(connection), chain, chain.request())
    ApiCall.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))

    settle_all(connection)

    assert (status_of(change), score(sandbox, lead)) == ("accepted", 5)
    assert len([c for c in sandbox.calls() if "give_points_to_lead" in c["cmds"]]) == 1


# --- 11: refunds


@pytest.mark.parametrize("fault", [{"name": "carried out, then hung"}, {"name": "whole call refused", "code": "266"}])
def test_case_11_unclear_refund_is_never_sent_twice(sandbox, connection, lead, fault, settings):
    settings.VERIFY_MONEY_SETTLE_S = [0.2, 0.4, 0.8]
    sale = str(sandbox.act("sale", lead=lead.kartra_id)["transaction"])
    Transaction.objects.create(account=lead.account, kartra_id=sale, lead=lead, type="sale", full_amount="97.00")
    change = record_change(lead, kinds.get_kind("refund_transaction"), {"transaction": sale, "amount": "20.00"})
    sandbox.fault(fault["name"], cmd="refund_transaction", **({"code": fault["code"]} if "code" in fault else {}))

    settle_all(connection, 8)

    assert len([c for c in sandbox.calls() if c["cmds"] == ["refund_transaction"]]) == 1
    assert status_of(change) == ("accepted" if "hung" in fault["name"] else "undecided")
    if "hung" not in fault["name"]:
        with pytest.raises(changes.CannotRecord):
            record_change(lead, kinds.get_kind("refund_transaction"), {"transaction": sale, "amount": "20.00"})


# --- 12: a chain half done


@pytest.mark.parametrize("shape", ["action k fails", "whole call refused"])
def test_case_12_each_change_of_a_chain_is_judged_by_itself(sandbox, connection, lead, shape):
    wishes = [tag(lead), record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})]
    sandbox.fault(shape, code="231", k=1)

    settle_all(connection)

    assert [status_of(wish) for wish in wishes] == ["accepted", "rejected"]
    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP"]
