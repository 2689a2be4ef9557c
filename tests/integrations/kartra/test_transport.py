"""The wire: what left us and what did not, deadlines, and no secret in anything that can be seen."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from integrations.kartra import transport
from integrations.kartra.client import Client, Credentials
from integrations.kartra.commands import LeadRef, assign_tag, give_points_to_lead
from integrations.kartra.errors import KartraError, NotSent, OutcomeUnknown, Throttled
from integrations.kartra.transport import Transport

SECRETS = ("app-4711", "key-4711", "password-4711")


class Server:
    """One behaviour, on a free port; keeps what it was sent."""

    def __init__(self, behave):
        self.seen = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.seen.append((self.path, dict(self.headers), body, self.client_address))
                behave(self)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/api"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    made = []

    def start(behave):
        made.append(Server(behave))
        return made[-1]

    yield start
    for each in made:
        each.close()


def say(status=200, body=b'{"status": "Success"}', **headers):
    def behave(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def client(url, **options):
    settings = {"connect_timeout_s": 0.5, "read_timeout_s": 0.4, "deadline_s": 0.8, **options}
    return Client(Credentials(*SECRETS), Transport(url, **settings))


def call(url, **options):
    return client(url, **options).one(assign_tag(tag_name="VIP & =%+ ü"), LeadRef(email="ada@example.com"))


def test_form_in_the_body_and_nothing_in_the_address(serve):
    server = serve(say())
    call(server.url)
    path, headers, body, _ = server.seen[0]
    assert path == "/api"
    assert headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert headers["User-Agent"].startswith("KartraMirror/")
    assert body == (
        b"app_id=app-4711&api_key=key-4711&api_password=password-4711&lead%5Bemail%5D=ada%40example.com"
        b"&actions%5B0%5D%5Bcmd%5D=assign_tag&actions%5B0%5D%5Btag_name%5D=VIP+%26+%3D%25%2B+%C3%BC"
    )


def hang(handler):
    time.sleep(3)


def drop(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def half(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    handler.wfile.write(b'{"sta')
    handler.close_connection = True


def drip(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    try:
        for _ in range(30):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (hang, OutcomeUnknown),
        (drop, OutcomeUnknown),
        (half, OutcomeUnknown),
        (drip, OutcomeUnknown),
        (say(429), Throttled),
        (say(502), OutcomeUnknown),
        (say(302, Location="http://127.0.0.1:9/"), OutcomeUnknown),
        (say(body=b"<html>"), OutcomeUnknown),
        (say(body=b""), OutcomeUnknown),
        (say(204, b""), OutcomeUnknown),
    ],
    ids=range(10),
)
def test_what_may_have_arrived_is_unknown_and_429_is_a_refusal(serve, behave, error):
    began = time.monotonic()
    with pytest.raises(KartraError) as caught:
        call(serve(behave).url)
    assert type(caught.value) is error
    assert time.monotonic() - began < 2.5  # the server takes three
    shown = f"{caught.value} {caught.value!r} {caught.value.args} {caught.value.__cause__} {caught.value.__dict__}"
    assert not any(secret in shown for secret in SECRETS)
    assert "ada@example.com" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/api",
        "https://127.0.0.1:9/api",
        "http://nobody.invalid/api",
        "ftp://127.0.0.1/api",
        "http://",
        "nonsense",
    ],
)
def test_what_never_left_us_is_not_sent(url, monkeypatch):
    if "invalid" in url:

        def no_such_host(*args, **kwargs):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    with pytest.raises(NotSent):
        call(url)


def test_no_tls_on_the_other_side_is_not_sent(serve):
    url = serve(say()).url.replace("http:", "https:")
    with pytest.raises(NotSent):
        call(url)


def test_connection_is_kept_but_not_used_stale_for_what_must_not_be_repeated(serve, monkeypatch):
    server = serve(say())
    made = client(server.url)
    lead = LeadRef(id="5")
    made.one(assign_tag(tag_name="A"), lead)
    made.one(assign_tag(tag_name="B"), lead)
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3)
    monkeypatch.setattr(transport, "time", later)
    made.chain(lead, [give_points_to_lead(points=1)], repeatable=False)
    ports = [address[1] for *_, address in server.seen]
    assert ports[0] == ports[1] != ports[2]


def test_environment_proxies_are_not_used(serve, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    call(serve(say()).url)


def test_nothing_shows_the_credentials():
    credentials, wire = Credentials(*SECRETS), Transport("http://127.0.0.1:9/api")
    made = Client(credentials, wire)
    shown = f"{made!r} {wire!r} {credentials!r} {assign_tag(tag_name='x')!r} {LeadRef(email='a@example.com')!r}"
    assert not any(secret in shown for secret in SECRETS)
    assert "a@example.com" not in shown
