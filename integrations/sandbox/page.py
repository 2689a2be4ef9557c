"""The page at `/`: the pretend account for a human, who acts in it as a person in Kartra would."""

import html
import time
from typing import Any
from urllib.parse import quote, urlencode

from integrations.sandbox.faults import ALL
from integrations.sandbox.state import SandboxState
from integrations.sandbox.store.switches import SWITCHES

A_PAGE = 50
WARNED = (
    "<p><strong>Something goes wrong on purpose just now.</strong> <a href='#wrong'>What, and how to end it</a></p>"
)
STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
header { border-bottom: 2px dashed #c60; margin-bottom: 1rem; }
header p { color: #a50; margin: .2rem 0 .6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); }
form { display: inline-flex; gap: .4rem; flex-wrap: wrap; margin: .2rem 0; align-items: center; }
.scroll { overflow-x: auto; }
input, select, button { font: inherit; padding: .25rem .5rem; }
.chip { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .6rem; margin: .1rem; display: inline-block; }
@media (prefers-color-scheme: dark) { header p { color: #fa6; } }
"""


def e(value: Any) -> str:
    return html.escape(str(value), quote=True)


def show(sandbox: SandboxState, path: str, query: dict[str, str]) -> tuple[int, str]:
    """(status, HTML) for a path."""
    if path == "/":
        return 200, _frame("Kartra sandbox", _home(sandbox, query))
    if path.startswith("/leads/"):
        lead = sandbox.store.lead(1, id=path.removeprefix("/leads/").strip("/"))
        if lead is not None:
            return 200, _frame(f"{lead['email']} · Kartra sandbox", _lead(sandbox, lead))
    return 404, _frame("Not here", "<p>There is no such page.</p><p><a href='/'>To the account</a></p>")


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


def _frame(title: str, body: str) -> str:
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{e(title)}</title>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><style>{STYLE}</style></head><body>"
        "<header><h1><a href='/'>Kartra sandbox</a></h1><p>Nothing here is real. What you do here, a person "
        "did in Kartra.</p></header>"
        f"<main>{body}</main></body></html>"
    )


def _home(sandbox: SandboxState, query: dict[str, str]) -> str:
    wanted = query.get("q", "").strip().casefold()
    page = int(query["page"]) if query.get("page", "").isdecimal() else 1
    leads = [
        lead
        for lead in sandbox.store.leads(1, deleted=True)
        if not wanted or wanted in f"{lead['email']} {lead['first_name']} {lead['last_name']}".casefold()
    ]
    shown = leads[(page - 1) * A_PAGE : page * A_PAGE]
    rows = "".join(
        f"<tr><td><a href='/leads/{lead['id']}'>{e(lead['email'])}</a></td>"
        f"<td>{e(lead['first_name'])} {e(lead['last_name'])}</td><td>{len(lead['tags'])} tag{'s' * (len(lead['tags']) != 1)}</td>"
        f"<td>{lead['score']} points{' · deleted' if lead['deleted'] else ''}</td></tr>"
        for lead in shown
    )
    more = ""
    if page * A_PAGE < len(leads):
        more = f"<p><a href='/?{e(urlencode({'q': query.get('q', ''), 'page': page + 1}))}'>More leads</a></p>"
    stats = sandbox.stats()
    return (
        f"<p>{sandbox.store.count_leads(1):,} leads · {stats['calls']:,} calls · {stats['throttled']:,} turned away (429)</p>"
        f"{WARNED if _told(sandbox) else ''}"
        f"<form method='get' action='/'><label for='q'>Find a lead</label>"
        f"<input id='q' name='q' value='{e(query.get('q', ''))}'><button>Find</button></form>"
        f"<h2>Leads</h2><div class='scroll'><table><tbody>{rows}</tbody></table></div>{more}"
        f"<h2 id='wrong'>What goes wrong on purpose</h2>{_wrong(sandbox)}"
        f"<h2>Last calls</h2>{_calls(sandbox)}<h2>Last messages sent</h2>{_posts(sandbox)}"
    )


def _wrong(sandbox: SandboxState) -> str:
    """What is ordered or set otherwise than it begins, with a way to end it, and a form to order a fault."""
    told = _told(sandbox)
    end = "<form method='post' action='/wrong/end'><button>Let everything go right again</button></form>"
    shown = f"<ul>{''.join(f'<li>{line}</li>' for line in told)}</ul>{end}" if told else "<p>Nothing just now.</p>"
    options = "".join(f"<option>{e(fault)}</option>" for fault in ALL)
    return (
        f"{shown}<form method='post' action='/wrong/order'><label for='fault'>Let go wrong</label>"
        f"<select id='fault' name='fault'>{options}</select><label for='cmd'>with the command</label>"
        "<input id='cmd' name='cmd' placeholder='any' size='14'><label for='times'>times</label>"
        "<input id='times' name='times' type='number' min='1' max='99999' value='1' style='width: 5rem'>"
        "<button>Order it</button></form>"
    )


def _told(sandbox: SandboxState) -> list[str]:
    """Each thing that goes wrong on purpose, as HTML."""
    told = [
        f"<strong>{e(fault['fault'])}</strong>: {e(fault['cmd'] or 'any command')}, "
        f"{e(fault['lead'] or 'any lead')}, {'until ended' if fault['count'] is None else _times(fault['count'])}"
        for fault in sandbox.faults.listed()
    ]
    told += [
        f"<strong>{e(name)} is {e(sandbox.switches[name])}</strong>: {e(switch.means)}"
        for name, switch in SWITCHES.items()
        if sandbox.switches[name] != switch.default
    ]
    if sandbox.access["refuse"]:
        told.append(f"<strong>Every call is refused</strong> with code {e(sandbox.access['refuse'])}")
    if sandbox.access["refused_commands"]:
        told.append(f"<strong>Refused commands</strong>: {e(', '.join(sandbox.access['refused_commands']))}")
    return told


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _calls(sandbox: SandboxState) -> str:
    rows = "".join(
        f"<tr><td>{time.strftime('%H:%M:%S', time.localtime(call['at']))}</td><td>{e(', '.join(call['cmds']))}</td>"
        f"<td>{e(call['lead'])}</td><td>{e(call['result'])}</td></tr>"
        for call in list(sandbox.calls)[-10:][::-1]
    )
    return f"<div class='scroll'><table><tbody>{rows}</tbody></table></div>" if rows else "<p>None yet.</p>"


def _posts(sandbox: SandboxState) -> str:
    rows = "".join(
        f"<tr><td>{time.strftime('%H:%M:%S', time.localtime(post['at']))}</td><td>{e(post['event'])}</td>"
        f"<td>{e(post['status'] or 'not reached')}</td></tr>"
        for post in list(sandbox.posts.log)[-10:][::-1]
    )
    return f"<div class='scroll'><table><tbody>{rows}</tbody></table></div>" if rows else "<p>None yet.</p>"


def _lead(sandbox: SandboxState, lead: dict[str, Any]) -> str:
    where = f"/leads/{lead['id']}"
    tags = "".join(
        f"<form method='post' action='{where}/remove-tag'><span class='chip'>{e(tag)}</span>"
        f"<input type='hidden' name='tag' value='{e(tag)}'><button>Remove tag {e(tag)}</button></form> "
        for tag in lead["tags"]
    )
    lists = "".join(
        f"<form method='post' action='{where}/{'remove' if active else 'add'}-list'>"
        f"<span class='chip'>{e(name)}{'' if active else ' (left)'}</span>"
        f"<input type='hidden' name='list' value='{e(name)}'><button>{'Leave' if active else 'Rejoin'} {e(name)}</button></form> "
        for name, active in lead["lists"].items()
    )
    sequences = ", ".join(f"{e(name)} (step {e(s['step'])}, {e(s['status'])})" for name, s in lead["sequences"].items())
    return (
        f"<h2>{e(lead['first_name'])} {e(lead['last_name'])}</h2>"
        f"<p>{e(lead['email'])} · id {lead['id']} · {lead['score']} points{' · <strong>deleted</strong>' if lead['deleted'] else ''}</p>"
        f"<h3>Tags</h3><div>{tags or 'None.'}</div>{_choose(sandbox, where, 'tag', 'Add tag')}"
        f"<h3>Lists</h3><div>{lists or 'None.'}</div>{_choose(sandbox, where, 'list', 'Add to list')}"
        f"<h3>Sequences</h3><p>{sequences or 'None.'}</p>"
        f"<h3>Name</h3><form method='post' action='{where}/rename'><label for='name'>First name</label>"
        f"<input id='name' name='name' value='{e(lead['first_name'])}'><button>Save</button></form>"
        f"<h3>{'Bring back' if lead['deleted'] else 'Delete'}</h3><form method='post' action='{where}/delete'>"
        f"<button>{'Bring this lead back' if lead['deleted'] else 'Delete this lead'}</button></form>"
        f"<p><a href='/?q={quote(lead['email'])}'>Back to the leads</a></p>"
    )


def _choose(sandbox: SandboxState, where: str, kind: str, button: str) -> str:
    options = "".join(f"<option>{e(thing['name'])}</option>" for thing in sandbox.store.things(1, kind))
    return (
        f"<form method='post' action='{where}/add-{kind}'><label for='{kind}'>{kind.capitalize()}</label>"
        f"<select id='{kind}' name='{kind}'>{options}</select><button>{button}</button></form>"
    )
