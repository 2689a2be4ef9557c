"""The Kartra sandbox answers this machine alone: no name of somebody else's that leads here, no page from elsewhere."""

import http.client

import pytest

from integrations.sandbox.wire.server import Sandbox


@pytest.fixture
def server():
    found = Sandbox()
    found.start()
    yield found
    found.stop()


def ask(server, method, path, **headers):
    port = int(server.base.rpartition(":")[2])
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    link.putrequest(method, path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{port}", "Content-Length": "0", **headers}.items():
        link.putheader(name.replace("_", "-"), value)
    link.endheaders()
    return link.getresponse().status


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1.evil.example.com", "localhost.evil", "10.0.0.1", "", "[::"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/__sandbox__/state"), ("POST", "/__sandbox__/reset"), ("DELETE", "/__sandbox__/faults"), ("GET", "/")],
)
def test_host_that_is_not_loopback_is_refused(server, method, path, host):
    assert ask(server, method, path, Host=host) == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9100", "127.0.0.1:9100", "[::1]:9100"])
def test_this_machine_is_answered(server, host):
    assert ask(server, "GET", "/__sandbox__/state", Host=host) == 200
    assert ask(server, "DELETE", "/__sandbox__/faults", Host=host) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/__sandbox__/reset"), ("DELETE", "/__sandbox__/calls"), ("POST", "/wrong/end")]
)
def test_post_from_elsewhere_is_refused(server, method, path, headers):
    assert ask(server, method, path, **headers) == 403
    assert ask(server, "GET", "/__sandbox__/state", **headers) == 200


def test_own_page_posts(server):
    assert ask(server, "POST", "/wrong/end", Origin=server.base, Sec_Fetch_Site="same-origin") == 303


def test_own_name_is_answered_and_no_other():
    """Among containers, which call one another by name."""
    named = Sandbox(own_name="sandbox")
    named.start()
    try:
        answers = [
            ask(named, "GET", "/__sandbox__/state", Host=host)
            for host in ("sandbox:9100", "sandbox", "127.0.0.1", "sandbox.evil", "evil", "10.0.0.1")
        ]
    finally:
        named.stop()

    assert answers == [200, 200, 200, 403, 403, 403]
    assert named.url == f"{named.base}/api"
    assert named.base.startswith("http://sandbox:")
