"""Bookings: a lead's classes of Kartra calendars. No read shows them; messages and confirmed changes tell of them."""

import datetime as dt

from django.db import transaction

from leads.mirror.ties import log, thing
from leads.models import Calendar, CalendarClass, CalendarEnrollment, Lead, LeadChange, Source

BOOKED, CANCELLED = "Active", "Cancelled"
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
) -> bool:
    """The lead has a booking. The same one told again (by Kartra's booking id, or by the same class and time without
    one) is not another. True if that was new to us."""
    with transaction.atomic():
        owner = thing(Calendar, lead.account_id, calendar)
        klass, _ = CalendarClass.objects.get_or_create(calendar=owner, name=class_name)
        bookings = CalendarEnrollment.objects.filter(lead=lead, calendar_class=klass)
        row = bookings.filter(booking_id=booking_id).first() if booking_id else None
        if row is None:
            row = bookings.filter(starts_at=starts_at, status=BOOKED, booking_id="").first()
        if row is not None:
            if booking_id and not row.booking_id:
                row.booking_id = booking_id
                row.save(update_fields=["booking_id"])
            return False
        CalendarEnrollment.objects.create(
            lead=lead, calendar_class=klass, starts_at=starts_at, status=BOOKED, booking_id=booking_id, since=at,
            source=source, change=change,
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
) -> bool:
    """A booking of the class is cancelled: the one of this id, else the only one that stands; of several, Kartra does not
    say which, so none is touched. True if that was new to us."""
    with transaction.atomic():
        standing = CalendarEnrollment.objects.filter(
            lead=lead, calendar_class__name=class_name, calendar_class__calendar__name=calendar, status=BOOKED
        )
        if booking_id:
            standing = standing.filter(booking_id__in=[booking_id, ""])
        rows = list(standing[:2])
        if len(rows) == 1:
            rows[0].status, rows[0].since, rows[0].source, rows[0].change = CANCELLED, at, source, change
            rows[0].save()
        if rows or change is not None:
            log(lead, "calendar_cancelled", {"calendar": calendar, "class": class_name}, source, at, change, cause)
    return bool(rows)
