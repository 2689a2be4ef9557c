"""A change from the wish to Kartra and back into the mirror, under what can go wrong on the way."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import push
from integrations.models import ApiCall, Attempt, CallOutcome, Connection, Proof, StopCause
from integrations.push import claim, due_changes, lease, send
from integrations.sending import switch
from integrations.translate import compose
from leads import changes, kinds
from leads.changes import runs
from leads.models import ChangeStatus, Lead, LeadChange, LeadTag, ListSubscription, Reason, RunState, Tag
from tests.flows.steps import settle_all, tag
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)


def test_tag_reaches_kartra_and_the_mirror(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)

    push.drain(connection)

    change.refresh_from_db()
    assert (change.status, change.code) == (ChangeStatus.ACCEPTED, "103")
    assert sandbox.lead("ada@example.com")["tags"] == ["VIP"]
    row = LeadTag.objects.get(lead=lead)
    assert (row.tag.name, row.source, row.change) == ("VIP", "push", change)
    call = ApiCall.objects.get()
    assert (call.commands, call.outcome, call.writes) == ("assign_tag", CallOutcome.ANSWERED, True)


def test_all_changes_of_a_lead_travel_in_one_call_in_their_order(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    tag(lead, "VIP")
    record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"})
    tag(lead, "VIP", kind="unassign_tag")
    tag(lead, "VIP")

    push.drain(connection)

    [call] = sandbox.calls(writes=True)
    assert call["cmds"] == ["assign_tag", "subscribe_lead_to_list", "unassign_tag", "assign_tag"]
    assert call["query"] == ""
    assert call["form"]["lead"] == {"id": lead.kartra_id}
    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP"]
    assert ListSubscription.objects.get(lead=lead).active


def test_what_is_already_so_is_skipped_at_claim(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    first, second = tag(lead), tag(lead)

    push.drain(connection)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.reason) == ("accepted", "skipped", Reason.ALREADY_SO)
    assert len(sandbox.calls(writes=True)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        "carried out, then hung",
        "carried out, then dropped",
        "carried out, then 502",
        "carried out, then broken JSON",
        "carried out, then HTML",
        "carried out, then empty",
        "entry missing from actions",
        "answer 302",
    ],
)
def test_a_lost_answer_is_proven_by_a_read(sandbox, connection, fault):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.fault(fault, cmd="assign_tag")

    push.drain(connection, until_s=4)
    change.refresh_from_db()
    assert change.status == ChangeStatus.UNKNOWN
    settle_all(connection)

    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED
    assert len(sandbox.calls(writes=True)) == 1
    assert Attempt.objects.get().proof == Proof.DONE


@pytest.mark.parametrize("fault", ["refused before", "502, nothing done", "html, nothing done", "hung, then nothing"])
def test_a_call_proven_not_done_is_sent_again(sandbox, connection, fault):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.fault(fault, cmd="assign_tag")

    settle_all(connection)

    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED
    assert len(sandbox.calls(writes=True)) == 2
    assert list(Attempt.objects.values_list("proof", flat=True)) == [Proof.NOT_DONE, Proof.DONE]


def test_twice_proven_not_done_is_left_to_a_person(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.fault("html, nothing done", cmd="assign_tag", count=None)

    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.reason) == (ChangeStatus.UNDECIDED, Reason.FIREWALL)
    assert len(sandbox.calls(writes=True)) == 2


def test_429_uses_no_attempt_and_waits(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.fault("429", cmd="assign_tag")

    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.not_done) == (ChangeStatus.ACCEPTED, 0)


def test_unreachable_kartra_leaves_everything_waiting(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    connection.api_url = "http://127.0.0.1:9/api"
    connection.save()

    push.drain(connection)

    change.refresh_from_db()
    connection.refresh_from_db()
    assert change.status == ChangeStatus.WAITING
    assert connection.failures == 1
    assert "No usable answer from Kartra" in switch.why_not_sending(connection)
    assert ApiCall.objects.get().outcome == CallOutcome.NOT_SENT


def test_refused_keys_stop_sending_and_reject_nothing(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(5)]
    wishes = [tag(lead) for lead in leads]
    sandbox.credentials(refuse="233")

    push.drain(connection)

    connection.refresh_from_db()
    assert (connection.sending, connection.stopped_by) == ("stopped", StopCause.CREDENTIALS)
    assert "API password" in switch.why_not_sending(connection)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"waiting"}
    sandbox.credentials(refuse="")
    switch.on(connection)
    settle_all(connection)
    assert all(LeadChange.objects.get(pk=wish.pk).status == "accepted" for wish in wishes)


def test_look_only_connection_sends_nothing_that_writes(sandbox, connection):
    Connection.objects.update(switched_on_at=None)
    tag(sandbox.mirrored_lead(connection, "ada@example.com"))

    assert push.drain(connection).sent == 0

    assert sandbox.calls(writes=True) == []
    assert "read-only" in switch.why_not_sending(connection)


def test_unknown_tag_is_refused_with_kartras_words(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    sandbox.act("delete_tag", name="VIP")

    push.drain(connection)

    change.refresh_from_db()
    assert (change.status, change.code, change.words) == ("rejected", "212", "Tag does not exist")


@pytest.mark.parametrize("errors_in_chain", ["per_action", "flat"])
@pytest.mark.parametrize("after_error", ["go_on", "stop"])
def test_chain_half_done_ends_with_each_change_judged_by_itself(sandbox, connection, errors_in_chain, after_error):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.switch(errors_in_chain=errors_in_chain, after_error=after_error)
    wishes = [
        tag(lead, "VIP"),
        tag(lead, "podcast"),
        record_change(lead, kinds.get_kind("subscribe_list"), {"list": "Buyers"}),
    ]
    sandbox.act("delete_list", name="Buyers")
    wishes.append(tag(lead, "cold"))

    settle_all(connection)

    for wish in wishes:
        wish.refresh_from_db()
    assert [wish.status for wish in wishes] == ["accepted", "accepted", "rejected", "accepted"]
    assert set(sandbox.lead(lead.kartra_id)["tags"]) == {"VIP", "podcast", "cold"}


def test_lead_deleted_in_kartra_skips_its_changes_and_marks_it_gone(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    first, second = tag(lead, "VIP"), tag(lead, "cold")
    sandbox.act("delete_lead", lead=lead.kartra_id)

    settle_all(connection)

    for change in (first, second):
        change.refresh_from_db()
        assert (change.status, change.reason) == ("skipped", Reason.GONE)
    lead.refresh_from_db()
    assert lead.gone_at is not None


def test_lead_unknown_to_kartra_is_gone_only_after_a_look_by_id(sandbox, connection):
    lead = Lead.objects.create(
        account=connection.account, kartra_id="777", email="nobody@example.com", read_at=timezone.now()
    )
    change = tag(lead)

    settle_all(connection)

    change.refresh_from_db()
    lead.refresh_from_db()
    assert (change.status, change.reason, lead.gone_reason) == ("skipped", "gone", "not_found")
    assert sandbox.calls()[-1]["cmds"] == ["search_lead"]


def test_killed_before_sending_waits_again_and_killed_after_is_looked_at(sandbox, connection):
    ada, bob = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("ada", "bob"))
    tag(ada), tag(bob)
    unsent, sent = claim.claim(connection, 2)
    lease.mark_sent(sent)
    ApiCall.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))

    assert lease.end_leases(connection) == 2

    assert LeadChange.objects.get(lead=unsent.lead).status == ChangeStatus.WAITING
    assert LeadChange.objects.get(lead=sent.lead).status == ChangeStatus.UNKNOWN
    settle_all(connection)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    assert len(sandbox.tagged("VIP")) == 2


def test_late_recorder_may_not_overwrite(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    change = tag(lead)
    [chain] = claim.claim(connection, 1)
    lease.mark_sent(chain)
    ApiCall.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    lease.end_leases(connection)

    from integrations.push.settle import settle

    settle(chain, send.make_call(send.calls.client_for(connection), chain, compose(chain.lead, chain.changes))[0])

    change.refresh_from_db()
    attempt = Attempt.objects.get()
    assert change.status == ChangeStatus.UNKNOWN
    assert attempt.evidence[-1]["late"] is True


def test_a_lead_is_never_claimed_twice(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    tag(lead, "VIP")
    assert len(claim.claim(connection, 5)) == 1
    tag(lead, "cold")

    assert claim.claim(connection, 5) == []


def test_later_change_of_a_family_waits_for_an_unclear_one(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    first = tag(lead)
    sandbox.fault("carried out, then 502", cmd="assign_tag")
    push.drain(connection, until_s=2)
    opposite, other = tag(lead, kind="unassign_tag"), tag(lead, "cold")
    connection.refresh_from_db()
    connection.hold_until = None
    connection.save()

    push.drain(connection, until_s=2)

    statuses = [LeadChange.objects.get(pk=c.pk).status for c in (first, opposite, other)]
    assert statuses == ["unknown", "waiting", "accepted"]
    settle_all(connection)
    assert sandbox.lead(lead.kartra_id)["tags"] == ["cold"]


def test_run_is_carried_out_and_ends(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(30)]
    LeadTag.objects.create(
        lead=leads[0], tag=connection.account.tags.get(name="VIP"), since=timezone.now(), source="refresh"
    )
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})

    push.drain(connection, until_s=60)

    run.refresh_from_db()
    counts = run.changes.counts()
    assert (run.state, counts["accepted"], counts["skipped"]) == (RunState.FINISHED, 29, 1)
    assert len(sandbox.tagged("VIP")) == 29


def test_cancelled_run_starts_no_new_call(sandbox, connection):
    for number in range(10):
        sandbox.mirrored_lead(connection, f"lead{number}@example.com")
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    chains = claim.claim(connection, 4)
    runs.cancel(run)

    assert [lease.mark_sent(chain) for chain in chains] == [None] * 4

    run.refresh_from_db()
    assert (run.state, run.changes.counts()["cancelled"]) == (RunState.CANCELLED, 10)
    assert push.drain(connection).sent == 0


def test_paused_run_waits_and_goes_on(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    runs.pause(run)
    later = tag(lead, kind="unassign_tag")

    assert push.drain(connection).sent == 0
    runs.resume(run)
    push.drain(connection)

    run.refresh_from_db()
    later.refresh_from_db()
    assert (run.state, later.status) == (RunState.FINISHED, "accepted")
    assert sandbox.lead(lead.kartra_id)["tags"] == []


def test_change_never_goes_out_over_an_earlier_one_that_another_worker_had_locked(sandbox, connection, monkeypatch):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    other = sandbox.mirrored_lead(connection, "bo@example.com")
    on = tag(lead)
    off = tag(lead, kind="unassign_tag")
    beside = tag(other)
    all_due = due_changes.sendable_changes
    monkeypatch.setattr(
        due_changes, "sendable_changes", lambda connection: all_due(connection).exclude(pk=on.pk)
    )  # as SKIP LOCKED does
    LeadTag.objects.create(lead=lead, tag=Tag.objects.get(name="VIP"), source="refresh", since=timezone.now())

    chains = claim.claim(connection, 10)

    assert [chain.lead for chain in chains] == [other]
    off.refresh_from_db()
    assert off.status == ChangeStatus.WAITING
    monkeypatch.undo()
    lease.release_plans(chains)
    settle_all(connection)
    assert sandbox.lead("ada@example.com")["tags"] == []
    beside.refresh_from_db()
    assert beside.status == ChangeStatus.ACCEPTED


def test_nothing_goes_out_for_a_lead_whose_creation_is_not_allowed(sandbox, connection):
    created, tagged = changes.create_lead(connection.account, {"email": "new@example.com", "tag": ["VIP"]})
    switch.refuse_command(connection, "create_lead", "No")

    settle_all(connection, seconds=1)

    tagged.refresh_from_db()
    assert tagged.status == ChangeStatus.WAITING
    assert sandbox.calls(writes=True) == []
    switch.on(connection)
    settle_all(connection)
    created.refresh_from_db()
    assert created.status == ChangeStatus.ACCEPTED
    assert sandbox.lead("new@example.com")["tags"] == ["VIP"]


def test_the_same_asked_for_twice_is_done_where_the_first_comes_to_nothing(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    second = tag(lead)
    [chain] = claim.claim(connection, 1)

    runs.cancel(run)

    assert lease.mark_sent(chain) is None
    settle_all(connection)
    second.refresh_from_db()
    assert (run.changes.get().status, second.status) == (ChangeStatus.CANCELLED, ChangeStatus.ACCEPTED)
    assert sandbox.lead(lead.kartra_id)["tags"] == ["VIP"]


def test_the_same_asked_for_twice_is_sent_once(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    first, second = tag(lead), tag(lead)

    settle_all(connection)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status, second.reason) == (ChangeStatus.ACCEPTED, ChangeStatus.SKIPPED, "already_so")
    assert [call["cmds"] for call in sandbox.calls(writes=True)] == [["assign_tag"]]
