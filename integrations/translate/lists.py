"""Lists: names as in the catalogue, byte for byte. Kartra keeps an entry of who left, so three states can be told apart; a
list that it does not mention is one the lead was never on."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import NOT_TOLD, WireFormat, Witness, named

NEVER, ON, LEFT = "never", "on", "left"


def _shows(parameters: Mapping[str, Any], facts: Any) -> Any:
    if facts.lists is None:
        return NOT_TOLD
    on = facts.lists.get(parameters["list"])
    return NEVER if on is None else ON if on else LEFT


def _never(parameters: Mapping[str, Any]) -> str:
    return NEVER


WIRE_FORMATS = {
    "subscribe_list": WireFormat(
        commands=frozenset({"subscribe_lead_to_list"}),
        action=lambda parameters: commands.subscribe_lead_to_list(list_name=parameters["list"]),
        parameters=named(list="list_name"),
        witness=Witness(shows=_shows, makes=lambda parameters, state: ON, nothing=_never, adds=True),
        event="list_subscription",
    ),
    "unsubscribe_list": WireFormat(
        commands=frozenset({"unsubscribe_lead_from_list"}),
        action=lambda parameters: commands.unsubscribe_lead_from_list(list_name=parameters["list"]),
        parameters=named(list="list_name"),
        witness=Witness(
            shows=_shows,
            makes=lambda parameters, state: (
                NEVER if state == NEVER else LEFT
            ),  # of one who is not on it: no action taken
            nothing=_never,
            is_so=lambda after, made, before: after in (NEVER, LEFT),
        ),
        event="list_unsubscription",
    ),
}
