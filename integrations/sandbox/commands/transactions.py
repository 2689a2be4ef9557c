"""Transactions: found, told, listed by their buyer, refunded. What stops a plan is left to `subscriptions`."""

from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import ok
from integrations.sandbox.store.account import Account


def _transaction(account: Account, entry: dict[str, Any]) -> dict[str, Any]:
    found = account.store.payment(account.number, "transaction", str(entry.get("transaction_id", "") or ""))
    if found is None:
        raise Refused("247")
    return found


def _buyer(account: Account, lead_id: int) -> dict[str, Any]:
    lead = account.store.lead(account.number, id=str(lead_id)) or {}
    return {
        "lead_first_name": lead.get("first_name", ""),
        "lead_last_name": lead.get("last_name", ""),
        "lead_email": lead.get("email", ""),
        "lead_id": str(lead_id),
        "lead_username": lead.get("username", ""),
        "lead_country": lead.get("country", ""),
        "lead_state": lead.get("state", ""),
        "lead_city": lead.get("city", ""),
    }


def search_transaction(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    _transaction(account, entry)
    return ok(message="Transaction exists")


def transaction_details(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    found = _transaction(account, entry)
    details = {
        "transaction_id": str(found["id"]),
        **_buyer(account, found["lead"]),
        "product_name": found["product_name"],
        "product_id": str(found["product_id"]),
        "product_price_point": "1",
        "transaction_full_amount": found["amount"],
        "transaction_quantity": "1",
        "transaction_affiliate": "N/A",
        "transaction_date": found["date"],
        "transaction_type": found["type"],
        "transaction_parent_id": str(found["parent"]),
        "transaction_internal_subscription_id": str(found["subscription"] or "N/A"),
    }
    return {"transaction_details": details}


def transactions_of_lead(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    if call.switches["older_names"]:
        return older_transactions(account, lead, entry, call)
    return {
        "transaction_list": [
            {
                "transaction_id": str(t["id"]),
                "lead_id": str(lead["id"]),
                "lead_email": lead["email"],
                "transaction_type": t["type"],
            }
            for t in payments_of(account, "transaction", lead, call)
        ]
    }


def older_transactions(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    """As of 2021: amounts and products, but no id of the transaction."""
    return {
        "transaction_list": [
            {
                "buyer_id": str(lead["id"]),
                "buyer_email": lead["email"],
                "transaction_type": t["type"],
                "product_name": t["product_name"],
                "product_id": str(t["product_id"]),
                "transaction_date": t["date"],
                "transaction_full_amount": t["amount"],
            }
            for t in payments_of(account, "transaction", lead, call)
        ]
    }


def payments_of(account: Account, kind: str, lead: Any, call: Call) -> list[dict[str, Any]]:
    found = account.store.payments(account.number, kind, lead["id"])
    return found[::-1] if call.switches["money_order"] == "newest" else found


def refund(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    found = _transaction(account, entry)
    if found["type"] not in ("sale", "rebill") or found.get("test"):
        raise Refused("253")
    if found.get("outside_refund_period"):
        raise Refused("250")
    if found.get("refund_fails"):
        raise Refused("266")
    full, refunded = Decimal(found["amount"]), Decimal(found["refunded"])
    if refunded >= full or (refunded and call.switches["partial_refunds"] == "once"):
        raise Refused("251")
    given = str(entry.get("refund_amount", "") or "").strip()
    try:
        amount = Decimal(given) if given else full - refunded
    except InvalidOperation:
        raise Refused("268") from None
    if not amount.is_finite() or amount <= 0 or amount > full - refunded:
        raise Refused("268")
    found["refunded"] = str(refunded + amount)
    account.store.save_payment(found)
    owner = account.store.lead(account.number, id=str(found["lead"])) or {"id": found["lead"]}
    kind = "refund" if refunded + amount >= full and not refunded else "partial_refund"
    new = account.charge(
        owner,
        kind,
        found["product_name"],
        str(amount),
        parent=found["id"],
        subscription=found["subscription"],
        heard=call.heard,
    )
    told = found["id"] if call.switches["refund_answers"] == "sale" else new
    return {"status": "Success", "transaction_refunded": str(told)}
