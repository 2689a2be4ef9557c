"""Readings of what Kartra does not document, one switch each, and settings of the pretend account."""

from typing import Any, NamedTuple

from integrations.sandbox.store.rows import Store


class Switch(NamedTuple):
    """`others`: the other readings of an undocumented point; none for a setting."""

    default: Any
    means: str
    others: tuple[Any, ...] = ()


SWITCHES: dict[str, Switch] = {
    # what is said of a call, and where
    "on_244": Switch(
        "drop_chain",
        "drop_chain: one flat error, nothing else of the call is done; per_action: the same, inside `actions`, where the "
        "others answer 243; go_on: the other actions run",
        ("per_action", "go_on"),
    ),
    "no_lead": Switch(
        "flat", "where 243 and 245 of a command stand; flat: alone; per_action: at each action", ("per_action",)
    ),
    "single_error": Switch("flat", "where the error of an only action stands: flat or per_action", ("per_action",)),
    "errors_in_chain": Switch(
        "per_action", "per_action: inside `actions`; flat: the whole call answers one flat error", ("flat",)
    ),
    "after_error": Switch(
        "go_on",
        "go_on: later actions run after one that failed; stop: they do not and are not mentioned",
        ("stop",),
    ),
    "half_failed_status": Switch("Success", "top-level status of a chain of which an action failed", ("Error",)),
    "inner_status": Switch(False, "true: lists and details of money have a status of their own beside them", (True,)),
    "encoded": Switch(False, "true: objects and lists in answers come as texts that hold JSON", (True,)),
    "numbers": Switch(False, "true: ids and counts of a lead as JSON numbers instead of texts", (True,)),
    "tag_ids": Switch(False, "true: the tags of a lead are read with their ids", (True,)),
    "membership_keys": Switch(
        "membership_id", "membership_id: as documented; id: `id` and `name` in reads of a lead", ("id",)
    ),
    "empty_choice": Switch(
        "list", "a choice of a custom field with nothing chosen; list: [], text: empty text", ("text",)
    ),
    "older_names": Switch(
        False, "true: the lists of a lead's money come under the names of 2021 and in their shapes, whoever asks"
    ),
    # how parameters are read
    "names": Switch(
        "exact",
        "how names are matched; exact: letter for letter; trimmed: without spaces around them; any_case: nor regard to case",
        ("trimmed", "any_case"),
    ),
    "blank_parameters": Switch(
        "empty",
        "a parameter of spaces alone; empty: as if it were empty; value: it is looked up like any other",
        ("value",),
    ),
    "points_as": Switch(
        "digits", "digits: points are whole numbers in digits; numeric: +5 and 5.0 are five as well", ("numeric",)
    ),
    "empty_field": Switch(
        "clears", "an empty standard field in edit_lead; clears: empties it; kept: it stays as it is", ("kept",)
    ),
    "get_lead_by_id": Switch(True, "whether get_lead takes an id", (False,)),
    "edit_to_known_email": Switch(
        "244", "error type when new_email belongs to another lead; empty: the change is ignored", ("",)
    ),
    "email_check": Switch(False, "true: create_lead refuses an address without @ with 206", (True,)),
    # what is done, and what is said then
    "known_tag_again": Switch("103", "type when the tag is already there (always a success)", ("",)),
    "nothing_removed": Switch(
        "as_done",
        "taking off a tag or a list that is not there; as_done: answered like any other; no_type: a success without more",
        ("no_type",),
    ),
    "score_below_zero": Switch(True, "whether points can fall below zero", (False,)),
    "cancels": Switch(
        "latest",
        "which of several bookings of a class a cancellation ends: latest, earliest or all",
        ("earliest", "all"),
    ),
    "partial_refunds": Switch(
        "several",
        "several: as long as something is left; once: any further refund of the sale is refused with 251",
        ("once",),
    ),
    "refund_answers": Switch(
        "own", "the id in the answer to a refund; own: the refund's; sale: that of the sale", ("sale",)
    ),
    "money_order": Switch("oldest", "which of a lead's transactions is listed first: oldest or newest", ("newest",)),
    "echo_api_writes": Switch(True, "whether a write through the API fires its event", (False,)),
    # settings
    "https_required": Switch(False, "true: every call is refused with 201, as Kartra does over http"),
    "effects_late_s": Switch(0.0, "seconds until what a call did can be read"),
    "firewall": Switch(False, "true: values with < > { } [ ] \\ are answered with a web page and nothing is done"),
    "test_mode": Switch(False, "true: the domain of new addresses becomes kartra.com"),
    "latency_ms": Switch(0, "how long every answer takes"),
    "limit_per_s": Switch(20, "calls in any one second for each app"),
    "down": Switch(False, "true: every call answers 502 and nothing is done"),
}


class Switches:
    """Values of the switches, kept with the account."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, Any] = {name: switch.default for name, switch in SWITCHES.items()}
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
        return {
            name: {"value": self._values[name], "means": switch.means, "others": list(switch.others)}
            for name, switch in SWITCHES.items()
        }
