"""Delivery → mirror and activity. In order of arrival for each account; one that fails does not stop the next.

A message proves nothing of its sender, so it sets state and bears repeats; a lead it changed is read back.
"""

import datetime as dt
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from integrations.kartra import notices
from integrations.kartra.notices import IpnMessage, Notice, Unreadable
from integrations.models import Attempt, Channel, Delivery, DeliveryStatus, Proof
from integrations.translate.profile import facts_of, plain
from leads import mirror
from leads.models import Account, Activity, ChangeStatus, Lead, LeadChange, Source

logger = logging.getLogger(__name__)

READABLE = frozenset(mirror.FIELDS) - {"referring_id", "instagram", "google_plus", "sales_tax_id", "business_type"}
"""Fields that a read tells too: a difference in one of the others cannot be settled by reading."""

BATCH = 25
"""Deliveries applied in one transaction: well under half a second."""


@dataclass
class Applied:
    """What became of a delivery."""

    status: DeliveryStatus
    reason: str = ""
    action: str = ""
    lead: Lead | None = None
    changed: list[str] = field(default_factory=list)


def drain(*, until_s: float = 8.0) -> int:
    """Apply what waits, account by account, for about `until_s` seconds. How many deliveries were applied."""
    ends = time.monotonic() + until_s
    done = 0
    while time.monotonic() < ends:
        accounts = list(
            Delivery.objects.waiting().order_by().values_list("door__connection__account", flat=True).distinct()
        )
        before = done
        for account_id in accounts:
            done += _batch(account_id)
        if done == before:
            break
    return done


def _batch(account_id: int) -> int:
    """The next few deliveries of one account. 0 if there are none, or another worker is at this account."""
    with transaction.atomic():
        row = Account.objects.filter(pk=account_id)
        if database.features.has_select_for_update_skip_locked:
            row = row.select_for_update(no_key=True, skip_locked=True)
        account = row.first()
        if account is None:
            return 0
        waiting = (
            Delivery.objects.waiting()
            .filter(door__connection__account=account)
            .select_related("door__connection")[:BATCH]
        )
        deliveries = list(waiting)
        for delivery in deliveries:
            apply_one(delivery, account)
        return len(deliveries)


def apply_one(delivery: Delivery, account: Account) -> Applied:
    """Apply one delivery and write down what became of it. Safe to repeat: what is so already changes nothing."""
    at = timezone.now()
    try:
        with transaction.atomic():
            applied = _apply(delivery, account, at)
    except Unreadable as problem:
        applied = Applied(DeliveryStatus.QUARANTINED, str(problem))
    except Exception as error:  # a body nobody foresaw: keep it, say so, go on with the next
        logger.exception("Delivery %s could not be applied.", delivery.pk)
        applied = Applied(DeliveryStatus.QUARANTINED, f"It could not be applied ({type(error).__name__}).")
    delivery.status = applied.status
    delivery.reason = applied.reason
    delivery.action = applied.action[:100]
    delivery.lead = applied.lead
    delivery.changed = applied.changed
    delivery.applied_at = at
    delivery.save(update_fields=["status", "reason", "action", "lead", "changed", "applied_at"])
    return applied


def _apply(delivery: Delivery, account: Account, at: dt.datetime) -> Applied:
    body = bytes(delivery.body)
    if delivery.channel == Channel.IPN:
        return _apply_ipn(notices.read_ipn(body), delivery, account, at)
    return _apply_notice(notices.read_notice(body), delivery, account, at)


# --- events


def _apply_notice(notice: Notice, delivery: Delivery, account: Account, at: dt.datetime) -> Applied:
    known = notice.action in notices.EVENTS
    applied = Applied(DeliveryStatus.APPLIED if known else DeliveryStatus.RECORDED, action=notice.action)
    if not known:
        applied.reason = f"Kartra's event {notice.action} is not one we know; it is kept."
    if notice.lead is None:
        applied.status, applied.reason = DeliveryStatus.QUARANTINED, "The message names no lead."
        return applied
    cause = f"delivery {delivery.pk}"
    facts = facts_of(notice.lead, account, authority=False)
    taken = mirror.take(account, facts, source=Source.WEBHOOK, at=at, cause=cause)
    applied.lead = taken.lead
    applied.changed += ["new to us"] if taken.created else [difference.field for difference in taken.differences]
    handler = HANDLERS.get(notice.action)
    due = taken.created or any(difference.field in READABLE for difference in taken.differences)
    if handler is not None:
        tie = handler(notice, taken.lead, delivery, at)
        applied.changed += tie.changed
        due = due or bool(tie.changed and not tie.ours)
    else:
        Activity.objects.get_or_create(
            account=account, lead=taken.lead, kind=notice.action[:64], source=Source.WEBHOOK, cause=cause,
            defaults={"at": at, "details": plain(dict(notice.details))},
        )  # fmt: skip
    if due:
        mirror.mark_dirty(taken.lead, at)
    return applied


@dataclass(frozen=True)
class Tie:
    """What a message said of a tag or list: what it changed, and whether a change of ours is on its way to that."""

    changed: list[str]
    ours: bool


Handler = Callable[[Notice, Lead, Delivery, dt.datetime], Tie]


def _tag(on: bool) -> Handler:
    def handle(notice: Notice, lead: Lead, delivery: Delivery, at: dt.datetime) -> Tie:
        _, name = notices.named(notice, "tag")
        if not name:
            raise Unreadable("The message names no tag.")
        ours = _is_ours("assign_tag" if on else "unassign_tag", f"tag:{name}", lead, delivery, at)
        changed = mirror.set_tag(lead, name[:500], on, source=Source.WEBHOOK, at=at, cause=f"delivery {delivery.pk}")
        return Tie([f"tag {name} {'put on' if on else 'taken off'}"] if changed else [], ours)

    return handle


def _list(active: bool) -> Handler:
    def handle(notice: Notice, lead: Lead, delivery: Delivery, at: dt.datetime) -> Tie:
        _, name = notices.named(notice, "list")
        if not name:
            raise Unreadable("The message names no list.")
        ours = _is_ours("subscribe_list" if active else "unsubscribe_list", f"list:{name}", lead, delivery, at)
        changed = mirror.set_list(
            lead, name[:500], active, source=Source.WEBHOOK, at=at, cause=f"delivery {delivery.pk}"
        )
        return Tie([f"{'joined' if active else 'left'} list {name}"] if changed else [], ours)

    return handle


HANDLERS: dict[str, Handler] = {
    "assign_tag": _tag(True),
    "unassign_tag": _tag(False),
    "list_subscription": _list(True),
    "list_unsubscription": _list(False),
}


def _is_ours(kind: str, family: str, lead: Lead, delivery: Delivery, at: dt.datetime) -> bool:
    """Whether a change of ours to the same is in flight or unclear: then this is most likely its echo. Of an unclear one
    the message is evidence, and it is time to look."""
    unclear = Attempt.objects.filter(proof=Proof.UNCLEAR, change__lead=lead, change__kind=kind, change__family=family)
    for attempt in unclear:
        attempt.evidence = [
            *attempt.evidence, {"at": at.isoformat(), "what": "Kartra's event came", "delivery": delivery.pk},
        ]  # fmt: skip
        attempt.verify_at = at
        attempt.save(update_fields=["evidence", "verify_at"])
    on_its_way = [ChangeStatus.SENDING, ChangeStatus.UNKNOWN]
    return LeadChange.objects.filter(lead=lead, kind=kind, family=family, status__in=on_its_way).exists()


# --- payment messages


def _apply_ipn(message: IpnMessage, delivery: Delivery, account: Account, at: dt.datetime) -> Applied:
    action = f"ipn {message.transaction_type}".strip()
    wanted = delivery.door.ipn_secret
    if wanted:
        given = message.secret_key or ""
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            return Applied(DeliveryStatus.REFUSED, "Its secret key is not the one of this address.", action)
    lead = mirror.find(account, kartra_id=message.lead_id, email=message.lead_email)
    if lead is None and (message.lead_id or "@" in message.lead_email):
        facts = mirror.LeadFacts(kartra_id=message.lead_id, fields={"email": message.lead_email[:320]})
        lead = mirror.take(account, facts, source=Source.IPN, at=at).lead
    if lead is None:
        return Applied(DeliveryStatus.QUARANTINED, "The payment message names no buyer.", action)
    known = (
        "transaction_id",
        "transaction_type",
        "transaction_full_amount",
        "transaction_date",
        "transaction_parent_id",
        "product_name",
    )
    details: dict[str, Any] = {key: message.fields[key] for key in known if message.fields.get(key)}
    _, new = Activity.objects.get_or_create(
        account=account, lead=lead, kind=f"payment_{message.transaction_type}"[:64], source=Source.IPN,
        cause=f"delivery {delivery.pk}", defaults={"at": at, "details": details},
    )  # fmt: skip
    if new:
        mirror.mark_dirty(lead, at)
    return Applied(DeliveryStatus.APPLIED, "", action, lead, ["payment noted"] if new else [])
