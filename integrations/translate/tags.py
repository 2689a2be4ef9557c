"""Tags: names as in the catalogue, byte for byte. A tag is on the lead or it is not."""

from collections.abc import Mapping
from typing import Any

from integrations.kartra import commands
from integrations.translate.base import NOT_TOLD, WireFormat, Witness, named


def _shows(parameters: Mapping[str, Any], facts: Any) -> Any:
    return NOT_TOLD if facts.tags is None else parameters["tag"] in facts.tags


def _witness(on: bool) -> Witness:
    return Witness(shows=_shows, makes=lambda parameters, state: on, nothing=lambda parameters: False, adds=on)


WIRE_FORMATS = {
    "assign_tag": WireFormat(
        commands=frozenset({"assign_tag"}),
        action=lambda parameters: commands.assign_tag(tag_name=parameters["tag"]),
        parameters=named(tag="tag_name"),
        witness=_witness(True),
        event="assign_tag",
    ),
    "unassign_tag": WireFormat(
        commands=frozenset({"unassign_tag"}),
        action=lambda parameters: commands.unassign_tag(tag_name=parameters["tag"]),
        parameters=named(tag="tag_name"),
        witness=_witness(False),
        event="unassign_tag",
    ),
}
