"""Lists: names as in the catalogue, byte for byte. A list that Kartra does not mention is one the lead is not on."""

from integrations.kartra import commands
from integrations.translate.base import Encoding

ENCODINGS = {
    "subscribe_list": Encoding(
        action=lambda parameters: commands.subscribe_lead_to_list(list_name=parameters["list"]),
        done=lambda parameters, facts: None if facts.lists is None else facts.lists.get(parameters["list"], False),
    ),
    "unsubscribe_list": Encoding(
        action=lambda parameters: commands.unsubscribe_lead_from_list(list_name=parameters["list"]),
        done=lambda parameters, facts: None if facts.lists is None else not facts.lists.get(parameters["list"], False),
    ),
}
