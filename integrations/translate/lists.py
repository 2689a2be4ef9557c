"""Lists: names as in the catalogue, byte for byte. A list that Kartra does not mention is one the lead is not on."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import Encoding


def _on(parameters: Mapping[str, Any], facts: Any) -> bool | None:
    return None if facts.lists is None else facts.lists.get(parameters["list"], False)


def _off(parameters: Mapping[str, Any], facts: Any) -> bool | None:
    on = _on(parameters, facts)
    return None if on is None else not on


ENCODINGS = {
    "subscribe_list": Encoding(
        commands=frozenset({"subscribe_lead_to_list"}),
        action=lambda parameters: commands.subscribe_lead_to_list(list_name=parameters["list"]),
        done=lambda parameters, facts, before: _on(parameters, facts),
    ),
    "unsubscribe_list": Encoding(
        commands=frozenset({"unsubscribe_lead_from_list"}),
        action=lambda parameters: commands.unsubscribe_lead_from_list(list_name=parameters["list"]),
        done=lambda parameters, facts, before: _off(parameters, facts),
    ),
}
