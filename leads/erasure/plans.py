"""What recipes and schedules keep of a person: emptied, or gone where it is what they do or on whom."""

from collections import Counter
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads.models import Recipe, Schedule
from leads.person import parts, places
from leads.person.naming import Person


def blank(person: Person) -> parts.Counts:
    """How many rows, by table."""
    return _schedules(person) + _recipes(person)


def free_name(others: QuerySet[Any], name: str) -> str:
    """The name, with as many stars as it takes to be none of theirs."""
    while others.filter(name__iexact=name).exists():
        name += "*"
    return name


def _schedules(person: Person) -> parts.Counts:
    """One that does something with the person's data, or is on leads filtered by it, goes, as a segment does; one that is on the
    lead among others goes on without."""
    number = 0
    for schedule in places.schedules(person):
        number += 1
        left = _without_id(schedule.selection, person.lead_id)
        gone = left != schedule.selection and not places.ids_in(left)
        if gone or person.is_in([schedule.selection, schedule.steps or []]):
            schedule.delete()
            continue
        schedule.selection, schedule.why = left, person.without(schedule.why)
        if person.is_in(schedule.name):
            schedule.name = _("Schedule %(number)s") % {"number": schedule.pk}
        schedule.save(update_fields=["selection", "why", "name"])
    return Counter({Schedule._meta.label_lower: number})


def _without_id(stored: Any, pk: int) -> Any:
    """The selection without this lead where it names leads one by one."""
    if isinstance(stored, dict):
        return {
            name: [each for each in value if each != pk]
            if name == "ids" and isinstance(value, list)
            else _without_id(value, pk)
            for name, value in stored.items()
        }
    if isinstance(stored, list):
        return [_without_id(each, pk) for each in stored]
    return stored


def _recipes(person: Person) -> parts.Counts:
    """One whose actions name the person goes, with the schedules that use it; of the others what they did before goes."""
    number = 0
    for recipe in places.recipes(person):
        number += 1
        if person.is_in(recipe.steps):
            Schedule.objects.filter(recipe=recipe).delete()
            recipe.delete()
            continue
        for version in recipe.versions.all():
            if person.is_in(version.steps):
                version.delete()
            elif person.is_in(version.note):
                version.note = person.without(version.note)
                version.save(update_fields=["note"])
        recipe.note = person.without(recipe.note)
        if person.is_in(recipe.name):
            others = Recipe.objects.filter(account=recipe.account_id).exclude(pk=recipe.pk)
            recipe.name = free_name(others, _("Recipe %(number)s") % {"number": recipe.pk})
        recipe.save(update_fields=["name", "note"])
    return Counter({Recipe._meta.label_lower: number})
