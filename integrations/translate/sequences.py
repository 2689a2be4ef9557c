"""Sequences: names as in the catalogue, a step as the number on its box."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import NOT_TOLD, State, WireFormat, Witness, named

ACTIVE, LEFT = "active", "unsubscribed"


def _shows(parameters: Mapping[str, Any], facts: Any) -> State:
    if facts.sequences is None:
        return NOT_TOLD
    found = facts.sequences.get(parameters["sequence"])
    return [found[0], found[1].lower()] if found else None


def _is_in(state: State) -> bool:
    return isinstance(state, list) and state[1] == ACTIVE


def _entered(after: State, made: State, before: State) -> bool:
    """At that step and active; or further on, where the lead was not in it before: sequences go on and end by themselves. Who
    was taken out again was taken out by somebody."""
    if after == made:
        return True
    if before is NOT_TOLD or _is_in(before) or after is None or after == before or after[1] == LEFT:
        return False
    steps = [after[0], made[0]]
    return all(step.isdecimal() for step in steps) and int(steps[0]) >= int(steps[1])


WIRE_FORMATS = {
    "subscribe_sequence": WireFormat(
        commands=frozenset({"subscribe_lead_to_sequence_at_step"}),
        action=lambda parameters: commands.subscribe_lead_to_sequence_at_step(
            sequence_name=parameters["sequence"], step=str(parameters["step"])
        ),
        parameters=named(sequence="sequence_name", step="step"),
        witness=Witness(
            shows=_shows,
            makes=lambda parameters, state: [str(parameters["step"]), ACTIVE],
            nothing=lambda parameters: None,
            is_so=_entered,
            adds=True,
        ),
        event="sequence_subscription",
        bears_receipt=True,
    ),
    "unsubscribe_sequence": WireFormat(
        commands=frozenset({"unsubscribe_lead_from_sequence"}),
        action=lambda parameters: commands.unsubscribe_lead_from_sequence(sequence_name=parameters["sequence"]),
        parameters=named(sequence="sequence_name"),
        witness=Witness(
            shows=_shows,
            makes=lambda parameters, state: [state[0], LEFT] if isinstance(state, list) else None,
            nothing=lambda parameters: None,
            is_so=lambda after, made, before: not _is_in(after),
        ),
        event="sequence_unsubscription",
    ),
}
