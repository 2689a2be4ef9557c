"""Bulk actions from being filled to their end: cancelled meanwhile, ended unseen, gone on after a person's answer."""

import datetime as dt

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from leads import changes, kinds, transitions
from leads.changes import bulk_insert, conflicts, create_many, retry, runs, side_effects
from leads.importing.people_list import Person
from leads.models import BulkRun, Lead, LeadChange, ListSubscription, RunState
from tests.factories import (
    AccountFactory,
    BulkRunFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    StaffFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db

ASSIGN = kinds.get_kind("assign_tag")
VIP = {"tag": "VIP"}


@pytest.fixture
def account():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    MailingListFactory(account=account, name="Buyers")
    return account


def ended(account, state):
    """An ended run with one change that needs a decision."""
    by = StaffFactory() if state == RunState.CANCELLED else None
    run = BulkRunFactory(account=account, state=state, ended_at=timezone.now(), told_at=timezone.now(), cancelled_by=by)
    change = LeadChangeFactory(
        lead=LeadFactory(account=account),
        run=run,
        kind="give_points",
        parameters={"points": 5},
        family="points",
        status="undecided",
        reason="outcome",
    )
    return run, change


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.CANCELLED])
def test_what_is_to_be_sent_again_goes_out_though_its_run_had_ended(account, state):
    run, change = ended(account, state)
    later = LeadChangeFactory(lead=change.lead, kind="remove_points", parameters={"points": 1}, family="points")

    conflicts.decide(change, "again")

    run.refresh_from_db()
    assert (run.state, run.ended_at, run.told_at) == (RunState.RUNNING, None, None)
    assert set(LeadChange.objects.due()) == {change, later}
    LeadChange.objects.filter(pk=change.pk).update(status="accepted", settled_at=timezone.now())
    transitions.finish_run_if_over(run.pk)
    run.refresh_from_db()
    assert run.state == state


def test_run_whose_last_change_is_left_to_a_person_has_ended(account):
    run = BulkRunFactory(account=account)
    lead = LeadFactory(account=account, city="Reno")
    change = LeadChangeFactory(
        lead=lead,
        run=run,
        kind="update_lead",
        parameters={"city": "Bend"},
        family="profile",
        baseline={"city": ["Salem"]},
    )

    conflicts.hold(lead, change, ["city"])

    run.refresh_from_db()
    assert run.state == RunState.FINISHED


def test_runs_that_were_left_standing_are_mended(account):
    now = timezone.now()
    over, going = BulkRunFactory(account=account), BulkRunFactory(account=account)
    for run, status in ((over, "accepted"), (going, "waiting")):
        settled = now if status == "accepted" else None
        LeadChangeFactory(lead=LeadFactory(account=account), run=run, status=status, settled_at=settled)
    dead, filling = BulkRunFactory.create_batch(2, account=account, state=RunState.PREPARING)
    LeadChangeFactory(lead=LeadFactory(account=account), run=dead)
    BulkRun.objects.filter(pk=dead.pk).update(created_at=now - dt.timedelta(hours=1))

    runs.mend(abandoned_before=now - dt.timedelta(minutes=30))

    states = [BulkRun.objects.get(pk=run.pk).state for run in (over, going, dead, filling)]
    assert states == [RunState.FINISHED, RunState.RUNNING, RunState.CANCELLED, RunState.PREPARING]
    assert dead.changes.get().status == "cancelled"


def cancelled_after_the_first_batch(monkeypatch, module, name):
    real = getattr(module, name)

    def write(run, *given):
        real(run, *given)
        runs.cancel(run)

    monkeypatch.setattr(module, name, write)


def test_cancel_while_it_is_filled_leaves_nothing_queued(account, monkeypatch):
    LeadFactory.create_batch(5, account=account)
    cancelled_after_the_first_batch(monkeypatch, bulk_insert, "insert_changes")

    run = changes.record_run(account, Lead.objects.all(), ASSIGN, VIP, batch=2)

    assert (run.state, run.changes.counts()["cancelled"], run.changes.count()) == (RunState.CANCELLED, 2, 2)


def test_cancel_while_people_of_a_file_are_written_leaves_nothing_queued(account, monkeypatch):
    people = [Person(number, {"email": f"lead{number}@example.com"}) for number in range(5)]
    cancelled_after_the_first_batch(monkeypatch, create_many, "record_people")

    run = create_many.create_leads(account, people, chunk=2)

    assert (run.state, run.changes.counts()["cancelled"], run.changes.count()) == (RunState.CANCELLED, 2, 2)


def test_run_whose_filling_broke_off_holds_nobody_back(account, monkeypatch):
    LeadFactory.create_batch(5, account=account)
    real, calls = bulk_insert.insert_changes, []

    def write(*given):
        calls.append(real(*given))
        if len(calls) == 2:
            raise RuntimeError("the disk is full")

    monkeypatch.setattr(bulk_insert, "insert_changes", write)
    with pytest.raises(RuntimeError):
        changes.record_run(account, Lead.objects.all(), ASSIGN, VIP, batch=2)

    run = BulkRun.objects.get()
    assert (run.state, run.changes.counts()["cancelled"], run.changes.count()) == (RunState.CANCELLED, 2, 2)


@pytest.mark.parametrize("batch", [2, 100])
def test_every_step_is_for_the_same_leads(account, batch):
    """Though the first step makes them stop fitting the filter they were chosen by."""
    LeadFactory.create_batch(3, account=account)
    kind, parameters = kinds.together([(ASSIGN, VIP), (kinds.get_kind("subscribe_list"), {"list": "Buyers"})])
    nothing_queued = Lead.objects.exclude(changes__status="waiting")

    run = changes.record_run(account, nothing_queued, kind, parameters, batch=batch)

    assert run.changes.filter(kind="assign_tag").count() == run.changes.filter(kind="subscribe_list").count() == 3


def test_who_left_the_list_meanwhile_is_not_put_on_it_by_trying_again(account):
    mailing_list = account.mailinglists.get()
    stays, left, gone = LeadFactory.create_batch(3, account=account)
    ListSubscription.objects.create(
        lead=left, mailing_list=mailing_list, active=False, since=timezone.now(), source="webhook"
    )
    Lead.objects.filter(pk=gone.pk).update(gone_at=timezone.now(), gone_reason="deleted")
    for lead in (stays, left, gone):
        LeadChangeFactory(
            lead=lead,
            kind="subscribe_list",
            parameters={"list": "Buyers"},
            family="list:Buyers",
            status="rejected",
            settled_at=timezone.now(),
        )

    run = retry.retry(account, LeadChange.objects.filter(account=account))

    became = dict(run.changes.values_list("lead", "reason"))
    assert became == {stays.pk: "", left.pk: "left_out", gone.pk: "gone"}
    assert (run.expected, LeadChange.objects.failed().count()) == (3, 0)
    assert set(LeadChange.objects.exclude(closed_at=None).values_list("retried_in", flat=True)) == {run.pk}


def test_an_undo_is_bounded_with_all_that_it_takes_back(account):
    marketer = StaffFactory()
    group = Group.objects.get(name="Marketer")
    group.limits.largest_run = 2
    group.limits.save()
    marketer.groups.add(group)
    run = BulkRunFactory(account=account, state=RunState.FINISHED, ended_at=timezone.now())
    at = timezone.now() - dt.timedelta(minutes=5)
    BulkRun.objects.filter(pk=run.pk).update(created_at=at)
    for lead in LeadFactory.create_batch(3, account=account):
        LeadChangeFactory(lead=lead, run=run, status="accepted", settled_at=at)
        ListSubscription.objects.create(lead=lead, mailing_list=account.mailinglists.get(), since=at, source="webhook")
        lead.activities.create(
            account=account,
            kind="list_joined",
            at=at + dt.timedelta(minutes=3),
            source="webhook",
            details={"list": "Buyers"},
        )
    run.refresh_from_db()
    [joined] = side_effects.happened_next(run)

    with pytest.raises(changes.CannotRecord, match="up to 2 leads at once"):
        changes.undo_run(run, by=marketer, also=[joined])
    undone = changes.undo_run(run, by=StaffFactory(is_superuser=True), also=[joined])
    assert (undone.expected, undone.changes.filter(kind="unsubscribe_list").count()) == (3, 3)


def test_a_cancel_gives_way_after_its_time_and_the_sweep_goes_on_with_it():
    """Of a million members: whoever clicked does not wait for all of them, and nothing of the rest is sent."""
    run = BulkRunFactory()
    for _ in range(5):
        LeadChangeFactory(lead=LeadFactory(account=run.account), run=run)

    assert runs.cancel(run, within_s=0, batch=2)

    assert (run.state, run.changes.filter(status="cancelled").count()) == ("cancelling", 2)
    assert not run.changes.due().exists()
    transitions.close_cancelled_members(run.pk, within_s=0, batch=2)
    assert run.changes.filter(status="cancelled").count() == 4
    runs.mend(abandoned_before=timezone.now())
    run.refresh_from_db()
    assert (run.state, run.changes.filter(status="cancelled").count()) == ("cancelled", 5)
