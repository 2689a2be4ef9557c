"""Messages of Kartra: the door under load beside a bare view with the same row, and a worker that applies them beside the same rows
by hand.

`DOOR` messages for each measurement of the door (default 2,000), in `ROUNDS` rounds; ours and the other in turn.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import database, results
from benchmarks.results import Line
from benchmarks.yardsticks import receive as by_hand

DOOR = int(os.environ.get("DOOR", "2000"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
CLIENTS = 8
PORT = 9180


ACTIONS = (
    ("assign_tag", "tag", 50),
    ("list_subscription", "list", 20),
    ("assign_tag", "tag", 50),
    ("unassign_tag", "tag", 50),
    ("list_unsubscription", "list", 20),
)
"""What happens most, and to how many things."""


def body_of(number: int, lead: int | None = None) -> bytes:
    """One event as Kartra sends it, about one of 1,000 leads. Every 20th lead is new, every 7th has another name now."""
    from integrations.sandbox.store.events import LEAD_KEYS

    lead = 20 + number % 1000 if lead is None else lead
    action, noun, things = ACTIONS[number % len(ACTIONS)]
    name = f"{noun} {(number * 7) % things}"
    profile = dict.fromkeys(LEAD_KEYS, "")
    profile |= {"source": "api", "phone": f"+1 555 {lead:07d}", "country": ("Spain", "Japan", "Canada")[lead % 3]}
    known = 100_000 + lead if lead % 20 else 900_000_000 + lead
    profile |= {"id": str(known), "email": f"lead{lead if lead % 20 else known}@example.com"}
    profile |= {"first_name": f"Name{lead % 997}" if lead % 7 else f"New{number}", "last_name": f"Lind{lead % 9973}"}
    profile = {key: value for key, value in profile.items() if value}
    return json.dumps({"action": action, "action_details": {noun: {f"{noun}_name": name}}, "lead": profile}).encode()


@contextlib.contextmanager
def served(app: str, port: int, url: str, folder: str) -> Iterator[int]:
    """gunicorn with the project's settings, two processes, on loopback. The first port is the one it listens on."""
    environ = {**os.environ, "DATABASE_URL": url, "VAR_DIR": folder, "EMBEDDED": "1", "LOG_LEVEL": "ERROR"}
    environ |= {"WEB_PORT": str(port), "WEB_WORKERS": "2", "DJANGO_SETTINGS_MODULE": "kartra_mirror.settings"}
    environ["WEBHOOK_MESSAGES_PER_HOUR"] = "100000000"
    command = [sys.executable, "-m", "gunicorn", app, "--config", "kartra_mirror/gunicorn.py"]
    server = subprocess.Popen(command, cwd=database.ROOT, env=environ)
    try:
        for _try in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def load(port: int, path: str, number: int) -> tuple[float, float]:
    """Messages a second, and the 99th percentile of an answer in ms, of `CLIENTS` that keep their connections."""
    taken: list[float] = []
    requests = [_request(path, body_of(n)) for n in range(200)]

    def client(own: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for n in range(number // CLIENTS):
                began = time.perf_counter()
                raw.sendall(requests[(n * CLIENTS + own) % len(requests)])
                answer = raw.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
                taken.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client, args=(own,)) for own in range(CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(taken) / (time.perf_counter() - began), statistics.quantiles(taken, n=100)[98] * 1000


def door(what: str, url: str, folder: str) -> list[Line]:
    """Ours and a bare view with the same row, each in turn."""
    from integrations.models import Connection, WebhookEndpoint

    endpoint = WebhookEndpoint.objects.create(connection=Connection.objects.earliest("pk"), name="Door")
    from django.db import connections

    connections.close_all()
    paths = [(PORT, f"/webhooks/{endpoint.token}/"), (PORT + 1, f"/bare/{endpoint.pk}/")]
    found: list[list[tuple[float, float]]] = [[], []]
    with (
        served("kartra_mirror.wsgi", PORT, url, folder),
        served("benchmarks.yardsticks.receive:application", PORT + 1, url, folder),
    ):
        for port, path in paths:
            load(port, path, 400)
        for _round in range(ROUNDS):
            for (port, path), own in zip(paths, found, strict=True):
                own.append(load(port, path, DOOR))
    ours, bare = ([statistics.median(each) for each in zip(*own, strict=True)] for own in found)
    return [
        Line(f"a message at the door, {what}", 1000 / ours[0], 1000 / bare[0], "ms", 1.0),
        Line(f"the same, slowest of a hundred, {what}", ours[1], bare[1], "ms", 1.2),
    ]


def on_sqlite(folder: str) -> None:
    """In a process of its own: Django on an empty database of SQLite. Prints its lines as JSON."""
    url = f"sqlite:///{folder}/db.sqlite3"
    os.environ.update(DATABASE_URL=url, VAR_DIR=folder, EMBEDDED="1", LOG_LEVEL="ERROR")
    os.environ["DJANGO_SETTINGS_MODULE"] = "kartra_mirror.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from integrations.models import Connection
    from leads.models import Account

    call_command("migrate", verbosity=0)
    Connection.objects.create(account=Account.objects.create(name="A"), app_id="a", api_key="x", api_password="x")
    print(json.dumps([vars(line) for line in door("SQLite", url, folder)]))


def sqlite() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--sqlite", folder]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=database.ROOT)
    return [Line(**each) for each in json.loads(told.stdout)]


APPLY = int(os.environ.get("APPLY", "2000"))


def _fill(number: int, account: str = "Large") -> None:
    """So many messages that wait."""
    import hashlib

    from django.utils import timezone

    from integrations.models import Delivery, WebhookEndpoint

    endpoint, at = WebhookEndpoint.objects.get(connection__account__name=account), timezone.now()
    bodies = [body_of(n) for n in range(number)]
    Delivery.objects.bulk_create(
        Delivery(
            endpoint=endpoint,
            channel="outbound",
            received_at=at,
            body=body,
            size=len(body),
            digest=hashlib.sha256(body).hexdigest(),
        )
        for body in bodies
    )


def _timed(work: Any) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


@contextlib.contextmanager
def _fresh() -> Iterator[None]:
    """A copy of the template of its own, for Django of this process."""
    from django.db import connection, connections

    from integrations.models import Connection, WebhookEndpoint

    before = connection.settings_dict["NAME"]
    with database.clone("receive_round") as name:
        connections.close_all()
        connection.settings_dict["NAME"] = name
        for each in Connection.objects.all():
            WebhookEndpoint.objects.create(connection=each, name="Messages")
        try:
            yield
        finally:
            connections.close_all()
            connection.settings_dict["NAME"] = before


def _by_hand() -> None:
    from leads.models import Account

    by_hand.apply(Account.objects.get(name="Large").pk)


def applying() -> list[Line]:
    """One worker: ours, and by hand, each on a copy of the same database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from integrations import receive

    found: list[list[tuple[float, float]]] = [[], []]
    for _round in range(ROUNDS):
        for own, work in zip(found, (lambda: receive.drain(until_s=600), _by_hand), strict=True):
            with _fresh():
                _fill(APPLY)
                own.append(_timed(work))
    with _fresh():
        _fill(400)
        with CaptureQueriesContext(connection) as asked:
            receive.drain(until_s=600)
    ours, yardstick = (statistics.median(seconds for seconds, _cpu in own) * 1000 / APPLY for own in found)
    cpu = statistics.median(cpu for _seconds, cpu in found[0]) * 1000 / APPLY
    return [
        Line("a message applied by one worker", ours, yardstick, "ms", 5.0),
        Line("the same, CPU of ours", cpu, None, "ms"),
        Line("the same, statements of ours", len(asked) / 400, None, "", 3.0),
    ]


def worker() -> None:
    """One process that applies what waits, once it is told to on its input. Prints its CPU in s."""
    database.prepare(os.environ["DATABASE_URL"].rpartition("/")[2], os.environ["VAR_DIR"])
    from django.db import connection

    from integrations import receive

    connection.ensure_connection()
    print("ready", flush=True)
    sys.stdin.readline()
    _seconds, cpu = _timed(lambda: receive.drain(until_s=600))
    print(cpu, flush=True)


def _longest_wait(over: threading.Event) -> float:
    """The longest that anybody waits for a lock of the database until it is over, in ms; looked at every few ms."""
    waiting: dict[int, float] = {}
    longest = 0.0
    with database.server() as db:
        while not over.wait(0.005):
            now = time.perf_counter()
            rows = db.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchall()
            waiting = {pid: waiting.get(pid, now) for (pid,) in rows}
            longest = max([longest, *(now - since for since in waiting.values())])
    return longest * 1000


def _workers(number: int) -> tuple[float, float]:
    """CPU of each message in ms, and the longest wait for a lock, with so many processes on two accounts."""
    from django.db import connection

    with _fresh(), tempfile.TemporaryDirectory() as folder:
        for account in ("Large", "Small and older"):
            _fill(APPLY // 2, account)
        url = f"{database.SERVER.rsplit('/', 1)[0]}/{connection.settings_dict['NAME']}"
        environ = {**os.environ, "DATABASE_URL": url, "VAR_DIR": folder, "WEBHOOK_NEW_LEADS_PER_DAY": "1000000"}
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, __file__, "--worker"]
        processes = [subprocess.Popen(command, env=environ, cwd=database.ROOT, **pipes) for _ in range(number)]
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        over, longest = threading.Event(), [0.0]
        watch = threading.Thread(target=lambda: longest.append(_longest_wait(over)))
        watch.start()
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        cpu = sum(float(process.communicate()[0]) for process in processes)
        over.set()
        watch.join()
    return cpu * 1000 / APPLY, max(longest)


def beside_each_other() -> list[Line]:
    found: list[list[tuple[float, float]]] = [[], []]
    for _round in range(ROUNDS):
        for number, own in enumerate(found, 1):
            own.append(_workers(number))
    one, two = (statistics.median(cpu for cpu, _wait in own) for own in found)
    return [
        Line("CPU of a message, two processes beside one", two, one, "ms", 1.15),
        Line("the longest wait for a lock of these two", max(wait for _cpu, wait in found[1]), None, "ms", 50.0),
    ]


def main() -> None:
    if not database.exists(database.template()):
        sys.exit("Say first: make bench-data")
    with tempfile.TemporaryDirectory() as folder, database.clone("receive") as name:
        database.prepare(name, folder)
        try:
            lines: list[Line] = []
            for part in (
                lambda: door("PostgreSQL", os.environ["DATABASE_URL"], folder),
                sqlite,
                applying,
                beside_each_other,
            ):
                lines += part()
                print(*(line.told() for line in lines[-3:]), sep="\n", flush=True)
            results.keep("receive", database.SIZE, lines)
        finally:
            from django.db import connections

            connections.close_all()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sqlite"]:
        on_sqlite(sys.argv[2])
    elif sys.argv[1:] == ["--worker"]:
        worker()
    else:
        main()
