"""The address of the client. Whatever counts or records addresses asks here, django-axes too (AXES_CLIENT_IP_CALLABLE)."""

import ipaddress

import ipware
from django.conf import settings
from django.http import HttpRequest

HEADER = "HTTP_X_FORWARDED_FOR"
ONE_NETWORK = 64
"""Of an IPv6 address so many bits are one customer's: a single line has 2**64 addresses to try from."""


def client_address(request: HttpRequest) -> str | None:
    """Where the request came from, as far as somebody can be believed; None where nobody says (a socket file, no proxy).

    PROXY_COUNT proxies stand in front, and each puts the address that spoke to it at the end of X-Forwarded-For. What the
    outermost of ours saw is therefore the entry so many from the right; whatever stands to its left came from the client and is not
    read. Without a proxy, or where the header has fewer entries than there are proxies, it is the peer of the connection.

    ipware's own count is of the entries *behind* the client's, one less than there are proxies, and by default it refuses any chain that
    is longer; so it is given the one entry that counts, to read what may stand in it (a port, brackets, IPv4 in IPv6)."""
    return _hop(request) or _read("REMOTE_ADDR", request.META.get("REMOTE_ADDR", ""))


def counted_address(request: HttpRequest) -> str | None:
    """The address under which tries are counted: of IPv6 the network of one customer, as its first address."""
    found = client_address(request)
    if found is None or ":" not in found:
        return found
    return str(ipaddress.ip_network((found.partition("%")[0], ONE_NETWORK), strict=False).network_address)


def _hop(request: HttpRequest) -> str | None:
    entries = request.META.get(HEADER, "").split(",")
    if not 0 < settings.PROXY_COUNT <= len(entries):
        return None
    return _read(HEADER, entries[-settings.PROXY_COUNT])


def _read(name: str, text: str) -> str | None:
    entry = HttpRequest()
    entry.META = {name: text}
    found: str | None = ipware.get_client_ip(
        entry, proxy_count=0, request_header_order=[name], strict=True, algorithm="modern"
    )[0]
    return found
