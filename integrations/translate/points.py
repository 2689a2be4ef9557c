"""Points: they add up, so only the score before tells whether the score after shows them."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import Encoding


def _done(sign: int, parameters: Mapping[str, Any], facts: Any, before: Mapping[str, Any]) -> bool | None:
    """Exactly the score before and these points: done. The score before: not done. Anything else tells nothing."""
    score, was = facts.fields.get("score"), before.get("score")
    if score is None or was is None:
        return None
    if score == was + sign * int(parameters["points"]):
        return True
    return False if score == was else None


ENCODINGS = {
    "give_points": Encoding(
        commands=frozenset({"give_points_to_lead"}),
        action=lambda p: commands.give_points_to_lead(
            points=int(p["points"]), expiration=int(p.get("expires_in_days") or 0)
        ),
        done=lambda parameters, facts, before: _done(1, parameters, facts, before),
        bears_receipt=True,
    ),
    "remove_points": Encoding(
        commands=frozenset({"remove_points_from_lead"}),
        action=lambda parameters: commands.remove_points_from_lead(points=int(parameters["points"])),
        done=lambda parameters, facts, before: _done(-1, parameters, facts, before),
        bears_receipt=True,
    ),
}
