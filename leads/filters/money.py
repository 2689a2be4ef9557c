"""Filters by what a lead bought: sales, refunds, payment plans, by product and date."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from leads.filters.base import Condition, Given, Part, between, spanned
from leads.filters.choosing import Accounts, Choices, Name, Named
from leads.models import Product, RecurringSubscription, Transaction

GROUP = _("Money")
SALES = ("sale", "rebill")
REFUNDS = ("refund", "partial_refund", "chargeback")
ANY = "any"


class Products(Named):
    """The products, and any of them."""

    def offered(self, accounts: Accounts) -> Choices:
        return [(ANY, _("any product")), *super().offered(accounts)]

    def called(self, values: Collection[str]) -> dict[str, Name]:
        return {**super().called(values), ANY: Name(_("any product"))}


products = Products(Product.objects.all)


def _of_products(rows: Any, chosen: list[str]) -> Any:
    """Narrowed to the chosen products; ANY among them is all of them."""
    return rows if ANY in chosen else rows.filter(product__in=[int(each) for each in chosen])


def _transactions(name: str, types: tuple[str, ...]) -> Any:
    def test(given: Given) -> Exists:
        wanted = Q()
        for each in types:
            wanted |= Q(type__iexact=each)
        rows = Transaction.objects.filter(wanted, lead=OuterRef("pk"))
        rows = _of_products(rows, given.get(name, [ANY]))
        if f"{name}_from" in given or f"{name}_to" in given:
            rows = rows.filter(between("at", given, f"{name}_from", f"{name}_to"))
        return Exists(rows)

    return test


def _plan(given: Given) -> Exists:
    rows = RecurringSubscription.objects.filter(lead=OuterRef("pk"), status__iexact="active")
    rows = _of_products(rows, given.get("plan", [ANY]))
    if "plan_from" in given or "plan_to" in given:
        rows = rows.filter(between("started_at", given, "plan_from", "plan_to"))
    return Exists(rows)


def _parts(name: str, first: Any) -> tuple[Part, ...]:
    return (
        Part(name, _("Product"), "texts", products),
        Part(f"{name}_from", first, "day", upto=f"{name}_to"),
        Part(f"{name}_to", _("to"), "day"),
    )


def _words(name: str, verb: Any) -> Any:
    """`verb` is the phrase with a place for the product: "bought %(product)s"."""

    def words(given: Mapping[str, str]) -> str:
        what = str(verb) % {"product": given.get(name) or _("any product")}
        return spanned(what, given, f"{name}_from", f"{name}_to")

    return words


CONDITIONS = (
    Condition(
        "bought",
        _("Bought"),
        GROUP,
        _parts("bought", _("From")),
        _transactions("bought", SALES),
        _words("bought", _("bought %(product)s")),
    ),
    Condition(
        "refunded",
        _("Refunded"),
        GROUP,
        _parts("refunded", _("From")),
        _transactions("refunded", REFUNDS),
        _words("refunded", _("got a refund for %(product)s")),
    ),
    Condition(
        "plan",
        _("Payment plan active"),
        GROUP,
        _parts("plan", _("Begun from")),
        _plan,
        _words("plan", _("pays in a plan for %(product)s")),
    ),
)
