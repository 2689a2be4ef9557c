"""Where a request came from: what a client claims is never believed."""

import pytest
from axes.helpers import get_client_ip_address
from django.http import HttpRequest

from kartra_mirror.entry.addresses import client_address, counted_address

PROXY = "127.0.0.1"


def request_from(forwarded=None, peer=PROXY, **headers):
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": peer} | {f"HTTP_{name}": value for name, value in headers.items()}
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    return request


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "6.6.6.6", PROXY),
        (0, "6.6.6.6, 7.7.7.7", PROXY),
        (0, None, PROXY),
        (1, "5.5.5.5", "5.5.5.5"),
        (1, "6.6.6.6, 5.5.5.5", "5.5.5.5"),
        (1, "6.6.6.6,7.7.7.7,5.5.5.5", "5.5.5.5"),
        (1, "10.0.0.1, 5.5.5.5", "5.5.5.5"),
        (1, "8.8.8.8, 10.0.0.9", "10.0.0.9"),
        (1, "garbage, 5.5.5.5", "5.5.5.5"),
        (1, ",,, 5.5.5.5", "5.5.5.5"),
        (1, "for=6.6.6.6;by=1.1.1.1, 5.5.5.5", "5.5.5.5"),
        (1, "6.6.6.6, unknown", PROXY),
        (1, "6.6.6.6,", PROXY),
        (1, "6.6.6.6, 5.5.5.5:4711", "5.5.5.5"),
        (1, "6.6.6.6, [2001:db8:1:2::7]:99", "2001:db8:1:2::7"),
        (1, "::ffff:5.5.5.5", "5.5.5.5"),
        (1, "6.6.6.6, " + "9" * 5000, PROXY),
        (1, "\x00", PROXY),
        (1, "", PROXY),
        (1, None, PROXY),
        (2, "5.5.5.5, 10.0.0.2", "5.5.5.5"),
        (2, "6.6.6.6, 5.5.5.5, 10.0.0.2", "5.5.5.5"),
        (2, "5.5.5.5", PROXY),
    ],
)
def test_address_is_what_our_outermost_proxy_saw(settings, proxies, forwarded, address):
    settings.PROXY_COUNT = proxies
    request = request_from(forwarded)

    assert client_address(request) == address
    assert get_client_ip_address(request) == counted_address(request)


@pytest.mark.parametrize(
    "header",
    ["X_REAL_IP", "FORWARDED", "CLIENT_IP", "CF_CONNECTING_IP", "TRUE_CLIENT_IP", "X_FORWARDED", "X-FORWARDED-FOR"],
)
def test_no_other_header_is_read(settings, header):
    for settings.PROXY_COUNT in (0, 1):
        assert client_address(request_from(peer="9.9.9.9", **{header: "6.6.6.6"})) == "9.9.9.9"


def test_addresses_of_one_ipv6_network_are_counted_as_one(settings):
    settings.PROXY_COUNT = 1
    counted = {counted_address(request_from(f"2001:db8:1:2::{each:x}")) for each in range(1, 50)}

    assert counted == {"2001:db8:1:2::"}
    assert counted_address(request_from("2001:db8:1:3::1")) == "2001:db8:1:3::"
    assert counted_address(request_from("fe80::1%eth0")) == "fe80::"
    assert counted_address(request_from("5.5.5.5")) == "5.5.5.5"


def test_without_any_address_there_is_none(settings):
    assert client_address(request_from(peer="")) is None
    settings.PROXY_COUNT = 1
    assert counted_address(request_from("5.5.5.5", peer="")) == "5.5.5.5"
