"""Points: they add up, so only the score before tells whether the score after shows them."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import NOT_TOLD, State, WireFormat, Witness, named


def _shows(parameters: Mapping[str, Any], facts: Any) -> State:
    score = facts.fields.get("score")
    return NOT_TOLD if score is None else score


def _witness(sign: int) -> Witness:
    return Witness(
        shows=_shows,
        makes=lambda parameters, state: state + sign * int(parameters["points"]),
        nothing=lambda parameters: 0,
    )


WIRE_FORMATS = {
    "give_points": WireFormat(
        commands=frozenset({"give_points_to_lead"}),
        action=lambda p: commands.give_points_to_lead(
            points=int(p["points"]), expiration=int(p.get("expires_in_days") or 0)
        ),
        parameters=named(points="points", expires_in_days="expiration"),
        witness=_witness(1),
        bears_receipt=True,
    ),
    "remove_points": WireFormat(
        commands=frozenset({"remove_points_from_lead"}),
        action=lambda parameters: commands.remove_points_from_lead(points=int(parameters["points"])),
        parameters=named(points="points"),
        witness=_witness(-1),
        bears_receipt=True,
    ),
}
