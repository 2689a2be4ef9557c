"""Tags: names as in the catalogue, byte for byte."""

from integrations.kartra import commands
from integrations.translate.base import Encoding

ENCODINGS = {
    "assign_tag": Encoding(
        commands=frozenset({"assign_tag"}),
        action=lambda parameters: commands.assign_tag(tag_name=parameters["tag"]),
        done=lambda parameters, facts, before: None if facts.tags is None else parameters["tag"] in facts.tags,
    ),
    "unassign_tag": Encoding(
        commands=frozenset({"unassign_tag"}),
        action=lambda parameters: commands.unassign_tag(tag_name=parameters["tag"]),
        done=lambda parameters, facts, before: None if facts.tags is None else parameters["tag"] not in facts.tags,
    ),
}
