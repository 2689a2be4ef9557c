"""Sequences: names as in the catalogue, a step as the number on its box."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import Encoding

ACTIVE = "active"


def _entered(parameters: Mapping[str, Any], facts: Any, before: Mapping[str, Any]) -> bool | None:
    """At that step and active: done, unless it stood there before. Moved on since it was not in it before: done."""
    if facts.sequences is None:
        return None
    step, status = facts.sequences.get(parameters["sequence"], ("", ""))
    was = before.get("sequence")
    if was is None:
        return None
    now = [step, status.lower()]
    if now == [was.get("step", ""), was.get("status", "").lower()]:
        return False if now != [str(parameters["step"]), ACTIVE] else None
    return True if status.lower() == ACTIVE else None


def _left(parameters: Mapping[str, Any], facts: Any) -> bool | None:
    if facts.sequences is None:
        return None
    return bool(facts.sequences.get(parameters["sequence"], ("", ""))[1].lower() != ACTIVE)


ENCODINGS = {
    "subscribe_sequence": Encoding(
        commands=frozenset({"subscribe_lead_to_sequence_at_step"}),
        action=lambda parameters: commands.subscribe_lead_to_sequence_at_step(
            sequence_name=parameters["sequence"], step=str(parameters["step"])
        ),
        done=_entered,
        bears_receipt=True,
    ),
    "unsubscribe_sequence": Encoding(
        commands=frozenset({"unsubscribe_lead_from_sequence"}),
        action=lambda parameters: commands.unsubscribe_lead_from_sequence(sequence_name=parameters["sequence"]),
        done=lambda parameters, facts, before: _left(parameters, facts),
    ),
}
