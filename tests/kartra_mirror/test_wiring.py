"""The wiring: the embedded broker, tasks, health, keys, logs, secrets, locks."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import get_args

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import FieldError
from kombu import Connection as Broker, Producer, Queue

from integrations import receive, tasks
from integrations.models import Connection, Heartbeat
from integrations.notify import TaskName
from kartra_mirror import celery_app, file_broker, keys, logs
from tests.factories import ConnectionFactory, ScheduleFactory
from tests.recording import record_change

file_broker.register()
ROOT = Path(__file__).resolve().parents[2]


def broker(folder):
    return Broker("filebroker://", transport_options={"folder": str(folder)})


def put(channel, number, queue="push"):
    headers = {"task": "t", "argsrepr": f"({number},)"}
    Producer(channel).publish([number], routing_key=queue, headers=headers, declare=[Queue(queue)])


def waiting(channel, queue="push"):
    """How many messages wait."""
    return channel.queue_declare(queue, passive=True).message_count


def take(channel, queue="push"):
    """The next message, or None."""
    return channel.basic_get(queue, no_ack=True)


def test_message_is_read_once_and_equal_ones_fold_into_one(tmp_path):
    with broker(tmp_path) as connection:
        channel = connection.channel()
        for _ in range(5):
            put(channel, 1)
        put(channel, 2)
        assert waiting(channel) == 2
        heard = [take(channel).headers["argsrepr"] for _ in range(2)]
        assert sorted(heard) == ["(1,)", "(2,)"]
        assert take(channel) is None


def test_half_written_and_foreign_files_are_no_messages(tmp_path):
    with broker(tmp_path) as connection:
        channel = connection.channel()
        put(channel, 6)
        assert take(channel).headers["argsrepr"] == "(6,)"
        folder = tmp_path / "push"
        (folder / "half.message").write_bytes(b'{"body": "ab')
        (folder / "tmp123.aside").write_bytes(b"{}")
        put(channel, 7)
        assert take(channel).headers["argsrepr"] == "(7,)"
        assert channel.queue_purge("push") == 0


def _publish(folder, first, number):
    with broker(folder) as connection:
        channel = connection.channel()
        for n in range(first, first + number):
            put(channel, n)


def _listen(folder, out):
    with (
        broker(folder) as connection,
        connection.Consumer(Queue("push"), callbacks=[lambda body, message: (message.ack(), os.write(out, b"."))]),
    ):
        while True:
            connection.drain_events(timeout=30)


def test_listener_killed_and_started_again_never_dies_of_the_messages(tmp_path):
    context = multiprocessing.get_context("fork")
    read, write = os.pipe()
    publishers = [context.Process(target=_publish, args=(tmp_path, n * 1000, 300)) for n in range(3)]
    listener = context.Process(target=_listen, args=(tmp_path, write))
    for process in (*publishers, listener):
        process.start()
    time.sleep(0.3)
    os.kill(listener.pid, signal.SIGKILL)
    listener.join(5)
    listener = context.Process(target=_listen, args=(tmp_path, write))
    listener.start()
    for publisher in publishers:
        publisher.join(30)
    ends = time.monotonic() + 60
    with broker(tmp_path) as connection:
        channel = connection.channel()
        while waiting(channel) and time.monotonic() < ends:
            time.sleep(0.1)
        assert waiting(channel) == 0
    assert listener.is_alive()
    assert [publisher.exitcode for publisher in publishers] == [0, 0, 0]
    listener.kill()
    os.close(write)
    assert len(os.read(read, 100_000)) >= 890


@pytest.mark.django_db
def test_health(client, settings):
    assert client.get("/healthz").content == b"ok\n"
    Heartbeat.objects.create(name="sweep", at="2026-01-01T00:00:00Z")
    ready = client.get("/readyz")
    assert ready.json()["database"] is True
    assert ready.json()["sweep_late"] is True
    assert client.get("/metrics").status_code == 404
    settings.METRICS_TOKEN = "let-me-in"
    assert client.get("/metrics", headers={"Authorization": "Bearer nope"}).status_code == 404
    ConnectionFactory()
    text = client.get("/metrics", headers={"Authorization": "Bearer let-me-in"}).content.decode()
    assert "kartra_mirror_changes" in text


@pytest.mark.django_db(transaction=True)
def test_sweep_notifies_of_whatever_is_due(sandbox, connection, notified):
    from leads import kinds
    from leads.models import Lead

    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    assert notified == [("push_changes", (connection.pk,))]
    notified.clear()
    Lead.objects.update(read_at=None)
    schedule = ScheduleFactory(account=connection.account)

    tasks.sweep()

    of_itself = {"push_alive", "apply_alive", "read_alive", "watch_concerns", "find_second_profiles"}
    assert {name for name, _ in notified} == {
        "push_changes",
        "refresh_leads",
        "read_catalogue",
        "start_schedule",
        *of_itself,
    }
    assert ("start_schedule", (schedule.pk,)) in notified
    assert Heartbeat.objects.filter(name="sweep").exists()


@pytest.mark.django_db
def test_sweep_notifies_of_each_watched_segment(notified):
    from leads import watching
    from tests.factories import AccountFactory, SegmentFactory

    segment = SegmentFactory(account=AccountFactory(), name="Peru", conditions={"country": ["Peru"]})
    watch = watching.set_watch(segment, owner=None, by_notice=True)

    tasks.sweep()
    tasks.look_at_watch(watch.pk)
    tasks.look_at_watch(999_999)

    assert ("look_at_watch", (watch.pk,)) in notified
    watch.refresh_from_db()
    assert watch.whole_at is not None


def test_whatever_a_worker_is_notified_of_is_a_task():
    names = {f"integrations.tasks.{name}" for name in get_args(TaskName)}

    assert names | {"integrations.tasks.sweep", "integrations.tasks.prune"} == {
        name for name in celery_app.tasks if name.startswith("integrations.")
    }


@pytest.mark.django_db(transaction=True)
def test_tasks_do_the_work_they_are_named_for(sandbox, connection, notified):
    from leads import kinds
    from leads.models import LeadChange

    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    record_change(lead, kinds.get_kind("assign_tag"), {"tag": "VIP"})
    for task, args in (
        (tasks.push_changes, [connection.pk]),
        (tasks.push_verify, [connection.pk]),
        (tasks.refresh_leads, [connection.pk]),
        (tasks.apply_deliveries, []),
        (tasks.prune, []),
        (tasks.start_schedule, [999_999]),
        (tasks.push_changes, [999_999]),
    ):
        task(*args)
    assert LeadChange.objects.get().status == "accepted"


@pytest.mark.django_db
def test_a_second_job_of_the_same_name_is_remembered_not_run_beside(notified, monkeypatch):
    begun = []

    def drain(**how):
        begun.append(how)
        if len(begun) == 1:
            tasks.apply_deliveries()

    monkeypatch.setattr(receive, "drain", drain)

    tasks.apply_deliveries()
    assert (len(begun), notified) == (1, [("apply_deliveries", ())])
    notified.clear()
    tasks.apply_deliveries()
    assert (len(begun), notified) == (2, [])


def test_keys_are_made_once_and_are_private(tmp_path):
    first = keys.kept_in(tmp_path / "var")
    assert keys.kept_in(tmp_path / "var") == first
    assert (tmp_path / "var" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_logs_hold_no_secret_and_no_person():
    event = {"event": "POST /webhooks/abc-DEF_123/ipn/ from ada@example.com", "api_key": "k", "code": "212"}
    masked = logs.mask_event(None, "info", event)
    assert masked == {"event": "POST /webhooks/(token)/ipn/ from (email)", "api_key": "(hidden)", "code": "212"}


@pytest.mark.django_db
def test_secrets_at_rest(settings):
    from django.db import connection as database

    made = ConnectionFactory(api_password="very-secret")
    with database.cursor() as cursor:
        cursor.execute("SELECT api_password FROM integrations_connection")
        assert "very-secret" not in cursor.fetchone()[0]
    old = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *old]
    assert Connection.objects.get().api_password == "very-secret"
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    lost = Connection.objects.get(pk=made.pk)
    assert (lost.api_password, lost.secrets_lost) == ("", True)
    with pytest.raises(FieldError):
        Connection.objects.filter(api_password="very-secret").exists()


def test_locks_name_no_address():
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_gunicorn_writes_no_token_even_with_an_access_log(tmp_path):
    """The real server on a socket: asked for an access log, and a request that makes it complain."""
    import http.client
    import socket
    import subprocess
    import sys

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = tmp_path / "broken.py"
    app.write_text("def app(environ, start_response):\n    raise RuntimeError(environ['PATH_INFO'])\n")
    log = tmp_path / "all.log"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "broken:app",
        "--config",
        str(ROOT / "kartra_mirror/gunicorn.py"),
        "--access-logfile",
        "-",
        "--pythonpath",
        f"{tmp_path},{ROOT}",
        "--workers",
        "1",
    ]
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, "WEB_PORT": str(port)}, cwd=ROOT)
    try:
        ends = time.monotonic() + 20
        while True:
            try:
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                client.request("POST", "/webhooks/the-token-itself/ipn/", b"{}")
                assert client.getresponse().status == 500
                break
            except ConnectionRefusedError:
                assert time.monotonic() < ends
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait(15)
    written = log.read_text()
    assert '"POST /webhooks/(token)/ipn/ HTTP/1.1" 500' in written
    assert "RuntimeError: /webhooks/(token)/" in written
    assert "the-token-itself" not in written
