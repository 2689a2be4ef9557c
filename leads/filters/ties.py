"""Filters by what a lead is joined to: tags, lists, sequences, memberships, calendars, segments."""

import functools
import operator
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from leads.filters.base import Condition, Given, Part, between, spanned
from leads.filters.choosing import Fixed, Named, Occurring
from leads.models import (
    CalendarClass,
    CalendarEnrollment,
    LeadTag,
    ListSubscription,
    MailingList,
    MembershipGrant,
    MembershipLevel,
    Sequence,
    SequenceEnrollment,
    Tag,
)

GROUP = _("Tags, lists, sequences")
tags = Named(Tag.objects.all)
lists = Named(MailingList.objects.all)
LIST_STATES = [("active", _("on it now")), ("left", _("left it"))]


def _tagged(ids: list[int]) -> Exists:
    return Exists(LeadTag.objects.filter(lead=OuterRef("pk"), tag__in=ids))


def _all_tags(given: Given) -> Q:
    return functools.reduce(operator.and_, (Q(_tagged([pk])) for pk in given["tag_all"]))


def _on_list(given: Given) -> Exists:
    """On one of the lists; without a state: on it now."""
    rows = ListSubscription.objects.filter(lead=OuterRef("pk"))
    if "list" in given:
        rows = rows.filter(mailing_list__in=given["list"])
    states = set(given.get("list_state", ["active"]))
    return Exists(rows.filter(active__in=[state == "active" for state in states if state in ("active", "left")]))


def _in_sequence(given: Given) -> Exists:
    rows = SequenceEnrollment.objects.filter(lead=OuterRef("pk"))
    if "sequence" in given:
        rows = rows.filter(sequence__in=given["sequence"])
    if "sequence_step" in given:
        rows = rows.filter(step=str(given["sequence_step"]))
    if "sequence_status" in given:
        rows = rows.filter(status__in=given["sequence_status"])
    return Exists(rows)


def _member(given: Given) -> Exists:
    rows = MembershipGrant.objects.filter(lead=OuterRef("pk"))
    if "membership" in given:
        rows = rows.filter(level__in=given["membership"])
    states = given.get("membership_state", ["active"])
    return Exists(rows.filter(active__in=[state == "active" for state in states if state in ("active", "ended")]))


def _booked(given: Given) -> Exists:
    rows = CalendarEnrollment.objects.filter(lead=OuterRef("pk"))
    if "calendar" in given:
        rows = rows.filter(calendar_class__in=given["calendar"])
    if "calendar_status" in given:
        rows = rows.filter(status__in=given["calendar_status"])
    if "calendar_from" in given or "calendar_to" in given:
        rows = rows.filter(between("starts_at", given, "calendar_from", "calendar_to"))
    return Exists(rows)


def _with_state(words: str, given: Any, name: str) -> str:
    return f"{words} ({given[name]})" if name in given else words


def _list_words(given: Any) -> str:
    words = _("on the list %(list)s") if "list" in given else _("on any list")
    return _with_state(words % given, given, "list_state")


def _membership_words(given: Any) -> str:
    words = _("in the membership %(membership)s") if "membership" in given else _("in any membership")
    return _with_state(words % given, given, "membership_state")


def _sequence_words(given: Any) -> str:
    words = _("in the sequence %(sequence)s") if "sequence" in given else _("in any sequence")
    if "sequence_step" in given:
        at_step = _("in the sequence %(sequence)s at step %(sequence_step)s")
        words = at_step if "sequence" in given else _("in any sequence at step %(sequence_step)s")
    return _with_state(words % given, given, "sequence_status")


def _booking_words(given: Any) -> str:
    words = _("booked in %(calendar)s") if "calendar" in given else _("booked in any calendar")
    return spanned(_with_state(words % given, given, "calendar_status"), given, "calendar_from", "calendar_to")


CONDITIONS = (
    Condition(
        "tag",
        _("Tag"),
        GROUP,
        (Part("tag", _("Any of"), "ids", tags),),
        lambda given: _tagged(given["tag"]),
        lambda given: _("has the tag %(tag)s") % given,
    ),
    Condition(
        "tag_all",
        _("All of these tags"),
        GROUP,
        (Part("tag_all", _("All of"), "ids", tags, every=True),),
        _all_tags,
        lambda given: _("has all of the tags %(tag_all)s") % given,
    ),
    Condition(
        "list",
        _("List"),
        GROUP,
        (Part("list", _("On any of"), "ids", lists), Part("list_state", _("State"), "texts", Fixed(LIST_STATES))),
        _on_list,
        _list_words,
    ),
    Condition(
        "sequence",
        _("Sequence"),
        GROUP,
        (
            Part("sequence", _("In any of"), "ids", Named(Sequence.objects.all)),
            Part("sequence_step", _("At step"), "number"),
            Part(
                "sequence_status",
                _("State"),
                "texts",
                Occurring(SequenceEnrollment.objects.all, "status", "lead__account"),
            ),
        ),
        _in_sequence,
        _sequence_words,
    ),
    Condition(
        "membership",
        _("Membership"),
        GROUP,
        (
            Part("membership", _("Level"), "ids", Named(MembershipLevel.objects.all, "membership__name", "name")),
            Part("membership_state", _("State"), "texts", Fixed([("active", _("active")), ("ended", _("ended"))])),
        ),
        _member,
        _membership_words,
    ),
    Condition(
        "calendar",
        _("Calendar"),
        GROUP,
        (
            Part("calendar", _("Class"), "ids", Named(CalendarClass.objects.all, "calendar__name", "name")),
            Part(
                "calendar_status",
                _("State"),
                "texts",
                Occurring(CalendarEnrollment.objects.all, "status", "lead__account"),
            ),
            Part("calendar_from", _("Begins from"), "day", upto="calendar_to"),
            Part("calendar_to", _("to"), "day"),
        ),
        _booked,
        _booking_words,
    ),
)
