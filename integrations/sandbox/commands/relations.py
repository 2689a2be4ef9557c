"""What ties a lead to the things of the account: tags, lists, points, sequences."""

import re
from typing import Any

from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.commands.parameters import ok, parameter_text, thing_named
from integrations.sandbox.store.account import Account


def assign_tag(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = thing_named(account, "tag", parameter_text(entry, "tag_name", "211", call), "212", call)["name"]
    call.later(lambda: account.tag(lead, name, True, heard=call.heard))
    return ok(str(call.switches["known_tag_again"]) if name in lead["tags"] else "103", "Tag added to lead")


def unassign_tag(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = thing_named(account, "tag", parameter_text(entry, "tag_name", "213", call), "214", call)["name"]
    call.later(lambda: account.tag(lead, name, False, heard=call.heard))
    if name not in lead["tags"] and call.switches["nothing_removed"] == "no_type":
        return ok()
    return ok("104", "Tag removed from lead")


def subscribe_list(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = thing_named(account, "list", parameter_text(entry, "list_name", "207", call), "231", call)["name"]
    call.later(lambda: account.list(lead, name, True, heard=call.heard))
    return ok("101", "Lead subscribed to list")


def unsubscribe_list(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = thing_named(account, "list", parameter_text(entry, "list_name", "208", call), "209", call)["name"]
    call.later(lambda: account.list(lead, name, False, heard=call.heard))
    if not lead["lists"].get(name) and call.switches["nothing_removed"] == "no_type":
        return ok()
    return ok("101", "Lead unsubscribed from list")


# --- points


LONGEST = 4000
"""Digits of points: whole numbers of any length, as far as they can be written."""


def _points(entry: dict[str, Any], empty: str, no_number: str, call: Call) -> int:
    value = parameter_text(entry, "points", empty, call)
    form = r"-?[0-9]+" if call.switches["points_as"] == "digits" else r"\s*[-+]?[0-9]+(\.0*)?\s*"
    if not re.fullmatch(form, value) or len(value) > LONGEST:
        raise Refused(no_number)
    return int(value.partition(".")[0])


def give_points(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    points = _points(entry, "215", "227", call)
    below = bool(call.switches["score_below_zero"])
    call.later(lambda: account.points(lead, points, below_zero=below, heard=call.heard))
    return ok("105", "Points added to lead")


def remove_points(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    points = _points(entry, "217", "228", call)
    below = bool(call.switches["score_below_zero"])
    call.later(lambda: account.points(lead, -points, below_zero=below, heard=call.heard))
    return ok("106", "Points removed from lead")


# --- sequences


def subscribe_sequence(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    asked = parameter_text(entry, "sequence_name", "226", call)
    step = parameter_text(entry, "step", "225", call).strip()
    thing = thing_named(account, "sequence", asked, "219", call)
    name = thing["name"]
    if not step.isalnum():
        raise Refused("229")
    if step not in thing["steps"]:
        raise Refused("230")
    call.later(lambda: account.sequence(lead, name, step, heard=call.heard))
    return ok("107", "Lead added to sequence")


def unsubscribe_sequence(account: Account, lead: Any, entry: dict[str, Any], call: Call) -> dict[str, Any]:
    name = thing_named(account, "sequence", parameter_text(entry, "sequence_name", "226", call), "220", call)["name"]
    call.later(lambda: account.sequence(lead, name, None, heard=call.heard))
    return ok()
