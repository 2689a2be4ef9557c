"""What the pusher and the verifier must know of a kind."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.kartra.commands import Action


class Look(enum.Enum):
    """Where it can be seen whether a change was done."""

    LEAD = "lead"  # a read of the lead; `seen` is LeadFacts
    MESSAGE = "message"  # no read shows it; a message from Kartra may
    GUARD = "guard"  # sent again, Kartra refuses what was done before
    SUBSCRIPTION = "subscription"  # details of the payment plan; `seen` is SubscriptionDetails
    TRANSACTIONS = "transactions"  # the buyer's transactions that are new since; `seen` is [TransactionDetails]


@dataclass(frozen=True)
class Encoding:
    """How a kind of change is said to Kartra, and what proves that it was done.

    `commands` are Kartra's names of what it may be said as; `action(parameters)` is the one for these parameters.
    `lead_fields(parameters)`, of profile changes alone: what travels in `lead[…]` of the leading command.
    `done(parameters, seen, before)`: whether what was seen afterwards shows it done, given what was known before it was
    sent; None if that cannot tell. `guards`: codes that Kartra answers to what was done before. `bears_receipt`: a receipt
    written by the same call helps to prove it.
    """

    commands: frozenset[str]
    action: Callable[[Mapping[str, Any]], Action]
    done: Callable[[Mapping[str, Any], Any, Mapping[str, Any]], bool | None]
    look: Look = Look.LEAD
    lead_fields: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    guards: frozenset[str] = frozenset()
    bears_receipt: bool = False


@dataclass(frozen=True)
class Receipt:
    """What a call writes into the safety field of its lead: the field's identifier, and a text of its own."""

    field: str
    value: str
