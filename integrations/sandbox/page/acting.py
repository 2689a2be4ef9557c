"""What a form of a page asks for: to act as a person in Kartra would, or to let something go wrong."""

from integrations.sandbox.faults import ALL
from integrations.sandbox.state import SandboxState
from integrations.sandbox.store.switches import SWITCHES


def act(sandbox: SandboxState, path: str, form: dict[str, str]) -> str:
    """Do what a form asks for; returns where to go next."""
    parts = path.strip("/").split("/")
    if parts[0] == "wrong":
        _go_wrong(sandbox, parts[1:], form)
        return "/#wrong"
    lead = sandbox.store.lead(1, id=parts[1]) if len(parts) == 3 and parts[0] == "leads" else None
    if lead is None:
        return "/"
    account = sandbox.account()
    name = form.get("name", "")
    if parts[2] in ("add-tag", "remove-tag") and sandbox.store.thing(1, "tag", form.get("tag", "")):
        account.tag(lead, form["tag"], parts[2] == "add-tag", heard=True)
    elif parts[2] in ("add-list", "remove-list") and sandbox.store.thing(1, "list", form.get("list", "")):
        account.list(lead, form["list"], parts[2] == "add-list", heard=True)
    elif parts[2] == "rename":
        account.edit(lead, {"first_name": name}, {})
    elif parts[2] == "delete":
        account.set_deleted(lead, not lead["deleted"])
    return f"/leads/{lead['id']}"


def _go_wrong(sandbox: SandboxState, parts: list[str], form: dict[str, str]) -> None:
    """Order a fault for the next calls, or let everything go right again."""
    if parts == ["order"] and form.get("fault") in ALL:
        times = form.get("times", "")
        sandbox.faults.add(
            fault=form["fault"],
            cmd=form.get("cmd", "").strip() or None,
            count=int(times) if times.isdecimal() and 0 < len(times) < 6 else 1,
        )
    elif parts == ["end"]:
        sandbox.faults.clear()
        sandbox.switches.set({name: switch.default for name, switch in SWITCHES.items()})
        sandbox.access.update(refuse="", refused_commands=[])
        sandbox.save_access()
