"""Bulk runs: frozen as previewed, in few statements and in batches, refused in words, steered once."""

import pytest
from django.utils import timezone

from leads import changes, kinds
from leads.changes import runs
from leads.models import BulkRun, Lead, LeadChange, LeadTag
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db

ASSIGN = kinds.get_kind("assign_tag")
VIP = {"tag": "VIP"}


@pytest.fixture
def account():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    return account


def mixed(account):
    """One of each: free, tagged, tagged but about to be untagged, gone, known by address alone."""
    tag = account.tags.get()
    _, tagged, doubtful, gone = LeadFactory.create_batch(4, account=account)
    LeadFactory(account=account, kartra_id=None, email="only@example.com")
    for lead in (tagged, doubtful):
        LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now(), source="refresh")
    LeadChangeFactory(lead=doubtful, kind="unassign_tag")
    Lead.objects.filter(pk=gone.pk).update(gone_at=timezone.now(), gone_reason="deleted")
    return Lead.objects.filter(account=account)


def test_preview_and_run_agree(account):
    leads = mixed(account)

    counted = changes.preview_change(account, leads, ASSIGN, VIP)
    run = changes.record_run(
        account, leads, ASSIGN, VIP, by=StaffFactory(is_superuser=True), why="x", expected=counted.will_change
    )

    assert (counted.total, counted.will_change, counted.already_so, counted.gone) == (5, 3, 1, 1)
    assert (counted.id_not_known, counted.opposite_waiting, counted.calls) == (1, 1, 3)
    counts = run.changes.counts()
    assert (counts["waiting"], counts["skipped"], sum(counts.values())) == (3, 2, 5)
    assert set(run.changes.filter(status="skipped").values_list("reason", flat=True)) == {"already_so", "gone"}
    one = run.changes.filter(status="waiting").first()
    assert run.name == "Assign the tag VIP"
    assert (one.parameters, one.family, one.kind, one.why) == (VIP, "tag:VIP", "assign_tag", "x")
    assert one.requested_by == run.created_by


def test_freezing_costs_the_same_queries_for_any_number(account, django_assert_max_num_queries):
    LeadFactory.create_batch(40, account=account)
    with django_assert_max_num_queries(14):
        changes.record_run(account, Lead.objects.all(), ASSIGN, VIP)


def test_large_sets_are_frozen_in_batches(account):
    LeadFactory.create_batch(20, account=account)
    run = changes.record_run(account, Lead.objects.all(), ASSIGN, VIP, batch=7)
    assert (run.state, run.changes.count()) == ("running", 20)
    runs.cancel(run)
    assert (run.state, run.changes.counts()["cancelled"]) == ("cancelled", 20)


def test_run_with_nothing_to_send_is_finished_at_once(account):
    lead = LeadFactory(account=account)
    LeadTag.objects.create(lead=lead, tag=account.tags.get(), since=timezone.now(), source="refresh")
    assert changes.record_run(account, Lead.objects.all(), ASSIGN, VIP).state == "finished"


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "choose one"),
        ({"tag": "no"}, "not in our copy"),
        ({"tag": "VIP", "x": 1}, "does not take x"),
        ({"tag": " VIP"}, "not in our copy"),
    ],
)
def test_bad_parameters_are_refused_in_words_and_nothing_is_recorded(account, parameters, words):
    LeadFactory(account=account)
    with pytest.raises(kinds.BadParameters, match=words):
        changes.record_run(account, Lead.objects.all(), ASSIGN, parameters)
    assert not BulkRun.objects.exists()
    assert not LeadChange.objects.exists()


def test_steering_twice_is_steering_once(account):
    LeadFactory(account=account)
    run = changes.record_run(account, Lead.objects.all(), ASSIGN, VIP)
    assert [runs.pause(run), runs.pause(run), runs.resume(run), runs.resume(run)] == [
        True,
        False,
        True,
        False,
    ]
    assert [runs.cancel(run), runs.cancel(run)] == [True, False]
    run.refresh_from_db()
    assert run.state == "cancelled"
