"""What pages say of recipes and schedules, and what they answer, goes through gettext."""

import pytest

from tests.kartra_mirror.admin.languages.brackets import at, check, told_by

pytestmark = pytest.mark.django_db


def test_recipes(staff, made):
    add, edit = at("leads_recipe_add"), at("leads_recipe_edit", made.recipe.pk)
    answers = [
        staff.get(add),
        staff.post(add, {"do": "add", "kind": "give_points"}),
        told_by(staff, add, {"do": "save"}),
        told_by(staff, add, {"recipe-name": "Συνταγή", "recipe-step": "give_points", "points": "5", "do": "save"}),
        staff.get(edit),
        told_by(staff, edit, {"recipe-name": "Νέα", "recipe-step": "give_points", "points": "5", "do": "save"}),
        told_by(staff, at("leads_recipe_remove", made.recipe.pk)),
    ]

    check(*answers)


def test_schedules(staff, made):
    page = at("leads_schedule_changelist")
    do = {what: at("leads_schedule_do", made.schedule.pk, what) for what in ("skip", "release", "take-over", "delete")}
    answers = [
        staff.get(page),
        staff.get(f"{page}?tab=past"),
        told_by(staff, do["skip"], {"due_at": "2026-01-01T00:00:00+00:00"}),
        told_by(staff, do["release"]),
        told_by(staff, do["take-over"]),
        told_by(staff, do["delete"]),
        told_by(staff, at("leads_schedule_pause_all")),
    ]

    check(*answers)
