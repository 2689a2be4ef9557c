"""A recipe for those who enter: once per person, up to a ceiling a day, with the rights that the owner has then."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from leads import mirror, watching
from leads.models import BulkRun, LeadChange, StaffLimits, Watch, WatchEntry
from tests.factories import AccountFactory, LeadChangeFactory, RecipeFactory, SegmentFactory, StaffFactory
from tests.leads.watching.conftest import fresh, looked, tag, tagged, untag

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def acted(watch, at=NOW):
    run = watching.act(fresh(watch), at)
    return run and {change.lead_id for change in run.changes.all()}


def waiting(watch):
    return set(WatchEntry.objects.filter(watch=watch, waits=True).values_list("lead", flat=True))


def test_recipe_is_started_once_per_person_with_the_owners_name(watch, account, owner):
    leads = tagged(account, number=3)
    looked(watch)

    assert acted(watch) == {lead.pk for lead in leads}
    untag(leads[0])
    looked(watch)
    tag(leads[0])
    looked(watch)
    assert acted(watch) is None
    run = BulkRun.objects.get()
    assert (run.created_by, run.name) == (owner, "Welcome · Buyers")
    assert set(WatchEntry.objects.values_list("run", "waits")) == {(run.pk, False)}


def test_over_the_ceiling_waits_for_tomorrow(watch, account):
    Watch.objects.update(daily_ceiling=2)
    leads = tagged(account, number=5)
    looked(watch)

    days = [acted(watch, NOW + dt.timedelta(days=day, seconds=second)) for day in range(3) for second in (0, 1)]

    assert [each and len(each) for each in days] == [2, None, 2, None, 1, None]
    assert set().union(*filter(None, days)) == {lead.pk for lead in leads}


def test_nobody_waits_where_no_recipe_is_chosen(segment, owner, account, recipe):
    watch = looked(watching.set_watch(segment, owner=owner))
    tagged(account)
    looked(watch)
    watching.set_watch(segment, owner=owner, recipe=recipe)

    assert acted(watch) is None
    assert WatchEntry.objects.count() == 1


def leave(owner, account, recipe):
    owner.is_active = False
    owner.save()


def lose_the_group(owner, account, recipe):
    owner.groups.clear()


def lose_the_account(owner, account, recipe):
    StaffLimits.objects.create(user=owner, limited=True).accounts.set([AccountFactory()])


def be_deleted(owner, account, recipe):
    owner.delete()


def lower_the_bound(owner, account, recipe):
    owner.groups.get().limits.__class__.objects.filter(group=owner.groups.get()).update(largest_run=2)


def lose_the_tag(owner, account, recipe):
    account.tags.get(name="welcomed").delete()


def lose_the_recipe(owner, account, recipe):
    recipe.delete()


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (leave, "does not work here any more"),
        (lose_the_group, "may not start this recipe"),
        (lose_the_account, "may not start this recipe"),
        (be_deleted, "Nobody answers for it"),
        (lower_the_bound, "You may change up to 2 leads at once"),
        (lose_the_tag, "welcomed"),
        (lose_the_recipe, "Its recipe was deleted"),
    ],
)
def test_what_the_owner_may_not_pauses_with_the_reason_and_loses_nobody(watch, account, owner, recipe, happens, words):
    leads = tagged(account, number=3)
    looked(watch)
    happens(owner, account, recipe)

    assert acted(watch) is None
    assert acted(watch) is None
    assert words in fresh(watch).why_paused
    assert waiting(watch) == {lead.pk for lead in leads}
    assert not BulkRun.objects.exists()


def test_somebody_else_takes_it_over_and_those_who_waited_are_acted_on(watch, account, owner):
    leads = tagged(account, number=3)
    looked(watch)
    owner.is_active = False
    owner.save()
    acted(watch)
    boss = StaffFactory(is_superuser=True)

    watching.resume(fresh(watch), boss)

    assert acted(watch) == {lead.pk for lead in leads}
    assert BulkRun.objects.get().created_by == boss


def test_who_waited_for_a_deleted_recipe_gets_the_next_one(watch, account, owner, recipe):
    [lead] = tagged(account)
    looked(watch)
    recipe.delete()
    acted(watch)

    with pytest.raises(watching.CannotWatch, match="recipe was deleted"):
        watching.resume(fresh(watch), owner)
    other = RecipeFactory(account=account, steps=[["assign_tag", {"tag": "asked"}]])
    watching.set_watch(watch.segment, owner=owner, recipe=other)
    assert acted(watch) == {lead.pk}


def test_paused_by_a_person_who_enters_waits_or_is_left_out(watch, account, owner):
    watching.pause_by(watch, owner, NOW)
    leads = tagged(account, number=2)
    looked(watch)

    assert acted(watch) is None
    assert waiting(watch) == {lead.pk for lead in leads}
    assert watching.leave_out_waiting(watch) == 2
    watching.resume(fresh(watch), owner)
    assert acted(watch) is None


def test_who_may_not_start_the_recipe_cannot_set_it_up(segment, recipe):
    clerk = StaffFactory()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["assign_tag"]))

    with pytest.raises(watching.CannotWatch, match="may not start this recipe"):
        watching.set_watch(segment, owner=clerk, recipe=recipe)
    with pytest.raises(watching.CannotWatch, match="another account"):
        watching.set_watch(segment, owner=StaffFactory(is_superuser=True), recipe=RecipeFactory())


def test_entry_and_bulk_action_are_written_together_or_not_at_all(watch, account):
    """A process that dies between the two leaves everybody waiting."""
    leads = tagged(account, number=2)
    looked(watch)

    class Killed(BaseException):
        pass

    def die(execute, sql, params, many, context):
        if sql.startswith('UPDATE "leads_watchentry"'):
            assert LeadChange.objects.count() == 2
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die), pytest.raises(Killed):
        acted(watch)

    assert not LeadChange.objects.exists()
    assert waiting(watch) == {lead.pk for lead in leads}
    assert acted(watch) == {lead.pk for lead in leads}


@pytest.mark.parametrize(("number", "pauses"), [(5, True), (4, False)])
def test_automation_in_kartra_that_answers_pauses(watch, account, number, pauses):
    leads = tagged(account, number=10)
    looked(watch)
    acted(watch, timezone.now())
    for lead in leads:
        change = LeadChange.objects.get(lead=lead)
        tag(lead, "welcomed")
        LeadChange.objects.filter(pk=change.pk).update(status="accepted", settled_at=timezone.now())
    for lead in leads[:number]:
        untag(lead, "welcomed")
    tagged(account)
    looked(watch)

    again = acted(watch, timezone.now())

    assert (again is None) == pauses
    assert ("assign the tag welcomed" in fresh(watch).why_paused) == pauses
    assert ("5 of 10 leads" in fresh(watch).why_paused) == pauses


def test_our_own_removal_is_no_answer_of_kartra(watch, account):
    leads = tagged(account, number=6)
    looked(watch)
    acted(watch, timezone.now())
    for lead in leads:
        tag(lead, "welcomed")
        ours = LeadChangeFactory(lead=lead, kind="unassign_tag", parameters={"tag": "welcomed"})
        mirror.set_tag(lead, "welcomed", False, source="push", at=timezone.now(), change=ours)
    tagged(account)
    looked(watch)

    assert acted(watch, timezone.now()) is not None


def test_whom_no_bulk_action_touches_neither_pauses_a_watch_nor_waits(watch, account):
    staff = SegmentFactory(account=account, name="Staff", conditions={"country": ["Japan"]})
    account.never_touched = staff
    account.save()
    own, other = tagged(account, number=2)
    type(own).objects.filter(pk=own.pk).update(country="Japan")
    looked(watch)

    assert acted(watch) == {other.pk}
    assert acted(watch) is None
    type(other).objects.filter(pk=other.pk).update(country="Japan")
    [alone] = tagged(account)
    type(alone).objects.filter(pk=alone.pk).update(country="Japan")
    looked(watch)

    assert acted(watch) is None
    assert (fresh(watch).is_on, waiting(watch)) == (True, set())
