"""One call: credentials, shape, lead, actions in their order; the answer as Kartra shapes it."""

from collections.abc import Callable
from typing import Any

from integrations.sandbox import billing, leads
from integrations.sandbox.account import Account
from integrations.sandbox.errors import WORDS, Refused
from integrations.sandbox.forms import as_list
from integrations.sandbox.switches import Switches

Handler = Callable[[Account, dict[str, Any] | None, dict[str, Any], "Call"], dict[str, Any]]

ACCOUNT_READS = {
    "retrieve_account_lists": ("account_lists", "list"),
    "retrieve_account_tags": ("account_tags", "tag"),
    "retrieve_account_sequences": ("account_sequences", "sequence"),
    "retrieve_account_pages": ("account_pages", "page"),
}
HANDLERS: dict[str, Handler] = {**leads.HANDLERS, **billing.HANDLERS}
NEEDS_LEAD = leads.NEEDS_LEAD | billing.NEEDS_LEAD
FIRST = ("create_lead", "edit_lead", "search_lead")
KNOWN = {*HANDLERS, *ACCOUNT_READS, "retrieve_custom_fields", *FIRST}


class Call:
    """What a handler may know of the call around it."""

    def __init__(self, form: dict[str, Any], switches: Switches, later: Callable[[Callable[[], Any]], None]) -> None:
        self.form = form
        self.switches = switches
        self.later = later  # does a write now, or as late as the switch says

    @property
    def heard(self) -> bool:
        return bool(self.switches["echo_api_writes"])


def success(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"status": "Success", "message": message, "type": code, **more}


def answer(
    account: Account, form: dict[str, Any], switches: Switches, later: Callable[[Callable[[], Any]], None]
) -> dict[str, Any]:
    """The body Kartra answers with. Credentials are checked by the caller."""
    call = Call(form, switches, later)
    try:
        if "get_lead" in form:
            return leads.get_lead(account, form["get_lead"], switches)
        actions = _actions(form)
        lead_given = form.get("lead")
        if lead_given is not None and not isinstance(lead_given, dict):
            raise Refused("223", whole=True)
        return _run(account, call, actions, lead_given or {})
    except Refused as refused:
        return refused.body()


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
        return {"status": "Success", "custom_fields": leads.custom_fields(account)}
    lead = _lead(account, call, cmds, given)
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
        except Refused as refused:
            if cmd == "create_lead" and refused.code == "244" and call.switches["on_244"] == "go_on":
                lead = account.by_email(account.stored_email(str(given.get("email", ""))))
            elif len(actions) == 1 or cmd in FIRST or call.switches["errors_in_chain"] == "flat":
                raise
            inner, failed = refused.body(), refused.code
            results.append({cmd: inner})
            if call.switches["after_error"] == "stop":
                break
            continue
        results.append({cmd: inner})
    return {"status": call.switches["half_failed_status"] if failed else "Success", "actions": results}


def _lead(account: Account, call: Call, cmds: list[str], given: dict[str, Any]) -> dict[str, Any] | None:
    """The lead a call is about, by id if there is one, else by email."""
    if not any(cmd in NEEDS_LEAD or cmd in FIRST for cmd in cmds):
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


__all__ = ["HANDLERS", "KNOWN", "WORDS", "Call", "answer", "cmds_of", "success"]
