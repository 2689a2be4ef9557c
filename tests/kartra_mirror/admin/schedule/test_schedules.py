"""Schedules on pages: the calendar, making one, and what is one click."""

import datetime as dt
import zoneinfo

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from leads.filters.selection import InSegments, NoneOf, WithIds, as_json
from leads.models import BulkRun, Occurrence, RunDraft, Schedule, ScheduleRemark, StaffPreferences
from leads.models.remarks import remark
from leads.schedules import due, recipes
from leads.schedules.planning import Reach
from tests.factories import BulkRunFactory, LeadFactory, ScheduleFactory, SegmentFactory, StaffFactory
from tests.kartra_mirror.admin.drafts import choose, preview

pytestmark = pytest.mark.django_db

CALENDAR = "/admin/leads/schedule/"
ADD = "/admin/leads/schedule/add/"
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@pytest.fixture
def segment(account):
    LeadFactory.create_batch(3, account=account, country="Japan", read_at=timezone.now())
    return SegmentFactory(account=account, name="From Japan", conditions={"country": ["Japan"]})


@pytest.fixture
def schedule(staff, segment):
    tomorrow = timezone.now() + dt.timedelta(days=1)
    return ScheduleFactory(
        account=segment.account,
        name="Points for Japan",
        selection=as_json(InSegments((segment.pk,))),
        owner=staff.user,
        next_at=tomorrow,
        last_members=1234,
    )


def given(recipe, segment, more=()):
    return {
        "name": "Weekly",
        "recipe": recipe.pk,
        "segment": segment.pk,
        "period": "weekly",
        "weekday": "0",
        "at": "09:00",
        "zone": "Europe/Berlin",
        "only_new": "on",
        "largest_difference": "30",
        "grace_hours": "6",
        **dict(more),
    }


@pytest.fixture
def recipe(account):
    return recipes.keep(account, "Points", [["give_points", {"points": 5}]])


def do(client, schedule, what, **more):
    return client.post(reverse("admin:leads_schedule_do", args=[schedule.pk, what]), more)


def held(schedule, why=ScheduleRemark.NO_OWNER, **places):
    Schedule.objects.filter(pk=schedule.pk).update(state="held")
    schedule.refresh_from_db()
    return Occurrence.objects.create(
        schedule=schedule, due_at=timezone.now(), state="held", remark=remark(why, **places), members=1911
    )


def test_schedule_is_made_of_a_recipe_and_a_segment(staff, recipe, segment):
    page = staff.get(f"{ADD}?recipe={recipe.pk}&segment={segment.pk}")
    assert f'<option value="{recipe.pk}" selected' in page.content.decode()

    answer = staff.post(ADD, given(recipe, segment))

    schedule = Schedule.objects.get()
    assert answer.url == schedule.get_absolute_url()
    assert (schedule.owner, schedule.recipe, schedule.seen_version, schedule.last_members) == (staff.user, recipe, 1, 3)
    there = schedule.next_at.astimezone(BERLIN)
    assert (there.weekday(), there.hour, there.minute) == (0, 9, 0)
    page = staff.get(answer.url).content.decode()
    assert "Every Monday at 09:00, Europe/Berlin" in page
    assert "From Japan" in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"weekday": ""}, "Choose a day"),
        ({"period": "monthly"}, "Choose a day"),
        ({"period": "monthly", "day": "32"}, "31"),
        ({"period": "once", "on": "2026-01-01"}, "passed"),
        ({"zone": "Etc/GMT+10"}, "valid choice"),
        ({"recipe": "999"}, "valid choice"),
        ({"segment": ""}, "required"),
        ({"at": "25:00"}, "valid time"),
        ({"period": "hourly"}, "valid choice"),
    ],
)
def test_schedule_that_cannot_be_is_not_made(staff, recipe, segment, wrong, words):
    page = staff.post(ADD, given(recipe, segment, wrong))

    assert page.status_code == 200
    assert words in page.content.decode()
    assert not Schedule.objects.exists()


def test_changed_by_another_it_is_theirs(staff, schedule, recipe, segment):
    Schedule.objects.update(owner=StaffFactory())
    url = reverse("admin:leads_schedule_edit", args=[schedule.pk])
    assert staff.get(url).status_code == 200

    staff.post(url, given(recipe, segment, {"recipe": "", "segment": ""}))
    schedule.refresh_from_db()
    assert (schedule.owner, schedule.name, schedule.period) == (staff.user, "Weekly", "weekly")
    assert schedule.steps == [["give_points", {"points": 5}]]


def test_calendar_says_what_comes_and_what_holds(staff, schedule):
    other = ScheduleFactory(account=schedule.account, name="Held one", owner=staff.user)
    held(other, ScheduleRemark.DIFFERS, percent="41", now="1,911", was="1,355", which=remark(ScheduleRemark.MORE))
    StaffPreferences.objects.create(user=staff.user, time_zone="Europe/Berlin")

    text = staff.get(CALENDAR).content.decode()

    for words in ("Times in Europe/Berlin", "Tomorrow", "Points for Japan", "From Japan", "about 1,234 leads"):
        assert words in text
    assert "Holds: 41 % more" in text
    assert "look and release" in text
    assert text.count("Points for Japan</b>") == 3
    assert "Held one" in staff.get("/admin/").content.decode()


def test_past_says_what_was_with_its_bulk_actions(staff, schedule):
    run = BulkRunFactory(account=schedule.account, recipe_version=None)
    at = timezone.now() - dt.timedelta(days=2)
    Occurrence.objects.create(schedule=schedule, due_at=at, state="started", run=run, members=34)
    Occurrence.objects.create(
        schedule=schedule, due_at=at - dt.timedelta(days=1), state="missed", remark=remark(ScheduleRemark.LATE)
    )

    text = staff.get(f"{CALENDAR}?tab=past").content.decode()

    assert run.get_absolute_url() in text
    assert "34 leads" in text
    assert "Nothing was running at that time" in text
    assert "Started by the schedule" in staff.get(run.get_absolute_url()).content.decode()


def test_calendar_asks_a_fixed_number_of_questions(staff, schedule, django_assert_max_num_queries):
    for number in range(12):
        each = ScheduleFactory(account=schedule.account, selection=schedule.selection, name=f"no {number}")
        held(each)

    with django_assert_max_num_queries(40):
        staff.get(CALENDAR)


def test_skipped_once_and_taken_back(staff, schedule):
    at = schedule.next_at.isoformat()

    assert do(staff, schedule, "skip", due_at=at, back="calendar").url == CALENDAR
    assert "Do not skip" in staff.get(CALENDAR).content.decode()
    assert Occurrence.objects.get().state == "skipped"
    do(staff, schedule, "unskip", due_at=at)

    assert not Occurrence.objects.exists()
    for wrong in ("", "soon", "2026-01-01T00:00:00", "2026-99-01T00:00:00+00:00"):
        assert do(staff, schedule, "skip", due_at=wrong).status_code == 404
    do(staff, schedule, "skip", due_at="2027-01-01T00:00:01+00:00")
    assert not Occurrence.objects.exists()


def test_paused_resumed_and_all_paused(staff, schedule):
    do(staff, schedule, "pause")
    schedule.refresh_from_db()
    assert schedule.state == "paused"
    do(staff, schedule, "resume")
    schedule.refresh_from_db()
    assert schedule.state == "on"

    staff.post(reverse("admin:leads_schedule_pause_all"))

    schedule.refresh_from_db()
    assert schedule.state == "paused"
    assert "Resume" in staff.get(CALENDAR).content.decode()


def test_what_holds_is_released_on_its_page(staff, schedule):
    held(schedule)
    page = staff.get(schedule.get_absolute_url()).content.decode()
    assert "It has no owner any more" in page
    assert "it changes 3 leads" in page

    answer = do(staff, schedule, "release")

    run = BulkRun.objects.get()
    assert (answer.url, run.changes.count()) == (run.get_absolute_url(), 3)
    do(staff, schedule, "release")
    assert BulkRun.objects.count() == 1


def test_taken_over_and_deleted(staff, schedule):
    Schedule.objects.update(owner=None)

    do(staff, schedule, "take-over")
    schedule.refresh_from_db()
    assert schedule.owner == staff.user
    assert do(staff, schedule, "delete").url == CALENDAR
    assert do(staff, schedule, "delete").status_code == 404


@pytest.mark.parametrize("what", ["skip", "pause", "resume", "delete", "release", "take-over"])
def test_colleague_who_may_only_look_changes_nothing(client, schedule, what):
    held(schedule)
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_schedule", "view_lead"]))
    client.force_login(person)

    assert client.get(schedule.get_absolute_url()).status_code == 200
    assert do(client, schedule, what, due_at=timezone.now().isoformat()).status_code == 403
    assert client.get(reverse("admin:leads_schedule_edit", args=[schedule.pk])).status_code == 403
    assert client.get(ADD).status_code == 403
    assert list(Schedule.objects.values_list("state", flat=True)) == ["held"]


def test_schedule_is_no_way_to_do_what_one_may_not(client, recipe, segment):
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.exclude(codename="start_bulkrun"))
    client.force_login(person)

    assert client.post(ADD, given(recipe, segment)).status_code == 403
    assert not Schedule.objects.exists()


# --- a bulk action that starts at a time


def later(client, url, at):
    key = url.rstrip("/").rpartition("/")[2]
    return client.post(reverse("admin:leads_schedule_later", args=[key]), {"at": at})


def test_prepared_bulk_action_starts_at_a_time_of_the_readers_zone(staff, segment):
    StaffPreferences.objects.create(user=staff.user, time_zone="Europe/Berlin")
    url = choose(staff, segment.account.leads.all(), everything=True, query="?country=Japan")
    preview(staff, url)
    assert "Start at (Europe/Berlin)" in staff.get(url).content.decode()
    on = (timezone.now().astimezone(BERLIN) + dt.timedelta(days=2)).date()

    answer = later(staff, url, f"{on}T07:30")

    schedule = Schedule.objects.get()
    assert answer.url == schedule.get_absolute_url()
    assert (schedule.period, schedule.on, schedule.at, schedule.zone) == ("once", on, dt.time(7, 30), "Europe/Berlin")
    assert schedule.next_at == dt.datetime.combine(on, dt.time(7, 30), BERLIN)
    assert not RunDraft.objects.exists()
    Schedule.objects.update(next_at=timezone.now() - dt.timedelta(seconds=1))
    due.work(schedule.pk, Reach())
    assert BulkRun.objects.get().changes.count() == 3


@pytest.mark.parametrize("at", ["", "tomorrow", "2020-01-01T09:00", "2026-13-01T09:00"])
def test_time_that_is_none_keeps_the_draft(staff, segment, at):
    url = choose(staff, segment.account.leads.all(), everything=True, query="?country=Japan")
    preview(staff, url)

    assert later(staff, url, at).url == url
    assert (Schedule.objects.count(), RunDraft.objects.count()) == (0, 1)


def test_those_it_was_tried_on_are_left_out_later(staff, segment):
    LeadFactory.create_batch(9, account=segment.account, country="Japan")
    url = choose(staff, segment.account.leads.all(), everything=True, query="?country=Japan")
    staff.post(url, {"do": "try", "mark": preview(staff, url)["mark"]})
    tried = tuple(BulkRun.objects.get().changes.values_list("lead", flat=True))

    later(staff, url, f"{(timezone.now() + dt.timedelta(days=2)).date()}T07:30")

    assert Schedule.objects.get().selection["leads"]["all"][1] == as_json(NoneOf(WithIds(tried)))["leads"]
    assert Schedule.objects.get().last_members == 2


def test_draft_of_another_is_not_scheduled(client, staff, segment):
    url = choose(staff, segment.account.leads.all(), everything=True, query="?country=Japan")
    preview(staff, url)
    client.force_login(StaffFactory(is_superuser=True))

    assert later(client, url, "2027-01-01T09:00").status_code == 404


@pytest.mark.parametrize("text", ["x", "-1", "9" * 30, "9" * 5000])
def test_new_schedule_of_what_is_none_is_an_empty_form(staff, text):
    assert staff.get(reverse("admin:leads_schedule_add"), {"recipe": text, "segment": text}).status_code == 200
