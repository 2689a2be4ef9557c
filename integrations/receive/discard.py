"""Takes back what came by an address since a moment, because somebody else had it: what the messages wrote, each row as it was
before where nobody knew better since; then every lead they touched is read.

1. `order` marks the messages, all at once, with the account held, so that none of them is being applied.
2. The worker takes them back, last first, some at a time; a kill in between costs nothing.
3. A message stays, with its bytes. "Apply again" applies one that was Kartra's after all.

A payment message with the right secret key is Kartra's own word and stays; so does what came to a newer address.
"""

import datetime as dt
import time
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Coalesce

from integrations import clock
from integrations.models import ApiCall, DeletionReport, Delivery, DeliveryStatus, Discard, Secret, WebhookEndpoint
from leads import mirror
from leads.access import Author, user_of
from leads.models import (
    Account,
    Lead,
    LeadTag,
    ListSubscription,
    MembershipGrant,
    SequenceEnrollment,
)

BATCH = 25
TOLD_BY_A_READ: tuple[Any, ...] = (LeadTag, ListSubscription, SequenceEnrollment, MembershipGrant)


def came_since(endpoint: WebhookEndpoint, since: dt.datetime) -> QuerySet[Delivery]:
    """The messages that an order since then is about."""
    rows = Delivery.objects.filter(endpoint=endpoint, received_at__gte=since).exclude(secret=Secret.RIGHT)
    if endpoint.rotated_at is not None:
        rows = rows.filter(Q(received_at__lt=endpoint.rotated_at) | Q(old_address=True))
    return rows.exclude(status__in=[DeliveryStatus.DISCARDING, DeliveryStatus.DISCARDED])


def about(endpoint: WebhookEndpoint, since: dt.datetime) -> dict[str, int]:
    """What an order since then would be about: messages, leads they told of, and of these the ones new to us by them."""
    rows = came_since(endpoint, since)
    found: dict[str, int] = rows.aggregate(messages=Count("pk"), leads=Count("lead", distinct=True))
    new = Lead.objects.hearsay().filter(pk__in=rows.values("lead"), known_since__gte=since)
    return {**found, "new": new.count()}


def order(endpoint: WebhookEndpoint, since: dt.datetime, *, by: Author = None) -> Discard | None:
    """Have what came since then taken back, by the worker. None where nothing did."""
    account = endpoint.connection.account_id
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account)
        if not came_since(endpoint, since).exists():
            return None
        made = Discard.objects.create(endpoint=endpoint, since=since, asked_by=user_of(by))
        came_since(endpoint, since).update(
            status=DeliveryStatus.DISCARDING, discard=made, applied_at=Coalesce("applied_at", clock.now())
        )
    return made


def waiting() -> QuerySet[Delivery]:
    """Messages that are still to be taken back."""
    return Delivery.objects.filter(status=DeliveryStatus.DISCARDING)


def drain(*, until_s: float) -> int:
    """Take back what was ordered, last first, for about so long. How many messages were."""
    ends, done = time.monotonic() + until_s, 0
    while time.monotonic() < ends:
        accounts = waiting().order_by().values_list("endpoint__connection__account", flat=True).distinct()
        taken = sum(_batch(account) for account in list(accounts))
        if not taken:
            break
        done += taken
    return done


def _batch(account_id: int) -> int:
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(pk=account_id)
        rows = waiting().filter(endpoint__connection__account=account_id).order_by("-pk")
        batch = list(rows.select_related("lead")[:BATCH])
        mirror.lock_leads({delivery.lead_id for delivery in batch if delivery.lead_id})
        for delivery in batch:
            _take_back(delivery)
    return len(batch)


def _take_back(delivery: Delivery) -> None:
    """One message: what it wrote, its lines in the timeline, the lead it made."""
    lead, at = delivery.lead, clock.now()
    if lead is not None:
        lead.refresh_from_db()
        read_since = (
            lead.read_at is not None and delivery.applied_at is not None and lead.read_at >= delivery.applied_at
        )
        but = [Lead, *TOLD_BY_A_READ] if read_since else []
        mirror.take_back(lead, delivery.journal, mirror.ActivityCause(delivery_id=delivery.pk), but=but)
        mirror.look_now(lead, at)
        mirror.mark_orders_due(lead, at)
    delivery.status, delivery.journal = DeliveryStatus.DISCARDED, []
    delivery.save(update_fields=["status", "journal"])
    if lead is not None:
        _remove(lead)


def _remove(lead: Lead) -> None:
    """A lead of whom nobody but such messages told is no lead of ours. Another message that stands keeps it."""
    own = Delivery.objects.filter(lead=lead)
    if not Lead.objects.hearsay().filter(pk=lead.pk).exists():
        return
    if own.exclude(status=DeliveryStatus.DISCARDED).exists():
        return
    with transaction.atomic():
        DeletionReport.objects.filter(lead=lead).delete()
        ApiCall.objects.filter(lead=lead, writes=False).update(lead=None)
        own.update(lead=None)
        if not mirror.remove_hearsay(lead):
            transaction.set_rollback(True)
