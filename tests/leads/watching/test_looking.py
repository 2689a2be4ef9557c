"""Who is in a watched segment is kept by what changed, and once a day whole; the first look says nothing."""

import datetime as dt

import pytest
from django.utils import timezone

from leads import mirror, watching
from leads.models import Lead, Segment, SegmentMember, Watch, WatchEntry
from leads.person.held import held_of
from leads.watching import looking
from tests.all_are_over import all_are_over
from tests.factories import LeadFactory, SegmentFactory
from tests.leads.watching.conftest import fresh, looked, tag, tag_unseen, tagged, untag

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def members(watch):
    return set(SegmentMember.objects.filter(segment=watch.segment).values_list("lead", flat=True))


def entered(watch):
    return set(WatchEntry.objects.filter(watch=watch).values_list("lead", flat=True))


def test_first_look_fills_in_silently(account, segment, owner, recipe):
    leads = tagged(account, number=3)

    watch = looked(watching.set_watch(segment, owner=owner, recipe=recipe))

    assert members(watch) == {lead.pk for lead in leads}
    assert (entered(watch), watch.untold) == (set(), 0)


def test_who_comes_in_is_written_down_once_and_who_goes_is_no_member(watch, account):
    stays, goes = tagged(account, number=2)
    watch = looked(watch)
    untag(goes)
    watch = looked(looked(watch))
    tag(goes)
    watch = looked(watch)

    assert members(watch) == entered(watch) == {stays.pk, goes.pk}
    assert watch.untold == 3
    assert dict(WatchEntry.objects.values_list("lead", "times")) == {stays.pk: 1, goes.pk: 2}


def test_other_conditions_are_filled_in_silently(watch, account, tags):
    LeadFactory.create_batch(2, account=account, country="Peru")
    peru = SegmentFactory(account=account, name="Peru", conditions={"country": ["Peru"]})
    Segment.objects.filter(pk=watch.segment_id).update(selection=peru.selection)

    watch = looked(watch)

    assert members(watch) == set(Lead.objects.filter(country="Peru").values_list("pk", flat=True))
    assert entered(watch) == set()


def test_conditions_of_a_segment_below_are_conditions_of_it(account, tags, owner):
    below = SegmentFactory(account=account, name="Below", conditions={"country": ["Peru"]})
    above = SegmentFactory(account=account, name="Above", conditions={"segment": [str(below.pk)]})
    before = looking.description(above)
    Segment.objects.filter(pk=below.pk).update(
        selection=SegmentFactory(account=account, name="Fiji", conditions={"country": ["Fiji"]}).selection
    )

    assert looking.description(above) != before


def test_filter_that_cannot_be_read_pauses_and_lets_nobody_go(watch, account):
    [lead] = tagged(account)
    watch = looked(watch)
    Segment.objects.filter(pk=watch.segment_id).update(selection={"version": 99})

    watch = looked(watch)

    assert members(watch) == {lead.pk}
    assert "cannot be read" in watch.why_paused


def test_look_that_breaks_off_goes_on_and_stays_silent(account, segment, owner, recipe):
    leads = tagged(account, number=3)
    watch = fresh(watching.set_watch(segment, owner=owner, recipe=recipe))

    assert looking.look(watch, NOW, until_s=-1).more
    assert fresh(watch).whole_at is None
    assert members(looked(watch)) == {lead.pk for lead in leads}
    assert entered(watch) == set()


def test_watch_that_ends_forgets_its_members(watch, account):
    tagged(account)
    watching.stop_watching(looked(watch))

    assert (Watch.objects.count(), SegmentMember.objects.count(), WatchEntry.objects.count()) == (0, 0, 0)
    assert Lead.objects.count() == 1


def test_person_can_see_and_take_away_that_they_were_watched(watch, account):
    [lead] = tagged(account)
    looked(watch)

    sections = {section.name: section.rows for section in held_of(lead).sections}

    assert [row["segment"] for row in sections["leads.segmentmember"]] == ["Buyers"]
    assert [row["segment"] for row in sections["leads.watchentry"]] == ["Buyers"]
    lead.delete()
    assert not SegmentMember.objects.exists()
    assert not WatchEntry.objects.exists()


def test_two_rows_of_one_person_are_one_member(watch, account):
    """Known by address alone and by id, until a read tells that they are one."""
    by_id, by_address = tagged(account, number=2)
    Lead.objects.filter(pk=by_address.pk).update(kartra_id=None)
    by_address.refresh_from_db()
    watch = looked(watch)

    mirror.attach_kartra_id(by_address, by_id.kartra_id, NOW)

    assert members(watch) == entered(watch) == {by_id.pk}


@pytest.mark.django_db(transaction=True)
class TestByWhatChanged:
    """With what other transactions committed."""

    def test_only_changed_leads_are_looked_at(self, watch, account, django_assert_max_num_queries):
        self.look(watch)
        others = tagged(account, number=30)
        self.look(watch)
        all_are_over()
        with django_assert_max_num_queries(8) as nothing:
            looking.look(fresh(watch), timezone.now())
        [lead] = tagged(account)
        all_are_over()

        with django_assert_max_num_queries(24) as context:
            looking.look(fresh(watch), timezone.now())

        assert entered(watch) == {lead.pk, *(each.pk for each in others)}
        assert len(context.captured_queries) < len(nothing.captured_queries) + 12
        touched = " ".join(each["sql"] for each in context.captured_queries if "segmentmember" in each["sql"])
        assert str(lead.pk) in touched

    def test_what_touches_no_lead_is_found_by_the_daily_look(self, watch, account):
        lead = LeadFactory(account=account)
        self.look(watch)
        tag_unseen(lead)

        self.look(watch)
        assert entered(watch) == set()
        looking.look(fresh(watch), timezone.now() + dt.timedelta(days=1))
        assert entered(watch) == {lead.pk}

    def look(self, watch):
        all_are_over()
        looking.look(fresh(watch), timezone.now())
