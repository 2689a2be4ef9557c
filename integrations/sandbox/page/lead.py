"""The page of one lead: what Kartra knows of it, and what a person in Kartra would do with it."""

from typing import Any
from urllib.parse import quote

from integrations.sandbox.page.frame import card, dated, e, head, mirror_of, plural, section, table
from integrations.sandbox.state import SandboxState

TRAIL = "<a href='/'>Leads</a>"
NONE = "<span class='soft'>None</span>"


def of_lead(sandbox: SandboxState, lead: dict[str, Any]) -> str:
    here = f"/leads/{lead['id']}"
    name = f"{lead['first_name']} {lead['last_name']}".strip() or lead["email"]
    gone = " · <span class='badge bad'>deleted</span>" if lead["deleted"] else ""
    mirror = mirror_of(sandbox)
    there = f"{mirror}leads/lead/?q={quote(lead['email'])}"
    end = f"<a class='btn main' href='{e(there)}'>See this lead in Kartra Mirror</a>" if mirror else ""
    soft = f"{e(lead['email'])} · id {lead['id']} · lead since {dated(lead['date_joined'])}{gone}"
    return (
        f"{head(name, soft, TRAIL, end)}<div class='cols half'>"
        f"<div class='card'>{_ties(sandbox, lead, here)}{_self(lead, here)}</div>"
        f"<div class='stack'>{card('Payments', _payments(sandbox, lead))}{card('Plans', _plans(sandbox, lead))}"
        f"{card('Bookings', _bookings(lead))}</div></div>"
    )


def _ties(sandbox: SandboxState, lead: dict[str, Any], here: str) -> str:
    tags = "".join(_chip(here, "remove-tag", "tag", tag, f"Remove tag {tag}", "×") for tag in lead["tags"])
    lists = "".join(
        _chip(here, "remove-list", "list", name, f"Leave {name}", "×")
        if active
        else _chip(here, "add-list", "list", name, f"Rejoin {name}", "left · rejoin", " past")
        for name, active in lead["lists"].items()
    )
    sequences = "".join(
        f"<span class='chip'>{e(name)} · step {e(each['step'])}, {e(each['status'])}</span>"
        for name, each in lead["sequences"].items()
    )
    access = "".join(
        f"<span class='chip'>{e(each['membership_name'])}: {e(each['level_name'])}</span>"
        for each in lead["memberships"]
        if each["active"] == "1"
    )
    return (
        section("Tags", f"<div class='chips'>{tags or NONE}</div>{_choose(sandbox, here, 'tag', 'Add tag')}")
        + section("Lists", f"<div class='chips'>{lists or NONE}</div>{_choose(sandbox, here, 'list', 'Add to list')}")
        + section("Sequences", f"<div class='chips'>{sequences or NONE}</div>")
        + section("Memberships", f"<div class='chips'>{access or NONE}</div>")
        + section("Points", plural(int(lead["score"]), "point"))
    )


def _chip(here: str, do: str, kind: str, name: str, words: str, sign: str, look: str = "") -> str:
    """A tag or a list, and the button that ends it or makes it stand again."""
    return (
        f"<form method='post' action='{here}/{do}'><input type='hidden' name='{kind}' value='{e(name)}'>"
        f"<span class='chip{look}'>{e(name)}<button class='x' aria-label='{e(words)}' title='{e(words)}'>{sign}</button></span></form>"
    )


def _choose(sandbox: SandboxState, here: str, kind: str, button: str) -> str:
    options = "".join(f"<option>{e(thing['name'])}</option>" for thing in sandbox.store.things(1, kind))
    return (
        f"<form method='post' action='{here}/add-{kind}' class='btns'>"
        f"<select class='input' name='{kind}' aria-label='{kind.capitalize()}'>{options}</select>"
        f"<button class='btn'>{button}</button></form>"
    )


def _self(lead: dict[str, Any], here: str) -> str:
    words, look = ("Bring this lead back", "") if lead["deleted"] else ("Delete this lead", " bad")
    return section(
        "First name",
        f"<form method='post' action='{here}/rename' class='btns'>"
        f"<input class='input' name='name' aria-label='First name' value='{e(lead['first_name'])}'>"
        "<button class='btn'>Save</button></form>",
    ) + (
        f"<section><form method='post' action='{here}/delete'><button class='btn{look}'>{words}</button></form></section>"
    )


def _payments(sandbox: SandboxState, lead: dict[str, Any]) -> str:
    payments = sorted(sandbox.store.payments(1, "transaction", lead["id"]), key=lambda each: str(each["date"]))
    rows = (
        (
            f"{e(each['product_name'])}<div class='soft small'>{e(each['type'])} · {each['id']}</div>",
            e(each["amount"]),
            dated(each["date"]),
        )
        for each in reversed(payments)
    )
    return table(("Product", "Amount", "Date"), rows)


def _plans(sandbox: SandboxState, lead: dict[str, Any]) -> str:
    rows = (
        (
            f"{e(each['product_name'])}<div class='soft small'>{e(each['amount'])} {e(each['period'])} · {each['id']}</div>",
            f"<span class='badge {'good' if each['status'] == 'Active' else ''}'>{e(each['status'])}</span>",
            dated(each["next"]),
        )
        for each in sandbox.store.payments(1, "subscription", lead["id"])
    )
    return table(("Plan", "State", "Next payment"), rows)


def _bookings(lead: dict[str, Any]) -> str:
    rows = (
        (
            f"{e(each['calendar'])}<div class='soft small'>{e(each['class'])}</div>",
            e(each["status"]),
            dated(each["when"]),
        )
        for each in lead["bookings"]
    )
    return table(("Class", "State", "Begins"), rows)
