"""The database goes away under a running web server, and comes back: no message is refused, each is stored once, in order."""

import contextlib
import os
import select
import signal
import socket
import threading
import time

import pytest
from django.db import connection, connections, transaction

from integrations.models import Delivery
from tests.abuse.web import Web, ask
from tests.chaos.servers import free_port
from tests.factories import WebhookEndpointFactory
from tests.processes import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is a file, which does not go away"),
]


class Relay:
    """A port that leads to the database, and can be closed: every connection through it ends."""

    def __init__(self, host, port):
        self.there, self.port = (host or "127.0.0.1", int(port or 5432)), free_port()
        self.open()

    def open(self):
        self.over = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", self.port), reuse_port=True)
        threading.Thread(target=self._listen, args=(self.listener, self.over), daemon=True).start()

    def close(self):
        self.over.set()
        self.listener.close()
        time.sleep(0.1)

    def _listen(self, listener, over):
        with contextlib.suppress(OSError):
            while not over.is_set():
                if select.select([listener], [], [], 0.05)[0]:
                    near, _ = listener.accept()
                    threading.Thread(target=self._carry, args=(near, over), daemon=True).start()

    def _carry(self, near, over):
        with contextlib.suppress(OSError), near, socket.create_connection(self.there) as far:
            other = {near: far, far: near}
            while not over.is_set():
                for link in select.select([near, far], [], [], 0.05)[0]:
                    if not (data := link.recv(65536)):
                        return
                    other[link].sendall(data)


@pytest.fixture
def relay():
    made = Relay(connection.settings_dict["HOST"], connection.settings_dict["PORT"])
    yield made
    made.close()


@pytest.fixture
def start(relay, tmp_path, settings):
    """Starts web servers that reach the database by the relay, one after another, all with one VAR_DIR."""
    user, name = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    running = []

    def start():
        folder = tmp_path / f"web{len(running)}"
        folder.mkdir()
        url = f"postgres://{user}@127.0.0.1:{relay.port}/{name}"
        keys = {name: ",".join(getattr(settings, name)) for name in ("DIGEST_KEYS", "FIELD_ENCRYPTION_KEYS")}
        running.append(Web(folder, DATABASE_URL=url, VAR_DIR=str(tmp_path / "var"), WEB_WORKERS="2", **keys))
        return running[-1]

    yield start
    for web in running:
        web.stop()
    connections.close_all()


def post(web, token, number):
    return ask(web.port, f"/webhooks/{token}/", "POST", b'{"number": %d}' % number, 15.0)


def numbers():
    return [int(bytes(each.body).split()[1][:-1]) for each in Delivery.objects.order_by("pk")]


def test_no_message_is_refused_while_the_database_is_away(relay, start):
    web, token = start(), WebhookEndpointFactory().token
    statuses, slowest = [], 0.0
    for number in range(90):
        if number == 30:
            relay.close()
        if number == 60:
            relay.open()
        status, seconds = post(web, token, number)
        statuses.append(status)
        slowest = max(slowest, seconds)
    assert ask(web.port, "/webhooks/wrong/", "POST", b"{}")[0] == 404

    wait_until(lambda: Delivery.objects.count() == 90, 30)

    assert statuses == [200] * 90
    assert numbers() == list(range(90))
    assert slowest < 5.0  # giving up on the database takes 2 s at most


def test_web_that_is_killed_and_begun_anew_meanwhile_loses_none(relay, start):
    token = WebhookEndpointFactory().token
    first = start()
    relay.close()  # before anything came
    assert [post(first, token, number)[0] for number in range(20)] == [200] * 20
    children = os.popen(f"pgrep -P {first.process.pid}").read().split()
    first.process.kill()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    first.process.wait(10)

    second = start()
    assert [post(second, token, number)[0] for number in range(20, 30)] == [200] * 10
    assert ask(second.port, "/webhooks/wrong/", "POST", b"{}")[0] == 404
    relay.open()

    wait_until(lambda: Delivery.objects.count() == 30, 30)
    assert numbers() == list(range(30))


def test_table_that_is_held_makes_no_message_wait_for_long(relay, start):
    """As a migration holds it."""
    web, token = start(), WebhookEndpointFactory().token
    assert post(web, token, 0)[0] == 200
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE integrations_delivery IN ACCESS EXCLUSIVE MODE")
        status, seconds = post(web, token, 1)
        assert (status, seconds < 9) == (200, True)
        assert post(web, token, 2)[0] == 200

    wait_until(lambda: Delivery.objects.count() == 3, 30)
    assert numbers() == [0, 1, 2]
