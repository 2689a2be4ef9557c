"""Wishes: recorded on sets, counted as previewed, refused in words."""

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from leads import changes, kinds
from leads.changes import runs
from leads.models import BulkRun, CustomField, Lead, LeadChange, LeadTag
from leads.signals import changes_recorded
from tests.factories import AccountFactory, LeadChangeFactory, LeadFactory, StaffFactory, TagFactory
from tests.recording import record_change

pytestmark = pytest.mark.django_db

ASSIGN, UNASSIGN = kinds.get_kind("assign_tag"), kinds.get_kind("unassign_tag")
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


def test_no_leads_foreign_leads_and_gone_leads_are_refused(account):
    with pytest.raises(changes.CannotRecord, match="nothing to do"):
        changes.record_run(account, Lead.objects.none(), ASSIGN, VIP)
    LeadFactory()
    with pytest.raises(changes.CannotRecord, match="more than one account"):
        changes.record_run(account, Lead.objects.all(), ASSIGN, VIP)
    gone = LeadFactory(account=account, gone_at=timezone.now(), gone_reason="deleted")
    with pytest.raises(changes.CannotRecord, match="deleted in Kartra"):
        record_change(gone, ASSIGN, VIP)


@pytest.mark.django_db(transaction=True)
def test_the_outside_is_told_after_the_commit():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    lead = LeadFactory(account=account)
    heard = []

    def hear(sender, account_id, **kwargs):
        heard.append((account_id, LeadChange.objects.count()))

    changes_recorded.connect(hear)
    try:
        with transaction.atomic():
            record_change(lead, ASSIGN, VIP)
            assert heard == []
        assert heard == [(account.pk, 1)]
    finally:
        changes_recorded.disconnect(hear)


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


def test_unknown_kind_says_which_there_are():
    with pytest.raises(kinds.UnknownKind, match="assign_tag"):
        kinds.get_kind("nope")


@pytest.mark.parametrize(
    "wrong", [{"status": "accepted"}, {"settled_at": timezone.now()}, {"reason": "gone"}, {"status": "undecided"}]
)
def test_impossible_states_are_refused_by_the_database(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        LeadChangeFactory(**wrong)


def test_every_kind_is_whole(account):
    """A kind has an encoder and a proof, a permission that exists, an inverse that points back, and words."""
    from django.contrib.auth.models import Permission

    from integrations.translate import WIRE_FORMATS

    permissions = {
        f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")
    }
    assert set(WIRE_FORMATS) == set(kinds.ALL)
    for kind in kinds.ALL.values():
        assert kind.permission in permissions
        assert not kind.inverse or kinds.get_kind(kind.inverse).name != kind.name
        assert kind.label
        assert kind.sentence({}).strip()
        assert set(kind.fields(account))


@pytest.mark.parametrize("identifier", ["crm_ref", "contains", "isnull", "a__exact", "with-dash", "7"])
def test_custom_field_that_is_so_already_whatever_its_name(account, identifier):
    CustomField.objects.create(account=account, identifier=identifier, type="input_field")
    LeadFactory(account=account, custom_values={identifier: "A-7"})
    LeadFactory(account=account, custom_values={identifier: "A-8"})
    leads = Lead.objects.filter(account=account)
    leads.update(read_at=timezone.now())

    counted = changes.preview_change(account, leads, kinds.get_kind("update_lead"), {f"custom.{identifier}": "A-7"})

    assert (counted.total, counted.already_so) == (2, 1)


@pytest.mark.parametrize("name", sorted(kinds.ALL))
def test_every_kind_says_what_is_so_once_it_is_done(name):
    given = {
        "tag": "VIP",
        "list": "News",
        "sequence": "Start",
        "step": 2,
        "points": 5,
        "calendar": "Talk",
        "class": "One",
    }
    given |= {
        "date": "2027-01-31",
        "hour": "15:00",
        "transaction": "70",
        "subscription": "80",
        "amount": "9.00",
        "city": "Bend",
    }

    said = kinds.get_kind(name).done_message("Ada Lind", given)

    assert "Ada Lind" in said
    assert said.endswith(".")
    assert said != kinds.get_kind(name).sentence(given)
