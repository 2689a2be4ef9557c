"""Filters by where our work stands: what is requested, how true our copy is, segments."""

import datetime as dt
import functools
import operator
from collections.abc import Callable

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from leads import second_profiles
from leads.filters.base import Condition, Given, Part, fixed, named
from leads.models import ChangeStatus, LeadChange, Segment

GROUP = "Requested changes, our copy"

WISHES = (
    (ChangeStatus.WAITING, "queued"),
    (ChangeStatus.SENDING, "sending"),
    (ChangeStatus.UNKNOWN, "checking"),
    (ChangeStatus.UNDECIDED, "needs your decision"),
)
"""The open states of a change, as a badge says them."""


def _wished(given: Given) -> Exists:
    return Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status__in=given["wish"]))


STATES: dict[str, tuple[str, Callable[[], Q]]] = {
    "here": ("in Kartra", lambda: Q(gone_at=None)),
    "gone": ("deleted in Kartra", lambda: Q(gone_at__isnull=False)),
    "absent": ("not in Kartra yet", lambda: Q(absent_at__isnull=False)),
    "no_id": ("Kartra id not known", lambda: Q(kartra_id=None)),
    "due": ("update due", lambda: Q(dirty_at__isnull=False)),
    "unread": ("never read", lambda: Q(read_at=None)),
    "second": ("possible second profile", second_profiles.has_one),
}


def _state(given: Given) -> Q:
    known = [STATES[each][1]() for each in given["copy"] if each in STATES]
    return functools.reduce(operator.or_, known, Q(pk__in=[]))


def _older(given: Given) -> Q:
    before = timezone.now() - dt.timedelta(hours=max(0, min(given["older"], 1_000_000)))
    return Q(read_at=None) | Q(read_at__lt=before)


def _in_segments(given: Given) -> Q:
    """Leads of one of the segments. One that leads back to itself is empty."""
    from leads import filters

    found = Q(pk__in=[])
    for segment in Segment.objects.filter(pk__in=given["segment"]):
        found |= Q(pk__in=filters.of_segment(segment).values("pk"))
    return found


CONDITIONS = (
    Condition(
        "segment", "Segment", "Segments", (Part("segment", "In any of", "ids", named(Segment.objects.all)),),
        _in_segments, lambda given: f"in the segment {given['segment']}",
    ),
    Condition(
        "wish", "Requested change", GROUP,
        (Part("wish", "Any of", "texts", fixed([(str(status.value), words) for status, words in WISHES])),),
        _wished, lambda given: f"with a change {given['wish']}",
    ),
    Condition(
        "copy", "State of our copy", GROUP,
        (Part("copy", "Any of", "texts", fixed([(key, words) for key, (words, _) in STATES.items()])),),
        _state, lambda given: given["copy"],
    ),
    Condition(
        "older", "As of older than", GROUP, (Part("older", "Hours", "number"),),
        _older, lambda given: f"read more than {given['older']} hours ago",
    ),
)  # fmt: skip
