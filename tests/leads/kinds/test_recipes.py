"""A recipe as a kind with parameters, and what the table of recipes refuses."""

import pytest
from django.db import IntegrityError, transaction

from leads import kinds
from tests.factories import AccountFactory, RecipeFactory, TagFactory

pytestmark = pytest.mark.django_db


def test_recipe_of_several_steps_is_several_kinds():
    account = AccountFactory()
    TagFactory(account=account, name="Webinar")
    recipe = RecipeFactory(account=account, steps=[["assign_tag", {"tag": "Webinar"}], ["give_points", {"points": 5}]])

    kind, clean = kinds.recipe_kind(recipe)

    assert kind is kinds.SEVERAL
    assert [name for name, _parameters in clean["steps"]] == ["assign_tag", "give_points"]


def test_recipe_of_one_step_is_that_kind():
    kind, clean = kinds.recipe_kind(RecipeFactory(steps=[["give_points", {"points": "5"}]]))

    assert kind is kinds.GIVE_POINTS
    assert clean["points"] == 5


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([], kinds.BadParameters),
        ([["assign_tag", {"tag": "Gone"}]], kinds.BadParameters),
        ([["give_points", {"points": 5}], ["give_points", {"points": 6}]], kinds.BadParameters),
        ([["fly", {}]], kinds.UnknownKind),
        ([["fly", {}], ["give_points", {"points": 5}]], kinds.UnknownKind),
    ],
)
def test_recipe_that_cannot_be_meant_is_refused(steps, problem):
    recipe = RecipeFactory(steps=steps)

    with pytest.raises(problem):
        kinds.recipe_kind(recipe)


@pytest.mark.parametrize("values", [{"name": "WEBINAR"}, {"name": ""}, {"name": "b", "version": 0}])
def test_table_refuses(values):
    account = AccountFactory()
    RecipeFactory(account=account, name="Webinar")

    with pytest.raises(IntegrityError), transaction.atomic():
        RecipeFactory(account=account, **values)
