"""The control address `/__sandbox__/…`: read the state, act as a person in Kartra would, set faults and switches."""

from collections.abc import Callable
from typing import Any

from integrations.sandbox.commands.errors import WORDS
from integrations.sandbox.state import SandboxState
from integrations.sandbox.store import demo
from integrations.sandbox.store.account import Account

Reply = tuple[int, Any]


def handle(sandbox: SandboxState, method: str, name: str, query: dict[str, str], given: dict[str, Any]) -> Reply:
    """(status, JSON). A mistake in what was given is a 400 that says what is wrong."""
    route = ROUTES.get((method, name.strip("/")))
    if route is None:
        known = sorted(f"{m} {n}" for m, n in ROUTES)
        return 404, {"error": f"There is no {method} {name}.", "there_are": known}
    try:
        return 200, route(sandbox, query, given)
    except (ValueError, TypeError, KeyError, LookupError) as error:
        return 400, {"error": f"{type(error).__name__}: {error}"}


def _state(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    store = sandbox.store
    return {
        "leads": store.count_leads(1),
        **{
            f"{kind}s": [t["name"] for t in store.things(1, kind)]
            for kind in ("tag", "list", "sequence", "page", "calendar")
        },
        "receivers": [{**r, "url": r["url"][:30] + "…", "secret": "(hidden)"} for r in sandbox.posts.receivers],
        "posts_waiting": sandbox.posts.waiting(),
        **sandbox.stats(),
    }


def _leads(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    """Leads in short: [{id, email, …}]; `tag=` or `list=` narrows; `whole=1` gives all of each."""
    tag, mailing_list = query.get("tag"), query.get("list")
    found = []
    for lead in sandbox.store.leads(int(query.get("account", 1))):
        if tag is not None and tag not in lead["tags"]:
            continue
        if mailing_list is not None and not lead["lists"].get(mailing_list):
            continue
        short = {
            k: lead[k] for k in ("id", "email", "first_name", "last_name", "phone", "country", "date_joined", "score")
        }
        found.append(lead if query.get("whole") else short)
    return found


def _transactions(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    """All transactions, the oldest first, with what an export of them has in its columns."""
    account = int(query.get("account", 1))
    leads = {lead["id"]: lead for lead in sandbox.store.leads(account)}
    keys = ("id", "type", "date", "amount", "product_name", "product_id")
    return [
        {key: each[key] for key in keys}
        | {"parent": each["parent"] or "", "subscription": each["subscription"] or ""}
        | {"lead_id": each["lead"], "lead_email": leads[each["lead"]]["email"]}
        for each in sorted(sandbox.store.payments(account, "transaction"), key=lambda each: str(each["date"]))
        if each["lead"] in leads
    ]


def _lead(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    return find(sandbox, query)


def find(sandbox: SandboxState, given: dict[str, Any]) -> dict[str, Any]:
    """The lead named by `lead`, `id` or `email`. LookupError if there is none."""
    account = int(given.get("account", 1))
    named = str(given.get("lead") or given.get("id") or given.get("email") or "")
    lead = sandbox.store.lead(account, email=named) if "@" in named else sandbox.store.lead(account, id=named)
    if lead is None:
        raise LookupError(f"no lead {named}")
    return lead


def _calls(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    since = float(query.get("since", 0))
    return [call for call in list(sandbox.calls) if call["at"] >= since]


def _forget_calls(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.calls.clear()
    sandbox.throttled = 0
    return {"ok": True}


def _set_switches(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.switches.set(given)
    return sandbox.switches.described()


def _add_fault(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.faults.add(**given)
    return sandbox.faults.listed()


def _clear_faults(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.faults.clear()
    return []


def _add_receiver(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.posts.register(**given)
    return {"receivers": len(sandbox.posts.receivers)}


def _clear_receivers(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    sandbox.posts.clear()
    return {"receivers": 0}


def _credentials(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    """{"refuse": "233"} refuses every call with that code, "" ends it; {"refused_commands": ["assign_tag"]} gives 262;
    {"key": …, "password": …} replaces the first account's credentials."""
    if given.get("refuse"):
        WORDS[given["refuse"]]  # KeyError for a code that is not Kartra's
    for name in ("refuse", "refused_commands"):
        if name in given:
            sandbox.access[name] = given[name]
    if "key" in given:
        sandbox.access["accounts"] = {
            key: account for key, account in sandbox.access["accounts"].items() if account["number"] != 1
        } | {given["key"]: {"number": 1, "password": given["password"]}}
    sandbox.save_access()
    return {"ok": True}


def _add_account(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    number = max(account["number"] for account in sandbox.access["accounts"].values()) + 1
    sandbox.access["accounts"][given["key"]] = {"number": number, "password": given["password"]}
    if given.get("app_id"):
        sandbox.access["apps"][given["app_id"]] = {"unlimited": bool(given.get("unlimited"))}
    sandbox.save_access()
    return {"account": number}


def _reset(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    access, receivers = sandbox.access, sandbox.posts.receivers
    sandbox.store.clear()
    sandbox.access = access
    sandbox.save_access()
    sandbox.store.set_meta("receivers", receivers)
    sandbox.fill(int(given.get("leads", 0)))
    return {"leads": sandbox.store.count_leads(1)}


# --- acting as a person in Kartra would


def _act(sandbox: SandboxState, query: dict[str, str], given: dict[str, Any]) -> Any:
    """{"do": "assign_tag", "lead": "ada@example.com", "tag": "VIP"} and the like; see ACTS."""
    act = ACTS.get(given.get("do", ""))
    if act is None:
        raise ValueError(f"do one of: {', '.join(ACTS)}")
    return act(sandbox, sandbox.account(int(given.get("account", 1))), given)


def _edit(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    account.edit(find(sandbox, given), given.get("fields", {}), given.get("custom", {}))


def _swap(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    one, other = find(sandbox, given), find(sandbox, {"lead": given["other"]})
    account.change_email(one, other["email"])
    account.change_email(other, one["email"])


def _create(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    lead = account.create(given["email"], given.get("fields", {}), given.get("custom", {}), source="manual")
    return {"id": lead["id"]}


def _refund(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    sale = account.store.payment(account.number, "transaction", str(given["transaction"]))
    if sale is None:
        raise LookupError(f"no transaction {given['transaction']}")
    lead = find(sandbox, {"id": sale["lead"], "account": account.number})
    amount = str(given.get("amount") or sale["amount"])
    kind = "refund" if amount == sale["amount"] else "partial_refund"
    sale["refunded"] = amount
    account.store.save_payment(sale)
    return {"transaction": account.charge(lead, kind, sale["product_name"], amount, parent=sale["id"])}


def _cancel_plan(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    plan = account.store.payment(account.number, "subscription", str(given["subscription"]))
    if plan is None:
        raise LookupError(f"no subscription {given['subscription']}")
    account.cancel_plan(plan, heard=True)


def _charge(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    lead = find(sandbox, given)
    kind = given.get("type", given["do"])
    return {
        "transaction": account.charge(
            lead, kind, given.get("product", "Trail Course"), str(given.get("amount", "97.00"))
        )
    }


def _mark_payment(sandbox: SandboxState, account: Account, given: dict[str, Any]) -> Any:
    """Set marks on a payment: outside_refund_period, refund_fails, cancel_fails, test, processor …"""
    payment = account.store.payment(account.number, given["kind"], str(given["id"]))
    if payment is None:
        raise LookupError(f"no {given['kind']} {given['id']}")
    payment.update(given["marks"])
    account.store.save_payment(payment)


Act = Callable[[SandboxState, Account, dict[str, Any]], Any]
KINDS = ("tag", "list", "sequence", "page", "calendar", "product", "membership", "custom_field")


def _maker(kind: str) -> Act:
    return lambda s, a, g: {"id": a.store.add_thing(a.number, kind, g["name"], **g.get("doc", {}))}


def _dropper(kind: str) -> Act:
    return lambda s, a, g: a.store.drop_thing(a.number, kind, g["name"])


ACTS: dict[str, Act] = {
    "assign_tag": lambda s, a, g: a.tag(find(s, g), g["tag"], True, heard=True),
    "unassign_tag": lambda s, a, g: a.tag(find(s, g), g["tag"], False, heard=True),
    "subscribe_list": lambda s, a, g: a.list(find(s, g), g["list"], True, heard=True),
    "unsubscribe_list": lambda s, a, g: a.list(find(s, g), g["list"], False, heard=True),
    "give_points": lambda s, a, g: a.points(find(s, g), int(g["points"]), below_zero=True, heard=True),
    "start_sequence": lambda s, a, g: a.sequence(find(s, g), g["sequence"], str(g.get("step", "1")), heard=True),
    "stop_sequence": lambda s, a, g: a.sequence(find(s, g), g["sequence"], None, heard=True),
    "complete_sequence": lambda s, a, g: a.sequence(find(s, g), g["sequence"], None, heard=True, done=True),
    "book": lambda s, a, g: a.book(find(s, g), g["calendar"], g["class"], g["when"], heard=True),
    "cancel_booking": lambda s, a, g: a.end_booking(find(s, g), g["calendar"], g["class"], heard=True),
    "complete_booking": lambda s, a, g: a.end_booking(find(s, g), g["calendar"], g["class"], heard=True, done=True),
    "grant_membership": lambda s, a, g: a.membership(find(s, g), g["membership"], g["level"], True, heard=True),
    "revoke_membership": lambda s, a, g: a.membership(find(s, g), g["membership"], g["level"], False, heard=True),
    "edit_lead": _edit,
    "change_email": lambda s, a, g: a.change_email(find(s, g), g["to"]),
    "swap_emails": _swap,
    "create_lead": _create,
    "delete_lead": lambda s, a, g: a.set_deleted(find(s, g), True),
    "undelete_lead": lambda s, a, g: a.set_deleted(find(s, g), False),
    "sale": _charge,
    "rebill": _charge,
    "failed": _charge,
    "chargeback": _charge,
    "refund": _refund,
    "start_subscription": lambda s, a, g: {
        "subscription": a.subscribe_plan(
            find(s, g), g.get("product", "Trail Course"), str(g.get("amount", "29.00")), heard=True
        )
    },
    "cancel_subscription": _cancel_plan,
    "mark_payment": _mark_payment,
    **{f"create_{kind}": _maker(kind) for kind in KINDS},
    **{f"delete_{kind}": _dropper(kind) for kind in KINDS},
}

ROUTES: dict[tuple[str, str], Callable[[SandboxState, dict[str, str], dict[str, Any]], Any]] = {
    ("GET", "state"): _state,
    ("GET", "stats"): lambda s, q, g: s.stats(),
    ("GET", "leads"): _leads,
    ("GET", "lead"): _lead,
    ("GET", "transactions"): _transactions,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _forget_calls,
    ("GET", "posts"): lambda s, q, g: {
        "waiting": s.posts.waiting(),
        "failed": s.posts.failed,
        "log": list(s.posts.log),
    },
    ("GET", "switches"): lambda s, q, g: s.switches.described(),
    ("POST", "switches"): _set_switches,
    ("GET", "faults"): lambda s, q, g: s.faults.listed(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "receivers"): _add_receiver,
    ("DELETE", "receivers"): _clear_receivers,
    ("POST", "credentials"): _credentials,
    ("POST", "accounts"): _add_account,
    ("POST", "act"): _act,
    ("POST", "lately"): lambda s, q, g: demo.lately(s.account()),
    ("POST", "reset"): _reset,
}
