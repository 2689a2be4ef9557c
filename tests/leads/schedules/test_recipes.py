"""Recipes are made, get new versions, and stay while a schedule uses them."""

import pytest
from django.db import IntegrityError, transaction

from leads.models import Recipe, RecipeVersion, Watch
from leads.schedules import recipes
from tests.factories import AccountFactory, BulkRunFactory, RecipeFactory, ScheduleFactory, SegmentFactory, StaffFactory

pytestmark = pytest.mark.django_db

FIVE, SIX = [["give_points", {"points": 5}]], [["give_points", {"points": 6}]]


def told(recipe):
    return list(RecipeVersion.objects.filter(recipe=recipe).order_by("version").values_list("version", "steps", "note"))


def test_each_version_stays_and_of_the_same_there_is_none():
    by = StaffFactory()
    recipe = recipes.keep(AccountFactory(), " Webinar ", FIVE, "opens the course", by=by)

    recipes.change(recipe, "Webinar", FIVE, "opens the course", by=by)
    recipes.change(recipe, "After the webinar", SIX, "", by=by)

    recipe.refresh_from_db()
    assert (recipe.name, recipe.version, recipe.created_by) == ("After the webinar", 2, by)
    given = {"points": 5, "expires_in_days": recipe.steps[0][1].get("expires_in_days")}
    assert [version for version, _steps, _note in told(recipe)] == [1, 2]
    assert told(recipe)[0][1][0][1]["points"] == given["points"]
    assert [note for _version, _steps, note in told(recipe)] == ["opens the course", ""]


@pytest.mark.parametrize(
    ("name", "steps", "words"),
    [
        ("", FIVE, "name"),
        ("Taken", FIVE, "already"),
        ("TAKEN", FIVE, "already"),
        ("New", [], "Choose an action"),
        ("New", [["refund_transaction", {"transaction": "1"}]], "bulk"),
        ("New", FIVE * 9, "at most 8"),
        ("New", [["assign_tag", {"tag": "No such"}]], "No such"),
    ],
)
def test_recipe_that_cannot_be_kept(name, steps, words):
    account = AccountFactory()
    recipes.keep(account, "Taken", FIVE)

    with pytest.raises(recipes.CannotKeep, match=words):
        recipes.keep(account, name, steps)

    assert Recipe.objects.count() == 1


def test_recipe_in_use_stays():
    recipe = recipes.keep(AccountFactory(), "Webinar", FIVE)
    schedule = ScheduleFactory(account=recipe.account, recipe=recipe, name="Every Monday")

    with pytest.raises(recipes.CannotKeep, match="Every Monday"):
        recipes.delete(recipe)
    schedule.delete()
    run = BulkRunFactory(account=recipe.account, recipe_version=recipes.version_of(recipe))
    recipes.delete(recipe)

    run.refresh_from_db()
    assert run.recipe_version is None


@pytest.mark.parametrize(
    ("of_run", "can"),
    [
        ({}, True),
        ({"kind": "several", "parameters": {"steps": FIVE}}, True),
        ({"mixed": True}, False),
        ({"parameters": {}}, False),
        ({"kind": "create_lead", "parameters": {"email": "a@example.com"}}, False),
    ],
)
def test_recipe_can_be_made_of_a_bulk_action(of_run, can):
    assert recipes.can_be_kept(BulkRunFactory(**of_run)) is can


@pytest.mark.parametrize("wrong", [{"name": ""}, {"version": 0}], ids=["no name", "no version"])
def test_tables_refuse_recipes_that_are_none(wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        RecipeFactory(**wrong)


def test_recipe_stays_while_a_watched_segment_uses_it():
    recipe = RecipeFactory()
    segment = SegmentFactory(account=recipe.account, name="Buyers")
    watch = Watch.objects.create(segment=segment, recipe=recipe, starts=True)

    with pytest.raises(recipes.CannotKeep, match="stays, because these use it: Buyers"):
        recipes.delete(recipe)

    watch.delete()
    recipes.delete(recipe)
