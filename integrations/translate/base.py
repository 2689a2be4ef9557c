"""What the pusher and the verifier must know of a kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.kartra.commands import Action
from leads.mirror import LeadFacts


@dataclass(frozen=True)
class Encoding:
    """How a kind of change is said to Kartra.

    `action(parameters)` is the command. `done(parameters, facts)`: whether a complete read of the lead shows it done;
    None if such a read cannot tell. `repeatable`: doing it twice ends the same as doing it once.
    """

    action: Callable[[Mapping[str, Any]], Action]
    done: Callable[[Mapping[str, Any], LeadFacts], bool | None]
    repeatable: bool = True
