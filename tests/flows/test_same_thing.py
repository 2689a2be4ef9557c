"""Requests about the same thing that share a call whose answer is lost, over real HTTP: every pair of opposites and equals ×
done, not done, half done × every answer of a person. Kartra ends as the last one says, or a person decides."""

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations import push
from integrations.management import run_wait
from integrations.push import proof_token
from integrations.read import refresh
from kartra_mirror.admin.bulk import progress
from leads import changes, kinds
from leads.changes import conflicts, undo
from leads.models import Activity, ChangeStatus, Lead, LeadChange, LeadTag
from tests.factories import DeliveryFactory
from tests.flows.steps import settle_all
from tests.recording import record_change

pytestmark = pytest.mark.django_db(transaction=True)

CLASS = {"calendar": "Coaching", "class": "Intro call"}
TAG, LIST, SEQUENCE = {"tag": "VIP"}, {"list": "Buyers"}, {"sequence": "Welcome series"}
BOOKING = {**CLASS, "date": "2031-02-03", "hour": "10:00"}

PAIRS = {
    "tag on, off": [("assign_tag", TAG), ("unassign_tag", TAG)],
    "tag off, on": [("unassign_tag", TAG), ("assign_tag", TAG)],
    "tag on, off, on": [("assign_tag", TAG), ("unassign_tag", TAG), ("assign_tag", TAG)],
    "list on, off": [("subscribe_list", LIST), ("unsubscribe_list", LIST)],
    "list off, on": [("unsubscribe_list", LIST), ("subscribe_list", LIST)],
    "sequence in, out": [("subscribe_sequence", {**SEQUENCE, "step": 2}), ("unsubscribe_sequence", SEQUENCE)],
    "city A, B": [("update_lead", {"city": "A"}), ("update_lead", {"city": "B"})],
    "city A, zip, city B": [
        ("update_lead", {"city": "A"}),
        ("update_lead", {"zip": "1"}),
        ("update_lead", {"city": "B"}),
    ],
    "booked, cancelled": [("subscribe_calendar", BOOKING), ("cancel_calendar", CLASS)],
}


def _is_so(theirs, kind, given):
    match kind:
        case "assign_tag" | "unassign_tag":
            return (given["tag"] in theirs["tags"]) is (kind == "assign_tag")
        case "subscribe_list" | "unsubscribe_list":
            return bool(theirs["lists"].get(given["list"])) is (kind == "subscribe_list")
        case "unsubscribe_sequence":
            found = theirs["sequences"].get(given["sequence"])
            return not found or found["status"] != "active"
        case "update_lead":
            return all(theirs[name] == value for name, value in given.items())
        case "cancel_calendar":
            return not [b for b in theirs["bookings"] if b["status"] == "Active"]
    raise AssertionError(kind)


def _asked(lead, requests):
    return [record_change(lead, kinds.get_kind(kind), given) for kind, given in requests]


@pytest.mark.parametrize("safety_field", [False, True], ids=["plain", "safety field"])
@pytest.mark.parametrize("start", ["as wanted before", "otherwise"])
@pytest.mark.parametrize("done", [0, 1, 9], ids=["nothing done", "half done", "all done"])
@pytest.mark.parametrize("pair", PAIRS)
def test_kartra_ends_as_the_last_request_says_or_a_person_decides(sandbox, connection, pair, done, start, safety_field):
    if safety_field:
        proof_token.prepare(connection)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    requests = PAIRS[pair]
    if pair.partition(" ")[0] in ("tag", "list") and start == "otherwise":
        kind, given = requests[0]
        opposite = kind.replace("assign", "unassign") if kind.startswith("assign") else kind.replace("un", "", 1)
        opposite = {"subscribe_list": "unsubscribe_list"}.get(kind, opposite)
        if opposite in ("assign_tag", "subscribe_list"):
            sandbox.act(opposite, lead=lead.kartra_id, **given)
            refresh.read_lead(connection, lead=lead)
    head = 1 if (safety_field and "sequence" in pair) or (safety_field and "booked" in pair) else 0
    sandbox.fault("carried out as far as k, then dropped", k=done + head if done else 0)
    recorded = _asked(lead, requests)

    settle_all(connection)

    theirs = sandbox.lead(lead.kartra_id)
    for change in recorded:
        change.refresh_from_db()
    *earlier, last = recorded
    if last.status == ChangeStatus.UNDECIDED:
        assert pair == "list off, on"
        assert theirs["lists"][LIST["list"]] is False
        return
    assert last.status in (ChangeStatus.ACCEPTED, ChangeStatus.SKIPPED), last.words
    assert _is_so(theirs, *requests[-1])
    assert {change.status for change in earlier} <= {"accepted", "superseded", "skipped"}


@pytest.mark.parametrize("answer", ["happened", "again", "give-up"])
def test_one_answer_of_a_person_holds_for_all_of_the_family(sandbox, connection, answer):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("subscribe_list", lead=lead.kartra_id, **LIST)
    refresh.read_lead(connection, lead=lead)
    first, last = _asked(lead, PAIRS["list off, on"])
    sandbox.fault("carried out as far as k, then dropped", k=1)
    settle_all(connection)
    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.status, last.status, first.decided_with) == ("undecided", "undecided", last)
    assert list(LeadChange.objects.questions()) == [last]

    conflicts.decide(first, answer, why="seen in Kartra")
    settle_all(connection)

    first.refresh_from_db()
    last.refresh_from_db()
    theirs = sandbox.lead(lead.kartra_id)["lists"][LIST["list"]]
    ended = {
        "happened": ("superseded", "accepted", False),
        "again": ("skipped", "accepted", True),
        "give-up": ("cancelled", "cancelled", False),
    }
    assert (first.status, last.status, theirs) == ended[answer]
    assert Activity.objects.filter(kind="decided").count() == 1


def test_overtaken_request_is_ended_and_no_failure(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.fault("carried out, then dropped")
    first, last = _asked(lead, PAIRS["city A, B"])

    settle_all(connection)

    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.status, first.superseded_by, last.status) == ("superseded", last, "accepted")
    assert first.settled_at is not None
    told = Activity.objects.filter(kind="field_changed").values_list("change", "details__was", "details__is")
    assert list(told) == [(last.pk, "", "B")]


def test_merged_edit_is_accepted_for_the_fields_that_it_gave(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    both = ("update_lead", {"city": "A", "zip": "OR 1"})
    first, last = _asked(lead, [both, ("update_lead", {"city": "B"})])

    push.drain(connection)

    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.status, last.status) == ("accepted", "accepted")
    told = Activity.objects.filter(kind="field_changed").values_list("change", "details__field", "details__is")
    assert sorted(told) == [(first.pk, "zip", "OR 1"), (last.pk, "city", "B")]


def test_a_value_that_is_neither_ours_nor_the_old_one_is_a_conflict(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
    sandbox.fault("carried out as far as k, then dropped", k=0)
    first, last = _asked(lead, PAIRS["city A, B"])
    push.drain(connection)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"city": "Reno"})

    settle_all(connection)

    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.status, last.status, last.reason) == ("undecided", "undecided", "conflict")
    assert "Reno" in last.words
    assert len(sandbox.calls(writes=True)) == 1


def test_a_third_value_of_any_field_of_the_call_is_a_conflict(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", zip="OR 1")
    sandbox.fault("carried out as far as k, then dropped", k=0)
    first, last = _asked(lead, [("update_lead", {"city": "A"}), ("update_lead", {"zip": "OR 2"})])
    push.drain(connection)
    sandbox.act("edit_lead", lead=lead.kartra_id, fields={"zip": "OR 9"})

    settle_all(connection)

    first.refresh_from_db()
    last.refresh_from_db()
    assert (first.status, last.status, last.reason) == ("undecided", "undecided", "conflict")
    assert "OR 9" in last.words


def test_somebody_elses_message_about_the_same_tag_is_a_conflict(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.fault("carried out, then dropped")
    [change] = _asked(lead, [("assign_tag", TAG)])
    push.drain(connection)
    sandbox.act("unassign_tag", lead=lead.kartra_id, **TAG)
    DeliveryFactory(
        endpoint__connection=connection,
        lead=lead,
        action="unassign_tag",
        family="tag:VIP",
        status="applied",
        applied_at=timezone.now(),
    )

    settle_all(connection)

    change.refresh_from_db()
    assert (change.status, change.reason) == ("undecided", "conflict")
    assert not LeadTag.objects.filter(lead=lead).exists()
    assert len(sandbox.calls(writes=True)) == 1


def test_bulk_action_whose_changes_were_overtaken_has_ended_and_did_not_fail(sandbox, connection, capsys):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    one = Lead.objects.filter(pk=lead.pk)
    first, last = [
        changes.record_run(connection.account, one, kinds.get_kind("update_lead"), {"city": city})
        for city in ("A", "B")
    ]

    settle_all(connection)

    first.refresh_from_db()
    assert (first.state, first.changes.counts()["superseded"]) == ("finished", 1)
    assert run_wait.has_failed(first) is False
    assert undo.groups(first)[0].number["not_done"] == 1  # nothing of it is in Kartra to be taken back
    assert list(first.changes.failed()) == []
    call_command("runs", "show", str(first.pk), json=True)
    assert json.loads(capsys.readouterr().out)["superseded"] == 1
    assert progress.outcome_words("superseded", "") == "overtaken by a later change"
    assert last.changes.get().status == "accepted"


@pytest.mark.parametrize(("there", "asked_for", "ends"), [(1, 3, "accepted"), (2, 2, "undecided")])
def test_a_step_is_judged_by_where_the_lead_was_just_before_not_by_an_old_copy(
    sandbox, connection, there, asked_for, ends
):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.filter(pk=lead.pk).update(read_at=timezone.now() - dt.timedelta(hours=3))
    sandbox.act("start_sequence", lead=lead.kartra_id, **SEQUENCE, step=there)
    sandbox.fault("502, nothing done", cmd="subscribe_lead_to_sequence_at_step")
    [change] = _asked(lead, [("subscribe_sequence", {**SEQUENCE, "step": asked_for})])

    settle_all(connection)

    change.refresh_from_db()
    assert change.status == ends
    told = sandbox.lead(lead.kartra_id)["sequences"][SEQUENCE["sequence"]]
    assert int(told["step"]) == (asked_for if ends == "accepted" else there)


def test_a_person_who_says_send_it_again_is_not_told_that_it_is_so_already(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.filter(pk=lead.pk).update(read_at=timezone.now() - dt.timedelta(hours=3))
    sandbox.act("start_sequence", lead=lead.kartra_id, **SEQUENCE, step=2)
    sandbox.fault("502, nothing done", cmd="subscribe_lead_to_sequence_at_step")
    [change] = _asked(lead, [("subscribe_sequence", {**SEQUENCE, "step": 2})])
    settle_all(connection)

    conflicts.decide(LeadChange.objects.get(pk=change.pk), "again", why="she got no mail")
    settle_all(connection)

    change.refresh_from_db()
    assert change.status == ChangeStatus.ACCEPTED
    assert [call["cmds"] for call in sandbox.calls(writes=True)] == [["subscribe_lead_to_sequence_at_step"]] * 2
