"""Takes back what came by an address since a moment, because somebody else had it: what the messages wrote, each row as it was
before where nobody knew better since; then every lead they touched is read.

1. `order` marks the messages, all at once, with the account held, so that none of them is being applied.
2. The worker takes them back, last first, some at a time; a kill in between costs nothing.
3. A message stays, with its bytes. "Apply again" applies one that was Kartra's after all.

A payment message with the right secret key is Kartra's own word and stays; so does what came to a newer address.
"""

import datetime as dt
import time
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Coalesce

from integrations import clock
from integrations.models import (
    ApiCall,
    Attempt,
    Connection,
    DeletionReport,
    Delivery,
    DeliveryStatus,
    Discard,
    Proof,
    Secret,
    WebhookEndpoint,
)
from leads import mirror
from leads.access import Author, user_of
from leads.models import Account, Lead

BATCH = 25


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


def not_discarded(deliveries: Sequence[Delivery]) -> set[int]:
    """The keys of those that nobody has had discarded since they were read."""
    was = {delivery.pk: delivery.status for delivery in deliveries}
    now = dict(Delivery.objects.filter(pk__in=was).values_list("pk", "status"))
    away = (DeliveryStatus.DISCARDING, DeliveryStatus.DISCARDED)
    return {pk for pk, status in now.items() if status not in away or status == was[pk] == DeliveryStatus.DISCARDED}


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
        batch = list(rows.select_related("lead", "discard")[:BATCH])
        mirror.lock_leads({delivery.lead_id for delivery in batch if delivery.lead_id})
        for delivery in batch:
            _take_back(delivery)
        Connection.objects.filter(account=account_id).update(catalogue_due=True)
    return len(batch)


def _take_back(delivery: Delivery) -> None:
    """One message: what it wrote, its lines in the timeline, the lead it made. What others told of the lead since is applied
    again: it may be that it changed nothing because this message had told it."""
    lead, at = delivery.lead, clock.now()
    applied_at = delivery.applied_at or at
    if lead is not None:
        lead.refresh_from_db()
        read_since = lead.read_at is not None and lead.read_at >= applied_at
        mirror.take_back(lead, delivery.journal, mirror.Message(delivery.pk, applied_at, read_since))
        mirror.look_now(lead, at)
        mirror.mark_orders_due(lead, at)
        _note_proofs(delivery)
        _apply_later_ones_again(delivery, at)
    delivery.status, delivery.journal = DeliveryStatus.DISCARDED, []
    delivery.save(update_fields=["status", "journal"])
    if lead is not None:
        _remove(lead)


def _apply_later_ones_again(delivery: Delivery, at: dt.datetime) -> None:
    """Once the last message of this lead is taken back."""
    of_lead = Delivery.objects.filter(lead=delivery.lead)
    if of_lead.filter(status=DeliveryStatus.DISCARDING).exclude(pk=delivery.pk).exists():
        return
    first = of_lead.filter(discard=delivery.discard).aggregate(first=Min("pk"))["first"]
    told = [DeliveryStatus.APPLIED, DeliveryStatus.RECORDED]
    for other in of_lead.filter(pk__gt=first, status__in=told).order_by("pk"):
        other.ask_again(at, "")
        other.status, other.applied_at = DeliveryStatus.WAITING, None
        other.save(update_fields=["replays", "status", "applied_at"])


def _note_proofs(delivery: Delivery) -> None:
    """Changes of ours that were taken as done because of this message: a person is to look."""
    attempts = Attempt.objects.filter(change__lead=delivery.lead, proof=Proof.DONE).exclude(evidence=[])
    proven = {
        attempt.change_id
        for attempt in attempts.only("change_id", "evidence")
        if any(seen.get("delivery") == delivery.pk for seen in attempt.evidence)
    }
    if proven and delivery.discard is not None:
        delivery.discard.doubted = sorted({*delivery.discard.doubted, *proven})
        delivery.discard.save(update_fields=["doubted"])


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
