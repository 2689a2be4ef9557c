"""Calendars: book a class, cancel a booking. Kartra lists neither calendars nor classes, so names can be typed."""

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import clock, mirror
from leads.clock import is_doubled, is_skipped
from leads.kind import CHANGES_LEADS, ChangeKind, Parameters, by_this_change
from leads.kinds import already_words
from leads.kinds.form_fields import PlainText, Suggested, zone_words
from leads.models import Account, Calendar, CalendarClass, CalendarEnrollment, LeadChange

DATE_FORMS = ["%Y-%m-%d", "%d %b %Y"]
HOUR_FORMS = ["%H:%M", "%H:%M:%S"]


def calendar_fields(account: Account, *, required: bool = True, prefix: str = "") -> dict[str, forms.Field]:
    """Calendar and class: known names are offered, others are taken."""
    names = list(Calendar.objects.filter(account=account).values_list("name", flat=True)[:500])
    classes = CalendarClass.objects.filter(calendar__account=account).order_by("name")
    offered = list(classes.values_list("name", flat=True).distinct()[:500])
    return {
        f"{prefix}calendar": PlainText(
            label=_("Leave: Kartra calendar") if prefix else _("Kartra calendar"),
            required=required,
            max_length=500,
            widget=Suggested(names),
            help_text=_(
                "Its name, letter for letter. Kartra has no list of calendars; its webinars cannot be reached from outside."
            ),
        ),
        f"{prefix}class": PlainText(
            label=_("Leave: Class") if prefix else _("Class"),
            required=required,
            max_length=500,
            widget=Suggested(offered),
            help_text=_("The class of that calendar, letter for letter."),
        ),
    }


def time_fields(account: Account) -> dict[str, forms.Field]:
    zone = zone_words(account)
    return {
        "date": forms.DateField(
            label=_("Date"),
            required=False,
            input_formats=DATE_FORMS,
            widget=forms.DateInput(attrs={"type": "date"}),
            help_text=_("In %(zone)s.") % {"zone": zone},
        ),
        "hour": forms.TimeField(
            label=_("Hour"),
            required=False,
            input_formats=HOUR_FORMS,
            widget=forms.TimeInput(attrs={"type": "time"}),
            help_text=_("In %(zone)s.") % {"zone": zone},
        ),
    }


def starts_at(account: Account, parameters: Parameters) -> dt.datetime | None:
    """The booked moment in UTC; None when no date was given."""
    if not parameters.get("date"):
        return None
    return _naive(parameters).replace(tzinfo=account.zone).astimezone(dt.UTC)


def _naive(parameters: Parameters) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{parameters['date']} {parameters.get('hour') or '00:00'}")


def time_warning(account: Account, parameters: Parameters) -> str:
    """A word on an hour that the clocks of Kartra's zone show twice; empty for any other."""
    if not parameters.get("date") or not is_doubled(_naive(parameters), account.zone):
        return ""
    naive = _naive(parameters)
    words = _(
        "%(date)s %(hour)s comes twice in %(zone)s, because the clocks are put back: %(first)s and %(second)s UTC. Kartra does "
        "not say which it takes."
    )
    first, second = (naive.replace(tzinfo=account.zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    return words % {
        "date": parameters["date"],
        "hour": parameters["hour"],
        "zone": zone_words(account),
        "first": f"{first:%H:%M}",
        "second": f"{second:%H:%M}",
    }


def check_time(account: Account, clean: dict[str, Any]) -> None:
    """Date and hour together or not at all, and still to come (Kartra answers 260 and 261 otherwise)."""
    if bool(clean.get("date")) != bool(clean.get("hour")):
        raise ValidationError(_("Give the date and the hour, or neither of them."))
    if clean.get("date") and is_skipped(_naive(clean), account.zone):
        raise ValidationError(
            _("%(date)s %(hour)s does not exist in %(zone)s: the clocks are put forward over it.")
            % {"date": clean["date"], "hour": clean["hour"], "zone": zone_words(account)}
        )
    when = starts_at(account, clean)
    if when is not None and when <= clock.now():
        raise ValidationError(
            _("%(date)s %(hour)s is in the past in %(zone)s.")
            % {"date": clean["date"], "hour": clean["hour"], "zone": zone_words(account)}
        )


def _booking(account: Account) -> dict[str, forms.Field]:
    return {**calendar_fields(account), **time_fields(account)}


def _booking_words(parameters: Parameters) -> str:
    words = _("book %(class)s of the calendar %(calendar)s")
    if parameters.get("date"):
        words = _("book %(class)s of the calendar %(calendar)s on %(date)s at %(hour)s")
    return words % _told(parameters)


def _cancelling_words(parameters: Parameters) -> str:
    return _("cancel the booking of %(class)s of the calendar %(calendar)s") % _told(parameters)


def _told(parameters: Parameters) -> dict[str, Any]:
    return {name: parameters.get(name, "") for name in ("class", "calendar", "date", "hour")}


def _booked(account: Account, parameters: Parameters) -> Q:
    """Leads that Kartra has told us to have this very booking."""
    if not parameters.get("date"):
        return Q(pk__in=[])
    return Q(
        Exists(
            CalendarEnrollment.objects.filter(
                lead=OuterRef("pk"),
                calendar_class__name=parameters["class"],
                calendar_class__calendar__name=parameters["calendar"],
                starts_at=starts_at(account, parameters),
                status__iexact=mirror.BOOKED,
            )
        )
    )


def _booked_by_it(parameters: Parameters) -> Q:
    """It stands, and no other booking of the class does: Kartra takes the class alone, and may cancel that one."""
    rows = CalendarEnrollment.objects.filter(
        Q(starts_at=None) | Q(starts_at__gt=clock.now()),
        lead=OuterRef("lead"),
        calendar_class__name=parameters["class"],
        calendar_class__calendar__name=parameters["calendar"],
        status__iexact=mirror.BOOKED,
    )
    ours = by_this_change("since")
    return Q(Exists(rows.filter(ours))) & Q(~Exists(rows.exclude(ours)))


def _confirmed(change: LeadChange, at: dt.datetime) -> None:
    given = change.parameters
    mirror.set_booking(
        change.lead, given["calendar"], given["class"], starts_at(change.lead.account, given), at=at, change=change
    )


def _cancelled(change: LeadChange, at: dt.datetime) -> None:
    mirror.end_booking(change.lead, change.parameters["calendar"], change.parameters["class"], at=at, change=change)


def _booked_words(name: str, parameters: Parameters) -> str:
    told = {**_told(parameters), "lead": name}
    if told["date"]:
        return _("%(lead)s is booked for %(class)s of the calendar %(calendar)s on %(date)s at %(hour)s.") % told
    return _("%(lead)s is booked for %(class)s of the calendar %(calendar)s.") % told


def _cancelled_words(name: str, parameters: Parameters) -> str:
    words = _("The booking of %(lead)s for %(class)s of the calendar %(calendar)s is cancelled.")
    return words % {**_told(parameters), "lead": name}


SUBSCRIBE_CALENDAR = ChangeKind(
    name="subscribe_calendar",
    label=gettext_lazy("Add to a calendar"),
    permission="leads.subscribe_calendar",
    permission_words=gettext_noop("Can add leads to calendars"),
    groups=CHANGES_LEADS,
    fields=_booking,
    check=check_time,
    family=lambda parameters: "calendar",
    sentence=_booking_words,
    done_message=_booked_words,
    already_so_q=_booked,
    effect=_confirmed,
    repeatable=False,
    inverse="cancel_calendar",
    undoable_q=_booked_by_it,
    noun="calendar",
    thing=gettext_lazy("Calendar"),
    verb=gettext_lazy("Add"),
    beside=("calendar", "class", "date", "hour"),
    activity="calendar_booked",
    activity_words=gettext_lazy("calendar booked"),
    afterwards_words=gettext_lazy("booked %(class)s of %(calendar)s"),
    already_words=already_words.GIVEN,
    undo_keeps=("calendar", "class"),
    unchecked=True,
    unlike_creation=True,
)
CANCEL_CALENDAR = ChangeKind(
    name="cancel_calendar",
    label=gettext_lazy("Remove from a calendar"),
    permission="leads.cancel_calendar",
    permission_words=gettext_noop("Can remove leads from calendars"),
    groups=CHANGES_LEADS,
    fields=calendar_fields,
    family=lambda parameters: "calendar",
    sentence=_cancelling_words,
    done_message=_cancelled_words,
    effect=_cancelled,
    noun="calendar",
    thing=gettext_lazy("Calendar"),
    verb=gettext_lazy("Remove"),
    beside=("leave_calendar", "leave_class"),
    activity="calendar_cancelled",
    activity_words=gettext_lazy("calendar cancelled"),
    afterwards_words=gettext_lazy("cancelled %(class)s of %(calendar)s"),
    never_undone_words=gettext_lazy("The hour of the booking is not known any more; book them again instead."),
    unchecked=True,
)
KINDS = (SUBSCRIBE_CALENDAR, CANCEL_CALENDAR)
