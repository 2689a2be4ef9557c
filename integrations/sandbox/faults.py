"""What can go wrong on the way: ordered faults, each for a command and a number of calls."""

import threading
from dataclasses import asdict, dataclass
from typing import Any

BEFORE = ("refused before", "hung, then nothing", "502, nothing done", "429", "html, nothing done")
AFTER = (
    "carried out, then hung",
    "carried out, then dropped",
    "carried out, then 502",
    "carried out, then broken JSON",
    "carried out, then HTML",
    "carried out, then empty",
    "carried out late",
)
SHAPED = (
    "carried out as far as k, then dropped",
    "action k fails",
    "whole call refused",
    "entry missing from actions",
    "slow",
    "php warning before json",
    "actions as object",
    "result at top level",
    "type as number",
    "answer 302",
    "drip",
)
ALL = (*BEFORE, *AFTER, *SHAPED)


@dataclass
class Fault:
    """`count` None: until cleared. `cmd`/`lead` None: any. `k` and `code` for "action k fails" and "whole call refused", `seconds` for waits;
    of "carried out as far as k, then dropped" the first `k` actions are done."""

    fault: str
    cmd: str | None = None
    lead: str | None = None
    count: int | None = 1
    seconds: float = 60.0
    k: int = 0
    code: str = "212"


class Faults:
    """The faults that are set, first set first used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: list[Fault] = []

    def add(self, **given: Any) -> Fault:
        fault = Fault(**given)
        if fault.fault not in ALL:
            raise ValueError(f"There is no fault {fault.fault!r}. There are: {', '.join(ALL)}.")
        with self._lock:
            self._set.append(fault)
        return fault

    def clear(self) -> None:
        with self._lock:
            self._set.clear()

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._set]

    def take(self, cmds: list[str], lead: str) -> Fault | None:
        """The first fault that fits this call, used up by one."""
        with self._lock:
            for fault in self._set:
                if fault.cmd is not None and fault.cmd not in cmds:
                    continue
                if fault.lead is not None and fault.lead != lead:
                    continue
                if fault.count is not None:
                    fault.count -= 1
                    if fault.count <= 0:
                        self._set.remove(fault)
                return fault
        return None
