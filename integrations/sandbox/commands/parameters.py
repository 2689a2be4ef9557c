"""How a command reads what was sent with it, by the readings of the switches, and words its success.

What it does is left to the command.
"""

from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.store.account import Account


def ok(code: str = "", message: str = "", **more: Any) -> dict[str, Any]:
    return {
        "status": "Success",
        **({"message": message} if message else {}),
        **({"type": code} if code else {}),
        **more,
    }


def parameter_text(entry: dict[str, Any], key: str, empty_code: str, call: Call) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(empty_code)
    if not value.strip() and call.switches["blank_parameters"] == "empty":
        raise Refused(empty_code)
    return value


def thing_named(account: Account, kind: str, name: str, code: str, call: Call) -> dict[str, Any]:
    """What is called so, by the reading of the switch; letter for letter comes first."""
    found = account.store.thing(account.number, kind, name)
    how = call.switches["names"]
    if found is None and how != "exact":
        wanted = folded_name(name, how)
        things = account.store.things(account.number, kind)
        found = next((thing for thing in things if folded_name(thing["name"], how) == wanted), None)
    if found is None:
        raise Refused(code)
    return found


def folded_name(name: str, how: str) -> str:
    return name.strip().casefold() if how == "any_case" else name.strip() if how == "trimmed" else name
