"""A lead's transactions as a person on the phone needs them: by order, what was taken, what came back, what failed, and
what may have been charged twice. Reads the mirror; writes nothing.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from typing import Any, Literal

from django.utils.translation import gettext as _, gettext_lazy

from leads.models import Lead, Transaction

TWICE_WITHIN = dt.timedelta(hours=24)
MOST = 200
"""So many transactions of a lead are looked at, the last ones."""

Effect = Literal["taken", "returned", "failed", "none"]

EFFECTS: dict[str, tuple[Effect, Any]] = {
    "sale": ("taken", gettext_lazy("paid")),
    "rebill": ("taken", gettext_lazy("paid, a later payment of the plan")),
    "refund": ("returned", gettext_lazy("given back")),
    "partial_refund": ("returned", gettext_lazy("given back in part")),
    "chargeback": ("returned", gettext_lazy("charged back by the buyer's bank")),
    "failed": ("failed", gettext_lazy("failed: nothing was taken")),
    "cancellation": ("none", gettext_lazy("plan cancelled, no money moved")),
}
"""Kartra's types of transactions: what each did to the buyer's money, and how that is said."""


def in_words(amount: Decimal, currency: str = "") -> str:
    """An amount with its currency, where that is known: "1,299.00 EUR"."""
    return f"{amount:,.2f} {currency}".strip()


def together(sums: Iterable[dict[str, Decimal]]) -> str:
    """The sum of many, each currency for itself: "126.00 EUR, 20.00 USD"; "" for none."""
    found: dict[str, Decimal] = {}
    for each in sums:
        for currency, amount in each.items():
            found[currency] = found.get(currency, Decimal(0)) + amount
    return ", ".join(in_words(amount, currency) for currency, amount in found.items() if amount)


@dataclass(eq=False)
class Charge:
    """One transaction. `twins`: ids of others of the same product and amount, taken within TWICE_WITHIN of it. `back`: what
    was given back of it, as far as told."""

    row: Transaction
    effect: Effect
    words: str
    twins: list[str] = field(default_factory=list)
    back: Decimal = Decimal(0)

    @property
    def amount(self) -> str:
        """What it came to, for the page: with a minus where it went back, "" where no money moved. Kartra's exports write
        what went back with a minus or without."""
        if self.effect == "none":
            return ""
        if self.row.full_amount is None:
            return _("not stated")
        words = in_words(abs(self.row.full_amount), self.row.currency)
        return f"−{words}" if self.effect == "returned" else words

    @property
    def all_back(self) -> bool:
        """Whether all that was taken came back."""
        return self.row.full_amount is not None and self.back >= self.row.full_amount > 0


@dataclass(eq=False)
class Order:
    """What belongs together: a sale with its refunds, or a plan with all its payments. The last charge comes first.

    `taken` and `returned` are sums of the amounts told; `untold`: some amount was not told, so the sums may be too small.
    """

    charges: list[Charge]

    @property
    def product(self) -> str:
        return next((str(charge.row.product) for charge in self.charges if charge.row.product), "")

    @property
    def plan(self) -> Any:
        """The recurring subscription it was paid by, if any."""
        return next((charge.row.subscription for charge in self.charges if charge.row.subscription_id), None)

    @property
    def taken(self) -> Decimal:
        return self._sum("taken")

    @property
    def returned(self) -> Decimal:
        return self._sum("returned")

    @property
    def taken_words(self) -> str:
        return together([self.sums("taken")])

    @property
    def returned_words(self) -> str:
        return together([self.sums("returned")])

    def sums(self, effect: Effect) -> dict[str, Decimal]:
        """What was taken or returned, by currency."""
        found: dict[str, Decimal] = {}
        for charge in self.charges:
            if charge.effect == effect and charge.row.full_amount is not None:
                currency = charge.row.currency
                found[currency] = found.get(currency, Decimal(0)) + abs(charge.row.full_amount)
        return found

    @property
    def untold(self) -> bool:
        return any(charge.row.full_amount is None for charge in self._moving())

    def _moving(self) -> list[Charge]:
        return [charge for charge in self.charges if charge.effect in ("taken", "returned")]

    def _sum(self, effect: Effect) -> Decimal:
        amounts = [charge.row.full_amount for charge in self.charges if charge.effect == effect]
        return sum((abs(amount) for amount in amounts if amount is not None), Decimal(0))


def orders_of(lead: Lead) -> list[Order]:
    """The lead's last MOST transactions by order; the order with the last transaction comes first. One query."""
    return grouped(lead.transactions.select_related("product", "subscription")[:MOST])


def grouped(rows: Iterable[Transaction]) -> list[Order]:
    """Transactions of one lead by order, in the order given; those that may be charged twice marked."""
    charges = [_charge(row) for row in rows]
    _mark_twins(charges)
    by_id = {charge.row.kartra_id: charge for charge in charges}
    for charge in charges:
        sale = by_id.get(charge.row.parent_kartra_id)
        if charge.effect == "returned" and sale is not None:
            sale.back += abs(charge.row.full_amount or Decimal(0))
    known = {id: charge.row for id, charge in by_id.items()}
    found: dict[tuple[str, Any], list[Charge]] = {}
    for charge in charges:
        found.setdefault(_order_of(charge.row, known), []).append(charge)
    return [Order(each) for each in found.values()]


def _charge(row: Transaction) -> Charge:
    effect, words = EFFECTS.get(row.type.strip().lower(), ("none", row.type or _("known by its refund only")))
    return Charge(row, effect, str(words))


def _order_of(row: Transaction, known: dict[str, Transaction]) -> tuple[str, Any]:
    """What tells the order: a refund's sale, else the plan, else the plan's first transaction as Kartra names it."""
    parent = known.get(row.parent_kartra_id)
    if parent is not None and parent is not row and not parent.parent_kartra_id:
        return _order_of(parent, known)
    if row.subscription_id:
        return ("plan", row.subscription_id)
    original = str((row.raw if isinstance(row.raw, dict) else {}).get("original_id") or "").strip()
    if original.isdecimal() and original.strip("0"):
        first = known.get(original)
        return ("plan", first.subscription_id) if first is not None and first.subscription_id else ("order", original)
    return ("order", row.parent_kartra_id or row.kartra_id)


def _mark_twins(charges: Sequence[Charge]) -> None:
    """Same product, same amount, both taken, at most TWICE_WITHIN apart. What was not told is no match."""
    alike: dict[tuple[int, Decimal], list[Charge]] = {}
    for charge in charges:
        row = charge.row
        if charge.effect == "taken" and row.product_id and row.full_amount and row.at:
            alike.setdefault((row.product_id, row.full_amount), []).append(charge)
    for group in alike.values():
        for one, other in combinations(group, 2):
            if abs(one.row.at - other.row.at) <= TWICE_WITHIN:  # type: ignore[operator]
                one.twins.append(other.row.kartra_id)
                other.twins.append(one.row.kartra_id)
