"""Recipes on pages: made by hand and of a bulk action, changed, used, deleted."""

import datetime as dt

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from leads.models import BulkRun, Recipe, RunDraft
from leads.schedules import recipes
from tests.factories import BulkRunFactory, LeadFactory, ScheduleFactory, SegmentFactory, StaffFactory
from tests.kartra_mirror.admin.drafts import choose

pytestmark = pytest.mark.django_db

ADD = "/admin/leads/recipe/add/"
ENDED = {"state": "finished", "ended_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}
STEPS = [["assign_tag", {"tag": "VIP"}], ["give_points", {"points": 5}]]


@pytest.fixture
def recipe(account):
    return recipes.keep(account, "Webinar", STEPS, "opens the course")


def hidden(text, name):
    return text.count(f'name="{name}"')


def test_recipe_is_made_by_hand_action_by_action(staff, account):
    typed = {"recipe-name": "Webinar", "recipe-note": "opens the course"}

    first = staff.post(ADD, {**typed, "do": "add", "kind": "assign_tag"}).content.decode()
    second = staff.post(ADD, {**typed, "do": "add", "kind": "give_points", "recipe-step": "assign_tag", "tag": "VIP"})
    assert (hidden(first, "recipe-step"), hidden(second.content.decode(), "recipe-step"), Recipe.objects.count()) == (
        1,
        2,
        0,
    )
    assert 'value="Webinar"' in second.content.decode()
    given = {**typed, "recipe-step": ["assign_tag", "give_points"], "tag": "VIP", "2-points": "5", "do": "save"}
    answer = staff.post(ADD, given)

    recipe = Recipe.objects.get()
    assert answer.url == recipe.get_absolute_url()
    assert (recipe.name, recipe.note, [name for name, _given in recipe.steps]) == (
        "Webinar",
        "opens the course",
        ["assign_tag", "give_points"],
    )
    page = staff.get(answer.url).content.decode()
    assert "Assign the tag VIP" in page
    assert "opens the course" in page


def test_fields_of_a_lead_are_picked_in_a_recipe(staff, account):
    given = {"recipe-name": "Kyoto", "recipe-step": "update_lead"}

    picked = staff.post(ADD, {**given, "do": "pick-1-city"})
    part = staff.post(ADD, {**given, "do": "pick-1-city"}, headers={"HX-Request": "true"}).content.decode()
    assert b'name="city"' in picked.content
    assert part.count("<form") == 0
    assert 'name="city"' in part
    x = staff.post(ADD, {**given, "field": "city", "city": "Kyoto", "do": "save"})
    import re

    print(re.findall(r"error.*", x.content.decode()))

    assert Recipe.objects.get().steps[0][1]["city"] == "Kyoto"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recipe-name": "New"}, "Add an action first"),
        ({"recipe-name": "", "recipe-step": "give_points", "points": "5"}, "required"),
        ({"recipe-name": "webinar", "recipe-step": "give_points", "points": "5"}, "already"),
        ({"recipe-name": "New", "recipe-step": "give_points", "points": "-5"}, "points"),
        ({"recipe-name": "New", "recipe-step": "refund_transaction"}, "Add an action first"),
    ],
)
def test_recipe_that_is_wrong_is_not_made(staff, recipe, given, words):
    answer = staff.post(ADD, {**given, "do": "save"})

    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert Recipe.objects.count() == 1


def test_changed_it_has_a_new_version_and_the_old_one_is_shown(staff, recipe):
    url = reverse("admin:leads_recipe_edit", args=[recipe.pk])
    assert b'value="5"' in staff.get(url).content

    staff.post(url, {"recipe-name": "Webinar", "recipe-step": ["assign_tag"], "tag": "VIP", "do": "save"})

    recipe.refresh_from_db()
    assert (recipe.version, len(recipe.steps), recipe.versions.count()) == (2, 1, 2)
    assert "5 points" in staff.get(recipe.get_absolute_url()).content.decode()


def test_recipe_is_made_of_a_bulk_action(staff, account):
    run = BulkRunFactory(account=account, kind="several", parameters={"steps": STEPS}, **ENDED)
    url = f"{ADD}?run={run.pk}"

    assert url in staff.get(run.get_absolute_url()).content.decode()
    page = staff.get(url).content.decode()

    assert (hidden(page, "recipe-step"), 'value="5"' in page) == (2, True)
    assert staff.get(f"{ADD}?run=999").status_code == 404
    BulkRun.objects.update(mixed=True)
    assert staff.get(url).status_code == 404


def test_recipe_in_use_stays_and_says_why(staff, recipe):
    schedule = ScheduleFactory(account=recipe.account, recipe=recipe, name="Every Monday")
    url = reverse("admin:leads_recipe_remove", args=[recipe.pk])

    page = staff.post(url, follow=True).content.decode()
    assert "stays, because these use it: Every Monday" in page
    schedule.delete()
    staff.post(url)

    assert not Recipe.objects.exists()


def test_bulk_action_begins_with_a_recipe_and_says_so(staff, recipe):
    leads = LeadFactory.create_batch(2, account=recipe.account)

    url = choose(staff, leads, kind=f"recipe_{recipe.pk}")
    page = staff.get(url)
    staff.post(url, {"do": "start", "mark": page.context["preview"]["mark"]})

    run = BulkRun.objects.get()
    assert (page.context["preview"]["counted"].total, run.changes.count()) == (2, 4)
    assert run.recipe_version == recipe.versions.get()
    assert "version 1" in staff.get(run.get_absolute_url()).content.decode()


def test_bulk_action_that_was_changed_since_is_of_no_recipe(staff, recipe):
    leads = LeadFactory.create_batch(2, account=recipe.account)
    url = choose(staff, leads, kind=f"recipe_{recipe.pk}")

    staff.post(url, {"do": "preview", "tag": "VIP", "2-points": "6"})
    staff.post(url, {"do": "start", "mark": staff.get(url).context["preview"]["mark"]})

    assert BulkRun.objects.get().recipe_version is None


def test_draft_takes_a_recipe_in_place_of_what_it_did(staff, recipe):
    url = choose(staff, [LeadFactory(account=recipe.account)], kind="subscribe_list")
    assert "Or do what a recipe says" in staff.get(url).content.decode()

    staff.post(url, {"do": "recipe", "recipe": recipe.pk})

    draft = RunDraft.objects.get()
    assert (draft.kinds, draft.recipe_version) == (["assign_tag", "give_points"], recipe.versions.get())
    assert staff.get(url).context["preview"]["counted"].total == 1


def test_segment_begins_a_bulk_action_with_a_recipe(staff, recipe):
    LeadFactory(account=recipe.account, country="Japan")
    LeadFactory(account=recipe.account, country="Spain")
    segment = SegmentFactory(account=recipe.account, name="Japan", conditions={"country": ["Japan"]})
    assert "Recipe: Webinar" in staff.get(segment.get_absolute_url()).content.decode()

    url = staff.post(reverse("admin:leads_segment_do", args=[segment.pk, "start"]), {"kind": f"recipe_{recipe.pk}"}).url

    assert staff.get(url).context["preview"]["counted"].total == 1


def test_who_may_not_do_an_action_neither_uses_nor_makes_a_recipe_with_it(client, recipe):
    person = StaffFactory()
    person.user_permissions.set(Permission.objects.exclude(codename="give_points"))
    client.force_login(person)
    lead = LeadFactory(account=recipe.account)

    client.post("/admin/leads/lead/", {"action": f"recipe_{recipe.pk}", "_selected_action": [lead.pk], "index": "0"})
    client.post(ADD, {"recipe-name": "New", "recipe-step": "give_points", "points": "5", "do": "save"})
    edit = client.get(reverse("admin:leads_recipe_edit", args=[recipe.pk]))

    assert (RunDraft.objects.count(), Recipe.objects.count(), edit.status_code) == (0, 1, 403)


def test_list_of_leads_asks_for_recipes_once(staff, recipe, django_assert_max_num_queries):
    with django_assert_max_num_queries(60) as few:
        staff.get("/admin/leads/lead/")

    assert sum('FROM "leads_recipe"' in each["sql"] for each in few.captured_queries) == 1
