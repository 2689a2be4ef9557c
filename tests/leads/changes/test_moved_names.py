"""A tag that was renamed or deleted in Kartra: whoever uses its name is told before, with who is affected."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from leads import mirror
from leads.changes import moved_names
from leads.filters.segments import conditions_of
from leads.models import Activity, LeadChange, LeadTag, RunDraft, Source, Tag
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    LeadChangeFactory,
    LeadFactory,
    MailingListFactory,
    SegmentFactory,
    TagFactory,
)

pytestmark = pytest.mark.django_db

AT = dt.datetime(2026, 11, 12, 15, 0, tzinfo=dt.UTC)


@pytest.fixture
def account():
    return ConnectionFactory(sending="on").account


@pytest.fixture
def renamed(account):
    """Three leads had the tag cold. It is "cold leads" in Kartra now, and our copy has heard of it."""
    cold = TagFactory(account=account, name="cold")
    TagFactory(account=account, name="VIP")
    Tag.objects.update(first_seen_at=AT - dt.timedelta(days=90))
    leads = [LeadFactory(account=account) for _ in range(5)]
    for lead in leads[:3]:
        mirror.set_tag(lead, "cold", True, source=Source.WEBHOOK, at=AT)
    for lead in leads[:3]:
        mirror.set_tag(lead, "cold", False, source=Source.WEBHOOK, at=AT)
        mirror.set_tag(lead, "cold leads", True, source=Source.WEBHOOK, at=AT)
    mirror.set_catalogue(account, Tag, ["VIP", "cold leads"], AT)
    return cold


@pytest.fixture
def segment(account, renamed):
    return SegmentFactory(account=account, name="Not cold", conditions={"not_tag": [str(renamed.pk)]})


SENTENCE = (
    "The tag “cold” is no longer in Kartra since 12 Nov 2026 15:00. It is left out here, but no lead of our copy has it any "
    "more: nobody is left out by it. 3 leads lost it around that time. New in Kartra since about then: “cold leads”."
)


def test_filter_that_leaves_out_a_renamed_tag_says_so(segment):
    with timezone.override(dt.UTC):
        assert moved_names.in_conditions(conditions_of(segment.selection)) == [SENTENCE]


def test_segment_that_builds_on_it_says_so_too(account, segment):
    above = SegmentFactory(
        account=account, name="More", conditions={"segment": [str(segment.pk)], "country": ["Spain"]}
    )
    with timezone.override(dt.UTC):
        assert moved_names.in_conditions(conditions_of(above.selection)) == [SENTENCE]


def test_name_that_is_there_or_another_accounts_is_not_spoken_of(account, renamed):
    vip = Tag.objects.get(name="VIP")
    assert moved_names.in_conditions({"tag": [str(vip.pk)], "not_tag": ["x"]}) == []
    assert moved_names.in_conditions({"tag": [str(renamed.pk)]}, frozenset({account.pk + 1})) == []


def test_who_still_has_it_is_counted(account, renamed):
    lead = LeadFactory(account=account)
    LeadTag.objects.create(lead=lead, tag=renamed, since=AT, source="import")
    [words] = moved_names.in_conditions({"not_tag": [str(renamed.pk)]})
    assert "and only 1 lead of our copy has it still." in words
    [words] = moved_names.in_conditions({"tag": [str(renamed.pk)]})
    assert "1 lead of our copy has it still." in words


def test_lists_are_told_alike_and_reads_tell_who_left(account):
    mailing_list = MailingListFactory(account=account, name="Buyers", missing_since=AT)
    Activity.objects.create(
        account=account,
        lead=LeadFactory(account=account),
        kind="changed_in_kartra",
        at=AT,
        source="refresh",
        details={"field": "list Buyers", "was": True, "is": False},
    )
    [words] = moved_names.in_conditions({"not_list": [str(mailing_list.pk)]})
    assert words.startswith("The list “Buyers” is no longer in Kartra")
    assert "1 lead lost it around that time." in words


@pytest.mark.parametrize("dry_run", [True, False])
def test_command_says_it_before_anything_is_recorded(segment, capsys, dry_run):
    call_command(
        "change", "assign_tag", "--set", "tag=VIP", "--segment", "Not cold", *(["--dry-run"] if dry_run else [])
    )
    assert "nobody is left out by it" in capsys.readouterr().err
    assert LeadChange.objects.exists() is not dry_run


def test_pages_say_it_before_it_is_used(segment, account, admin_client, admin_user):
    query = f"segment={segment.pk}"
    draft = RunDraft.objects.create(
        created_by=admin_user,
        account=account,
        kind="assign_tag",
        selection={"version": 1, "leads": {"segments": [segment.pk]}},
        listed=query,
        parameters={"clean": {"tag": "VIP"}, "form": {}},
    )
    for url in (
        segment.get_absolute_url(),
        draft.get_absolute_url(),
        f"{reverse('admin:leads_lead_changelist')}?{query}",
    ):
        assert "nobody is left out by it" in admin_client.get(url).content.decode(), url


def test_queued_changes_that_name_it_are_told_on_their_page_and_on_home(account, renamed, admin_client):
    run = BulkRunFactory(account=account, name="Assign the tag cold", parameters={"tag": "cold"})
    for _ in range(2):
        LeadChangeFactory(lead__account=account, run=run, parameters={"tag": "cold"})
    LeadChangeFactory(lead__account=account, run=run, parameters={"tag": "VIP"})

    words = "and 2 queued changes name it. New in Kartra since about then: “cold leads”."

    assert words in admin_client.get(run.get_absolute_url()).content.decode()
    assert words in admin_client.get(reverse("admin:index")).content.decode()
    assert [number for _thing, number in moved_names.waiting()] == [2]
    assert moved_names.waiting([account.pk + 1]) == []
