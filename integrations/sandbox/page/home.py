"""The page at `/`: the account's leads, what goes wrong on purpose, and what went to and fro."""

import time
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.faults import ALL
from integrations.sandbox.page.frame import card, e, framed, head, plural, table
from integrations.sandbox.page.lead import of_lead
from integrations.sandbox.state import SandboxState
from integrations.sandbox.store.switches import SWITCHES

A_PAGE = 50
LAST = 10
WARNED = "<p class='note warn'>Something goes wrong on purpose just now. <a href='#wrong'>What it is, and how to end it</a></p>"


def show(sandbox: SandboxState, path: str, query: dict[str, str]) -> tuple[int, str]:
    """(status, HTML) for a path."""
    if path == "/":
        return 200, framed(sandbox, "Kartra sandbox", _home(sandbox, query), query.get("q", ""))
    if path.startswith("/leads/"):
        lead = sandbox.store.lead(1, id=path.removeprefix("/leads/").strip("/"))
        if lead is not None:
            return 200, framed(sandbox, f"{lead['email']} · Kartra sandbox", of_lead(sandbox, lead))
    there_is_none = head("There is no such page", "<a class='link' href='/'>To the account</a>")
    return 404, framed(sandbox, "No such page · Kartra sandbox", there_is_none)


def _home(sandbox: SandboxState, query: dict[str, str]) -> str:
    stats = sandbox.stats()
    soft = (
        f"{plural(sandbox.store.count_leads(1), 'lead')} · {plural(stats['calls'], 'call')} · "
        f"{stats['throttled']:,} turned away (429) · what you do here, a person did in Kartra"
    )
    told = _told(sandbox)
    return (
        f"{head('Leads', soft)}{WARNED if told else ''}<div class='cols wide-narrow'>{_leads(sandbox, query)}"
        f"<div class='stack'>{card('What goes wrong on purpose', _wrong(told), 'wrong')}"
        f"{card('Last messages sent', _posts(sandbox))}{card('Last calls', _calls(sandbox))}</div></div>"
    )


def _leads(sandbox: SandboxState, query: dict[str, str]) -> str:
    wanted = query.get("q", "").strip().casefold()
    page = int(query["page"]) if query.get("page", "").isdecimal() else 1
    leads = [
        lead
        for lead in sandbox.store.leads(1, deleted=True)
        if not wanted or wanted in f"{lead['email']} {lead['first_name']} {lead['last_name']}".casefold()
    ]
    shown = leads[(page - 1) * A_PAGE : page * A_PAGE]
    rows = (
        (
            f"<a href='/leads/{lead['id']}'><b>{e(lead['first_name'])} {e(lead['last_name'])}</b></a>"
            f"<div class='soft small'>{e(lead['email'])}</div>",
            plural(len(lead["tags"]), "tag"),
            "<span class='badge bad'>deleted</span>" if lead["deleted"] else plural(int(lead["score"]), "point"),
        )
        for lead in shown
    )
    more = ""
    if page * A_PAGE < len(leads):
        further = e(urlencode({"q": query.get("q", ""), "page": page + 1}))
        more = f"<div class='body'><a class='btn' href='/?{further}'>More leads</a></div>"
    return f"<section class='card'>{table(('Lead', 'Tags', 'Score'), rows)}{more}</section>"


def _wrong(told: list[str]) -> str:
    """What is ordered or set otherwise than it begins, with a way to end it, and a form to order a fault."""
    end = "<form method='post' action='/wrong/end'><button class='btn'>Let everything go right again</button></form>"
    lines = "<span class='soft'>Nothing just now.</span>"
    if told:
        lines = f"<ul class='lines'>{''.join(f'<li>{line}</li>' for line in told)}</ul>{end}"
    options = "".join(f"<option>{e(fault)}</option>" for fault in ALL)
    return (
        f"<section>{lines}</section>"
        "<section><form method='post' action='/wrong/order' class='stack'>"
        f"<label>Let go wrong<select class='input' name='fault'>{options}</select></label>"
        "<label>With the command<input class='input' name='cmd' placeholder='any'></label>"
        "<label>Times<input class='input' name='times' type='number' min='1' max='99999' value='1'></label>"
        "<div><button class='btn'>Order it</button></div></form></section>"
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


def _at(entry: dict[str, Any]) -> str:
    return f"<span class='soft'>{time.strftime('%H:%M:%S', time.localtime(entry['at']))}</span>"


def _calls(sandbox: SandboxState) -> str:
    rows = (
        (
            f"{e(', '.join(call['cmds']))}<div class='soft small'>lead {e(call['lead'] or 'none')} · {e(call['result'])}</div>",
            _at(call),
        )
        for call in list(sandbox.calls)[-LAST:][::-1]
    )
    return table(("Command", "Time"), rows)


def _posts(sandbox: SandboxState) -> str:
    rows = (
        (f"{e(post['event'])}<div class='soft small'>{e(post['status'] or 'not reached')}</div>", _at(post))
        for post in list(sandbox.posts.log)[-LAST:][::-1]
    )
    return table(("Event", "Time"), rows)
