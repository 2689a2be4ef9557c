"""Transactions and recurring subscriptions as Kartra tells them. Upserted by Kartra's ids; nothing is ever taken back."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction

from leads.kind import kinds_by_activity
from leads.lock_conflicts import done_again
from leads.mirror.catalogue import get_or_create_one, note_kartra_id
from leads.mirror.changelog import NO_CAUSE, ActivityCause, add_activity
from leads.mirror.facts import PLAN_COLUMNS, SubscriptionFact, TransactionFact
from leads.mirror.locks import lock_leads
from leads.models import (
    Account,
    Activity,
    ChangeStatus,
    Lead,
    LeadChange,
    Product,
    RecurringSubscription,
    Source,
    Transaction,
)
from leads.models.changed import mark_changed

CENT = Decimal("0.01")
UNNUMBERED = "payment_without_id"
AMOUNTS = ("full_amount", "base_amount", "discount", "shipping", "tax")
PLAN_WORDS = ("cancelled", "paused", "active")
"""States of a plan that the timeline tells."""


@done_again
def set_transaction(
    account: Account,
    fact: TransactionFact,
    *,
    source: Source,
    at: dt.datetime,
    lead: Lead | None = None,
    cause: ActivityCause = NO_CAUSE,
    late: bool = False,
) -> Transaction:
    """Write what was told of one transaction. What was not told is left as it is; what a message nobody vouches for says
    (`fact.authority` false) only fills what is empty, and so does an old message told again (`late`) once the transaction
    is confirmed. A sale known only by its refund is a stub until it is told."""
    with transaction.atomic():
        lock_leads([lead.pk if lead else None])
        row = _held(Transaction, account, fact.kartra_id, cause)
        before, new = dict(vars(row)), not row.type
        parent = "" if fact.parent_kartra_id == fact.kartra_id else fact.parent_kartra_id
        told: dict[str, Any] = {
            "price_point": fact.price_point[:32],
            "quantity": fact.quantity,
            "at": fact.at,
            "parent_kartra_id": parent,
            "affiliate": fact.affiliate[:200],
            **{name: _cents(getattr(fact, name)) for name in AMOUNTS},
        }
        if fact.product:
            told["product"] = _product(account, fact.product, fact.product_id, cause)
        if fact.subscription_id:
            told["subscription"] = _plan(account, fact.subscription_id, lead, fact.processor_id, cause)
        wins = fact.authority and (row.reported or not late)
        row.type = _type(row, fact.type[:32], wins)
        if not fact.authority and not late:
            _tell_differences(row, lead or row.lead, told, source, at, cause)
        for name, value in told.items():
            if value not in ("", None) and (wins or getattr(row, name) in ("", None)):
                setattr(row, name, value)
        if lead is not None and (row.lead_id is None or wins):
            row.lead = lead
        if fact.raw:
            row.raw = {**row.raw, **fact.raw} if wins else {**fact.raw, **row.raw}
        row.reported = row.reported and not fact.authority
        _save(row, before, cause)
        if row.parent_kartra_id:
            _held(Transaction, account, row.parent_kartra_id, cause, lead=row.lead)
        if new and row.type and row.lead is not None:
            _tell(row, source, at, cause)
    return row


def _tell_differences(
    row: Transaction, lead: Lead | None, told: dict[str, Any], source: Source, at: dt.datetime, cause: ActivityCause
) -> None:
    """Amounts that a message nobody vouches for tells otherwise than we know them: one line each in the timeline."""
    for name in AMOUNTS if lead is not None else ():
        known, other = getattr(row, name), told[name]
        if known is None or other is None or known == other:
            continue
        field = f"{name} of transaction {row.kartra_id}"
        details = {"field": field, "was": f"{known:.2f}", "is": f"{other:.2f}"}
        same = {"details__field": field, "details__is": details["is"], "details__was": details["was"]}
        if not Activity.objects.filter(lead=lead, kind="amount_reported", **same).exists():
            assert lead is not None
            add_activity(lead, "amount_reported", details, source, at, None, cause)


@done_again
def note_orders_without_id(lead: Lead, entries: Sequence[Mapping[str, Any]], at: dt.datetime) -> None:
    """Keep in the timeline what Kartra listed of a lead's money without an id: no row can be made of it. What stands there from
    an earlier read is not written again; of equal ones there are as many as Kartra lists."""
    if not entries:
        return
    with transaction.atomic():
        lock_leads([lead.pk])
        lines = Activity.objects.filter(lead=lead, kind=UNNUMBERED)
        there = Counter(json.dumps(details, sort_keys=True) for details in lines.values_list("details", flat=True))
        for entry in entries:
            text = json.dumps(entry, sort_keys=True)
            if not there[text]:
                add_activity(lead, UNNUMBERED, dict(entry), Source.REFRESH, at, None)
            there[text] -= bool(there[text])


def _type(row: Transaction, told: str, wins: bool) -> str:
    """The type of a transaction after it was told again. What was refunded never returns to paid, save where the refund
    was only reported and Kartra itself knows of none; of two reports the refund stands, whichever came first."""
    was = row.type
    if not told or not was:
        return told or was
    if _undone(was) and not _undone(told) and not (row.reported and wins):
        return was
    if wins or (row.reported and _undone(told) and not _undone(was)):
        return told
    return was


def _undone(kind: str) -> bool:
    return "refund" in kind.casefold() or "chargeback" in kind.casefold()


def _save(row: Transaction | RecurringSubscription, before: Mapping[str, Any], cause: ActivityCause = NO_CAUSE) -> None:
    """Save the row, and mark its lead (the one before, too) where it says anything else than before."""
    row.save()
    names = [each.attname for each in row._meta.concrete_fields]
    changed = [name for name in names if name != "read_at" and before.get(name) != getattr(row, name)]
    for name in changed:
        cause.note(type(row), _key(row), {name: before.get(name)}, {name: getattr(row, name)})
    if changed:
        mark_changed([row.lead_id, before["lead_id"]])


def _held(
    model: type[Any], account: Account, kartra_id: str, cause: ActivityCause = NO_CAUSE, *, lead: Lead | None = None
) -> Any:
    """The transaction or plan of this id, held until the transaction ends; made (of this lead) where nobody told of it before."""
    rows = model.objects.select_for_update(no_key=True).filter(account=account, kartra_id=kartra_id)
    row = rows.first()
    if row is None:
        new = model(account=account, kartra_id=kartra_id, lead=lead)
        model.objects.bulk_create([new], ignore_conflicts=True)
        row = rows.get()
        cause.note(model, _key(row), None, {"type": ""} if model is Transaction else {"status": ""})
    return row


def _key(row: Transaction | RecurringSubscription) -> dict[str, Any]:
    return {"account_id": row.account_id, "kartra_id": row.kartra_id}


@done_again
def set_subscription(
    account: Account, fact: SubscriptionFact, *, at: dt.datetime, lead: Lead | None = None
) -> RecurringSubscription:
    """Write what Kartra's own list or details say of a payment plan."""
    with transaction.atomic():
        lock_leads([lead.pk if lead else None])
        row: RecurringSubscription = _held(RecurringSubscription, account, fact.kartra_id)
        before, was = dict(vars(row)), row.status
        if lead is not None:
            row.lead = lead
        if fact.product:
            row.product = _product(account, fact.product, fact.product_id)
        elif fact.product_id:
            row.product = Product.objects.filter(account=account, kartra_id=fact.product_id).first() or row.product
        for name in PLAN_COLUMNS:
            value = getattr(fact, name)
            if value not in ("", None):
                setattr(row, name, value[:32] if isinstance(value, str) and name not in ("affiliate", "jv") else value)
        if fact.next_payment_amount is not None:
            row.next_payment_amount = _cents(fact.next_payment_amount)
        if fact.raw:
            row.raw = {**row.raw, **fact.raw}
        row.read_at, row.reported = at, row.reported and not fact.status
        _save(row, before)
        if was and was.lower() != row.status.lower():
            _tell_status(row, Source.REFRESH, at, NO_CAUSE)
    return row


@done_again
def end_plan(
    account: Account,
    kartra_id: str,
    told_at: dt.datetime,
    *,
    at: dt.datetime,
    source: Source = Source.IPN,
    lead: Lead | None = None,
    cause: ActivityCause = NO_CAUSE,
    reported: bool = False,
) -> bool:
    """A message says that the plan is cancelled, one that nobody vouches for if `reported`. A read since then knows better.
    True if new to us."""
    with transaction.atomic():
        lock_leads([lead.pk if lead else None])
        row: RecurringSubscription = _held(RecurringSubscription, account, kartra_id, cause)
        before = dict(vars(row))
        if not row.goes_on and row.reported and not reported:
            row.reported = False
            _save(row, before, cause)
        if not row.goes_on or (row.read_at is not None and row.read_at >= told_at):
            return False
        row.status, row.reported = "Cancelled", reported
        row.lead = row.lead or lead
        _save(row, before, cause)
        _tell_status(row, source, at, cause)
    return True


@done_again
def set_plan_status(lead: Lead, kartra_id: str, status: str, *, at: dt.datetime, change: LeadChange) -> None:
    """Kartra confirmed the plan's new status. It may be that a message or a read told it first."""
    with transaction.atomic():
        lock_leads([lead.pk])
        row: RecurringSubscription = _held(RecurringSubscription, lead.account, kartra_id)
        if row.status.lower() != status.lower():
            before = dict(vars(row))
            row.status, row.reported = status, False
            row.lead = row.lead or lead
            _save(row, before)
            _tell_status(row, Source.PUSH, at, NO_CAUSE, change)


def _tell_status(
    row: RecurringSubscription, source: Source, at: dt.datetime, cause: ActivityCause, change: LeadChange | None = None
) -> None:
    """One line in the timeline for a plan that is in another state now, whoever tells it first. A change of ours that is on
    its way to that state is named as its cause."""
    status = row.status.lower()
    if row.lead is None or status not in PLAN_WORDS:
        return
    told = f"subscription_{status}"
    if change is None:
        kind = kinds_by_activity()[told].name
        ours = LeadChange.objects.filter(lead=row.lead, kind=kind, family=f"subscription:{row.kartra_id}")
        change = ours.filter(status__in=[ChangeStatus.SENDING, ChangeStatus.UNKNOWN]).order_by("pk").first()
    add_activity(row.lead, told, {"subscription": row.kartra_id}, source, at, change, cause)


def _tell(row: Transaction, source: Source, at: dt.datetime, cause: ActivityCause) -> None:
    """One line in the timeline for a transaction, whoever tells of it first."""
    assert row.lead is not None
    kind = f"payment_{row.type.lower().replace(' ', '_')}"[:64]
    if Activity.objects.filter(lead=row.lead, kind=kind, details__transaction_id=row.kartra_id).exists():
        return
    details = {"transaction_id": row.kartra_id}
    if row.full_amount is not None:
        details["transaction_full_amount"] = f"{row.full_amount:.2f}"
    if row.currency:
        details["currency"] = row.currency
    if row.product is not None:
        details["product_name"] = row.product.name
    add_activity(row.lead, kind, details, source, row.at or at, None, cause)


def _cents(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(CENT)


def _product(account: Account, name: str, kartra_id: str, cause: ActivityCause = NO_CAUSE) -> Product:
    product: Product = get_or_create_one(Product, account.pk, name[:500])
    note_kartra_id(product, kartra_id, cause)
    return product


def _plan(
    account: Account, kartra_id: str, lead: Lead | None, processor_id: str, cause: ActivityCause
) -> RecurringSubscription:
    row: RecurringSubscription = _held(RecurringSubscription, account, kartra_id, cause)
    before = dict(vars(row))
    if row.lead_id is None:
        row.lead = lead
    if processor_id != kartra_id and not row.processor_id:
        row.processor_id = processor_id[:64]
    if before["lead_id"] != row.lead_id or before["processor_id"] != row.processor_id:
        _save(row, before, cause)
    return row
