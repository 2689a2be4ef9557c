"""Who is in a watched segment, and who has come in since the last look.

A look asks about the leads that changed since (`leads.models.changed`), and once a day about all of the account, because a
condition may turn by time, or by rows that do not touch the lead. The first look, and the first one after the segment got other
conditions, fill in silently: nobody enters by that.
"""

import datetime as dt
import hashlib
import json
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, Q, QuerySet

from leads import filters
from leads.bulk_sql import as_one, insert_new
from leads.filters import segments as building
from leads.filters.duplicates import differences
from leads.lock_conflicts import done_again
from leads.models import Lead, Segment, SegmentMember, Watch, WatchEntry, WatchRemark
from leads.models.changed import Mark, changed_since
from leads.models.remarks import remark
from leads.watching import loops
from leads.watching.pausing import pause

APART = dt.timedelta(seconds=10)
WHOLE_APART = dt.timedelta(days=1)
BATCH = 2000
"""Leads looked at in one transaction."""

MANY = 5 * BATCH
"""So many changed leads may be more than one look gets through."""


@dataclass(frozen=True)
class Looked:
    """What a look found: how many leads entered and how many left; `more` if its time was over before its end."""

    entered: int = 0
    left: int = 0
    more: bool = False


def due_watches(at: dt.datetime) -> list[int]:
    """The watches that are to look again, or have something to do, by primary key. One query."""
    looked = Q(looked_at=None) | Q(looked_at__lte=at - APART)
    return list(Watch.objects.filter(looked).order_by("looked_at", "pk").values_list("pk", flat=True))


def look(watch: Watch, at: dt.datetime, *, until_s: float = 8.0) -> Looked:
    """Bring the members up to date and write down who entered. Safe to repeat and to break off; of two at once each lead
    enters by one."""
    ends = time.monotonic() + until_s
    described = description(watch.segment)
    try:
        fitting = filters.members(watch.segment).order_by()
    except filters.Unreadable:
        pause(watch, remark(WatchRemark.UNREADABLE), at)
        Watch.objects.filter(pk=watch.pk).update(looked_at=at)
        return Looked()
    silent = watch.whole_at is None or watch.described != described
    whole = silent or at - watch.whole_at >= WHOLE_APART  # type: ignore[operator]
    leads = Lead.objects.filter(account=watch.segment.account_id).order_by()
    changed, mark = changed_since(leads, watch.mark)
    looked_at = _differing(watch.segment, fitting) if whole else _keys(changed)
    if not whole and len(looked_at) > MANY:  # what a look that is cut off has done is no difference any more
        looked_at = _differing(watch.segment, fitting)
    entered = left = 0
    for batch in _batches(looked_at):
        if time.monotonic() > ends:
            return Looked(entered, left, more=True)
        came, went = _look_at(watch, fitting, batch, at, silent)
        entered, left = entered + came, left + went
    _note(watch, mark, at, whole, described)
    return Looked(entered, left)


def _note(watch: Watch, mark: Mark, at: dt.datetime, whole: bool, described: str) -> None:
    told = {"whole_at": at, "described": described} if whole else {}
    Watch.objects.filter(pk=watch.pk).update(changed_seq=mark.seq, changed_xid=mark.xid, looked_at=at, **told)
    watch.refresh_from_db()


def description(segment: Segment) -> str:
    """A digest of the conditions of the segment and of those that it builds on."""
    asked, ahead = {segment.pk: segment.selection}, building.built_on_stored(segment.selection)
    while ahead:
        below = dict(Segment.objects.filter(pk__in=ahead - asked.keys()).values_list("pk", "selection"))
        asked |= below
        ahead = {pk for stored in below.values() for pk in building.built_on_stored(stored)} - asked.keys()
    told = json.dumps([[pk, stored] for pk, stored in sorted(asked.items())], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _keys(leads: "QuerySet[Lead]") -> Sequence[int]:
    """Primary keys in order, eight bytes each."""
    return array("q", leads.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=BATCH))


def _differing(segment: Segment, fitting: "QuerySet[Lead]") -> Sequence[int]:
    """Leads that fit and are no members yet, and members that do not fit any more."""
    known = SegmentMember.objects.filter(segment=segment).order_by("lead").values_list("lead", flat=True)
    found = fitting.order_by("pk").values_list("pk", flat=True)
    gone, new = differences(known.iterator(chunk_size=BATCH), found.iterator(chunk_size=BATCH))
    return array("q", sorted([*gone, *new]))


def _batches(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(keys), BATCH):
        yield keys[first : first + BATCH]


@done_again  # a lead may be erased at this moment, or folded into another
def _look_at(
    watch: Watch, fitting: "QuerySet[Lead]", keys: Sequence[int], at: dt.datetime, silent: bool
) -> tuple[int, int]:
    """How many of these leads came in, and went. They are asked anew behind the watch's lock, so that a slower look never
    writes what was so before a faster one."""
    with transaction.atomic():
        if not Watch.objects.select_for_update(no_key=True).filter(pk=watch.pk).exists():
            return 0, 0
        inside = set(fitting.filter(pk__in=as_one(keys)).values_list("pk", flat=True))
        rows = SegmentMember.objects.filter(segment=watch.segment_id, lead__in=as_one(keys))
        known = set(rows.values_list("lead", flat=True))
        if gone := sorted(known - inside):
            SegmentMember.objects.filter(segment=watch.segment_id, lead__in=as_one(gone)).delete()
        if not (new := sorted(inside - known)):
            return 0, len(gone)
        there = Lead.objects.filter(pk__in=as_one(new)).order_by("pk").select_for_update(no_key=True, of=("self",))
        came = [(watch.segment_id, pk, at) for pk in there.values_list("pk", flat=True)]
        insert_new(SegmentMember, ("segment", "lead", "since"), came)
        if not silent:
            _enter(watch, [pk for _segment, pk, _at in came], at)
        return 0 if silent else len(came), len(gone)


def _enter(watch: Watch, leads: Sequence[int], at: dt.datetime) -> None:
    """Write down that these leads entered: each once; of who had entered before, that it did again."""
    rows = [(watch.pk, pk, at, 1, watch.starts) for pk in leads]
    new = {pk for (pk,) in insert_new(WatchEntry, ("watch", "lead", "at", "times", "waits"), rows, returning=("lead",))}
    again = [pk for pk in leads if pk not in new]
    Watch.objects.filter(pk=watch.pk).update(untold=F("untold") + len(leads))
    if again:
        WatchEntry.objects.filter(watch=watch, lead__in=as_one(again)).update(times=F("times") + 1, again_at=at)
        loops.stop_rounds(watch, again, at)
