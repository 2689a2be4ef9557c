"""A schedule as a form: which recipe, on whom, when, and when to ask first."""

import datetime as dt
import zoneinfo
from itertools import groupby
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.bulk import from_recipe
from kartra_mirror.entry.time_zones import known_zones
from kartra_mirror.ui.unfold_adapter import style
from leads import access
from leads.filters.selection import InSegments, as_json
from leads.models import Period, Recipe, Schedule, Segment
from leads.models.schedule import Weekday
from leads.schedules import steering

MOST_PERCENT = 1000
MOST_HOURS = 24 * 7


class ScheduleForm(forms.Form):
    """`schedule`: the one that is changed; what it does by itself, and on whom, stays where nothing else is chosen."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the schedule"))
    recipe = forms.ModelChoiceField(Recipe.objects.none(), label=gettext_lazy("Recipe"))
    segment = forms.ModelChoiceField(Segment.objects.none(), label=gettext_lazy("Segment"))
    period = forms.ChoiceField(label=gettext_lazy("How often"), choices=Period.choices, initial=Period.WEEKLY)
    on = forms.DateField(
        label=gettext_lazy("Day, if it happens once"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    weekday = forms.TypedChoiceField(
        label=gettext_lazy("Weekday, if every week"),
        choices=[("", "—"), *Weekday.choices],
        coerce=int,
        empty_value=None,
        required=False,
    )
    day = forms.IntegerField(
        label=gettext_lazy("Day of the month, if every month"),
        min_value=1,
        max_value=31,
        required=False,
        help_text=gettext_lazy("Of a shorter month the last day."),
    )
    at = forms.TimeField(label=gettext_lazy("Time"), widget=forms.TimeInput(attrs={"type": "time"}))
    zone = forms.ChoiceField(label=gettext_lazy("Time zone"))
    only_new = forms.BooleanField(
        label=gettext_lazy("Only leads that this schedule has not changed before"), required=False, initial=True
    )
    largest_difference = forms.IntegerField(
        label=gettext_lazy("Ask first if the number of leads differs from the last time by more than (%)"),
        min_value=0,
        max_value=MOST_PERCENT,
        initial=30,
        help_text=gettext_lazy("Up to 10 leads more or fewer never ask."),
    )
    grace_hours = forms.IntegerField(
        label=gettext_lazy("May start late by (hours)"),
        min_value=0,
        max_value=MOST_HOURS,
        initial=6,
        help_text=gettext_lazy("If nothing was running at the time. Later than that, it is marked as missed."),
    )
    why = forms.CharField(label=gettext_lazy("Why (for your colleagues)"), required=False, max_length=500)

    def __init__(self, request: HttpRequest, schedule: Schedule | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.schedule = schedule
        recipe: Any = self.fields["recipe"]
        segment: Any = self.fields["segment"]
        usable = Recipe.objects.filter(pk__in=[each.pk for each in from_recipe.usable(request)])
        mine = access.only_mine(Segment.objects.select_related("account"), request.user)
        mine = mine if request.user.has_perm("leads.view_segment") else mine.none()
        recipe.queryset = usable if schedule is None else usable.filter(account=schedule.account_id)
        segment.queryset = mine if schedule is None else mine.filter(account=schedule.account_id)
        if schedule is not None:
            segment.required = False
            segment.help_text = _("Empty: the leads that it is about now.")
            if schedule.recipe_id is None:
                recipe.required = False
                recipe.help_text = _("Empty: the actions that it has now.")
        zone: Any = self.fields["zone"]
        zone.choices = zones()
        style(self)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        needed = {Period.ONCE: "on", Period.WEEKLY: "weekday", Period.MONTHLY: "day"}
        period = given.get("period")
        for each, name in needed.items():
            if period != each:
                given[name] = None
            elif given.get(name) is None and name not in self.errors:
                self.add_error(name, _("Choose a day."))
        recipe, segment = given.get("recipe"), given.get("segment")
        if recipe and segment and recipe.account_id != segment.account_id:
            self.add_error("segment", _("The recipe and the segment are of different accounts."))
        return given

    def save(self, *, by: access.Author) -> Schedule:
        """Raises CannotSchedule."""
        given = self.cleaned_data
        schedule = self.schedule or Schedule(account=given["recipe"].account)
        for name in ("name", "why", "period", "on", "weekday", "day", "at", "zone", "only_new", "largest_difference"):
            setattr(schedule, name, given[name])
        schedule.grace_minutes = given["grace_hours"] * 60
        if given["recipe"]:
            schedule.recipe, schedule.steps = given["recipe"], None
        if given["segment"]:
            schedule.selection = as_json(InSegments((given["segment"].pk,)))
        return steering.save(schedule, by=by)


def zones() -> list[Any]:
    """The zones to choose from, by area."""
    names = sorted(known_zones() - {"UTC"})
    areas = groupby(names, lambda name: name.split("/")[0])
    return [("UTC", "UTC"), *((area, [(name, name) for name in those]) for area, those in areas)]


def readers_zone() -> str:
    """The zone in which this reader is told times."""
    name = timezone.get_current_timezone_name()
    return name if name in known_zones() else "UTC"


def initial_of(schedule: Schedule) -> dict[str, Any]:
    names = ("name", "why", "period", "on", "weekday", "day", "at", "zone", "only_new", "largest_difference", "recipe")
    return {name: getattr(schedule, name) for name in names} | {"grace_hours": schedule.grace_minutes // 60}


def moment_in_words(schedule: Schedule) -> str:
    """When it happens: "every Monday at 09:00, Europe/Berlin"."""
    at = schedule.at.strftime("%H:%M")
    told = {"at": at, "zone": schedule.zone, "day": schedule.day, "on": schedule.on}
    if schedule.period == Period.WEEKLY:
        return _("every %(weekday)s at %(at)s, %(zone)s") % {"weekday": schedule.get_weekday_display(), **told}
    if schedule.period == Period.MONTHLY:
        return _("on day %(day)s of every month at %(at)s, %(zone)s") % told
    if schedule.period == Period.ONCE:
        return _("once, on %(on)s at %(at)s, %(zone)s") % told
    return _("every day at %(at)s, %(zone)s") % told


class LaterForm(forms.Form):
    """At which time of the reader's a bulk action is to start."""

    at = forms.DateTimeField(input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"])

    def clean_at(self) -> tuple[dt.date, dt.time]:
        """As the reader's clocks show it: the day and the hour."""
        given = self.cleaned_data["at"]
        there = given.astimezone(zoneinfo.ZoneInfo(readers_zone()))
        return there.date(), there.time().replace(second=0, microsecond=0)
