"""What the pusher and the verifier must know of a kind."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from integrations.kartra.commands import Action


class ProofSource(enum.Enum):
    """Where it can be seen whether a change was done."""

    LEAD = "lead"  # a read of the lead; `seen` is LeadFacts
    MESSAGE = "message"  # no read shows it; a message from Kartra may
    GUARD = "guard"  # sent again, Kartra refuses what was done before
    SUBSCRIPTION = "subscription"  # details of the payment plan; `seen` is SubscriptionDetails
    TRANSACTIONS = "transactions"  # the buyer's transactions that are new since; `seen` is [TransactionDetails]


class Absent(enum.Enum):
    """What stands where no state of a family is known: nothing was told of it."""

    NOT_TOLD = "not told"


NOT_TOLD: Final = Absent.NOT_TOLD

State = Any
"""How a family of a lead is, as finely as a read shows it, in plain JSON: a tag true or false; a list "never", "on" or
"left"; a sequence None or [step, status in lower case]; points the score; a profile {field: value}."""


@dataclass(frozen=True)
class Witness:
    """What a read shows of the family of a kind of change, and what the change makes of it.

    `shows(parameters, facts)`: its state in `LeadFacts`. `nothing(parameters)`: its state on a lead that was just made.
    `makes(parameters, state)`: its state after the change was carried out on `state`. `is_so(after, made, before)`: whether a
    state that was read is what the change makes of `before`. `adds`: the change puts something on the lead or the lead into something,
    so that a lead found to have it needs it no more.
    """

    shows: Callable[[Mapping[str, Any], Any], State]
    makes: Callable[[Mapping[str, Any], State], State]
    nothing: Callable[[Mapping[str, Any]], State]
    adds: bool = False
    is_so: Callable[[State, State, State], bool] = lambda after, made, before: bool(after == made)


@dataclass(frozen=True)
class WireFormat:
    """How a kind of change is said to Kartra, and what proves that it was done.

    `commands` are Kartra's names of what it may be said as; `action(parameters)` is the one for these parameters, and
    `parameters(fields)` its reverse: it takes out of an action's fields what it understands, so that what is left is not;
    None where they mean another kind. `lead_fields(parameters)`, of profile changes alone: what travels in `lead[…]` of the
    leading command, which `lead_parameters(fields)` takes out again.
    `witness`: what a read of the lead shows of it. `done(parameters, seen, before)`, of money alone: whether what was seen
    afterwards shows it done, given what was known before it was sent; None if that cannot tell. `guards`: codes that Kartra
    answers to what was done before. `bears_receipt`: a receipt written by the same call helps to prove it.
    `event`: Kartra's event that says what a read shows too, and may be the echo of it.
    """

    commands: frozenset[str]
    action: Callable[[Mapping[str, Any]], Action]
    parameters: Callable[[dict[str, Any]], dict[str, Any] | None]
    witness: Witness | None = None
    done: Callable[[Mapping[str, Any], Any, Mapping[str, Any]], bool | None] | None = None
    look: ProofSource = ProofSource.LEAD
    lead_fields: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    lead_parameters: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    guards: frozenset[str] = frozenset()
    bears_receipt: bool = False
    event: str = ""


def named(**ours: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The reverse of an action whose fields are parameters of ours by other names: named(tag="tag_name")."""

    def parameters(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: fields.pop(theirs) for name, theirs in ours.items() if isinstance(fields.get(theirs), str)}

    return parameters


@dataclass(frozen=True)
class Receipt:
    """What a call writes into the safety field of its lead: the field's identifier, and a text of its own."""

    field: str
    value: str
