"""Recurring subscriptions: found, told, listed by their buyer, changed, and cancelled, by a transaction of theirs too."""

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import ok
from integrations.sandbox.commands.transactions import payments_of
from integrations.sandbox.store.account import ZONE, Account

PERIODS = ("weekly", "every 2 weeks", "monthly", "every 2 months", "quarterly", "yearly", "every 2 years")
EDITABLE = (
    "subscription_product_id",
    "subscription_price_point",
    "subscription_next_payment_date",
    "subscription_amount",
    "subscription_recurrence",
    "subscription_product_quantity",
    "subscription_installments_left",
    "subscription_tax_percent",
)


def _plan(account: Account, id: Any) -> dict[str, Any]:
    found = account.store.payment(account.number, "subscription", str(id or ""))
    if found is None:
        raise Refused("248")
    return found


def search_subscription(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    _plan(account, entry.get("subscription_id"))
    return ok()


def subscription_details(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    plan = _plan(account, entry.get("subscription_id"))
    details = {
        "subscription_id": str(plan["id"]),
        "subscription_product_id": str(plan["product_id"]),
        "subscription_price_point": plan["price_point"],
        "subscription_lead_id": str(plan["lead"]),
        "subscription_start_date": plan["start"],
        "subscription_end_date": plan["end"],
        "subscription_current_installment": str(plan["installment"]),
        "subscription_installments_left": plan["left"],
        "subscription_recurring_period": plan["period"],
        "subscription_status": plan["status"],
        "subscription_next_payment_date": plan["next"],
        "subscription_next_scheduled_payment_amount": plan["amount"],
        "subscription_affiliate": "N/A",
        "subscription_jv": "N/A",
    }
    return {"subscription_details": details}


def subscriptions_of_lead(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    if call.switches["older_names"]:
        return older_subscriptions(account, lead, entry, call)
    return {
        "subscriptions_list": [
            {
                "subscription_id": str(p["id"]),
                "lead_id": str(lead["id"]),
                "lead_email": lead["email"],
                "subscription_status": p["status"],
            }
            for p in payments_of(account, "subscription", lead, call)
        ]
    }


def older_subscriptions(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    return {
        "subscription_list": [
            {
                "transaction_subscription_id": str(p["id"]),
                "buyer_id": str(lead["id"]),
                "buyer_email": lead["email"],
                "transaction_subscription_status": p["status"],
            }
            for p in payments_of(account, "subscription", lead, call)
        ]
    }


def cancel_transaction(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    if entry.get("transaction_internal_subscription_id"):
        plan = _plan(account, entry["transaction_internal_subscription_id"])
    else:
        found = account.store.payment(account.number, "transaction", str(entry.get("transaction_id", "") or ""))
        if found is None:
            raise Refused("248")
        if found["type"] not in ("sale", "rebill"):
            raise Refused("253")
        if not found["subscription"]:
            raise Refused("249")
        plan = _plan(account, found["subscription"])
    _cancel(account, plan, call)
    return {
        "status": "Success",
        "transaction_subscription_id": str(plan["id"]),
        "transaction_internal_subscription_id": str(plan["id"]),
    }


def _cancel(account: Account, plan: dict[str, Any], call: Call) -> None:
    if plan.get("cancel_fails"):
        raise Refused("267")
    if plan["status"] == "Cancelled":
        raise Refused("252")
    account.cancel_plan(plan, heard=call.heard)


def modify_status(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    plan = _plan(account, entry.get("subscription_id"))
    wanted = entry.get("subscription_status_modification")
    if wanted not in ("cancel", "pause", "unpause"):
        raise Refused("274")
    if wanted == "cancel":
        _cancel(account, plan, call)
        return ok("115", "Subscription modified")
    if plan["status"] in ("Cancelled", "Terminated"):
        raise Refused("275")
    if plan["processor"] == "paypal":
        raise Refused("284")
    plan["status"] = "Paused" if wanted == "pause" else "Active"
    account.store.save_payment(plan)
    return ok("115", "Subscription modified")


def edit_subscription(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    plan = _plan(account, entry.get("subscription_id"))
    if plan["status"] in ("Cancelled", "Terminated"):
        raise Refused("275")
    if plan["processor"] == "paypal":
        raise Refused("284")
    given = {key: entry[key] for key in EDITABLE if key in entry}
    if not given:
        raise Refused("285")
    _product(account, given, plan)
    if "subscription_next_payment_date" in given:
        plan["next"] = _future(str(given["subscription_next_payment_date"]))
    if "subscription_amount" in given:
        price = _number(given["subscription_amount"], "268")
        if not Decimal("1.00") <= price <= Decimal("9999.99"):
            raise Refused("277")
        plan["amount"] = f"{price:.2f}"
    if "subscription_product_quantity" in given:
        quantity = _number(given["subscription_product_quantity"], "278")
        if not 1 <= quantity <= 9999:
            raise Refused("276")
        plan["quantity"] = str(int(quantity))
    if "subscription_tax_percent" in given:
        tax = _number(given["subscription_tax_percent"], "278")
        if not 0 <= tax <= 100:
            raise Refused("290")
        plan["tax"] = str(tax)
    if "subscription_installments_left" in given:
        left = str(given["subscription_installments_left"]).strip()
        if left.lower() != "until cancelled" and (not left.isdecimal() or int(left) < 1):
            raise Refused("282")
        plan["left"] = left
    if "subscription_recurrence" in given:
        if plan.get("fixed_recurrence"):
            raise Refused("281")
        periods = given["subscription_recurrence"]
        if not isinstance(periods, dict) or not periods or any(p not in PERIODS for p in periods.values()):
            raise Refused("280")
        plan["period"] = str(periods.get("recurring_period_1", plan["period"]))
    account.store.save_payment(plan)
    return ok("115", "Subscription modified")


def _product(account: Account, given: dict[str, Any], plan: dict[str, Any]) -> None:
    product, price_point = given.get("subscription_product_id"), given.get("subscription_price_point")
    if product is None and price_point is None:
        return
    known = {str(thing["id"]): thing["name"] for thing in account.store.things(account.number, "product")}
    if product not in known or not price_point:
        raise Refused("283")
    plan["product_id"], plan["product_name"], plan["price_point"] = int(str(product)), known[str(product)], price_point


def _number(value: Any, code: str) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise Refused(code) from None
    if not number.is_finite():
        raise Refused(code)
    return number


def _future(value: str) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?", value):
        raise Refused("260")
    try:
        when = dt.datetime.fromisoformat(value).replace(tzinfo=ZONE)
    except ValueError:
        raise Refused("260") from None
    if when < dt.datetime.now(ZONE):
        raise Refused("261")
    return when.strftime("%Y-%m-%d %H:%M:%S")
