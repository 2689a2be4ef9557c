"""What becomes of a time of a schedule when it comes. Each step is one update of a row, so that of two workers one does it.

1. `write_down`: the schedule moves on to its next time, and the time that came is a row.
2. `start`: a worker takes the row, judges it, and starts a bulk action, waits for leads to be read, or holds and asks.
"""

import datetime as dt
import logging

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from leads import access, changes, clock, kinds
from leads.access import Author
from leads.changes.create_many import with_missing
from leads.models import (
    BulkRun,
    Occurrence,
    OccurrenceState,
    Schedule,
    ScheduleRemark as Why,
    ScheduleState,
)
from leads.models.remarks import NONE, Remark, remark
from leads.schedules import planning
from leads.schedules.planning import Holds, Plan, Reach
from leads.schedules.times import times_of

logger = logging.getLogger(__name__)

LEASE = dt.timedelta(minutes=10)
"""So long a row is one worker's; what it has not started then is taken by another, and it cannot start it any more."""
WRITTEN_DOWN = dt.timedelta(days=31)
"""Times that passed longer ago are not written down one by one."""


class Overtaken(Exception):
    """Somebody else has done it meanwhile."""


def schedules_with_work(now: dt.datetime) -> set[int]:
    """The schedules of which a time has come, or for which one waits to be started, by primary key. Two queries by index."""
    due = Schedule.objects.due(now).values_list("pk", flat=True)
    return {*due, *_waiting(now).values_list("schedule", flat=True)}


def _waiting(now: dt.datetime) -> QuerySet[Occurrence]:
    free = Q(claimed_at=None) | Q(claimed_at__lt=now - LEASE)
    return Occurrence.objects.filter(free, state=OccurrenceState.DUE)


def work(schedule_id: int, reach: Reach) -> None:
    """Whatever is to be done for one schedule now. Safe to run twice, also at once."""
    now = clock.now()
    write_down(schedule_id, now)
    for pk in _waiting(now).filter(schedule=schedule_id).order_by("due_at").values_list("pk", flat=True):
        start(pk, reach, now)


def write_down(schedule_id: int, now: dt.datetime) -> None:
    """A row for each time that has come. Of several that passed while nothing was running, only the last is to be started."""
    while (schedule := Schedule.objects.due(now).filter(pk=schedule_id).first()) is not None:
        if not _move_on(schedule, now):
            return


def _move_on(schedule: Schedule, now: dt.datetime) -> bool:
    """Write down the time that has come, and move on. False where somebody else did."""
    due_at, times = schedule.next_at, times_of(schedule)
    assert due_at is not None
    following = times.next_after(max(due_at, now - WRITTEN_DOWN))
    held = schedule.state == ScheduleState.HELD
    state, why = OccurrenceState.DUE, NONE
    if held:
        state, why = OccurrenceState.SKIPPED, remark(Why.HELD_BEFORE)
    elif now > due_at + grace_of(schedule):
        state, why = OccurrenceState.MISSED, remark(Why.LATE)
    elif following is not None and following <= now:
        state, why = OccurrenceState.MISSED, remark(Why.LATER_CAME)
    goes_on = schedule.state if held or following is not None else ScheduleState.OVER
    with transaction.atomic():
        rows = Schedule.objects.filter(pk=schedule.pk, state=schedule.state, next_at=due_at)
        if not rows.update(next_at=following, state=goes_on):
            return False
        # One that a person skipped beforehand is there already.
        Occurrence.objects.get_or_create(schedule=schedule, due_at=due_at, defaults={"state": state, "remark": why})
    return True


def grace_of(schedule: Schedule) -> dt.timedelta:
    return dt.timedelta(minutes=schedule.grace_minutes)


def start(occurrence_id: int, reach: Reach, now: dt.datetime) -> None:
    """Take a time that has come and do what is to be done with it."""
    if not _waiting(now).filter(pk=occurrence_id).update(claimed_at=now):
        return
    rows = Occurrence.objects.select_related("schedule__account", "schedule__recipe", "schedule__owner")
    occurrence = rows.get(pk=occurrence_id)
    schedule = occurrence.schedule
    try:
        if schedule.state == ScheduleState.PAUSED:
            _end(occurrence, OccurrenceState.SKIPPED, remark(Why.PAUSED))
            return
        if schedule.state == ScheduleState.HELD and occurrence.remark.get("what") not in (None, Why.READING):
            raise Holds(occurrence.remark, occurrence.members)  # whoever released it did not get through
        if now > occurrence.due_at + grace_of(schedule) and occurrence.remark.get("what") != Why.READING:
            _end(occurrence, OccurrenceState.MISSED, remark(Why.LATE))
            return
        plan = planning.plan_of(schedule)
        planning.check_owner(schedule, plan)
        if reach.not_sending:
            raise Holds(remark(Why.NOT_SENDING, words=reach.not_sending), plan.members)
        planning.check_difference(schedule, plan.members)
        planning.check_preview(schedule.account, plan)
        if _waits_for_reading(occurrence, plan, reach, now):
            return
        _record(occurrence, plan, by=schedule.owner)
    except Holds as problem:
        _hold(occurrence, problem.why, problem.members)
    except Overtaken:
        logger.info("A time of schedule %s was taken by another worker.", schedule.pk)


def _waits_for_reading(occurrence: Occurrence, plan: Plan, reach: Reach, now: dt.datetime) -> bool:
    """Whether leads are to be read before it may start; they are asked for. Raises Holds where they cannot be, or not in time."""
    old = planning.not_fresh(plan, occurrence.due_at)
    number = old.count()
    if not number:
        return False
    told = f"{number:,}"
    if not reach.reads:
        raise Holds(remark(Why.NOT_READING, number=told), plan.members)
    if now > occurrence.due_at + grace_of(occurrence.schedule):
        raise Holds(remark(Why.STALE, number=told), plan.members)
    reach.read(old.filter(dirty_at=None))
    _mine(occurrence).update(claimed_at=None, members=plan.members, remark=remark(Why.READING, number=told))
    return True


def release(occurrence: Occurrence, *, by: Author) -> BulkRun | None:
    """Start what holds because a person says so: with the rights of its owner, approved by this one; of an owner who may not do it,
    with the rights of this one. The bulk action; None where no lead needs it.

    Raises CannotRecord where this person may not do it alone, or the preview refuses it still; then it goes on holding. Of two
    who release it at once one does, and the other gets what the first has started.
    """
    taken_at = clock.now()
    if not Occurrence.objects.held().filter(pk=occurrence.pk).update(state=OccurrenceState.DUE, claimed_at=taken_at):
        occurrence.refresh_from_db()
        return occurrence.run
    occurrence.state, occurrence.claimed_at = OccurrenceState.DUE, taken_at
    schedule, person = occurrence.schedule, access.user_of(by)
    try:
        plan = planning.plan_of(schedule)
        if person is not None:
            _check_releaser(person, schedule, plan)
        planning.check_preview(schedule.account, plan)
        author = schedule.owner if planning.may(schedule.owner, schedule, plan.kind, plan.clean) else person
        run = _record(occurrence, plan, by=author, approved_by=person if author != person else None)
    except Holds as problem:
        _hold(occurrence, problem.why, problem.members)
        raise changes.CannotRecord(occurrence.why) from None
    except (changes.CannotRecord, kinds.BadParameters) as problem:
        _hold(occurrence, occurrence.remark, occurrence.members)
        raise changes.CannotRecord(str(problem)) from None
    except Exception:
        _hold(occurrence, occurrence.remark, occurrence.members)
        raise
    Occurrence.objects.filter(pk=occurrence.pk).update(answered_by=person)
    go_on(schedule)
    if schedule.recipe is not None:
        Schedule.objects.filter(pk=schedule.pk).update(seen_version=schedule.recipe.version)
    return run


def _check_releaser(person: User, schedule: Schedule, plan: Plan) -> None:
    if not planning.may(person, schedule, plan.kind, plan.clean):
        raise changes.CannotRecord(_("You may not do this yourself. Ask a manager to release it."))
    try:
        access.check_run(person, plan.size)
    except access.NotAllowed as problem:
        raise changes.CannotRecord(str(problem)) from None


def _record(occurrence: Occurrence, plan: Plan, *, by: Author, approved_by: Author = None) -> BulkRun | None:
    """Start the bulk action, whose row and the occurrence's are written together or not at all. Raises Holds, Overtaken."""
    schedule = occurrence.schedule
    counted = changes.preview_change(schedule.account, plan.leads, plan.kind, plan.clean, plan.choices)
    counted = with_missing(counted, plan.missing)
    if not counted.will_change and not counted.read_first:
        _end(occurrence, OccurrenceState.NOTHING, remark(Why.NOBODY), plan.members)
        Schedule.objects.filter(pk=schedule.pk).update(last_members=plan.members)
        return None

    def begun(run: BulkRun) -> None:
        done = {"state": OccurrenceState.STARTED, "run": run, "members": plan.members, "remark": NONE}
        if not _mine(occurrence).update(**done):
            raise Overtaken
        Schedule.objects.filter(pk=schedule.pk).update(last_members=plan.members)
        go_on(schedule)

    try:
        return changes.record_run(
            schedule.account,
            plan.leads,
            plan.kind,
            plan.clean,
            by=by,
            why=schedule.why,
            name=schedule.name,
            expected=counted.will_change,
            choices=plan.choices,
            approved_by=approved_by,
            recipe_version=plan.recipe_version,
            begun=begun,
            missing=plan.missing,
        )
    except (changes.CannotRecord, kinds.BadParameters) as problem:
        raise Holds(remark(Why.REFUSED, words=str(problem)), plan.members) from None


def _mine(occurrence: Occurrence) -> QuerySet[Occurrence]:
    """The row while it is still this worker's."""
    rows = Occurrence.objects.filter(pk=occurrence.pk, state=OccurrenceState.DUE)
    return rows.filter(claimed_at=occurrence.claimed_at)


def _end(occurrence: Occurrence, state: OccurrenceState, why: Remark, members: int | None = None) -> None:
    with transaction.atomic():
        if _mine(occurrence).update(state=state, remark=why, members=members):
            go_on(occurrence.schedule)


def _hold(occurrence: Occurrence, why: Remark, members: int | None) -> None:
    """Ask a person. Whatever held before is answered by that: the newer time asks."""
    with transaction.atomic():
        schedule = Schedule.objects.select_for_update(of=("self",)).get(pk=occurrence.schedule_id)
        before = Occurrence.objects.held().filter(schedule=schedule).exclude(pk=occurrence.pk)
        before.update(state=OccurrenceState.SKIPPED, remark=remark(Why.LATER_CAME))
        if _mine(occurrence).update(state=OccurrenceState.HELD, claimed_at=None, remark=why, members=members):
            occurrence.remark = dict(why)
            if schedule.state != ScheduleState.PAUSED:
                Schedule.objects.filter(pk=schedule.pk).update(state=ScheduleState.HELD)


def go_on(schedule: Schedule) -> None:
    """After what held is answered: the schedule has times ahead, or is over."""
    held = Occurrence.objects.held().filter(schedule=OuterRef("pk"))
    rows = Schedule.objects.filter(~Exists(held), pk=schedule.pk, state=ScheduleState.HELD)
    rows.filter(next_at=None).update(state=ScheduleState.OVER)
    rows.update(state=ScheduleState.ON)
