"""Money: refunds and payment plans. Each travels in a call of its own that names no lead."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from integrations.kartra import commands
from integrations.kartra.commands import Action
from integrations.translate.base import ProofSource, WireFormat, named

WHOLE = "whole"


def _refund(parameters: Mapping[str, Any]) -> Action:
    amount = parameters["amount"]
    if amount == WHOLE:
        return commands.refund_transaction(transaction_id=parameters["transaction"], whole=True)
    return commands.refund_transaction(transaction_id=parameters["transaction"], amount=Decimal(amount))


def _refund_parameters(fields: dict[str, Any]) -> dict[str, Any]:
    """Kartra takes a refund that names no amount for one of the whole."""
    amount = fields.pop("refund_amount", WHOLE)
    return {**named(transaction="transaction_id")(fields), "amount": amount}


def _refunded(parameters: Mapping[str, Any], seen: Any, before: Mapping[str, Any]) -> bool | None:
    """Exactly one new refund of this sale, of this amount where one was named. That none is seen proves nothing: money
    is never sent again by machine."""
    fitting = []
    for details in seen:
        parent = str(details.raw.get("transaction_parent_id", "")).strip()
        amount = parameters["amount"]
        if parent in ("", "0") or parent == parameters["transaction"]:
            agrees = amount == WHOLE or (
                details.full_amount is not None and abs(details.full_amount) == Decimal(amount)
            )
            if agrees and parent == parameters["transaction"]:
                fitting.append(details)
    return True if len(fitting) == 1 else None


def _cancel(parameters: Mapping[str, Any]) -> Action:
    """docs/decisions/0006: by the subscription's own id where Kartra gave it in a list of subscriptions, else as a payment
    message named it."""
    if parameters.get("named_by") == "payment":
        return commands.cancel_transaction(internal_subscription_id=parameters["subscription"])
    return commands.modify_subscription_status(subscription_id=parameters["subscription"], status="cancel")


def _cancel_parameters(fields: dict[str, Any]) -> dict[str, Any] | None:
    if "subscription_status_modification" in fields:
        return _status_parameters("cancel")(fields)
    return named(subscription="transaction_internal_subscription_id")(fields)


def _in(*statuses: str) -> Any:
    return lambda parameters, seen, before: seen.status.lower() in statuses


def _status(status: str) -> Any:
    return lambda p: commands.modify_subscription_status(subscription_id=p["subscription"], status=status)


def _status_parameters(status: str) -> Any:
    def parameters(fields: dict[str, Any]) -> dict[str, Any] | None:
        if fields.get("subscription_status_modification") != status:
            return None
        del fields["subscription_status_modification"]
        return named(subscription="subscription_id")(fields)

    return parameters


NAMES = {
    "amount": "subscription_amount",
    "quantity": "subscription_product_quantity",
    "next_payment": "subscription_next_payment_date",
    "installments_left": "subscription_installments_left",
    "tax_percent": "subscription_tax_percent",
    "product_id": "subscription_product_id",
    "price_point": "subscription_price_point",
}


def _edit(parameters: Mapping[str, Any]) -> Action:
    said: dict[str, Any] = {
        NAMES[name]: str(value) for name, value in parameters.items() if name in NAMES and value != ""
    }
    periods = {"recurring_period_1": parameters.get("period"), "recurring_period_2": parameters.get("later_period")}
    if any(periods.values()):
        said["subscription_recurrence"] = {name: period for name, period in periods.items() if period}
    return commands.edit_subscription(subscription_id=parameters["subscription"], **said)


def _edit_parameters(fields: dict[str, Any]) -> dict[str, Any]:
    parameters = named(subscription="subscription_id", **NAMES)(fields)
    if isinstance(periods := fields.get("subscription_recurrence"), dict):
        parameters.update(named(period="recurring_period_1", later_period="recurring_period_2")(periods))
        if not periods:
            del fields["subscription_recurrence"]
    return parameters


def _edited(parameters: Mapping[str, Any], seen: Any, before: Mapping[str, Any]) -> bool | None:
    """Whether all that the details show is as it was wanted; quantity and tax are not in them."""
    checks = {
        "amount": lambda v: seen.next_payment_amount == Decimal(v),
        "next_payment": lambda v: seen.next_payment_date.startswith(v),
        "installments_left": lambda v: seen.installments_left.lower() == str(v).strip().lower(),
        "period": lambda v: seen.recurring_period.lower() == v,
        "product_id": lambda v: seen.product_id == str(v),
        "price_point": lambda v: seen.price_point == str(v),
    }
    asked = {name: value for name, value in parameters.items() if name in checks and value != ""}
    if not asked or set(parameters) - set(checks) - {"subscription"}:
        return None
    return all(checks[name](value) for name, value in asked.items()) or None


WIRE_FORMATS = {
    "refund_transaction": WireFormat(
        commands=frozenset({"refund_transaction"}),
        action=_refund,
        parameters=_refund_parameters,
        done=_refunded,
        look=ProofSource.TRANSACTIONS,
        guards=frozenset({"251"}),
    ),
    "cancel_subscription": WireFormat(
        commands=frozenset({"modify_subscription_status", "cancel_transaction"}),
        action=_cancel,
        parameters=_cancel_parameters,
        done=_in("cancelled"),
        look=ProofSource.SUBSCRIPTION,
        guards=frozenset({"252"}),
    ),
    "pause_subscription": WireFormat(
        commands=frozenset({"modify_subscription_status"}),
        action=_status("pause"),
        parameters=_status_parameters("pause"),
        done=_in("paused"),
        look=ProofSource.SUBSCRIPTION,
    ),
    "unpause_subscription": WireFormat(
        commands=frozenset({"modify_subscription_status"}),
        action=_status("unpause"),
        parameters=_status_parameters("unpause"),
        done=_in("active"),
        look=ProofSource.SUBSCRIPTION,
    ),
    "edit_subscription": WireFormat(
        commands=frozenset({"edit_subscription"}),
        action=_edit,
        parameters=_edit_parameters,
        done=_edited,
        look=ProofSource.SUBSCRIPTION,
    ),
}
