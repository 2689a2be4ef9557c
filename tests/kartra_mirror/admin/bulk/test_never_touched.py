"""A segment that no bulk action of its account touches, whichever way one is recorded."""

import pytest
from django.utils import timezone

from leads import changes, kinds, mirror
from leads.changes import create_many, retry, undo
from leads.changes.members import never_among
from leads.importing.people_list import Person
from leads.models import BulkRun, Lead, LeadChange, Segment
from tests.factories import LeadFactory, SegmentFactory, TagFactory
from tests.kartra_mirror.admin.drafts import choose, preview

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(account):
    """Three from Fiji; two from Peru, whom no bulk action touches."""
    LeadFactory.create_batch(3, account=account, country="Fiji")
    LeadFactory.create_batch(2, account=account, country="Peru")
    account.never_touched = SegmentFactory(account=account, name="Press", conditions={"country": ["Peru"]})
    account.save()
    return account


def everybody(account):
    return Lead.objects.filter(account=account)


def of(rows):
    return set(rows.values_list("lead__country", flat=True))


def tag_all(account, **more):
    return changes.record_run(account, everybody(account), kinds.ASSIGN_TAG, {"tag": "VIP"}, **more)


def test_preview_counts_them_and_the_run_leaves_them_out(account):
    counted = changes.preview_change(account, everybody(account), kinds.ASSIGN_TAG, {"tag": "VIP"})
    run = tag_all(account)

    assert (counted.total, counted.will_change, counted.never_touched) == (5, 3, 2)
    assert (of(run.changes.all()), run.changes.count()) == ({"Fiji"}, 3)


def test_page_names_them_and_its_start_leaves_them_out(staff, account):
    url = choose(staff, everybody(account), everything=True)
    shown = preview(staff, url)

    text = staff.get(url).content.decode()
    assert "2 are always left out" in text
    assert [(group["group"], group["number"]) for group in shown["left_out"]] == [("never_touched", 2)]
    names = staff.get(f"{url}?group=never_touched").context_data["shown"]
    assert {lead.email for lead in names} == set(
        everybody(account).filter(country="Peru").values_list("email", flat=True)
    )
    staff.post(url, {"do": "start", "mark": shown["mark"], "why": ""})
    assert of(LeadChange.objects.all()) == {"Fiji"}


def test_nobody_else_is_a_sentence(account):
    with pytest.raises(changes.CannotRecord, match="always left out of bulk actions"):
        changes.record_run(account, everybody(account).filter(country="Peru"), kinds.ASSIGN_TAG, {"tag": "VIP"})


def test_segment_that_cannot_be_read_leaves_out_everybody(account):
    Segment.objects.update(selection={"version": 99})
    account.refresh_from_db()

    counted = changes.preview_change(account, everybody(account), kinds.ASSIGN_TAG, {"tag": "VIP"})

    assert (counted.will_change, counted.never_touched) == (0, 5)
    with pytest.raises(changes.CannotRecord):
        tag_all(account)


def carried_out(run):
    for change in run.changes.select_related("lead"):
        mirror.set_tag(change.lead, "VIP", True, source="push", at=timezone.now(), change=change)
        LeadChange.objects.filter(pk=change.pk).update(status="accepted", settled_at=timezone.now())
    BulkRun.objects.filter(pk=run.pk).update(state="finished", ended_at=timezone.now())


def test_undo_leaves_out_who_came_under_it_since(account):
    run = tag_all(account)
    carried_out(run)
    moved = everybody(account).filter(country="Fiji").first()
    Lead.objects.filter(pk=moved.pk).update(country="Peru")
    run.refresh_from_db()

    [group] = undo.groups(run)
    undone = changes.undo_run(run)

    assert (group.number[undo.STANDS], group.number[undo.OUT]) == (2, 1)
    assert of(undone.changes.all()) == {"Fiji"}
    assert undone.changes.count() == 2


def test_trying_again_leaves_them_refused(account):
    account.never_touched, segment = None, account.never_touched
    run = tag_all(account)
    run.changes.update(status="rejected", settled_at=timezone.now())
    account.never_touched = segment
    account.save()

    again = retry.retry(account, LeadChange.objects.failed())

    assert of(again.changes.all()) == {"Fiji"}
    assert of(LeadChange.objects.failed()) == {"Peru"}


def test_who_is_known_by_address_alone_is_not_created(account):
    LeadFactory(account=account, kartra_id=None, email="press@example.com", country="Peru")
    people = [Person(line, {"email": email}) for line, email in enumerate(["press@example.com", "n@example.com"])]

    found = create_many.sort_people(account, people)
    run = create_many.create_leads(account, people)

    assert ([person.email for person in found.new], found.never_touched) == (["n@example.com"], 1)
    assert set(run.changes.values_list("lead__email", flat=True)) == {"n@example.com"}


def test_accounts_without_one_cost_nothing_more(account, django_assert_num_queries):
    account.never_touched = None
    account.save()

    with django_assert_num_queries(0):
        assert list(never_among(account, everybody(account))) == []


def test_account_page_offers_its_own_segments_and_keeps_the_chosen_one(staff, account):
    other = SegmentFactory(account=TagFactory().account, name="Elsewhere", conditions={"country": ["Peru"]})
    url = f"/admin/leads/account/{account.pk}/change/"
    told = {"name": account.name, "time_zone": account.time_zone}

    assert "Elsewhere" not in staff.get(url).content.decode()
    staff.post(url, {**told, "never_touched": other.pk})
    account.refresh_from_db()
    assert account.never_touched.name == "Press"
    staff.post(url, {**told, "never_touched": ""})
    account.refresh_from_db()
    assert account.never_touched is None


def test_segment_that_is_always_left_out_cannot_be_deleted(staff, account):
    segment = account.never_touched

    answer = staff.post(f"/admin/leads/segment/{segment.pk}/do/delete/", follow=True)

    text = answer.content.decode()
    assert "bulk actions always leave it out" in text
    assert "Bulk actions always leave out who is in it." in text
    assert Segment.objects.filter(pk=segment.pk).exists()
