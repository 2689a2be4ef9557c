"""Readings of what Kartra does not document, one switch each, and settings of the pretend account."""

from typing import Any

from integrations.sandbox.store import Store

SWITCHES: dict[str, tuple[Any, str]] = {
    "https_required": (False, "true: every call is refused with 201, as Kartra does over http"),
    "on_244": ("drop_chain", "drop_chain: nothing else of the call is done; go_on: the other actions run"),
    "after_error": ("go_on", "go_on: later actions run after one that failed; stop: they do not and are not mentioned"),
    "errors_in_chain": ("per_action", "per_action: inside `actions`; flat: the whole call answers one flat error"),
    "half_failed_status": ("Success", "top-level status of a chain of which an action failed"),
    "effects_late_s": (0.0, "seconds until what a call did can be read"),
    "echo_api_writes": (True, "whether a write through the API fires its event"),
    "get_lead_by_id": (True, "whether get_lead takes an id"),
    "edit_to_known_email": ("244", "error type when new_email belongs to another lead; empty: the change is ignored"),
    "known_tag_again": ("103", "type when the tag is already there (always a success)"),
    "score_below_zero": (True, "whether points can fall below zero"),
    "email_check": (False, "true: create_lead refuses an address without @ with 206"),
    "firewall": (False, "true: values with < > { } [ ] \\ are answered with a web page and nothing is done"),
    "test_mode": (False, "true: the domain of new addresses becomes kartra.com"),
    "latency_ms": (0, "how long every answer takes"),
    "limit_per_s": (20, "calls in any one second for each app"),
    "numbers": (False, "true: ids and counts as JSON numbers instead of texts"),
    "down": (False, "true: every call answers 502 and nothing is done"),
}


class Switches:
    """Values of the switches, kept with the account."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, Any] = {name: default for name, (default, _) in SWITCHES.items()}
        self._values.update(store.meta("switches", {}))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def set(self, values: dict[str, Any]) -> None:
        unknown = sorted(set(values) - set(SWITCHES))
        if unknown:
            raise ValueError(f"There is no switch {', '.join(unknown)}.")
        self._values.update(values)
        self._store.set_meta("switches", self._values)

    def described(self) -> dict[str, Any]:
        return {name: {"value": self._values[name], "means": means} for name, (_, means) in SWITCHES.items()}
