"""Filters by where our work stands: what is requested, how true our copy is, segments."""

import datetime as dt
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _, ngettext

from leads import clock
from leads.filters import duplicates
from leads.filters.base import Condition, Given, Part, Unreadable
from leads.filters.choosing import Fixed, Named
from leads.filters.resolving import is_member
from leads.models import ChangeStatus, LeadChange, Segment

GROUP = _("Requested changes, our copy")

WISHES = (
    (ChangeStatus.WAITING, _("queued")),
    (ChangeStatus.SENDING, _("sending")),
    (ChangeStatus.UNKNOWN, _("checking")),
    (ChangeStatus.UNDECIDED, _("needs your decision")),
)
"""The open states of a change, as a badge says them."""


def _wished(given: Given) -> Exists:
    return Exists(LeadChange.objects.filter(lead=OuterRef("pk"), status__in=given["wish"]))


STATES: dict[str, tuple[Any, Callable[[], Q]]] = {
    "here": (_("in Kartra"), lambda: Q(gone_at=None)),
    "gone": (_("deleted in Kartra"), lambda: Q(gone_at__isnull=False)),
    "absent": (_("not in Kartra yet"), lambda: Q(absent_at__isnull=False)),
    "no_id": (_("Kartra id not known"), lambda: Q(kartra_id=None)),
    "due": (_("update due"), lambda: Q(dirty_at__isnull=False)),
    "unread": (_("never checked"), lambda: Q(read_at=None)),
    "second": (_("possible second profile"), duplicates.has_one),
}


def _state(given: Given) -> Q:
    return functools.reduce(operator.or_, (STATES[each][1]() for each in given["copy"]))


def _older(given: Given) -> Q:
    before = clock.now() - dt.timedelta(hours=max(0, min(given["older"], 1_000_000)))
    return Q(read_at=None) | Q(read_at__lt=before)


def _older_words(given: Mapping[str, str]) -> str:
    words = ngettext(
        "checked more than %(older)s hour ago", "checked more than %(older)s hours ago", abs(int(given["older"]))
    )
    return words % given


def _in_segments(given: Given) -> Q:
    """Leads of one of the segments. Raises Unreadable where one is empty because it cannot be asked."""
    found = list(Segment.objects.filter(pk__in=given["segment"]))
    if len(found) < len(given["segment"]):
        raise Unreadable("segment")
    return functools.reduce(operator.or_, map(is_member, found))


CONDITIONS = (
    Condition(
        "segment",
        _("Segment"),
        _("Segments"),
        (Part("segment", _("In any of"), "ids", Named(Segment.objects.all)),),
        _in_segments,
        lambda given: _("in the segment %(segment)s") % given,
    ),
    Condition(
        "wish",
        _("Requested change"),
        GROUP,
        (Part("wish", _("Any of"), "texts", Fixed([(str(status.value), words) for status, words in WISHES])),),
        _wished,
        lambda given: _("with a change %(wish)s") % given,
    ),
    Condition(
        "copy",
        _("State of our copy"),
        GROUP,
        (Part("copy", _("Any of"), "texts", Fixed([(key, words) for key, (words, _test) in STATES.items()])),),
        _state,
        lambda given: given["copy"],
    ),
    Condition(
        "older",
        _("Checked more than"),
        GROUP,
        (Part("older", _("Hours"), "number"),),
        _older,
        _older_words,
    ),
)
