"""Delivery → mirror and activity. In order of arrival for each account; one that fails does not stop the next.

A message proves nothing of its sender, so it sets state and bears repeats; a lead it changed is read back.
"""

import datetime as dt
import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from integrations.kartra import notices
from integrations.kartra.notices import IpnMessage, Notice, Unreadable
from integrations.models import Attempt, Channel, Delivery, DeliveryStatus, Proof
from integrations.settle import Verdict, apply_verdict
from integrations.translate import money
from integrations.translate.profile import facts_of, plain, utc_in
from leads import forgetting, mirror, runs
from leads.kinds import calendars
from leads.models import (
    Account,
    Activity,
    ChangeStatus,
    Lead,
    LeadChange,
    RecurringSubscription,
    Source,
    Transaction,
)

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
    except forgetting.LeftOut as problem:  # nothing of this person is kept, the message's own words neither
        applied = Applied(DeliveryStatus.RECORDED, str(problem))
        problem.note()
        delivery.body = b""
        delivery.save(update_fields=["body"])
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


def _booking(on: bool) -> Handler:
    def handle(notice: Notice, lead: Lead, delivery: Delivery, at: dt.datetime) -> Tie:
        booking = notices.booking(notice)
        if not booking.calendar or not booking.class_name:
            raise Unreadable("The message names no calendar and class.")
        starts_at = [utc_in(text, booking.zone, lead.account) for text in booking.starts]
        cause = f"delivery {delivery.pk}"
        told: dict[str, Any] = {"at": at, "source": Source.WEBHOOK, "cause": cause, "booking_id": booking.id}
        names = (lead, booking.calendar[:500], booking.class_name[:500])
        if not on:
            changed = mirror.end_booking(*names, **told)
            return Tie(["booking cancelled"] if changed else [], True)
        ours = _prove(
            lead, "subscribe_calendar", "calendar", delivery, at,
            fits=lambda p: (p["calendar"], p["class"]) == (booking.calendar, booking.class_name)
            and bool(p.get("date")) and calendars.starts_at(lead.account, p) in starts_at,
        )  # fmt: skip
        changed = mirror.set_booking(*names, starts_at[0] if starts_at else None, **told)
        return Tie(["booking made"] if changed or ours else [], True)

    return handle


def _payment(notice: Notice, lead: Lead, delivery: Delivery, at: dt.datetime) -> Tie:
    details = notices.transaction(notice)
    fact = money.of_fields(details, lead.account, authority=False)
    if not fact.kartra_id:
        Activity.objects.get_or_create(
            account=lead.account, lead=lead, kind=notice.action, source=Source.WEBHOOK, cause=f"delivery {delivery.pk}",
            defaults={"at": at, "details": plain(dict(notice.details))},
        )  # fmt: skip
    return Tie(_take_money(fact, lead, Source.WEBHOOK, delivery, at), False)


HANDLERS: dict[str, Handler] = {
    "calendar_subscribe": _booking(True),
    "calendar_cancel": _booking(False),
    "buy_product": _payment,
    "refund_product": _payment,
    "partial_refund_product": _payment,
    "cancel_subscription": _payment,
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
    fact = money.of_fields(message.fields, account, authority=bool(wanted), kartra_id=message.transaction_id)
    changed = _take_money(fact, lead, Source.IPN, delivery, at)
    if not fact.kartra_id:
        _, new = Activity.objects.get_or_create(
            account=account, lead=lead, kind=f"payment_{message.transaction_type}"[:64], source=Source.IPN,
            cause=f"delivery {delivery.pk}", defaults={"at": at, "details": {}},
        )  # fmt: skip
        changed = ["payment noted"] if new else []
    if changed:
        mirror.mark_dirty(lead, at)
    return Applied(DeliveryStatus.APPLIED, "", action, lead, changed)


def _take_money(
    fact: mirror.TransactionFact, lead: Lead, source: Source, delivery: Delivery, at: dt.datetime
) -> list[str]:
    """Write a told transaction; if it is the refund that an unclear change of ours waits for, it proves that."""
    if not fact.kartra_id:
        return []
    cause = f"delivery {delivery.pk}"
    before = Transaction.objects.filter(account=lead.account_id, kartra_id=fact.kartra_id).values().first()
    row = mirror.set_transaction(lead.account, fact, source=source, at=at, lead=lead, cause=cause)
    if fact.subscription_id and fact.type.lower() == "cancellation" and fact.authority:
        RecurringSubscription.objects.filter(account=lead.account_id, kartra_id=fact.subscription_id).update(
            status="Cancelled"
        )
    if row.parent_kartra_id and "refund" in row.type.lower() and (fact.authority or source == Source.WEBHOOK):
        _prove(
            lead, "refund_transaction", f"sale:{row.parent_kartra_id}", delivery, at,
            fits=lambda p: p["amount"] == "whole" or row.full_amount == Decimal(p["amount"]),
        )  # fmt: skip
    after = Transaction.objects.filter(pk=row.pk).values().first()
    return [] if before == after else [f"{row.type or 'transaction'} {row.kartra_id}"]


# --- our own changes, proven by a message


def _prove(
    lead: Lead,
    kind: str,
    family: str,
    delivery: Delivery,
    at: dt.datetime,
    *,
    fits: Callable[[dict[str, Any]], bool],
) -> bool:
    """The message shows that an unclear change of ours was done: the oldest that fits is settled. True if there was one."""
    unclear = Attempt.objects.unclear().filter(change__lead=lead, change__kind=kind, change__family=family)
    for attempt in unclear.select_related("change__lead__account", "call").order_by("pk"):
        if fits(attempt.change.parameters):
            verdict = Verdict(
                ChangeStatus.ACCEPTED, Proof.DONE, code=attempt.code, message="Kartra's own message shows it done."
            )
            apply_verdict(
                attempt.change, attempt, verdict, at, said={"what": "Kartra's event came", "delivery": delivery.pk}
            )
            if attempt.change.run_id:
                runs.finish_if_over(attempt.change.run_id)
            return True
    return False
