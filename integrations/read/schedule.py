"""Which leads are to be read next, and whose turn it is to read them."""

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import connection as database, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from integrations import clock
from integrations.kartra.errors import EXISTS
from integrations.models import ApiCall, CallOutcome, Connection
from leads import mirror
from leads.models import Lead

AHEAD = 0.9
"""A lead is due when it is nearly as old as it may become, so that it is read before it is."""
LEASE = dt.timedelta(minutes=2)
"""So long a lead is one reader's: nobody else reads it meanwhile."""


def promised() -> dt.timedelta:
    """How old what we know of a lead may become."""
    return dt.timedelta(hours=settings.REFRESH_WITHIN_H)


def due(
    connection: Connection,
    *,
    older_than: dt.timedelta | None = None,
    before: dt.datetime | None = None,
    gone_too: bool = False,
) -> QuerySet[Lead]:
    """Leads that ought to be read: update due, never read, or read too long ago (or before `before`); dirty first, oldest
    first. Those marked as deleted are looked for again once a week, or now (`gone_too`).

    Not those that a call of ours has just touched, whose read would not count yet, and not those that are being read.
    """
    at = clock.now()
    if before is None:
        before = at - (older_than if older_than is not None else promised() * AHEAD)
    old = Q(dirty_at__isnull=False) | Q(read_at=None, absent_at=None) | Q(read_at__lt=before)
    rests = Q(read_not_before=None) | Q(read_not_before__lte=at)
    again = Q(read_not_before__lte=at)
    if gone_too:
        not_seen_since = Q(read_not_before__gt=at + LEASE, read_not_before__lt=before + mirror.GONE_AGAIN)
        again |= Q(read_not_before=None) | not_seen_since
    touched = recent_writes(at).filter(lead=OuterRef("pk"))
    return (
        Lead.objects.filter(account=connection.account_id)
        .filter((Q(gone_at=None) & old & rests) | (Q(gone_at__isnull=False) & again))
        .filter(~Exists(touched))
        .order_by(F("dirty_at").asc(nulls_last=True), F("read_at").asc(nulls_first=True), "pk")
    )


def claim(connection: Connection, limit: int, **which: Any) -> list[Lead]:
    """Take the next due leads to read; no other reader takes them meanwhile."""
    with transaction.atomic():
        rows = due(connection, **which)
        if database.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(of=("self",), skip_locked=True)
        leads = list(rows[:limit])
        mirror.put_off([lead.pk for lead in leads], clock.now() + LEASE)
        return leads


def recent_writes(at: dt.datetime) -> QuerySet[ApiCall]:
    """Calls of ours that write which are open at that time, or ended less than the first settle time before it. A creation of
    which Kartra said that the lead exists did nothing."""
    settled = at - dt.timedelta(seconds=settings.VERIFY_SETTLE_S[0])
    did_nothing = Q(outcome=CallOutcome.REFUSED, code=EXISTS, commands__startswith="create_lead")
    wrote = ApiCall.objects.filter(~did_nothing, writes=True)
    return wrote.filter(Q(finished_at=None) | Q(sent_at__isnull=False, finished_at__gt=settled))
