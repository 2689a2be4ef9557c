"""Whose requests are answered: those of this machine, and no page from elsewhere changes anything."""

import ipaddress
from email.message import Message
from urllib.parse import urlsplit


def foreign(headers: "Message[str, str]", *, changes: bool, own_name: str = "") -> str:
    """Why a request is none of this machine's own, "" where it is: a Host that is neither loopback nor the name it was given
    (a name of somebody else's that leads here), or a change that a page from elsewhere sends."""
    host = headers.get("Host", "")
    if not _is_loopback(host) and not (own_name and _name_in(host) == own_name):
        return "The Kartra sandbox answers only to its address on loopback."
    origin = headers.get("Origin")
    if changes and (
        headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") or origin not in (None, f"http://{host}")
    ):
        return "Pages from elsewhere change nothing in the Kartra sandbox."
    return ""


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    name = _name_in(host)
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
