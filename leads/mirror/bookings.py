"""Bookings: a lead's classes of Kartra calendars. No read shows them; messages and confirmed changes tell of them.

A message tells Kartra's id of a booking, our own confirmation does not, and either may come first. So a row is known by its
id, and while it has none by class and start; the message that brings the id takes the row over.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from leads.bulk_sql import insert_new
from leads.lock_conflicts import done_again
from leads.mirror.catalogue import get_or_create_one
from leads.mirror.changelog import NO_CAUSE, ActivityCause, add_activity, columns
from leads.mirror.locks import lock_leads
from leads.models import Calendar, CalendarClass, CalendarEnrollment, Lead, LeadChange, Source
from leads.models.changed import mark_changed

BOOKED, CANCELLED, COMPLETED = "Active", "Cancelled", "Completed"
"""States of a booking in our copy; Kartra names only the second."""


@done_again
def set_booking(
    lead: Lead,
    calendar: str,
    class_name: str,
    starts_at: dt.datetime | None,
    *,
    at: dt.datetime,
    source: Source = Source.PUSH,
    change: LeadChange | None = None,
    cause: ActivityCause = NO_CAUSE,
    booking_id: str = "",
    minutes: int | None = None,
    late: bool = False,
) -> bool:
    """The lead has a booking. The same one told again, by whomever, is not another; one that is cancelled or over stays so.
    `late`: old news, so a booking that has ended may be the one. True if new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        priority_class = _class(lead, calendar, class_name)
        rows = CalendarEnrollment.objects.filter(lead=lead, calendar_class=priority_class)
        told: dict[str, Any] = {"booking_id": booking_id, "starts_at": starts_at, "duration_min": minutes}
        row = _of_id(lead, booking_id) or _told_before(rows, starts_at, booking_id, source, change, late)
        if row is not None:
            _fill(row, cause, change=change, **told)
            return False
        values = {**told, "status": BOOKED, "since": at, "source": source}
        new = insert_new(
            CalendarEnrollment,
            ["lead", "calendar_class", "change", *values],
            [(lead.pk, priority_class.pk, change.pk if change else None, *values.values())],
            returning=["id"],
        )
        was: dict[str, Any] | None = None
        if not new:  # it was booked once before, and that booking has ended
            ended = rows.filter(booking_id="", starts_at=starts_at).exclude(status=BOOKED)
            again = ended.values("pk", *columns(CalendarEnrollment)).first()
            if again is not None:
                new, was = [(again.pop("pk"),)], again
                rows.filter(pk=new[0][0]).update(**values, change=change, after=None)
        if new:
            cause.note(CalendarEnrollment, {"id": new[0][0]}, was, {"status": BOOKED, "since": at})
            starts = starts_at.isoformat() if starts_at else ""
            details = {"calendar": calendar, "class": class_name, "starts_at": starts}
            line = add_activity(lead, "calendar_booked", details, source, at, change, cause)
            rows.filter(pk=new[0][0]).update(activity=line)
    return bool(new)


@done_again
def end_booking(
    lead: Lead,
    calendar: str,
    class_name: str,
    *,
    at: dt.datetime,
    source: Source = Source.PUSH,
    change: LeadChange | None = None,
    cause: ActivityCause = NO_CAUSE,
    booking_id: str = "",
    starts_at: dt.datetime | None = None,
    status: str = CANCELLED,
) -> bool:
    """A booking of the class is cancelled (or over: COMPLETED): the one of this id, else the only one that stands; of
    several, Kartra does not say which, so none is touched. One that we never heard of is kept as ended, so that the message
    that made it, should it come later, does not revive it. True if that was new to us."""
    with transaction.atomic():
        lock_leads([lead.pk])
        priority_class = _class(lead, calendar, class_name)
        rows = CalendarEnrollment.objects.filter(lead=lead, calendar_class=priority_class)
        told: dict[str, Any] = {"booking_id": booking_id, "starts_at": starts_at}
        row, several = _of_id(lead, booking_id), False
        if row is None:
            row, several = _standing(rows, booking_id, starts_at)
        row = row or (None if several else _ended_before(rows, booking_id, starts_at, source, change))
        if several:
            return False
        values = {"status": status, "since": at, "source": source}
        was: dict[str, Any] | None = None
        if row is None:
            new = insert_new(
                CalendarEnrollment,
                ["lead", "calendar_class", "change", *told, *values],
                [(lead.pk, priority_class.pk, change.pk if change else None, *told.values(), *values.values())],
                returning=["id"],
            )
        else:
            _fill(row, cause, change=None, **told)
            was = {name: getattr(row, name) for name in columns(CalendarEnrollment)}
            over = [status, COMPLETED] if row.status != BOOKED and status == CANCELLED else [status]
            still = rows.filter(pk=row.pk, status=row.status).exclude(status__in=over)
            new = [(row.pk,)] if still.update(**values, change=change, after=None) else []
        if new:
            cause.note(CalendarEnrollment, {"id": new[0][0]}, was, {"status": status, "since": at})
            kind = "calendar_completed" if status == COMPLETED else "calendar_cancelled"
            line = add_activity(lead, kind, {"calendar": calendar, "class": class_name}, source, at, change, cause)
            rows.filter(pk=new[0][0]).update(activity=line)
    return bool(new)


def _class(lead: Lead, calendar: str, class_name: str) -> CalendarClass:
    owner = get_or_create_one(Calendar, lead.account_id, calendar)
    return CalendarClass.objects.get_or_create(calendar=owner, name=class_name)[0]


def _of_id(lead: Lead, booking_id: str) -> CalendarEnrollment | None:
    return CalendarEnrollment.objects.filter(lead=lead, booking_id=booking_id).first() if booking_id else None


Rows = QuerySet[CalendarEnrollment]


def _told_before(
    rows: Rows,
    starts_at: dt.datetime | None,
    booking_id: str,
    source: Source,
    change: LeadChange | None,
    late: bool,
) -> CalendarEnrollment | None:
    """The row of a booking that comes without the id of a known one: told by somebody else before."""
    standing = rows if late else rows.filter(status=BOOKED)
    if booking_id:  # ours, which had no id yet
        return _nearest(standing.filter(booking_id=""), starts_at)
    if (
        source == Source.PUSH and change is not None
    ):  # a message was faster than the answer, maybe also that it has ended
        since = rows.filter(Q(change=change) | Q(change=None, since__gte=change.requested_at))
        told = since.order_by("pk").first() if starts_at is None else _nearest(since, starts_at)
        return told or standing.filter(booking_id="", starts_at=starts_at).first()
    return standing.filter(starts_at=starts_at).order_by("pk").first()


def _standing(rows: Rows, booking_id: str, starts_at: dt.datetime | None) -> tuple[CalendarEnrollment | None, bool]:
    """The booking of the class that a cancellation without a known id means; and whether it may be one of several."""
    standing = rows.filter(status=BOOKED)
    if booking_id:
        standing = standing.filter(booking_id="")
    if starts_at is not None:
        exact = list(standing.filter(starts_at=starts_at)[:2])
        standing = standing.filter(starts_at=None) if not exact else standing.filter(starts_at=starts_at)
    found = list(standing.order_by("pk")[:2])
    return (found[0], False) if len(found) == 1 else (None, len(found) > 1 and not booking_id)


def _ended_before(
    rows: Rows, booking_id: str, starts_at: dt.datetime | None, source: Source, change: LeadChange | None
) -> CalendarEnrollment | None:
    """The row of a booking whose end was told by somebody else before."""
    ended = rows.exclude(status=BOOKED)
    if source == Source.PUSH and change is not None:
        return ended.filter(Q(change=change) | Q(since__gte=change.requested_at)).order_by("pk").first()
    if booking_id:
        ended = ended.filter(booking_id="")
    return _nearest(ended, starts_at)


def _nearest(rows: Rows, starts_at: dt.datetime | None) -> CalendarEnrollment | None:
    """The row of this start, else one whose start is not known; where the start was not told, the only one there is."""
    if starts_at is not None:
        rows = rows.order_by("pk")
        return rows.filter(starts_at=starts_at).first() or rows.filter(starts_at=None).first()
    found = list(rows.order_by("pk")[:2])
    return found[0] if len(found) == 1 else None


def _fill(row: CalendarEnrollment, cause: ActivityCause, **told: Any) -> None:
    """Write what was not known of a booking yet."""
    fresh = [name for name, value in told.items() if value and not getattr(row, name)]
    for name in fresh:
        if name != "change":
            cause.note(CalendarEnrollment, {"id": row.pk}, {name: getattr(row, name)}, {name: told[name]})
        setattr(row, name, told[name])
    if fresh:
        row.save(update_fields=fresh)
        mark_changed([row.lead_id])
