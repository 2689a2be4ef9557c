"""People of a file whom Kartra does not have are no targets of bulk actions."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from leads import changes, kinds, mirror
from leads.changes import preview, retry
from leads.models import Lead, LeadChange, Reason
from tests.factories import (
    AccountFactory,
    BulkRunFactory,
    ConnectionFactory,
    LeadChangeFactory,
    LeadFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    account = AccountFactory()
    TagFactory(account=account, name="VIP")
    return account


@pytest.fixture
def leads(account):
    """One whom Kartra has, one whom a read did not find, one who was never read, one who is being created."""
    LeadFactory(account=account, email="there@example.com")
    LeadFactory(account=account, kartra_id=None, email="absent@example.com", absent_at=timezone.now())
    LeadFactory(account=account, kartra_id=None, email="unread@example.com", read_at=None)
    changes.create_lead(account, {"email": "new@example.com"})
    return Lead.objects.filter(account=account)


def test_they_are_counted_and_left_out(account, leads):
    kind = kinds.get_kind("assign_tag")

    counted = changes.preview_change(account, leads, kind, {"tag": "VIP"})
    run = changes.record_run(account, leads, kind, {"tag": "VIP"}, expected=counted.will_change)

    assert (counted.total, counted.will_change, counted.absent) == (4, 3, 1)
    skipped = run.changes.get(status="skipped")
    assert (skipped.lead.email, skipped.reason) == ("absent@example.com", Reason.ABSENT)
    assert set(run.changes.filter(status="waiting").values_list("lead__email", flat=True)) == {
        "there@example.com",
        "unread@example.com",
        "new@example.com",
    }


def test_first_few_that_would_change_are_others(account, leads):
    kind = kinds.get_kind("assign_tag")
    first = preview.first_to_change(account, leads, kind, {"tag": "VIP"}, preview.NO_CHOICES, 10)
    assert not Lead.objects.filter(pk__in=first, email="absent@example.com").exists()


def test_whoever_was_absent_can_still_be_created(account):
    absent = mirror.create_placeholder(account, "absent@example.com", timezone.now())
    [change] = changes.create_lead(account, {"email": "absent@example.com"})
    assert (change.lead, change.status) == (absent, "waiting")
    assert LeadChange.objects.count() == 1


def test_command_says_it(leads, capsys):
    ConnectionFactory(account=leads[0].account)
    call_command("change", "assign_tag", "--set", "tag=VIP", "--all", "--dry-run")
    printed = capsys.readouterr().out
    assert "3 of 4 leads will change" in printed
    assert "1 not in Kartra, left out" in printed


def refused(lead, kind="assign_tag", **parameters):
    family = kinds.get_kind(kind).family(parameters)
    return LeadChangeFactory(
        lead=lead, kind=kind, parameters=parameters, family=family, status="rejected", settled_at=timezone.now()
    )


def test_trying_again_leaves_them_out_too(account, leads, capsys):
    for lead in leads:
        refused(lead, tag="VIP")
    run = BulkRunFactory(account=account, state="finished", ended_at=timezone.now())
    LeadChange.objects.filter(status="rejected").update(run=run)

    call_command("runs", "retry", str(run.pk))

    again = LeadChange.objects.exclude(retry_of=None)
    skipped = again.get(status="skipped")
    assert (skipped.lead.email, skipped.reason) == ("absent@example.com", Reason.ABSENT)
    assert skipped.words == "Kartra has no lead of this address."
    assert skipped.settled_at is not None
    assert again.filter(status="waiting").count() == 3


def test_trying_a_creation_again_takes_along_what_was_to_ride_with_it(account):
    new = mirror.create_placeholder(account, "new@example.com", timezone.now())
    absent = LeadFactory(account=account, kartra_id=None, email="absent@example.com", absent_at=timezone.now())
    rows = [refused(new, "create_lead", email="new@example.com"), refused(new, tag="VIP"), refused(absent, tag="VIP")]

    run = retry.retry(account, LeadChange.objects.filter(pk__in=[row.pk for row in rows]))

    told = set(run.changes.values_list("lead__email", "kind", "status"))
    assert told == {
        ("new@example.com", "create_lead", "waiting"),
        ("new@example.com", "assign_tag", "waiting"),
        ("absent@example.com", "assign_tag", "skipped"),
    }
