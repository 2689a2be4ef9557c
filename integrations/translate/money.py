"""Kartra's transactions and payment plans → the mirror's facts."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra.billing import SubscriptionDetails, SubscriptionEntry, TransactionDetails, TransactionEntry
from integrations.kartra.values import amount, ident, text, whole
from integrations.translate.profile import plain, utc_of
from leads.mirror import SubscriptionFact, TransactionFact
from leads.models import Account


def of_entry(entry: TransactionEntry) -> TransactionFact:
    """A line of a lead's list: id and type; Kartra tells neither amount nor date there."""
    return TransactionFact(entry.id, type=entry.type)


def of_details(details: TransactionDetails, account: Account) -> TransactionFact:
    """Kartra's own details of a transaction."""
    return of_fields(details.raw, account, authority=True, kartra_id=details.id)


def of_fields(raw: Mapping[str, Any], account: Account, *, authority: bool, kartra_id: str = "") -> TransactionFact:
    """The keys that details, events and payment messages share. What is missing is not told."""
    return TransactionFact(
        kartra_id=kartra_id or ident(raw.get("transaction_id")),
        type=text(raw.get("transaction_type")).strip(),
        product=text(raw.get("product_name")),
        product_id=ident(raw.get("product_id")),
        price_point=text(raw.get("product_price_point")).strip(),
        quantity=_count(raw.get("transaction_quantity")),
        full_amount=amount(raw.get("transaction_full_amount")),
        base_amount=amount(raw.get("transaction_base_amount")),
        discount=amount(raw.get("transaction_discount")),
        shipping=amount(raw.get("transaction_shipping")),
        tax=amount(raw.get("transaction_tax")),
        at=utc_of(text(raw.get("transaction_date")), account),
        parent_kartra_id=ident(raw.get("transaction_parent_id")),
        subscription_id=ident(raw.get("transaction_internal_subscription_id")),
        processor_id=text(raw.get("transaction_subscription_id")).strip(),
        affiliate=text(raw.get("transaction_affiliate")).strip(),
        authority=authority,
        raw=plain(dict(raw)),
    )


def of_subscription_entry(entry: SubscriptionEntry) -> SubscriptionFact:
    return SubscriptionFact(entry.id, status=entry.status.strip())


def of_subscription(details: SubscriptionDetails, account: Account) -> SubscriptionFact:
    """Kartra's own details of a payment plan."""
    return SubscriptionFact(
        kartra_id=details.id,
        status=details.status.strip(),
        product_id=details.product_id,
        price_point=details.price_point.strip(),
        started_at=utc_of(details.start_date, account),
        ended_at=utc_of(details.end_date, account),
        current_installment=_count(details.current_installment),
        installments_left=details.installments_left.strip(),
        recurring_period=details.recurring_period.strip(),
        next_payment_at=utc_of(details.next_payment_date, account),
        next_payment_amount=details.next_payment_amount,
        affiliate=details.affiliate.strip(),
        jv=details.jv.strip(),
        raw=plain(dict(details.raw)),
    )


def of_unnumbered(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a lead's money that brought no id, for the timeline: what can be told in a sentence, and all of it in `raw`."""
    told = {
        "type": text(raw.get("transaction_type", raw.get("subscription_status"))),
        "product": text(raw.get("product_name")),
        "amount": text(raw.get("transaction_full_amount")),
        "date": text(raw.get("transaction_date")),
    }
    return {**{name: value.strip() for name, value in told.items() if value.strip()}, "raw": raw}


def _count(value: Any) -> int | None:
    number = whole(value)
    return number if number is not None and number >= 0 else None
