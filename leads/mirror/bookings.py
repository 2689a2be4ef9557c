"""Bookings: a lead's classes of Kartra calendars. No read shows them; messages and confirmed changes tell of them."""

import datetime as dt

from django.db import transaction

from leads.mirror.ties import log, thing
from leads.models import Calendar, CalendarClass, CalendarEnrollment, Lead, LeadChange, Source

BOOKED, CANCELLED, COMPLETED = "Active", "Cancelled", "Completed"
"""States of a booking in our copy; Kartra names only the second."""


def set_booking(
    lead: Lead,
    calendar: str,
    class_name: str,
    starts_at: dt.datetime | None,
    *,
    at: dt.datetime,
    source: Source = Source.PUSH,
    change: LeadChange | None = None,
    cause: str = "",
    booking_id: str = "",
    minutes: int | None = None,
    late: bool = False,
) -> bool:
    """The lead has a booking. The same one told again (by Kartra's booking id, or by the same class and time without
    one) is not another; one that is cancelled or over stays so. `late`: an old message told again. True if new to us."""
    with transaction.atomic():
        klass = _class(lead, calendar, class_name)
        row = _of_id(lead, booking_id)
        if row is None:
            without_id = CalendarEnrollment.objects.filter(
                lead=lead, calendar_class=klass, starts_at=starts_at, booking_id=""
            )
            row = (without_id if late and not booking_id else without_id.filter(status=BOOKED)).first()
        if row is not None:
            _fill(row, booking_id, starts_at, minutes)
            return False
        CalendarEnrollment.objects.create(
            lead=lead, calendar_class=klass, starts_at=starts_at, status=BOOKED, booking_id=booking_id, since=at,
            source=source, change=change, duration_min=minutes,
        )  # fmt: skip
        details = {"calendar": calendar, "class": class_name, "starts_at": starts_at.isoformat() if starts_at else ""}
        log(lead, "calendar_booked", details, source, at, change, cause)
    return True


def end_booking(
    lead: Lead,
    calendar: str,
    class_name: str,
    *,
    at: dt.datetime,
    source: Source = Source.PUSH,
    change: LeadChange | None = None,
    cause: str = "",
    booking_id: str = "",
    starts_at: dt.datetime | None = None,
    status: str = CANCELLED,
) -> bool:
    """A booking of the class is cancelled (or over: COMPLETED): the one of this id, else the only one that stands; of
    several, Kartra does not say which, so none is touched. One of an id that we never heard of is kept as ended, so that
    the message that made it, should it come later, does not revive it. True if that was new to us."""
    with transaction.atomic():
        row = _of_id(lead, booking_id)
        if row is not None and row.status != BOOKED:
            return False
        if row is None:
            standing = CalendarEnrollment.objects.filter(
                lead=lead, calendar_class__name=class_name, calendar_class__calendar__name=calendar, status=BOOKED
            )
            if booking_id:
                standing = standing.filter(booking_id="")
            rows = list(standing.filter(starts_at=starts_at)[:2] if starts_at else ()) or list(standing[:2])
            row = rows[0] if len(rows) == 1 else None
        if row is None and booking_id:
            klass = _class(lead, calendar, class_name)
            row = CalendarEnrollment(lead=lead, calendar_class=klass, starts_at=starts_at)
        if row is not None:
            row.booking_id = row.booking_id or booking_id
            row.status, row.since, row.source, row.change = status, at, source, change
            row.save()
        if row is not None or change is not None:
            kind = "calendar_completed" if status == COMPLETED else "calendar_cancelled"
            log(lead, kind, {"calendar": calendar, "class": class_name}, source, at, change, cause)
    return row is not None


def _class(lead: Lead, calendar: str, class_name: str) -> CalendarClass:
    owner = thing(Calendar, lead.account_id, calendar)
    return CalendarClass.objects.get_or_create(calendar=owner, name=class_name)[0]


def _of_id(lead: Lead, booking_id: str) -> CalendarEnrollment | None:
    return CalendarEnrollment.objects.filter(lead=lead, booking_id=booking_id).first() if booking_id else None


def _fill(row: CalendarEnrollment, booking_id: str, starts_at: dt.datetime | None, minutes: int | None) -> None:
    """Write what was not known of a booking yet."""
    told = {"booking_id": booking_id, "starts_at": starts_at, "duration_min": minutes}
    fresh = [name for name, value in told.items() if value and not getattr(row, name)]
    for name in fresh:
        setattr(row, name, told[name])
    if fresh:
        row.save(update_fields=fresh)
