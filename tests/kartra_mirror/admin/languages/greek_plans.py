"""Recipes and schedules whose every text is Greek."""

import datetime as dt
from types import SimpleNamespace

from leads.models import Occurrence, ScheduleRemark as Why
from leads.models.remarks import remark
from leads.schedules import recipes
from tests.factories import ScheduleFactory

ANSWERS = (
    remark(Why.NO_OWNER),
    remark(Why.MAY_NOT, person="Μάρα"),
    remark(Why.TOO_MANY, person="Μάρα", words="Όχι."),
    remark(Why.DIFFERS, which=remark(Why.MORE), percent="41", now="1", was="2"),
    remark(Why.DIFFERS, which=remark(Why.FEWER), percent="41", now="1", was="2"),
    remark(Why.RECIPE_CHANGED, recipe="Συνταγή", person="Μάρα"),
    remark(Why.REFUSED, words="Όχι."),
    remark(Why.NOT_SENDING, words="Όχι."),
    remark(Why.NOT_READING, number="1"),
    remark(Why.STALE, number="1"),
)
PASSED = {
    "due": remark(Why.READING, number="1"),
    "missed": remark(Why.LATE),
    "skipped": remark(Why.HELD_BEFORE),
    "nothing": remark(Why.NOBODY),
    "started": {},
}
WHEN = (
    {"period": "daily"},
    {"period": "weekly", "weekday": 0},
    {"period": "monthly", "day": 31},
    {"period": "once", "on": dt.date(2026, 1, 1)},
)


def plans(made: SimpleNamespace) -> None:
    steps = [["assign_tag", {"tag": "Φίλοι"}], ["give_points", {"points": 5}]]
    made.recipe = recipes.keep(made.account, "Συνταγή", steps, "Σημείωση", by=made.person)
    recipes.change(made.recipe, "Συνταγή", steps[:1], "", by=made.person)
    given = {"account": made.account, "zone": "UTC", "owner": made.person, "why": "Γιατί"}
    for number, why in enumerate(ANSWERS):
        schedule = ScheduleFactory(name=f"Πλάνο {number}", state="held", **given, **WHEN[number % len(WHEN)])
        Occurrence.objects.create(schedule=schedule, due_at=made.now, state="held", remark=why, members=7)
    made.schedule = ScheduleFactory(name="Πλάνο", recipe=made.recipe, next_at=made.now + dt.timedelta(1), **given)
    made.paused = ScheduleFactory(name="Παύση", state="paused", **{**given, "next_at": None})
    for number, (state, why) in enumerate(PASSED.items(), start=1):
        at = made.now - dt.timedelta(hours=number)
        Occurrence.objects.create(schedule=made.schedule, due_at=at, state=state, remark=why, members=number)
