"""What can be said to Kartra: the 29 commands, and the order of a call. How it is written is left to `php_form`.

Source of every command: Kartra's action articles (support.kartra.com, 2024-2026). Names are byte for byte.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from integrations.kartra.php_form import flatten

FIRST_ONLY = frozenset({"create_lead", "edit_lead", "search_lead"})
"""Commands that Kartra wants at actions[0]."""

WITHOUT_LEAD = frozenset(
    {
        "retrieve_account_lists",
        "retrieve_account_tags",
        "retrieve_account_sequences",
        "retrieve_account_pages",
        "retrieve_custom_fields",
        "create_custom_field",
        "search_transaction",
        "get_transaction_details",
        "search_subscription",
        "get_subscription_details",
        "refund_transaction",
        "cancel_transaction",
        "modify_subscription_status",
        "edit_subscription",
    }
)
"""Commands that name what they are about by themselves; Kartra's examples send no lead with them."""


@dataclass(frozen=True)
class LeadRef:
    """Which lead a call is about: its id, else its email. With both Kartra takes the id, so only that is sent."""

    id: str = ""
    email: str = ""

    def __post_init__(self) -> None:
        if not self.id and not self.email:
            raise ValueError("A lead is named by its id or its email address.")

    def fields(self) -> dict[str, str]:
        return {"id": self.id} if self.id else {"email": self.email}

    def __repr__(self) -> str:
        return f"LeadRef(id={self.id!r})" if self.id else "LeadRef(by email)"


@dataclass(frozen=True)
class Action:
    """One action of a call: Kartra's name of it and its parameters."""

    cmd: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def fields(self) -> dict[str, Any]:
        return {"cmd": self.cmd, **self.parameters}


def call_fields(
    actions: Sequence[Action], lead: LeadRef | None = None, lead_fields: Mapping[str, Any] | None = None
) -> list[tuple[str, str]]:
    """The form fields of one call, without credentials. ValueError for an order Kartra refuses."""
    if not actions:
        raise ValueError("A call needs at least one action.")
    for action in actions[1:]:
        if action.cmd in FIRST_ONLY:
            raise ValueError(f"{action.cmd} must be the first action of a call.")
    named: dict[str, Any] = {**(lead.fields() if lead else {}), **(lead_fields or {})}
    said: dict[str, Any] = {"lead": named} if named else {}
    said["actions"] = [action.fields() for action in actions]
    return flatten(said)


# --- leads (their fields travel in `lead[...]`, not in the action)


def search_lead() -> Action:
    """Does the lead exist? Refused with 243 or 245 if not. First action only."""
    return Action("search_lead")


def create_lead() -> Action:
    """Create the lead in lead[email]. Refused with 244 if it exists. First action only. Not repeatable."""
    return Action("create_lead")


def edit_lead() -> Action:
    """Set the fields given in lead[...]. First action only."""
    return Action("edit_lead")


# --- lists, tags


def subscribe_lead_to_list(*, list_name: str) -> Action:
    """Put the lead on a list that exists (231 otherwise)."""
    return Action("subscribe_lead_to_list", {"list_name": list_name})


def unsubscribe_lead_from_list(*, list_name: str) -> Action:
    """Take the lead off a list that exists (209 otherwise). Not being on it is no error."""
    return Action("unsubscribe_lead_from_list", {"list_name": list_name})


def assign_tag(*, tag_name: str) -> Action:
    """Put a tag that exists (212 otherwise) on the lead."""
    return Action("assign_tag", {"tag_name": tag_name})


def unassign_tag(*, tag_name: str) -> Action:
    """Take a tag that exists (214 otherwise) off the lead. Not having it is no error."""
    return Action("unassign_tag", {"tag_name": tag_name})


# --- points: both add up when repeated


def give_points_to_lead(*, points: int, expiration: int = 0) -> Action:
    """Add points, taken off again after `expiration` days (0: never). Adds up when repeated."""
    return Action("give_points_to_lead", {"points": points, "expiration": expiration or None})


def remove_points_from_lead(*, points: int) -> Action:
    """Take points off. Adds up when repeated."""
    return Action("remove_points_from_lead", {"points": points})


# --- sequences


def subscribe_lead_to_sequence_at_step(*, sequence_name: str, step: str) -> Action:
    """Put the lead into the sequence at the box of this number. May mail again when repeated."""
    return Action("subscribe_lead_to_sequence_at_step", {"sequence_name": sequence_name, "step": step})


def unsubscribe_lead_from_sequence(*, sequence_name: str) -> Action:
    """Take the lead out of the sequence."""
    return Action("unsubscribe_lead_from_sequence", {"sequence_name": sequence_name})


# --- calendars


def calendar_subscribe(
    *, calendar_name: str, class_name: str, starting_date: str = "", starting_hour: str = ""
) -> Action:
    """Book a class. `starting_date` like "16 Jan 2019", `starting_hour` like "15:00", both in Kartra's zone. May book
    twice when repeated."""
    return Action(
        "calendar_subscribe",
        {
            "calendar_name": calendar_name,
            "class_name": class_name,
            "starting_date": starting_date or None,
            "starting_hour": starting_hour or None,
        },
    )


def calendar_cancel(*, calendar_name: str, class_name: str) -> Action:
    """Cancel the lead's booking of the class (259 if there is none)."""
    return Action("calendar_cancel", {"calendar_name": calendar_name, "class_name": class_name})


# --- the account


def create_custom_field(*, identifier: str, type: str, options: Sequence[str] = ()) -> Action:
    """Make a custom field; `type` one of the five of Kartra; at least two options for the three choice types."""
    return Action(
        "create_custom_field",
        {
            "custom_field_identifier": identifier,
            "custom_field_type": type,
            "custom_field_options": [{"option_name": option} for option in options] or None,
        },
    )


def retrieve_custom_fields() -> Action:
    """All custom fields of the account. Slow at Kartra."""
    return Action("retrieve_custom_fields")


def retrieve_account_lists() -> Action:
    return Action("retrieve_account_lists")


def retrieve_account_tags() -> Action:
    return Action("retrieve_account_tags")


def retrieve_account_sequences() -> Action:
    return Action("retrieve_account_sequences")


def retrieve_account_pages() -> Action:
    return Action("retrieve_account_pages")


# --- transactions and subscriptions


def get_transaction_details(*, transaction_id: str) -> Action:
    return Action("get_transaction_details", {"transaction_id": transaction_id})


def retrieve_transactions_from_lead() -> Action:
    return Action("retrieve_transactions_from_lead")


def refund_transaction(*, transaction_id: str, amount: Decimal | None = None, whole: bool = False) -> Action:
    """Give money back: `amount`, or all of it with `whole=True`. Exactly one of the two, so that an amount that got
    lost on the way can never refund everything. Moves money; never repeated by machine."""
    if (amount is None) != whole:
        raise ValueError("Say either the amount to refund, or that the whole transaction is meant.")
    if amount is not None and (not amount.is_finite() or amount <= 0):
        raise ValueError("The amount to refund must be more than zero.")
    return Action("refund_transaction", {"transaction_id": transaction_id, "refund_amount": amount})


def cancel_transaction(*, transaction_id: str = "", internal_subscription_id: str = "") -> Action:
    """Cancel a payment plan, named by a transaction of it or by its internal subscription id (exactly one)."""
    if bool(transaction_id) == bool(internal_subscription_id):
        raise ValueError("Name either the transaction or the subscription.")
    return Action(
        "cancel_transaction",
        {
            "transaction_id": transaction_id or None,
            "transaction_internal_subscription_id": internal_subscription_id or None,
        },
    )


def get_subscription_details(*, subscription_id: str) -> Action:
    return Action("get_subscription_details", {"subscription_id": subscription_id})


def retrieve_subscriptions_from_lead() -> Action:
    return Action("retrieve_subscriptions_from_lead")


def modify_subscription_status(*, subscription_id: str, status: str) -> Action:
    """`status`: cancel, pause or unpause."""
    if status not in ("cancel", "pause", "unpause"):
        raise ValueError("A subscription can be cancelled, paused or unpaused.")
    return Action(
        "modify_subscription_status",
        {"subscription_id": subscription_id, "subscription_status_modification": status},
    )


def edit_subscription(*, subscription_id: str, **changes: Any) -> Action:
    """Change a payment plan: at least one of Kartra's `subscription_*` parameters (nested ones as mappings)."""
    if not changes:
        raise ValueError("Say what to change.")
    wrong = [name for name in changes if not name.startswith("subscription_")]
    if wrong:
        raise ValueError(f"Kartra has no parameter {', '.join(wrong)}.")
    return Action("edit_subscription", {"subscription_id": subscription_id, **changes})
