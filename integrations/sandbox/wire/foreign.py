"""Whose requests are answered: those of this machine, and no page from elsewhere changes anything."""

import ipaddress
from email.message import Message
from urllib.parse import urlsplit


def foreign(headers: "Message[str, str]", *, changes: bool) -> str:
    """Why a request is none of this machine's own, "" where it is: a Host that is not loopback (a name of somebody else's that
    leads here), or a change that a page from elsewhere sends."""
    host = headers.get("Host", "")
    if not _is_loopback(host):
        return "The pretend Kartra answers only to its address on loopback."
    origin = headers.get("Origin")
    if changes and (
        headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none") or origin not in (None, f"http://{host}")
    ):
        return "Pages from elsewhere change nothing in the pretend Kartra."
    return ""


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
