"""When the times of a schedule are, on the clocks of its zone. Nothing is asked here: neither the database nor the hour.

An hour that the clocks pass over in spring is done when they have passed it (02:30 at 03:30); one that they show twice in autumn
is done the first time.
"""

import calendar
import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from leads.models.schedule import Period, Schedule

DAYS_AHEAD = 32
"""Among so many days is the next of each kind."""


@dataclass(frozen=True)
class Times:
    """The hour on the clocks of a zone, and on which days. Of one that happens once `on`; of the others `weekday` (0: Monday) or
    `day` of the month."""

    zone: str
    at: dt.time
    period: str
    on: dt.date | None = None
    weekday: int | None = None
    day: int | None = None

    def next_after(self, moment: dt.datetime) -> dt.datetime | None:
        """The first time after this moment, in UTC; None where there is none."""
        if self.period == Period.ONCE:
            once = self._moment(self.on) if self.on else None
            return once if once is not None and once > moment else None
        today = moment.astimezone(zoneinfo.ZoneInfo(self.zone)).date()
        # From the day before: what is late on its own clocks may be after this moment.
        for ahead in range(-1, DAYS_AHEAD + 1):
            date = today + dt.timedelta(days=ahead)
            if self._is_on(date) and (found := self._moment(date)) > moment:
                return found
        return None

    def until(self, after: dt.datetime, last: dt.datetime) -> Iterator[dt.datetime]:
        """Each time after the one moment, up to the other."""
        found = self.next_after(after)
        while found is not None and found <= last:
            yield found
            found = self.next_after(found)

    def _is_on(self, date: dt.date) -> bool:
        if self.period == Period.WEEKLY:
            return date.weekday() == self.weekday
        if self.period == Period.MONTHLY:
            return date.day == min(self.day or 1, calendar.monthrange(date.year, date.month)[1])
        return True

    def _moment(self, date: dt.date) -> dt.datetime:
        """When the clocks show the hour on this day. Of an hour that they pass over, `fold=0` counts by the clocks from before, which
        is as much later by those from then on."""
        there = dt.datetime.combine(date, self.at, zoneinfo.ZoneInfo(self.zone)).replace(fold=0)
        return there.astimezone(dt.UTC)


def times_of(schedule: Schedule) -> Times:
    return Times(
        schedule.zone, schedule.at, schedule.period, on=schedule.on, weekday=schedule.weekday, day=schedule.day
    )
