"""One call: credentials, shape, lead, actions in their order; the answer as Kartra shapes it."""

import json
from collections.abc import Callable
from typing import Any

from integrations.sandbox.commands import calendars, custom_fields, leads, relations, subscriptions, transactions
from integrations.sandbox.commands.call import Call
from integrations.sandbox.commands.errors import Refused
from integrations.sandbox.forms import as_list
from integrations.sandbox.store.account import Account
from integrations.sandbox.store.switches import Switches

Handler = Callable[[Account, dict[str, Any] | None, dict[str, Any], Call], dict[str, Any]]

ACCOUNT_READS = {
    "retrieve_account_lists": ("account_lists", "list"),
    "retrieve_account_tags": ("account_tags", "tag"),
    "retrieve_account_sequences": ("account_sequences", "sequence"),
    "retrieve_account_pages": ("account_pages", "page"),
}
ON_A_LEAD: dict[str, Handler] = {
    "assign_tag": relations.assign_tag,
    "unassign_tag": relations.unassign_tag,
    "subscribe_lead_to_list": relations.subscribe_list,
    "unsubscribe_lead_from_list": relations.unsubscribe_list,
    "give_points_to_lead": relations.give_points,
    "remove_points_from_lead": relations.remove_points,
    "subscribe_lead_to_sequence_at_step": relations.subscribe_sequence,
    "unsubscribe_lead_from_sequence": relations.unsubscribe_sequence,
    "calendar_subscribe": calendars.book,
    "calendar_cancel": calendars.cancel_booking,
    "retrieve_transactions_from_lead": transactions.transactions_of_lead,
    "get_transactions_from_lead": transactions.older_transactions,
    "retrieve_subscriptions_from_lead": subscriptions.subscriptions_of_lead,
    "get_subscriptions_from_lead": subscriptions.older_subscriptions,
}
"""Commands that Kartra refuses when they name no lead."""

HANDLERS: dict[str, Handler] = {
    **ON_A_LEAD,
    "create_custom_field": custom_fields.create_custom_field,
    "search_transaction": transactions.search_transaction,
    "get_transaction_details": transactions.transaction_details,
    "refund_transaction": transactions.refund,
    "search_subscription": subscriptions.search_subscription,
    "get_subscription_details": subscriptions.subscription_details,
    "cancel_transaction": subscriptions.cancel_transaction,
    "modify_subscription_status": subscriptions.modify_status,
    "edit_subscription": subscriptions.edit_subscription,
}
OLDER_NAMES = {
    "retrieve_transactions_from_lead": "get_transactions_from_lead",
    "retrieve_subscriptions_from_lead": "get_subscriptions_from_lead",
}
FIRST = ("create_lead", "edit_lead", "search_lead")
KNOWN = {*HANDLERS, *ACCOUNT_READS, "retrieve_custom_fields", *FIRST}


def answer(
    account: Account, form: dict[str, Any], switches: Switches, later: Callable[[Callable[[], Any]], None]
) -> dict[str, Any]:
    """The body Kartra answers with. Credentials are checked by the caller."""
    call = Call(form, switches, later)
    try:
        body = _answer(account, form, call)
    except Refused as refused:
        return refused.body()
    return _encoded(body) if switches["encoded"] else body


def _answer(account: Account, form: dict[str, Any], call: Call) -> dict[str, Any]:
    if "get_lead" in form:
        return leads.get_lead(account, form["get_lead"], call.switches)
    actions = _actions(form)
    lead_given = form.get("lead")
    if lead_given is not None and not isinstance(lead_given, dict):
        raise Refused("223", whole=True)
    return _run(account, call, actions, lead_given or {})


def cmds_of(form: dict[str, Any]) -> list[str]:
    """The names of what a call asks for, for the log."""
    if "get_lead" in form:
        return ["get_lead"]
    return [str(entry.get("cmd", "")) if isinstance(entry, dict) else "" for entry in as_list(form.get("actions"))]


def _actions(form: dict[str, Any]) -> list[dict[str, Any]]:
    given = form.get("actions")
    if not isinstance(given, dict):
        raise Refused("224", whole=True)
    entries = as_list(given)
    if any(not isinstance(entry, dict) for entry in entries):
        raise Refused("224", whole=True)
    if any(not entry.get("cmd") or not isinstance(entry["cmd"], str) for entry in entries):
        raise Refused("254", whole=True)
    return entries


def _run(account: Account, call: Call, actions: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    cmds = [entry["cmd"] for entry in actions]
    if any(cmd not in KNOWN for cmd in cmds) or any(cmd in FIRST for cmd in cmds[1:]):
        raise Refused("254", whole=True)
    if len(cmds) == 1 and cmds[0] in ACCOUNT_READS:
        key, kind = ACCOUNT_READS[cmds[0]]
        return {"status": "Success", key: [thing["name"] for thing in account.store.things(account.number, kind)]}
    if cmds == ["retrieve_custom_fields"]:
        return {"status": "Success", "custom_fields": custom_fields.custom_fields_of(account)}
    try:
        lead = _lead(account, call, cmds, given)
    except Refused as refused:
        if refused.code in ("243", "245") and call.switches["no_lead"] == "per_action":
            return _each_refused(call, cmds, [refused.code] * len(cmds))
        raise
    results: list[dict[str, Any]] = []
    failed = ""
    for position, entry in enumerate(actions):
        cmd = entry["cmd"]
        try:
            if position == 0 and cmd in FIRST:
                lead, inner = leads.first(account, call, cmd, lead, given)
            elif cmd in ACCOUNT_READS or cmd == "retrieve_custom_fields":
                raise Refused("254")  # an account read cannot travel in a chain: worse answer taken
            else:
                inner = HANDLERS[cmd](account, lead, entry, call)
                lead = _as_it_is_now(account, lead)
        except Refused as refused:
            on_244 = call.switches["on_244"] if (cmd, refused.code) == ("create_lead", "244") else ""
            if on_244 == "per_action":
                return _each_refused(call, cmds, ["244"] + ["243"] * (len(cmds) - 1))
            if on_244 == "go_on":
                lead = _known(account, given)
            elif len(actions) == 1 and call.switches["single_error"] == "per_action":
                pass
            elif len(actions) == 1 or cmd in FIRST or call.switches["errors_in_chain"] == "flat":
                raise
            inner, failed = refused.body(), refused.code
            results.append({cmd: inner})
            if call.switches["after_error"] == "stop":
                break
            continue
        if call.switches["inner_status"]:
            inner = {"status": "Success", **inner}
        results.append({OLDER_NAMES.get(cmd, cmd) if call.switches["older_names"] else cmd: inner})
    return {"status": call.switches["half_failed_status"] if failed else "Success", "actions": results}


def _each_refused(call: Call, cmds: list[str], codes: list[str]) -> dict[str, Any]:
    results = [{cmd: Refused(code).body()} for cmd, code in zip(cmds, codes, strict=True)]
    if call.switches["after_error"] == "stop":
        results = results[:1]
    return {"status": call.switches["half_failed_status"], "actions": results}


def _as_it_is_now(account: Account, lead: dict[str, Any] | None) -> dict[str, Any] | None:
    """The lead after an action of the call: the next one's answer may depend on it."""
    return account.store.lead(account.number, id=str(lead["id"])) if lead else None


def _known(account: Account, given: dict[str, Any]) -> dict[str, Any] | None:
    """Whom a create_lead that was refused with 244 named."""
    if given.get("id"):
        return account.store.lead(account.number, id=str(given["id"]))
    return account.by_email(account.stored_email(str(given.get("email", ""))))


ENCODED = {
    "lead_details",
    "custom_fields",
    "transaction_list",
    "subscriptions_list",
    "subscription_list",
    "transaction_details",
    "subscription_details",
    *(key for key, _ in ACCOUNT_READS.values()),
}
"""What the articles call a text that holds JSON."""


def _encoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: json.dumps(v) if k in ENCODED and not isinstance(v, str) else _encoded(v) for k, v in value.items()}
    return [_encoded(inner) for inner in value] if isinstance(value, list) else value


def _lead(account: Account, call: Call, cmds: list[str], given: dict[str, Any]) -> dict[str, Any] | None:
    """The lead a call is about, by id if there is one, else by email."""
    if not any(cmd in ON_A_LEAD or cmd in FIRST for cmd in cmds):
        return None
    id, email = str(given.get("id", "") or "").strip(), str(given.get("email", "") or "").strip()
    if not id and not email:
        raise Refused("206", whole=True)
    if cmds[0] == "create_lead":
        return None
    found = account.store.lead(account.number, id=id) if id else account.store.lead(account.number, email=email)
    if found is None:
        raise Refused("243", whole=True)
    if found["deleted"]:
        raise Refused("245", whole=True)
    return found
