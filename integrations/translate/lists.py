"""Lists: names as in the catalogue, byte for byte. A list that Kartra does not mention is one the lead is not on."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import Encoding


def _on(parameters: Mapping[str, Any], facts: Any) -> bool | None:
    return None if facts.lists is None else facts.lists.get(parameters["list"], False)


def _put_on(parameters: Mapping[str, Any], facts: Any, before: Mapping[str, Any]) -> bool | None:
    """On the list: done. An entry that was not there before and is inactive now: it was done, and the person left."""
    on = _on(parameters, facts)
    if on is False and before.get("ever_on_list") is False and parameters["list"] in facts.lists:
        return True
    return on


def _off(parameters: Mapping[str, Any], facts: Any) -> bool | None:
    on = _on(parameters, facts)
    return None if on is None else not on


ENCODINGS = {
    "subscribe_list": Encoding(
        commands=frozenset({"subscribe_lead_to_list"}),
        action=lambda parameters: commands.subscribe_lead_to_list(list_name=parameters["list"]),
        done=_put_on,
    ),
    "unsubscribe_list": Encoding(
        commands=frozenset({"unsubscribe_lead_from_list"}),
        action=lambda parameters: commands.unsubscribe_lead_from_list(list_name=parameters["list"]),
        done=lambda parameters, facts, before: _off(parameters, facts),
    ),
}
