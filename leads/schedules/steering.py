"""Makes schedules and changes them: skips a time, pauses, hands over. Each is safe to repeat."""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads import clock
from leads.access import Author, user_of
from leads.models import Occurrence, OccurrenceState, Schedule, ScheduleRemark, ScheduleState
from leads.models.remarks import remark
from leads.schedules import planning
from leads.schedules.due import go_on
from leads.schedules.times import times_of


class CannotSchedule(ValueError):
    """The schedule cannot be so. The text is a sentence for people."""


def save(schedule: Schedule, *, by: Author = None) -> Schedule:
    """A new schedule, or one that was changed: it belongs to this person from now on, because it acts with their rights, and it is
    compared with the number of leads that are selected now. Raises CannotSchedule for a time that has passed."""
    following = times_of(schedule).next_after(clock.now())
    if following is None:
        raise CannotSchedule(_("This time has passed. Choose a later one."))
    schedule.owner = user_of(by)
    schedule.state, schedule.next_at = ScheduleState.ON, following
    schedule.seen_version = schedule.recipe.version if schedule.recipe else None
    try:
        planning.what_of(schedule)
        schedule.last_members = planning.selected_now(schedule)
    except planning.Holds as problem:
        raise CannotSchedule(sentence(problem)) from None
    with transaction.atomic():
        schedule.save()
        _answer(schedule, by)
    return schedule


def sentence(problem: planning.Holds) -> str:
    return str(problem.why.get("words", ""))


def skip(schedule: Schedule, due_at: dt.datetime, *, by: Author = None) -> bool:
    """Leave out one time, one that holds or one that is to come. False where it has been started, or is none of the schedule's."""
    why = remark(ScheduleRemark.BY_PERSON, person=str(user_of(by) or "…"))
    skipped = {"state": OccurrenceState.SKIPPED, "remark": why, "answered_by": user_of(by)}
    times = Occurrence.objects.filter(schedule=schedule, due_at=due_at)
    if times.filter(state=OccurrenceState.HELD).update(**skipped):
        go_on(schedule)
        return True
    if times.filter(state=OccurrenceState.DUE).update(**skipped, claimed_at=None):
        return True
    if schedule.next_at is None or due_at < schedule.next_at:
        return False
    one_of_its = times_of(schedule).next_after(due_at - dt.timedelta(seconds=1)) == due_at
    if due_at != schedule.next_at and not one_of_its:
        return False
    occurrence, _made = Occurrence.objects.get_or_create(schedule=schedule, due_at=due_at, defaults=skipped)
    return occurrence.state == OccurrenceState.SKIPPED


def do_not_skip(schedule: Schedule, due_at: dt.datetime) -> bool:
    """Take back that a time which is still to come is left out."""
    ahead = Occurrence.objects.filter(schedule=schedule, due_at=due_at, due_at__gt=clock.now())
    return bool(ahead.filter(state=OccurrenceState.SKIPPED).delete()[0])


def pause(schedule: Schedule, *, by: Author = None) -> bool:
    """No time of it comes any more; one that holds is left out. True if it was not paused or over."""
    rows = Schedule.objects.filter(pk=schedule.pk, state__in=[ScheduleState.ON, ScheduleState.HELD])
    with transaction.atomic():
        changed = bool(rows.update(state=ScheduleState.PAUSED, next_at=None))
        if changed:
            _answer(schedule, by)
    schedule.refresh_from_db()
    return changed


def pause_all(schedules: QuerySet[Schedule], *, by: Author = None) -> int:
    """How many were paused."""
    going = schedules.filter(state__in=[ScheduleState.ON, ScheduleState.HELD])
    return sum(pause(schedule, by=by) for schedule in going)


def resume(schedule: Schedule) -> bool:
    """Go on with the next time from now. Raises CannotSchedule where there is none; what passed meanwhile is not made up for."""
    following = times_of(schedule).next_after(clock.now())
    if following is None:
        raise CannotSchedule(_("Its time has passed. Choose another."))
    rows = Schedule.objects.filter(pk=schedule.pk, state=ScheduleState.PAUSED)
    changed = bool(rows.update(state=ScheduleState.ON, next_at=following))
    schedule.refresh_from_db()
    return changed


def take_over(schedule: Schedule, *, by: Author) -> None:
    """It acts with the rights of this person from now on. Raises CannotSchedule where they may not do what it does."""
    person = user_of(by)
    try:
        kind, clean = planning.what_of(schedule)
    except planning.Holds as problem:
        raise CannotSchedule(sentence(problem)) from None
    if not planning.may(person, schedule, kind, clean):
        raise CannotSchedule(_("You may not do yourself what this schedule does. Ask a manager to take it over."))
    seen: dict[str, Any] = {"seen_version": schedule.recipe.version} if schedule.recipe else {}
    Schedule.objects.filter(pk=schedule.pk).update(owner=person, **seen)
    schedule.refresh_from_db()


def _answer(schedule: Schedule, by: Author) -> None:
    """What holds, or is about to start, is left out: the schedule is another from now on."""
    why = remark(ScheduleRemark.BY_PERSON, person=str(user_of(by) or "…"))
    rows = Occurrence.objects.filter(schedule=schedule, state__in=[OccurrenceState.HELD, OccurrenceState.DUE])
    rows.update(state=OccurrenceState.SKIPPED, remark=why, claimed_at=None, answered_by=user_of(by))
