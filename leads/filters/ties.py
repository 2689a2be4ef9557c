"""Filters by what a lead is joined to: tags, lists, sequences, memberships, calendars, segments."""

import functools
import operator
from typing import Any

from django.db.models import Exists, OuterRef, Q

from leads.filters.base import Condition, Given, Part, between, distinct, fixed, named, span
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

GROUP = "Tags, lists, sequences"
tags = named(Tag.objects.all)
lists = named(MailingList.objects.all)
LIST_STATES = [("active", "on it now"), ("left", "left it")]


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


def _state_words(given: Any, name: str, thing: str) -> str:
    state = f" ({given[f'{name}_state']})" if f"{name}_state" in given else ""
    return f"{thing} {given.get(name, 'any')}{state}"


def _sequence_words(given: Any) -> str:
    step = f" at step {given['sequence_step']}" if "sequence_step" in given else ""
    status = f" ({given['sequence_status']})" if "sequence_status" in given else ""
    return f"in the sequence {given.get('sequence', 'any')}{step}{status}"


def _booking_words(given: Any) -> str:
    status = f" ({given['calendar_status']})" if "calendar_status" in given else ""
    return f"booked in {given.get('calendar', 'any calendar')}{status}{span(given, 'calendar_from', 'calendar_to')}"


CONDITIONS = (
    Condition(
        "tag", "Has any of these tags", GROUP, (Part("tag", "Any of", "ids", tags),),
        lambda given: _tagged(given["tag"]), lambda given: f"has the tag {given['tag']}",
    ),
    Condition(
        "tag_all", "Has all of these tags", GROUP, (Part("tag_all", "All of", "ids", tags),),
        _all_tags, lambda given: f"has all of the tags {given['tag_all'].replace(' or ', ' and ')}",
    ),
    Condition(
        "list", "List", GROUP,
        (Part("list", "On any of", "ids", lists), Part("list_state", "State", "texts", fixed(LIST_STATES))),
        _on_list, lambda given: _state_words(given, "list", "on the list"),
    ),
    Condition(
        "sequence", "Sequence", GROUP,
        (
            Part("sequence", "In any of", "ids", named(Sequence.objects.all)), Part("sequence_step", "At step", "number"),
            Part("sequence_status", "State there", "texts", distinct(SequenceEnrollment.objects.all, "status", "lead__account")),
        ),
        _in_sequence, _sequence_words,
    ),
    Condition(
        "membership", "Membership", GROUP,
        (
            Part("membership", "Level", "ids", named(MembershipLevel.objects.all, "membership__name", "name")),
            Part("membership_state", "State", "texts", fixed([("active", "active"), ("ended", "ended")])),
        ),
        _member, lambda given: _state_words(given, "membership", "in the membership"),
    ),
    Condition(
        "calendar", "Calendar", GROUP,
        (
            Part("calendar", "Class", "ids", named(CalendarClass.objects.all, "calendar__name", "name")),
            Part("calendar_status", "State", "texts", distinct(CalendarEnrollment.objects.all, "status", "lead__account")),
            Part("calendar_from", "Begins from", "day"), Part("calendar_to", "to", "day"),
        ),
        _booked, _booking_words,
    ),
)  # fmt: skip
