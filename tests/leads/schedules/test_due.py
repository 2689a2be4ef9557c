"""What becomes of a time of a schedule when it comes."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.db import IntegrityError, transaction
from django.utils import timezone

from leads import changes
from leads.changes import runs
from leads.filters.selection import InSegments, as_json
from leads.models import (
    BulkRun,
    GroupLimits,
    Lead,
    LeadChange,
    LeadTag,
    Occurrence,
    Schedule,
    StaffLimits,
)
from leads.models.recipe import RecipeVersion
from leads.schedules import due, recipes, steering
from leads.schedules.planning import Reach
from tests.factories import AccountFactory, LeadFactory, ScheduleFactory, SegmentFactory, StaffFactory, TagFactory

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)
REACHED = Reach()


def leads_of(account, number=3):
    return LeadFactory.create_batch(number, account=account, read_at=timezone.now())


@pytest.fixture
def account():
    found = AccountFactory()
    leads_of(found)
    return found


@pytest.fixture
def schedule(account):
    return ScheduleFactory(account=account, name="Five points")


def come(schedule, reach=REACHED):
    """Let its time come; its last occurrence."""
    due.work(schedule.pk, reach)
    schedule.refresh_from_db()
    return schedule.occurrences.select_related("run").order_by("-due_at").first()


def again(schedule):
    """As if the next time had come."""
    Schedule.objects.filter(pk=schedule.pk).update(next_at=timezone.now() - dt.timedelta(minutes=1))


def test_time_that_has_come_is_a_bulk_action_of_its_owner(schedule):
    due_at = schedule.next_at

    occurrence = come(schedule)

    run = BulkRun.objects.get()
    assert (occurrence.state, occurrence.due_at, occurrence.run, occurrence.members) == ("started", due_at, run, 3)
    assert (run.name, run.created_by, run.approved_by, run.changes.count()) == ("Five points", schedule.owner, None, 3)
    assert schedule.next_at > timezone.now()
    assert schedule.last_members == 3
    come(schedule)
    assert BulkRun.objects.count() == 1


def test_only_leads_that_it_has_not_changed_before(schedule):
    come(schedule)
    leads_of(schedule.account, 2)
    again(schedule)

    occurrence = come(schedule)

    assert (occurrence.members, occurrence.run.changes.count()) == (5, 2)


def test_everybody_again_where_that_is_wanted_and_again_what_was_cancelled(schedule):
    first = come(schedule).run
    runs.cancel(first)
    again(schedule)
    assert come(schedule).run.changes.count() == 3
    Schedule.objects.update(only_new=False)
    again(schedule)
    assert come(schedule).run.changes.count() == 3


def test_set_is_the_one_of_the_time_it_comes(schedule):
    late = leads_of(schedule.account, 1)[0]

    assert late.pk in come(schedule).run.changes.values_list("lead", flat=True)


def test_run_says_by_which_version_of_which_recipe(account):
    recipe = recipes.keep(account, "Points", [["give_points", {"points": 5}]])
    schedule = ScheduleFactory(account=account, recipe=recipe, seen_version=1)

    assert come(schedule).run.recipe_version == RecipeVersion.objects.get(recipe=recipe, version=1)


@pytest.mark.parametrize(("late_by", "state"), [(HOUR, "started"), (5 * HOUR, "started"), (7 * HOUR, "missed")])
def test_time_that_came_while_nothing_was_running(schedule, late_by, state):
    """The grace is six hours."""
    Schedule.objects.update(next_at=timezone.now() - late_by)

    assert come(schedule).state == state
    assert BulkRun.objects.count() == (state == "started")


def test_of_several_times_that_passed_the_last_is_done_once(schedule):
    Schedule.objects.update(next_at=timezone.now() - dt.timedelta(days=3, hours=1), grace_minutes=60 * 24 * 10)

    come(schedule)

    states = list(schedule.occurrences.order_by("due_at").values_list("state", flat=True))
    assert states[-1] == "started"
    assert set(states[:-1]) == {"missed"}
    assert BulkRun.objects.count() == 1


def test_times_of_years_ago_are_not_written_down_one_by_one(schedule):
    Schedule.objects.update(next_at=timezone.now() - dt.timedelta(days=900))

    come(schedule)

    assert 30 <= schedule.occurrences.count() <= 33


def test_once_is_over_afterwards(account):
    on = timezone.localtime(timezone.now() - HOUR, dt.UTC)
    schedule = ScheduleFactory(
        account=account, period="once", on=on.date(), zone="UTC", at=on.time(), next_at=on, last_members=3
    )

    assert come(schedule).state == "started"
    assert (schedule.state, schedule.next_at) == ("over", None)


def test_nothing_to_do_starts_nothing(schedule):
    come(schedule)
    again(schedule)

    occurrence = come(schedule)

    assert (occurrence.state, occurrence.run, occurrence.members) == ("nothing", None, 3)
    assert (schedule.state, BulkRun.objects.count()) == ("on", 1)


# --- it holds and asks


def gone(schedule):
    schedule.owner.delete()


def switched_off(schedule):
    schedule.owner.is_active = False
    schedule.owner.save()


def has_no_right(schedule):
    schedule.owner.is_superuser = False
    schedule.owner.save()


def has_another_account(schedule):
    has_no_right(schedule)
    schedule.owner.user_permissions.set(Permission.objects.all())
    StaffLimits.objects.create(user=schedule.owner, limited=True).accounts.set([AccountFactory()])


def is_too_small(schedule):
    marketer = GroupLimits.objects.get(group__name="Marketer")
    GroupLimits.objects.filter(pk=marketer.pk).update(largest_run=2)
    has_no_right(schedule)
    schedule.owner.groups.add(marketer.group)


def has_more_members(schedule):
    Schedule.objects.update(last_members=40)
    leads_of(schedule.account, 50)


def has_fewer_members(schedule):
    Schedule.objects.update(last_members=40)


def tag_is_gone(schedule):
    Schedule.objects.update(steps=[["assign_tag", {"tag": "Gone"}]])


def is_refused(schedule):
    """Two leads may not share an address."""
    Schedule.objects.update(steps=[["update_lead", {"email": "one@example.com"}]])


def segment_is_gone(schedule):
    Schedule.objects.update(selection=as_json(InSegments((999,))))


def cannot_be_read(schedule):
    Schedule.objects.update(selection={"version": 9})


def puts_back_who_left(schedule):
    Schedule.objects.update(choices={"include_left": True})
    has_no_right(schedule)
    schedule.owner.user_permissions.set(Permission.objects.exclude(codename="resubscribe_list"))


def recipe_was_changed_by_another(schedule):
    recipe = recipes.keep(schedule.account, "Points", [["give_points", {"points": 5}]])
    Schedule.objects.update(recipe=recipe, steps=None, seen_version=1)
    recipes.change(recipe, "Points", [["give_points", {"points": 50}]], "", by=StaffFactory(username="kim"))


HELD = [
    (gone, "schedule_no_owner", "no owner"),
    (switched_off, "schedule_no_owner", "no owner"),
    (has_no_right, "schedule_may_not", "may not"),
    (has_another_account, "schedule_may_not", "may not"),
    (puts_back_who_left, "schedule_may_not", "may not"),
    (is_too_small, "schedule_too_many", "up to 2"),
    (has_more_members, "schedule_differs", "32 % more than the last time: 53 leads, was 40"),
    (has_fewer_members, "schedule_differs", "92 % fewer than the last time: 3 leads, was 40"),
    (tag_is_gone, "schedule_refused", "Gone"),
    (is_refused, "schedule_refused", "at once"),
    (segment_is_gone, "schedule_refused", "Choose the leads again"),
    (cannot_be_read, "schedule_refused", "Choose the leads again"),
    (recipe_was_changed_by_another, "schedule_recipe_changed", "Points was changed by kim"),
]


@pytest.mark.parametrize(("trouble", "code", "words"), HELD, ids=lambda each: getattr(each, "__name__", ""))
def test_it_holds_and_asks(schedule, trouble, code, words):
    trouble(schedule)

    occurrence = come(schedule)

    assert (occurrence.state, occurrence.remark.get("what")) == ("held", code)
    assert words in occurrence.why
    assert (schedule.state, BulkRun.objects.count()) == ("held", 0)
    assert schedule.next_at > timezone.now()


@pytest.mark.parametrize("reach", [Reach(not_sending="Lunch."), Reach(reads=False)])
def test_it_holds_while_kartra_is_not_reached(schedule, reach):
    Lead.objects.filter(account=schedule.account).update(read_at=None)

    assert come(schedule, reach).state == "held"
    assert BulkRun.objects.count() == 0


def test_difference_of_a_few_leads_holds_nothing(schedule):
    Schedule.objects.update(last_members=13)

    assert come(schedule).state == "started"


def test_old_leads_are_read_first(schedule):
    old = Lead.objects.filter(account=schedule.account).first()
    Lead.objects.filter(pk=old.pk).update(read_at=timezone.now() - dt.timedelta(days=30))
    asked = []
    reach = Reach(read=lambda leads: asked.extend(leads))

    occurrence = come(schedule, reach)
    assert (occurrence.state, occurrence.remark["what"], asked) == ("due", "schedule_reading", [old])
    assert due.schedules_with_work(timezone.now()) == {schedule.pk}
    Lead.objects.filter(pk=old.pk).update(read_at=timezone.now(), dirty_at=timezone.now())

    assert come(schedule, reach).state == "started"


def test_old_leads_that_nobody_reads_hold_it_after_the_grace(schedule):
    Lead.objects.filter(account=schedule.account).update(read_at=None)
    come(schedule)
    Occurrence.objects.update(due_at=timezone.now() - 7 * HOUR)

    occurrence = come(schedule)

    assert (occurrence.state, occurrence.remark["what"]) == ("held", "schedule_stale")


def test_while_it_holds_its_times_pass(schedule):
    switched_off(schedule)
    come(schedule)
    again(schedule)

    newest = come(schedule)

    assert (newest.state, newest.remark["what"]) == ("skipped", "schedule_held_before")
    assert list(schedule.occurrences.values_list("state", flat=True)) == ["skipped", "held"]


# --- a person answers


def test_released_it_starts_for_its_owner_approved_by_who_released_it(schedule):
    is_too_small(schedule)
    occurrence, manager = come(schedule), StaffFactory(is_superuser=True)

    run = due.release(occurrence, by=manager)

    assert (run.created_by, run.approved_by, run.changes.count()) == (schedule.owner, manager, 3)
    schedule.refresh_from_db()
    assert (schedule.state, schedule.last_members) == ("on", 3)
    assert due.release(occurrence, by=manager) == run
    assert BulkRun.objects.count() == 1


def test_released_without_an_owner_it_is_of_who_released_it(schedule):
    gone(schedule)
    occurrence, manager = come(schedule), StaffFactory(is_superuser=True)

    run = due.release(occurrence, by=manager)

    assert (run.created_by, run.approved_by) == (manager, None)


@pytest.mark.parametrize("trouble", [is_too_small, has_no_right])
def test_owner_who_may_not_does_not_release_it(schedule, trouble):
    trouble(schedule)
    occurrence = come(schedule)
    before = occurrence.remark
    schedule.owner.refresh_from_db()

    with pytest.raises(changes.CannotRecord):
        due.release(occurrence, by=schedule.owner)

    occurrence.refresh_from_db()
    assert (occurrence.state, occurrence.remark, BulkRun.objects.count()) == ("held", before, 0)


def test_release_of_what_is_refused_still_holds(schedule):
    tag_is_gone(schedule)
    occurrence = come(schedule)

    with pytest.raises(changes.CannotRecord, match="Gone"):
        due.release(occurrence, by=schedule.owner)
    TagFactory(account=schedule.account, name="Gone")

    assert due.release(Occurrence.objects.get(), by=schedule.owner).changes.count() == 3


def test_skipped_once_it_goes_on_with_the_next(schedule):
    switched_off(schedule)
    occurrence = come(schedule)

    assert steering.skip(schedule, occurrence.due_at, by=schedule.owner)
    schedule.refresh_from_db()
    assert (schedule.state, schedule.occurrences.get().state) == ("on", "skipped")


def test_time_ahead_is_skipped_and_that_is_taken_back(schedule):
    Schedule.objects.update(next_at=timezone.now() + HOUR)
    schedule.refresh_from_db()

    assert not steering.skip(schedule, timezone.now(), by=schedule.owner)
    assert not steering.skip(schedule, schedule.next_at + HOUR, by=schedule.owner)


def test_skipped_time_starts_nothing_when_it_comes(schedule):
    Occurrence.objects.create(schedule=schedule, due_at=schedule.next_at, state="skipped")

    come(schedule)

    assert BulkRun.objects.count() == 0
    assert schedule.next_at > timezone.now()


def test_paused_nothing_comes_and_resumed_nothing_is_made_up_for(schedule):
    assert steering.pause(schedule, by=schedule.owner)
    assert not steering.pause(schedule, by=schedule.owner)
    assert come(schedule) is None

    assert steering.resume(schedule)
    assert schedule.next_at > timezone.now()
    assert come(schedule) is None


def test_taken_over_it_acts_for_another(schedule):
    switched_off(schedule)
    manager = StaffFactory(is_superuser=True)
    with pytest.raises(steering.CannotSchedule):
        steering.take_over(schedule, by=StaffFactory())

    steering.take_over(schedule, by=manager)

    assert come(schedule).run.created_by == manager


def test_saved_it_belongs_to_who_saved_it_and_has_a_next_time(account):
    person = StaffFactory()
    schedule = ScheduleFactory.build(account=account, owner=None, next_at=None)

    steering.save(schedule, by=person)

    assert (schedule.owner, schedule.state, schedule.last_members) == (person, "on", 3)
    passed = ScheduleFactory.build(account=account, period="once", on=dt.date(2026, 1, 1), owner=None, next_at=None)
    with pytest.raises(steering.CannotSchedule, match="passed"):
        steering.save(passed, by=person)


# --- never twice, never lost


def test_worker_that_was_too_slow_starts_nothing(schedule, monkeypatch):
    """Another took the row after the lease: what the first one writes is undone."""
    counted = changes.preview_change

    def slow(*given, **more):
        Occurrence.objects.update(claimed_at=timezone.now())
        return counted(*given, **more)

    monkeypatch.setattr(changes, "preview_change", slow)

    assert come(schedule).state == "due"
    assert (BulkRun.objects.count(), LeadChange.objects.count()) == (0, 0)


def test_worker_that_died_is_taken_over_after_the_lease(schedule):
    due.write_down(schedule.pk, timezone.now())
    Occurrence.objects.update(claimed_at=timezone.now())
    assert come(schedule).state == "due"
    Occurrence.objects.update(claimed_at=timezone.now() - due.LEASE - HOUR)

    assert come(schedule).state == "started"


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"steps": None},
        {"period": "weekly"},
        {"period": "weekly", "weekday": 7},
        {"period": "monthly"},
        {"period": "monthly", "day": 32},
        {"period": "once"},
        {"period": "never"},
        {"day": 3},
        {"state": "on", "next_at": None},
        {"state": "paused"},
        {"state": "over"},
    ],
)
def test_table_of_schedules_refuses(values):
    with pytest.raises(IntegrityError), transaction.atomic():
        ScheduleFactory(**values)


def test_table_of_times_refuses_what_must_never_be(schedule):
    at, run = timezone.now(), BulkRun.objects.create(account=schedule.account, name="a", kind="assign_tag")
    Occurrence.objects.create(schedule=schedule, due_at=at, state="held")
    for wrong in (
        {"due_at": at},
        {"due_at": at + HOUR, "state": "held"},
        {"due_at": at + HOUR, "state": "skipped", "run": run},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Occurrence.objects.create(schedule=schedule, **wrong)


def test_number_of_queries_does_not_grow_with_leads(schedule, django_assert_max_num_queries):
    leads_of(schedule.account, 40)

    with django_assert_max_num_queries(45):
        assert come(schedule).run.changes.count() == 43


def test_segment_is_what_it_is_at_the_time(account):
    tag = TagFactory(account=account)
    segment = SegmentFactory(account=account, name="Tagged", conditions={"tag": [str(tag.pk)]})
    schedule = ScheduleFactory(account=account, selection=as_json(InSegments((segment.pk,))))
    lead = Lead.objects.filter(account=account).last()
    LeadTag.objects.create(lead=lead, tag=tag, since=timezone.now())

    occurrence = come(schedule)

    assert (occurrence.members, occurrence.run.changes.get().lead) == (1, lead)
