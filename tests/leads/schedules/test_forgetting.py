"""A person who is forgotten, or asks what is held, is found in recipes and schedules; old ones go, but for what a schedule must know."""

import datetime as dt

import pytest
from django.utils import timezone

from integrations import retention
from leads.erasure import forget
from leads.filters.selection import AllOf, Everybody, NoneOf, WithIds, as_json, from_json
from leads.models import BulkRun, LeadChange, Occurrence, Recipe, Schedule
from leads.person import held
from leads.schedules import due, recipes
from leads.schedules.planning import Reach
from tests.factories import LeadFactory, RecipeFactory, ScheduleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return LeadFactory(email="ada@example.com", email_key="ada@example.com", first_name="Ada", last_name="Lindqvist")


def sections_of(lead):
    return {each.name: [row["name"] for row in each.rows] for each in held.held_of(lead).sections if each.rows}


def test_of_leads_chosen_one_by_one_the_person_is_taken_out(ada):
    other = LeadFactory(account=ada.account)
    both = AllOf((WithIds((ada.pk, other.pk)), NoneOf(WithIds((ada.pk,)))))
    several = ScheduleFactory(account=ada.account, name="several", selection=as_json(both))
    alone = ScheduleFactory(account=ada.account, name="alone", selection=as_json(WithIds((ada.pk,))))
    ScheduleFactory(account=ada.account, name="others", selection=as_json(WithIds((other.pk,))))
    assert sorted(sections_of(ada)["leads.schedule"]) == ["alone", "several"]

    forget.forget(ada)

    several.refresh_from_db()
    assert from_json(several.selection) == AllOf((WithIds((other.pk,)), NoneOf(WithIds(()))))
    assert not Schedule.objects.filter(pk=alone.pk).exists()
    assert Schedule.objects.count() == 2


def test_recipe_that_names_the_person_goes_with_its_schedules(ada):
    steps = [["update_lead", {"company": "Cousin of Ada Lindqvist"}]]
    recipe = RecipeFactory(account=ada.account, name="Cousins", steps=steps)
    ScheduleFactory(account=ada.account, recipe=recipe)
    assert sections_of(ada)["leads.recipe"] == ["Cousins"]

    forget.forget(ada)

    assert (Recipe.objects.count(), Schedule.objects.count()) == (0, 0)


def test_what_a_recipe_said_before_goes_and_the_recipe_stays(ada):
    recipe = recipes.keep(
        ada.account, "ada@example.com", [["update_lead", {"company": "As ada@example.com"}]], "for Ada Lindqvist"
    )
    recipes.change(recipe, "ada@example.com", [["give_points", {"points": 5}]], "for Ada Lindqvist too")

    forget.forget(ada)

    recipe.refresh_from_db()
    assert (recipe.name, recipe.note) == (f"Recipe {recipe.pk}", "for […] too")
    assert list(recipe.versions.values_list("version", "note")) == [(2, "for […] too")]


def old_run(**schedule):
    made = ScheduleFactory(**schedule)
    LeadFactory.create_batch(2, account=made.account, read_at=timezone.now())
    due.work(made.pk, Reach())
    long_ago = timezone.now() - dt.timedelta(days=3000)
    LeadChange.objects.update(status="skipped", reason="gone", settled_at=long_ago)
    BulkRun.objects.update(state="finished", ended_at=long_ago)
    Occurrence.objects.update(due_at=long_ago)
    Schedule.objects.update(created_at=long_ago)
    return made


def test_schedule_that_goes_on_remembers_whom_it_changed():
    schedule = old_run()

    retention.tidy(timezone.now())

    assert (LeadChange.objects.count(), Occurrence.objects.count()) == (2, 1)
    Schedule.objects.update(next_at=timezone.now() - dt.timedelta(minutes=1))
    due.work(schedule.pk, Reach())
    assert BulkRun.objects.count() == 1


@pytest.mark.parametrize("values", [{"state": "over", "next_at": None}, {"only_new": False}])
def test_what_nothing_asks_for_any_more_goes(values):
    old_run()
    Schedule.objects.update(**values)

    for _again in range(2):
        retention.tidy(timezone.now())

    assert (LeadChange.objects.count(), Occurrence.objects.count()) == (0, 0)
    assert Schedule.objects.count() == (values.get("state") != "over")


def test_selection_of_everybody_names_nobody(ada):
    ScheduleFactory(account=ada.account, selection=as_json(Everybody()))

    assert "leads.schedule" not in sections_of(ada)
