"""What stands around every page, and the small parts that pages are made of."""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.state import SandboxState

STYLES = ("tokens.css", "parts.css", "frame.css", "page.css")
POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='#8a5300'/>"
    "<path d='M10 8v16M22 8L12 16l10 8' fill='none' stroke='#fff' stroke-width='2.500' stroke-linecap='round'/></svg>"
)
_HERE = Path(__file__).resolve().parent
_PRODUCT = _HERE.parents[2] / "kartra_mirror" / "static" / "kartra_mirror"


def e(value: Any) -> str:
    return html.escape(str(value), quote=True)


def style(path: str) -> bytes | None:
    """A style sheet, at `/style/…`; None where there is none."""
    name = path.removeprefix("/style/")
    if not path.startswith("/style/") or name not in STYLES:
        return None
    return ((_HERE if name == "page.css" else _PRODUCT) / name).read_bytes()


def mirror_of(sandbox: SandboxState) -> str:
    """Where the installation is that hears of this account, "" where none does."""
    url = urlsplit(next((receiver["url"] for receiver in sandbox.posts.receivers), ""))
    return f"{url.scheme}://{url.netloc}/admin/" if url.netloc else ""


def framed(sandbox: SandboxState, title: str, body: str, query: str = "") -> str:
    sheets = "".join(f"<link rel='stylesheet' href='/style/{name}'>" for name in STYLES)
    icon = e(f"data:image/svg+xml,{ICON.replace('#', '%23')}")
    mirror = mirror_of(sandbox)
    back = f"<a class='btn' href='{e(mirror)}'>Kartra Mirror</a>" if mirror else ""
    return (
        f"<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>{e(title)}</title>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='{icon}'>{sheets}</head><body>"
        f"<header class='top'><a class='btn quiet' href='/'>Kartra sandbox</a>"
        "<form class='search' role='search' action='/'><input type='search' name='q' aria-label='Find a lead' "
        f"placeholder='Find a lead' value='{e(query)}'></form>"
        f"<span class='badge warn'>Nothing here is real</span>{back}</header>"
        f"<main class='page'>{body}</main></body></html>"
    )


def head(title: str, soft: str, trail: str = "", end: str = "") -> str:
    """`soft`, `trail` and `end` are HTML."""
    above = f"<div class='trail'>{trail}</div>" if trail else ""
    beside = f"<div class='end'>{end}</div>" if end else ""
    return f"<div class='head'><div>{above}<h1>{e(title)}</h1><div class='soft'>{soft}</div></div>{beside}</div>"


def section(title: str, body: str) -> str:
    return f"<section><h2>{e(title)}</h2>{body}</section>"


def card(title: str, body: str, name: str = "") -> str:
    mark = f" id='{name}'" if name else ""
    return f"<section class='card'{mark}><header><h2>{e(title)}</h2></header>{body}</section>"


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows of HTML, or a word that there are none."""
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    above = "".join(f"<th scope='col'>{e(each)}</th>" for each in heads)
    if not lines:
        return "<div class='body soft'>None yet.</div>"
    return f"<div class='scroll' tabindex='0'><table class='table'><thead><tr>{above}</tr></thead><tbody>{lines}</tbody></table></div>"


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def dated(naive: str) -> str:
    """A time of Kartra's, short; whole when pointed at."""
    return f"<time class='nowrap' title='{e(naive)}, New York'>{e(naive[:16])}</time>"
