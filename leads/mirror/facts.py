"""What Kartra can tell, in the mirror's own shapes."""

import datetime as dt
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from leads.fields import FIELDS
from leads.models import Lead, normal_email


@dataclass(frozen=True)
class MembershipFact:
    """Access to one level of a membership, as told; `active` None where it was named without that."""

    membership: str
    level: str
    active: bool | None
    membership_id: str = ""
    level_id: str = ""


@dataclass(frozen=True)
class LeadFacts:
    """What Kartra told of one lead, in the mirror's own shapes. What was not told is absent (a missing key of
    `fields`, None elsewhere); what was told to be empty is there, empty.

    `fields` has keys of `leads.fields`; `score` int or None, `blacklisted` bool or None, `date_joined` aware UTC or None, the
    rest text. `lists` is {name: active}, `sequences` {name: (step, status)}, `custom_values` as on `Lead`.
    `custom_whole`: these are all custom fields that the account has, as in a read.
    """

    kartra_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    custom_values: Mapping[str, Any] | None = None
    custom_whole: bool = False
    extra: Mapping[str, Any] | None = None
    tags: frozenset[str] | None = None
    lists: Mapping[str, bool] | None = None
    sequences: Mapping[str, tuple[str, str]] | None = None
    memberships: tuple[MembershipFact, ...] | None = None

    @property
    def email(self) -> str:
        return str(self.fields.get("email") or "").strip()


@dataclass(frozen=True)
class Row:
    """One lead as an export tells it. `number` is its line in the file. `fields` has columns of `Lead` it tells."""

    number: int
    kartra_id: str = ""
    email: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    custom_values: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    left_lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One thing that was otherwise in the mirror: {"field": "city", "was": "Bend", "is": "Salem"}."""

    field: str
    was: Any
    now: Any

    def as_details(self) -> dict[str, Any]:
        return {"field": self.field, "was": json_value(self.was), "is": json_value(self.now)}


def merge_facts(
    lead: Lead,
    fields: Mapping[str, Any],
    custom_values: Mapping[str, Any] | None,
    *,
    whole: bool = False,
    same: Callable[[Any, Any], bool] | None = None,
) -> list[Difference]:
    """Put what was told on the lead, unsaved; what is otherwise than before. An empty address never blanks a known one.

    `whole`: custom fields that were not told are empty. `same`: whether a value says what we know already, which then stays as
    it is; without it each value is taken as it was told.
    """
    found = []
    for name in FIELDS:
        if name not in fields or (name == "email" and not str(fields[name] or "").strip()):
            continue
        was, told = getattr(lead, name), fields[name]
        alike = normal_email(was) == normal_email(told) if name == "email" else (same or operator.eq)(was, told)
        if not alike:
            found.append(Difference(name, was, told))
        if was != told and not (alike and same):
            setattr(lead, name, told)
    if custom_values is None:
        return found
    held = lead.custom_values
    merged = {**({} if whole else held), **custom_values}
    for identifier in sorted({**held, **merged} if whole else custom_values):
        was, now = held.get(identifier, ""), merged.get(identifier, "")
        if same is not None and identifier in held and same(was, now):
            merged[identifier] = was
        elif was != now and (was or now):
            found.append(Difference(f"custom.{identifier}", was, now))
    lead.custom_values = merged
    return found


@dataclass(frozen=True)
class Taken:
    """What taking facts in did: the lead, whether it is new to us, and what was otherwise before."""

    lead: Lead
    created: bool
    differences: tuple[Difference, ...]


def json_value(value: Any) -> Any:
    """As JSON can hold it, to the last microsecond and cent."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, dt.datetime) else value


@dataclass(frozen=True)
class CustomFieldFact:
    """A custom field of the account as told; `options` is ((option id, option text), …)."""

    identifier: str
    type: str
    kartra_id: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TransactionFact:
    """What was told of one transaction; "" and None are "not told". Amounts are in the account's currency, `at` is UTC.

    `authority`: Kartra's own details, a payment message with the right secret, or its export. `raw` as it came.
    """

    kartra_id: str
    type: str = ""
    product: str = ""
    product_id: str = ""
    price_point: str = ""
    quantity: int | None = None
    currency: str = ""
    full_amount: Decimal | None = None
    base_amount: Decimal | None = None
    discount: Decimal | None = None
    shipping: Decimal | None = None
    tax: Decimal | None = None
    at: dt.datetime | None = None
    parent_kartra_id: str = ""
    subscription_id: str = ""
    processor_id: str = ""
    affiliate: str = ""
    authority: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)


PLAN_COLUMNS = (
    "status",
    "price_point",
    "started_at",
    "ended_at",
    "current_installment",
    "installments_left",
    "recurring_period",
    "next_payment_at",
    "affiliate",
    "jv",
)
"""What the row of a plan holds as it was told."""


@dataclass(frozen=True)
class SubscriptionFact:
    """What was told of one payment plan; "" and None are "not told". Times are UTC."""

    kartra_id: str
    status: str = ""
    product: str = ""
    product_id: str = ""
    price_point: str = ""
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    current_installment: int | None = None
    installments_left: str = ""
    recurring_period: str = ""
    next_payment_at: dt.datetime | None = None
    next_payment_amount: Decimal | None = None
    affiliate: str = ""
    jv: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)
