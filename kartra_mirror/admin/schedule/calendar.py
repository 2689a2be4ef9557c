"""The page of all schedules: what is coming and what was. In a number of queries that does not grow with what it shows."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _, ngettext

from leads import access, clock, filters
from leads.filters import CannotResolve, Names
from leads.filters.selection import Everybody, WithIds, as_conditions, from_json
from leads.models import Occurrence, OccurrenceState, Schedule, ScheduleRemark, ScheduleState
from leads.schedules.times import times_of

PAST = dt.timedelta(days=30)
AHEAD = dt.timedelta(days=8)
EACH = 3
"""So many times of one schedule at the most are shown."""
SHOWN = 200
LOOKS = {
    OccurrenceState.STARTED: "good",
    OccurrenceState.HELD: "warn",
    OccurrenceState.MISSED: "bad",
    OccurrenceState.DUE: "wait",
}


def facts(request: HttpRequest) -> dict[str, Any]:
    """{"rows", "past", "zone", "paused", "going"}: the rows of the tab that is asked for."""
    past, now = request.GET.get("tab") == "past", clock.now()
    mine = access.only_mine(Schedule.objects.select_related("recipe", "owner", "people_list"), request.user)
    schedules = list(mine.exclude(state=ScheduleState.OVER)[:SHOWN])
    own = {each.pk for each in schedules if may_steer(request.user, each)}
    return {
        "tab": "past" if past else "coming",
        "rows": _past(request, now) if past else _coming(schedules, own, now),
        "zone": timezone.get_current_timezone_name(),
        "paused": [each for each in schedules if each.state == ScheduleState.PAUSED],
        "going": any(each.state != ScheduleState.PAUSED for each in schedules if each.pk in own),
        "own": own,
    }


def may_steer(user: access.RequestUser, schedule: Schedule) -> bool:
    """Whether this person may pause, skip and change it."""
    return bool(schedule.owner_id == user.pk or user.has_perm("leads.change_schedule"))


def _coming(schedules: Sequence[Schedule], own: set[int], now: dt.datetime) -> list[dict[str, Any]]:
    """What holds, then the times ahead in their order."""
    going = [each for each in schedules if each.state != ScheduleState.PAUSED]
    said = selections(going)
    rows = []
    open_ones = Occurrence.objects.filter(
        schedule__in=going, state__in=[OccurrenceState.HELD, OccurrenceState.DUE]
    ).order_by("due_at")
    known = {each.pk: each for each in going}
    skipped = set(
        Occurrence.objects.filter(
            schedule__in=going, due_at__gt=now - AHEAD, state=OccurrenceState.SKIPPED
        ).values_list("schedule", "due_at")
    )
    for occurrence in open_ones:
        occurrence.schedule = known[occurrence.schedule_id]
        rows.append(row_of(occurrence, said, now) | {"may": occurrence.schedule_id in own})
    for schedule in going:
        for number, at in enumerate(ahead(schedule, now)):
            rows.append(
                {
                    "schedule": schedule,
                    "at": at,
                    "day": day(at, now),
                    "selection": said[schedule.pk],
                    "number": _about(schedule) if number == 0 else "",
                    "look": "",
                    "words": _("left out") if (schedule.pk, at) in skipped else "",
                    "skipped": (schedule.pk, at) in skipped,
                    "what": "unskip" if (schedule.pk, at) in skipped else "skip",
                    "may": schedule.pk in own,
                }
            )
    held = [each for each in rows if each.get("held")]
    return held + sorted((each for each in rows if not each.get("held")), key=lambda each: each["at"])[:SHOWN]


def ahead(schedule: Schedule, now: dt.datetime) -> list[dt.datetime]:
    """The next time, and those of the next days."""
    if schedule.next_at is None:
        return []
    found = [schedule.next_at]
    for at in times_of(schedule).until(schedule.next_at, now + AHEAD):
        if len(found) == EACH:
            break
        found.append(at)
    return found


def _about(schedule: Schedule) -> str:
    number = schedule.last_members
    if number is None:
        return ""
    words = ngettext("about %(number)s lead", "about %(number)s leads", number)
    return words % {"number": intcomma(number)}


def _past(request: HttpRequest, now: dt.datetime) -> list[dict[str, Any]]:
    rows = Occurrence.objects.filter(due_at__gt=now - PAST, due_at__lte=now)
    rows = rows.select_related("schedule__recipe", "schedule__people_list", "run")
    found = list(access.only_mine(rows, request.user)[:SHOWN])
    said = selections([each.schedule for each in found])
    return [row_of(each, said, now) for each in found]


def row_of(occurrence: Occurrence, said: dict[int, str], now: dt.datetime) -> dict[str, Any]:
    """An occurrence as a page shows it."""
    number = occurrence.members
    words = ngettext("%(number)s lead", "%(number)s leads", number or 0)
    held = occurrence.state == OccurrenceState.HELD
    return {
        "schedule": occurrence.schedule,
        "occurrence": occurrence,
        "at": occurrence.due_at,
        "day": day(occurrence.due_at, now),
        "selection": said.get(occurrence.schedule_id, ""),
        "number": words % {"number": intcomma(number)} if number is not None else "",
        "look": LOOKS.get(OccurrenceState(occurrence.state), ""),
        "words": _short(occurrence) if held else occurrence.get_state_display(),
        "why": occurrence.why,
        "run": occurrence.run,
        "held": held,
        "what": "skip",
    }


def _short(occurrence: Occurrence) -> str:
    """Why it holds, in the few words of a badge."""
    remark = occurrence.remark
    if remark.get("what") != ScheduleRemark.DIFFERS:
        return _("Holds")
    words = _("Holds: %(percent)s %% more")
    if remark.get("which", {}).get("what") == ScheduleRemark.FEWER:
        words = _("Holds: %(percent)s %% fewer")
    return words % {"percent": remark.get("percent", "")}


def day(at: dt.datetime, now: dt.datetime) -> str:
    """The day of a time in the reader's zone: "Tomorrow", "Mon 7 Dec"."""
    there, today = timezone.localtime(at).date(), timezone.localtime(now).date()
    near = {0: _("Today"), 1: _("Tomorrow"), -1: _("Yesterday")}.get((there - today).days)
    return near or date_format(there, "D j M" if there.year == today.year else "j M Y")


def selections(schedules: Sequence[Schedule]) -> dict[int, str]:
    """On whom each is, in words; the names they need in one query for each catalogue."""
    asked: dict[int, dict[str, list[str]]] = {}
    said: dict[int, str] = {}
    for schedule in schedules:
        try:
            selection = from_json(schedule.selection)
            if isinstance(selection, WithIds):
                number = len(selection.pks)
                words = ngettext("%(number)s chosen lead", "%(number)s chosen leads", number)
                said[schedule.pk] = words % {"number": intcomma(number)}
            elif isinstance(selection, Everybody):
                said[schedule.pk] = _("every lead of the account")
            else:
                asked[schedule.pk] = as_conditions(selection)
        except CannotResolve:
            of_list = schedule.people_list
            said[schedule.pk] = _("List %(name)s") % {"name": of_list.name} if of_list else _("chosen leads")
    names: Names = filters.names_of(list(asked.values()))
    accounts = {schedule.pk: frozenset({schedule.account_id}) for schedule in schedules}
    for pk, conditions in asked.items():
        conditions = {name: values for name, values in conditions.items() if name != "account"} or conditions
        said[pk] = "; ".join(filters.in_words(conditions, accounts[pk], names)) or _("every lead of the account")
    return said
