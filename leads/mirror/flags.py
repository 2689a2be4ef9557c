"""What is marked on leads besides what Kartra tells of them: update due, deleted, not to be found, not to be read yet."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, Q, QuerySet

from leads import clock
from leads.lock_conflicts import done_again
from leads.mirror.changelog import NO_CAUSE, ActivityCause
from leads.mirror.locks import lock_leads
from leads.models import Activity, GoneReason, Lead, Source
from leads.models.changed import mark_changed
from leads.models.membership import Joined

TIES: tuple[Any, ...] = tuple(Joined.__subclasses__())
GONE_AGAIN = dt.timedelta(days=7)
"""So long after it was found deleted a lead is looked for again: Kartra may have it back."""


def mark_dirty(lead: Lead, at: dt.datetime) -> None:
    """The lead is to be read again soon. The oldest dirt stands."""
    Lead.objects.filter(pk=lead.pk, dirty_at=None).update(dirty_at=at)


MARKED_AT_ONCE = 10_000


def look_now(lead: Lead, at: dt.datetime) -> None:
    """The lead is to be read again soon, however lately a read of it came to nothing."""
    mark_dirty(lead, at)
    Lead.objects.filter(pk=lead.pk, gone_at=None).exclude(read_not_before=None).update(read_not_before=None)


def mark_all_dirty(leads: QuerySet[Lead], at: dt.datetime) -> int:
    """These leads are to be read again soon, ahead of those that are only old. How many there are. In batches, so that
    others can write between them."""
    ids = list(leads.filter(gone_at=None).order_by("pk").values_list("pk", flat=True))
    for first in range(0, len(ids), MARKED_AT_ONCE):
        these = Lead.objects.filter(pk__in=ids[first : first + MARKED_AT_ONCE])
        these.filter(dirty_at=None).update(dirty_at=at, absent_at=None)
        these.exclude(read_not_before=None).update(read_not_before=None)
    return len(ids)


def mark_gone(
    lead: Lead, reason: GoneReason, at: dt.datetime, *, source: Source, cause: ActivityCause = NO_CAUSE
) -> bool:
    """Kartra says that this lead is deleted. Nothing is removed; its queued changes are the caller's to skip."""
    changed = mark_many_gone([lead.pk], reason, at, source=source, cause=cause)
    if changed:
        lead.refresh_from_db(fields=["gone_at", "gone_reason", "dirty_at"])
    return bool(changed)


@done_again
def mark_many_gone(
    lead_ids: Sequence[int], reason: GoneReason, at: dt.datetime, *, source: Source, cause: ActivityCause = NO_CAUSE
) -> int:
    """The same for about a thousand leads at once. How many were not marked before."""
    with transaction.atomic():
        here = list(
            Lead.objects.select_for_update(no_key=True)
            .filter(pk__in=lead_ids, gone_at=None)
            .order_by("pk")
            .only("pk", "account_id", "read_at")
        )
        Lead.objects.filter(pk__in=[lead.pk for lead in here]).update(
            gone_at=at, gone_reason=reason, dirty_at=None, read_not_before=at + GONE_AGAIN, said_deleted_at=None
        )
        mark_changed(lead.pk for lead in here)
        Activity.objects.bulk_create(
            Activity(
                account_id=lead.account_id,
                lead=lead,
                kind="gone",
                at=at,
                between_from=lead.read_at,
                source=source,
                details={"reason": reason},
                **cause.as_fields(),
            )
            for lead in here
        )
    return len(here)


@done_again
def lift_gone(lead_ids: Sequence[int], at: dt.datetime, *, source: Source) -> int:
    """A person does not believe that these leads are deleted: the mark goes, and they are read again."""
    with transaction.atomic():
        rows = Lead.objects.select_for_update(no_key=True).filter(pk__in=lead_ids, gone_at__isnull=False)
        marked = list(rows.order_by("pk"))
        Lead.objects.filter(pk__in=[lead.pk for lead in marked]).update(
            gone_at=None, gone_reason="", dirty_at=at, read_not_before=None
        )
        mark_changed(lead.pk for lead in marked)
        Activity.objects.bulk_create(
            Activity(account_id=lead.account_id, lead=lead, kind="not_gone", at=at, source=source) for lead in marked
        )
    return len(marked)


def remove_hearsay(lead: Lead) -> bool:
    """Delete a lead of whom nobody but messages told, which turned out to be somebody else's. True if it is gone: what others
    told of it, or asked for, keeps it."""
    ours = [Source.WEBHOOK, Source.IPN]
    with transaction.atomic():
        row = Lead.objects.hearsay().select_for_update().filter(pk=lead.pk).first()
        ties: list[QuerySet[Any]] = [tie.objects.filter(lead=lead).exclude(source__in=ours) for tie in TIES]
        told = [Activity.objects.filter(lead=lead).exclude(source__in=ours), *ties]
        if row is None or any(rows.exists() for rows in told):
            return False
        try:
            with transaction.atomic():
                row.delete()
        except ProtectedError:
            return False
    return True


def mark_absent(lead: Lead, at: dt.datetime) -> None:
    """A read of its address found no lead, and its id is not known: the address was never there, or moved."""
    rows = Lead.objects.filter(pk=lead.pk)
    with transaction.atomic():
        if rows.filter(absent_at=None).exists():
            mark_changed([lead.pk])
        rows.update(absent_at=at, dirty_at=None, read_not_before=None, said_deleted_at=None)


@done_again
def mark_moved(lead: Lead, at: dt.datetime, *, again_at: dt.datetime) -> None:
    """Kartra has the lead, but not under the address that we know, and cannot be asked by its id. Told once in the
    timeline until it is read again; tried again at `again_at`, or when a message tells the new address."""
    with transaction.atomic():
        lock_leads([lead.pk])
        Lead.objects.filter(pk=lead.pk).update(dirty_at=None, read_not_before=again_at, said_deleted_at=None)
        told = Activity.objects.filter(lead=lead, kind="address_moved")
        if lead.read_at is not None:
            told = told.filter(at__gt=lead.read_at)
        if not told.exists():
            Activity.objects.create(
                account_id=lead.account_id,
                lead=lead,
                kind="address_moved",
                at=at,
                between_from=lead.read_at,
                source=Source.REFRESH,
                details={"email": lead.email},
            )


def put_off(lead_ids: Iterable[int], until: dt.datetime | None) -> None:
    """These leads are not read before `until`; None: they may be read at once."""
    Lead.objects.filter(pk__in=list(lead_ids)).update(read_not_before=until)


def mark_orders_read(lead: Lead, at: dt.datetime) -> None:
    """Kartra told all transactions and subscriptions of the lead, or that it has none to tell, when it was asked at `at`.
    What a message told since is due all the same."""
    rows = Lead.objects.filter(pk=lead.pk)
    rows.update(orders_read_at=at)
    rows.exclude(orders_due_at__gt=at, orders_due_at__lte=clock.now()).update(orders_due_at=None)


def mark_orders_due(lead: Lead, at: dt.datetime) -> None:
    """A message told of a payment or plan that nobody vouches for: the lead's orders are read next."""
    rows = Lead.objects.filter(pk=lead.pk)
    rows.filter(Q(orders_due_at=None) | Q(orders_due_at__gt=at)).update(orders_due_at=at)


def mark_all_orders_due(leads: QuerySet[Lead], at: dt.datetime) -> int:
    """Somebody wants to know the orders of these leads: they are read next. How many there are. In batches, as `mark_all_dirty`."""
    ids = list(leads.order_by().values_list("pk", flat=True))
    for first in range(0, len(ids), MARKED_AT_ONCE):
        these = Lead.objects.filter(pk__in=ids[first : first + MARKED_AT_ONCE])
        these.filter(Q(orders_due_at=None) | Q(orders_due_at__gt=at)).update(orders_due_at=at)
    return len(ids)


def put_off_orders(lead: Lead, until: dt.datetime) -> None:
    """The lead's orders are being read, or could not be: they are read again from then on."""
    Lead.objects.filter(pk=lead.pk).update(orders_due_at=until)


def mark_said_deleted(lead: Lead, at: dt.datetime) -> None:
    """A message says that the lead is deleted. Only a read knows: it is due at once, and nothing is sent until then."""
    rows = Lead.objects.filter(pk=lead.pk, gone_at=None)
    rows.filter(dirty_at=None).update(dirty_at=at)
    rows.update(said_deleted_at=at, read_not_before=None)
