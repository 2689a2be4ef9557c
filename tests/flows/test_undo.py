"""Undo against the Kartra sandbox: what the run changed and is still so is taken back, and nothing else."""

import datetime as dt
import time

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import push
from integrations.read import refresh
from leads import changes, kinds, mirror, transitions
from leads.changes import side_effects, undo
from leads.models import BulkRun, Lead, LeadTag, ListSubscription, MailingList, Source, Tag
from tests.factories import StaffFactory
from tests.recording import accept_change, record_change

pytestmark = pytest.mark.django_db(transaction=True)


def start(connection, leads, *parts, **more):
    """A run of these kinds over these leads, carried to its end."""
    kind, parameters = kinds.together([(kinds.get_kind(name), given) for name, given in parts])
    chosen = Lead.objects.filter(pk__in=[lead.pk for lead in leads])
    run = changes.record_run(connection.account, chosen, kind, parameters, by=StaffFactory(is_superuser=True), **more)
    return finish(connection, run)


def finish(connection, run):
    for _ in range(5):
        push.drain(connection, until_s=3)
    run.refresh_from_db()
    assert run.has_ended, run.changes.counts()
    return run


def read(connection, lead):
    """Read the lead once what we did to it is old enough for a read to be believed."""
    time.sleep(max(0.0, min(float(settings.VERIFY_SETTLE_S[0]), 2.0)))
    assert refresh.read_lead(connection, lead=lead).applied


def fates(run):
    return [(group.did, {key: number for key, number in group.number.items() if number}) for group in undo.groups(run)]


def test_undo_takes_back_what_the_run_changed_and_leaves_who_had_it_or_changed_since(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(5)]
    mine, had, changed, gone, busy = leads
    sandbox.act("assign_tag", lead=had.kartra_id, tag="VIP")
    mirror.set_tag(had, "VIP", True, source=Source.REFRESH, at=timezone.now())
    run = start(connection, leads, ("assign_tag", {"tag": "VIP"}))
    sandbox.act("unassign_tag", lead=changed.kartra_id, tag="VIP")
    mirror.set_tag(changed, "VIP", False, source=Source.WEBHOOK, at=timezone.now())
    mirror.mark_gone(gone, "deleted", timezone.now(), source=Source.REFRESH)
    record_change(busy, kinds.get_kind("unassign_tag"), {"tag": "VIP"})

    assert fates(run) == [("assign the tag VIP", {"stands": 1, "since": 1, "gone": 1, "queued": 1, "before": 1})]
    undone = finish(connection, changes.undo_run(run, by=run.created_by, why="by mistake"))

    assert (undone.undoes, undone.name, undone.expected) == (run, "Undo: Assign the tag VIP", 1)
    assert list(undone.changes.values_list("lead", "kind", "status")) == [(mine.pk, "unassign_tag", "accepted")]
    assert sandbox.tagged("VIP") == {had.kartra_id, gone.kartra_id}
    assert set(LeadTag.objects.values_list("lead", flat=True)) == {had.pk, gone.pk}


def test_undo_of_several_kinds_is_the_last_first_and_restores_all(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com", city="Salem")
    Lead.objects.filter(pk=lead.pk).update(score=0)
    run = start(
        connection,
        [lead],
        ("assign_tag", {"tag": "VIP"}),
        ("subscribe_list", {"list": "Buyers"}),
        ("give_points", {"points": 7}),
        ("subscribe_sequence", {"sequence": "Welcome series", "step": 1}),
        ("update_lead", {"city": "Bend", "custom.crm_ref": "A-7"}),
    )
    assert run.changes.counts()["accepted"] == 5
    assert sandbox.lead(lead.kartra_id)["city"] == "Bend"

    finish(connection, changes.undo_run(run))

    kartra = sandbox.lead(lead.kartra_id)
    assert (kartra["tags"], kartra["lists"], kartra["score"], kartra["city"]) == ([], {"Buyers": False}, 0, "Salem")
    assert kartra["custom"].get("crm_ref", "") == ""
    assert kartra["sequences"]["Welcome series"]["status"] != "active"
    lead.refresh_from_db()
    assert (lead.city, lead.score) == ("Salem", 0)


def test_undo_of_removals_puts_back_only_what_was_there(sandbox, connection):
    had, never = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("had", "never"))
    Lead.objects.filter(pk=never.pk).update(read_at=None)
    sandbox.act("assign_tag", lead=had.kartra_id, tag="VIP")
    sandbox.act("subscribe_list", lead=had.kartra_id, list="Buyers")
    mirror.set_tag(had, "VIP", True, source=Source.REFRESH, at=timezone.now())
    mirror.set_list(had, "Buyers", True, source=Source.REFRESH, at=timezone.now())
    run = start(connection, [had, never], ("unassign_tag", {"tag": "VIP"}), ("unsubscribe_list", {"list": "Buyers"}))
    assert sandbox.tagged("VIP") == set()

    finish(connection, changes.undo_run(run))

    assert sandbox.tagged("VIP") == {had.kartra_id}
    assert sandbox.lead(had.kartra_id)["lists"] == {"Buyers": True}
    assert sandbox.lead(never.kartra_id)["lists"] == {}


def test_field_that_somebody_changed_since_keeps_their_value(sandbox, connection):
    kept, changed = (sandbox.mirrored_lead(connection, f"{name}@example.com", city="Salem") for name in ("a", "b"))
    run = start(connection, [kept, changed], ("update_lead", {"city": "Bend"}), ("assign_tag", {"tag": "VIP"}))
    sandbox.act("unassign_tag", lead=changed.kartra_id, tag="VIP")
    mirror.set_tag(changed, "VIP", False, source=Source.WEBHOOK, at=timezone.now())
    sandbox.act("edit_lead", lead=changed.kartra_id, fields={"city": "Eugene"})
    read(connection, changed)

    assert undo.number_standing(run, undo.groups(run)) == 1
    finish(connection, changes.undo_run(run))

    assert sandbox.lead(kept.kartra_id)["city"] == "Salem"
    assert sandbox.lead(changed.kartra_id)["city"] == "Eugene"


def test_message_of_kartra_that_was_faster_than_its_answer_does_not_hide_what_we_did(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("assign_tag"), {"tag": "VIP"})
    mirror.set_tag(lead, "VIP", True, source=Source.WEBHOOK, at=timezone.now())
    LeadTag.objects.update(since=timezone.now())
    accept_change(run.changes.get())
    transitions.finish_run_if_over(run.pk)

    assert fates(run) == [("assign the tag VIP", {"stands": 1})]


def test_undo_twice_is_undo_once_and_never_while_it_is_under_way(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    run = changes.record_run(connection.account, Lead.objects.all(), kinds.get_kind("give_points"), {"points": 5})
    with pytest.raises(changes.CannotRecord, match="still under way"):
        changes.undo_run(run)
    run = finish(connection, run)

    undone = changes.undo_run(run)
    with pytest.raises(changes.CannotRecord, match="undone already"):
        changes.undo_run(run)
    finish(connection, undone)

    assert [call["cmds"] for call in sandbox.calls(writes=True)] == [
        ["give_points_to_lead"],
        ["remove_points_from_lead"],
    ]
    with pytest.raises(changes.CannotRecord, match="can be undone"):
        changes.undo_run(run)
    assert sandbox.lead(lead.kartra_id)["score"] == 0


def test_undo_of_an_undo_does_it_again(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    run = start(connection, [lead], ("assign_tag", {"tag": "VIP"}))
    undone = finish(connection, changes.undo_run(run))
    finish(connection, changes.undo_run(undone))

    assert sandbox.tagged("VIP") == {lead.kartra_id}


def test_sent_anyway_fires_again_and_is_not_undone(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    sandbox.act("assign_tag", lead=lead.kartra_id, tag="VIP")
    mirror.set_tag(lead, "VIP", True, source=Source.REFRESH, at=timezone.now())

    run = start(connection, [lead], ("assign_tag", {"tag": "VIP"}), choices=changes.Choices(force=True))

    assert run.changes.get().status == "accepted"
    assert [call["cmds"] for call in sandbox.calls(writes=True)] == [["assign_tag"]]
    with pytest.raises(changes.CannotRecord, match="can be undone"):
        changes.undo_run(run)


def test_who_left_a_list_themselves_is_left_out_unless_it_is_said(sandbox, connection):
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    ListSubscription.objects.create(
        lead=lead,
        mailing_list=MailingList.objects.get(name="Buyers"),
        active=False,
        since=timezone.now(),
        source="webhook",
    )
    step = ("subscribe_list", {"list": "Buyers"})

    run = start(connection, [lead], step)
    assert list(run.changes.values_list("status", "reason")) == [("skipped", "left_out")]
    run = start(connection, [lead], step, choices=changes.Choices(include_left=True))

    assert run.changes.get().status == "accepted"
    assert sandbox.lead(lead.kartra_id)["lists"] == {"Buyers": True}


def test_what_happened_next_is_counted_without_our_own_doing_and_taken_back_when_ticked(sandbox, connection):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(3)]
    outside = sandbox.mirrored_lead(connection, "outside@example.com")
    read(connection, leads[0])
    run = start(connection, leads, ("assign_tag", {"tag": "VIP"}))
    for lead in [*leads[:2], outside]:
        sandbox.act("start_sequence", lead=lead.kartra_id, sequence="Welcome series")
        mirror.set_sequence(lead, "Welcome series", "1", "active", at=timezone.now(), source=Source.WEBHOOK)
    sandbox.act("subscribe_list", lead=leads[0].kartra_id, list="Buyers")
    read(connection, leads[0])

    told = side_effects.happened_next(run)
    assert [(each.number, each.words, bool(each.back)) for each in told] == [
        (2, "entered the sequence Welcome series", True),
        (1, "joined the list Buyers", True),
    ]
    undone = finish(connection, changes.undo_run(run, also=side_effects.chosen(run, [each.key for each in told])))

    done = undone.changes.filter(status="accepted")
    assert sorted(done.values_list("kind", "lead")) == sorted(
        [("unassign_tag", lead.pk) for lead in leads]
        + [("unsubscribe_sequence", lead.pk) for lead in leads[:2]]
        + [("unsubscribe_list", leads[0].pk)]
    )
    assert sandbox.lead(leads[0].kartra_id)["sequences"]["Welcome series"]["status"] != "active"
    assert sandbox.lead(outside.kartra_id)["sequences"]["Welcome series"]["status"] == "active"
    assert side_effects.happened_next(run) == told


def test_command_undoes_and_says_what_it_leaves(sandbox, connection, capsys):
    leads = [sandbox.mirrored_lead(connection, f"lead{n}@example.com") for n in range(2)]
    tag = Tag.objects.get(name="VIP")
    LeadTag.objects.create(lead=leads[0], tag=tag, since=timezone.now(), source="refresh")
    run = start(connection, leads, ("assign_tag", {"tag": "VIP"}))

    call_command("runs", "undo", str(run.pk), "--why", "by mistake")

    told = capsys.readouterr()
    assert "Assign the tag VIP: 1 will be taken back, 1 had it before" in told.err
    undone = BulkRun.objects.get(undoes=run)
    assert f"{undone.pk}  Undo: Assign the tag VIP" in told.out
    assert undone.why == "by mistake"
    finish(connection, undone)
    with pytest.raises(CommandError, match="can be undone"):
        call_command("runs", "undo", str(run.pk))


def test_undo_costs_the_same_queries_for_any_number(sandbox, connection, django_assert_max_num_queries):
    def finished(number):
        leads = Lead.objects.bulk_create(
            Lead(
                account=connection.account, kartra_id=f"{number}-{n}", email=f"{n}@example.com", read_at=timezone.now()
            )
            for n in range(number)
        )
        chosen = Lead.objects.filter(pk__in=[lead.pk for lead in leads])
        run = changes.record_run(connection.account, chosen, kinds.get_kind("give_points"), {"points": 1})
        run.changes.update(status="accepted", settled_at=timezone.now())
        transitions.finish_run_if_over(run.pk)
        return run

    few, many = finished(2), finished(300)
    with django_assert_max_num_queries(40) as counted:
        changes.undo_run(few)
    with django_assert_max_num_queries(len(counted.captured_queries)):
        undone = changes.undo_run(many)
    assert undone.changes.count() == 300


def test_who_was_in_the_sequence_before_stays_in_it(sandbox, connection):
    there, new = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("there", "new"))
    sandbox.act("start_sequence", lead=there.kartra_id, sequence="Welcome series")
    mirror.set_sequence(there, "Welcome series", "1", "active", at=timezone.now(), source=Source.WEBHOOK)
    run = start(connection, [there, new], ("subscribe_sequence", {"sequence": "Welcome series", "step": 2}))

    assert fates(run) == [("add to the sequence Welcome series at step 2", {"stands": 1, "before": 1})]
    finish(connection, changes.undo_run(run))

    assert sandbox.lead(there.kartra_id)["sequences"]["Welcome series"]["status"] == "active"
    assert sandbox.lead(new.kartra_id)["sequences"]["Welcome series"]["status"] != "active"


def test_booking_beside_an_older_one_of_the_class_is_left_alone(sandbox, connection):
    older, only = (sandbox.mirrored_lead(connection, f"{name}@example.com") for name in ("older", "only"))
    day = timezone.now() + dt.timedelta(days=30)
    mirror.set_booking(older, "Coaching", "Intro call", day, at=timezone.now(), source=Source.WEBHOOK)
    booking = {"calendar": "Coaching", "class": "Intro call", "date": f"{day:%Y-%m-%d}", "hour": "15:00"}
    run = start(connection, [older, only], ("subscribe_calendar", booking))

    [(_, number)] = fates(run)
    assert number == {"stands": 1, "since": 1}
