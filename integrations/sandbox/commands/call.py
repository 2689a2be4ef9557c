"""What a command may know of the call around it."""

from collections.abc import Callable
from typing import Any

from integrations.sandbox.store.switches import Switches


class Call:
    """What a handler may know of the call around it."""

    def __init__(self, form: dict[str, Any], switches: Switches, later: Callable[[Callable[[], Any]], None]) -> None:
        self.form = form
        self.switches = switches
        self.later = later  # does a write now, or as late as the switch says

    @property
    def heard(self) -> bool:
        return bool(self.switches["echo_api_writes"])
