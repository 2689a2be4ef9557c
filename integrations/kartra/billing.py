"""What Kartra tells of a lead's money: the lines of its lists, and the details of one sale or subscription."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class TransactionEntry:
    """One line of a lead's transactions. Kartra gives neither amount nor date here; under the name of 2021 it gives both, but
    no id: then `id` is "", and all there is stands in `raw`."""

    id: str
    lead_id: str
    lead_email: str = field(repr=False)
    type: str
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class SubscriptionEntry:
    """One line of a lead's recurring subscriptions, as it came in `raw`; `id` is "" where it brought none."""

    id: str
    lead_id: str
    lead_email: str = field(repr=False)
    status: str
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class TransactionDetails:
    """A transaction; amounts as Decimal, the rest as Kartra gave it in `raw`."""

    id: str
    lead_id: str
    product_id: str
    product_name: str
    price_point: str
    quantity: int | None
    full_amount: Decimal | None
    affiliate: str
    raw: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class SubscriptionDetails:
    """A recurring subscription; dates are Kartra's naive texts ("" for none)."""

    id: str
    lead_id: str
    product_id: str
    price_point: str
    status: str
    start_date: str
    end_date: str
    next_payment_date: str
    next_payment_amount: Decimal | None
    current_installment: int | None
    installments_left: str
    recurring_period: str
    affiliate: str
    jv: str
    raw: Mapping[str, Any] = field(repr=False)
