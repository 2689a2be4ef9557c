"""Clients that send half of a request and then nothing: behind each proxy of deploy/ pages and webhooks answer all the same, and
gunicorn alone comes back to itself."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from integrations.models import Delivery
from tests.abuse.proxies import Proxy
from tests.abuse.web import Web, ask, chunked, head, multipart, pour
from tests.factories import WebhookEndpointFactory

SLOW = 50
KB, MB = 1024, 1024 * 1024
EVENT = b'{"action": "assign_tag", "lead": {"id": "5"}}'
PROXIES = pytest.mark.parametrize("proxy_name", ["caddy", "nginx"])


def half_sent(port, number, start):
    """So many connections on which this came and nothing follows."""
    links = []
    for _ in range(number):
        links.append(socket.create_connection(("127.0.0.1", port), 5))
        links[-1].sendall(start)
    return links


def closed(links):
    for link in links:
        link.close()


@pytest.fixture
def web(transactional_db, tmp_path):
    (tmp_path / "web").mkdir()
    server = Web(tmp_path / "web", WEB_SILENCE_S="2")
    yield server
    server.stop()


@pytest.fixture
def behind(proxy_name, web, tmp_path):
    """The proxy in front of the server."""
    (tmp_path / "proxy").mkdir()
    proxy = Proxy(proxy_name, web.port, tmp_path / "proxy")
    yield proxy
    proxy.stop()


@PROXIES
def test_half_sent_requests_stop_nothing_behind_a_proxy(behind, web):
    endpoint = WebhookEndpointFactory()
    address = f"/webhooks/{endpoint.token}/"
    assert ask(behind.port, "/healthz")[0] == 200
    slow = half_sent(behind.port, SLOW, b"GET /admin/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    for path in (address, "/admin/login/"):
        begun = head("POST", path, Host="127.0.0.1", Content_Type="application/json", Content_Length=1000)
        slow += half_sent(behind.port, SLOW // 2, begun + b'{"action"')

    healthy = [ask(behind.port, "/healthz") for _ in range(3)]
    taken = ask(behind.port, address, "POST", EVENT, Content_Type="application/json")
    page = ask(behind.port, "/admin/login/")
    closed(slow)

    assert [status for status, _seconds in [*healthy, taken, page]] == [200] * 5
    assert max(seconds for _status, seconds in [*healthy, taken]) < 1.0
    assert [bytes(each.body) for each in Delivery.objects.all()] == [EVENT]


@PROXIES
def test_sizes_of_bodies_are_those_of_the_product(behind, web):
    form = {"Content_Type": "multipart/form-data; boundary=boundary-of-a-test"}
    answers = {}
    for path, most in (
        ("/admin/login/", 64 * KB),
        ("/admin/reset/x/y/", 64 * KB),
        ("/nobody", 64 * KB),
        ("/admin/leads/lead/", 4 * MB),
        ("/admin/leads/import/add/", 201 * MB),
    ):
        answers[path], _sent = pour(web, path, multipart(8 * MB), through=behind.port, **form, Content_Length=most + 1)
        answers[path, "in chunks"], _sent = pour(
            web, path, chunked(multipart(8 * MB)), through=behind.port, **form, Transfer_Encoding="chunked"
        )
    endpoint = WebhookEndpointFactory()
    for size in (MB, MB + 1):
        answers[size], _seconds = ask(behind.port, f"/webhooks/{endpoint.token}/", "POST", b"x" * size)

    answers["event"], _sent = pour(
        web, f"/webhooks/{endpoint.token}/", chunked([EVENT]), through=behind.port, Transfer_Encoding="chunked"
    )

    assert (answers.pop(MB), answers.pop("event")) == (200, 200)
    assert {key: status for key, status in answers.items() if status != 413} == {}
    assert web.most == web.on_disk() == 0
    assert sorted(Delivery.objects.values_list("size", "truncated")) == [
        (len(EVENT), False),
        (MB, False),
        (MB + 1, True),
    ]


class Seen(BaseHTTPRequestHandler):
    """A server behind the proxy that keeps what it is told of the client."""

    def do_GET(self):
        self.server.seen = self.headers
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def upstream():
    server = HTTPServer(("127.0.0.1", 0), Seen)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@PROXIES
def test_real_address_and_scheme_are_passed_on_and_claims_dropped(proxy_name, tmp_path, upstream):
    proxy = Proxy(proxy_name, upstream.server_port, tmp_path)
    try:
        status, _seconds = ask(proxy.port, "/", X_Forwarded_For="6.6.6.6", X_Forwarded_Proto="https")
    finally:
        proxy.stop()

    assert status == 200
    assert upstream.seen["X-Forwarded-For"] == "127.0.0.1"
    assert upstream.seen["X-Forwarded-Proto"] == "http"
    assert upstream.seen["Host"] == "127.0.0.1"


@PROXIES
def test_what_is_for_people_and_monitors_is_not_told_to_the_open_net(proxy_name, tmp_path, upstream):
    paths = ["/readyz", "/metrics", "/readyz?x=1", "/%72eadyz", "/healthz"]
    proxy = Proxy(proxy_name, upstream.server_port, tmp_path)
    try:
        answers = {path: ask(proxy.port, path)[0] for path in paths}
    finally:
        proxy.stop()

    assert answers == {**dict.fromkeys(paths, 404), "/healthz": 200}


@PROXIES
def test_no_token_is_written_down_when_something_goes_wrong(proxy_name, tmp_path):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = Proxy(proxy_name, nobody.getsockname()[1], tmp_path)
        try:
            for path in ("/webhooks/the-token-itself/ipn/", "/admin/reset/MQ/the-token-itself/"):
                for body in (EVENT, b"x" * (3 * MB)):
                    with contextlib.suppress(OSError):
                        assert ask(proxy.port, path, "POST", body)[0] in (0, 413, 502)
        finally:
            proxy.stop()

    assert "the-token-itself" not in proxy.log()


def test_gunicorn_alone_comes_back_to_itself(web):
    slow = half_sent(web.port, 20, b"GET /admin/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")

    answer, _seconds = ask(web.port, "/healthz", timeout=12)
    closed(slow)

    assert answer == 200
