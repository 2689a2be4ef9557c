"""The door: what it takes, what it turns away, and that whatever came is kept."""

import datetime as dt
import http.client
import io
import json
import socket
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.db.models import F
from django.utils import timezone

from integrations import webhooks
from integrations.models import Delivery, DeliveryStatus, WebhookEndpoint, WebhookHour
from integrations.notify import notify_soon, notify_worker
from integrations.process_state import process_state
from integrations.receive import spool
from kartra_mirror import celery_app
from tests.factories import WebhookEndpointFactory

EVENT = json.dumps({"action": "assign_tag", "lead": {"id": "5"}, "action_details": {"tag": {"tag_name": "VIP"}}})


@pytest.fixture
def endpoint(db):
    return WebhookEndpointFactory()


def post(client, endpoint, body=EVENT, *, ipn=False, slash=True, kind="application/json"):
    url = f"/webhooks/{endpoint.token}{'/ipn' if ipn else ''}{'/' if slash else ''}"
    return client.post(url, data=body, content_type=kind)


@pytest.mark.parametrize("slash", [True, False])
@pytest.mark.parametrize("ipn", [True, False])
def test_message_is_kept_as_the_bytes_it_was(client, endpoint, ipn, slash, notified):
    body = b'\xff\x00{"action": "x" \xe2'

    answer = post(client, endpoint, body, ipn=ipn, slash=slash)

    delivery = Delivery.objects.get()
    assert (answer.status_code, answer.content) == (200, b"")
    assert bytes(delivery.body) == body
    assert (delivery.channel, delivery.status, delivery.size) == ("ipn" if ipn else "outbound", "waiting", len(body))
    assert delivery.headers["Content-Type"] == "application/json"


@pytest.mark.django_db(transaction=True)
def test_worker_is_rung_after_the_commit(client, notified):
    post(client, WebhookEndpointFactory())
    assert all_notified(notified) == [("apply_deliveries", ())]


def all_notified(notified):
    """What was notified, once nothing is left to be."""
    if thread := process_state.notify_thread:
        thread.join(10)
    return notified


def test_many_messages_at_once_are_one_or_two_notifications(notified):
    for _ in range(50):
        notify_soon("apply_deliveries")

    assert 1 <= len(all_notified(notified)) <= 2


def test_whoever_asks_while_others_are_notified_is_not_forgotten(monkeypatch):
    """The last message of a burst: asked for after the worker was notified of the first, it is notified of too."""
    began, go_on, sent = threading.Event(), threading.Event(), []

    def slow(name, **how):
        sent.append(name)
        began.set()
        go_on.wait(10)

    monkeypatch.setattr(celery_app, "send_task", slow)
    notify_soon("apply_deliveries")
    assert began.wait(10)

    notify_soon("apply_deliveries")
    notify_soon("apply_deliveries")
    go_on.set()

    assert all_notified(sent) == ["integrations.tasks.apply_deliveries"] * 2
    assert process_state.notify_thread is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connections["default"].vendor != "postgresql", reason="a file is not restarted")
@pytest.mark.parametrize("known", [True, False], ids=["known address", "address to be looked up"])
def test_message_after_the_database_dropped_our_connection_is_a_row(client, known):
    """The connection was kept since the last request, and nobody asks whether it is alive before it is used."""
    endpoint = WebhookEndpointFactory()
    assert post(client, endpoint).status_code == 200
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ours = cursor.fetchone()[0]
    other = connections["default"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [ours])
    other.close()
    for address, (_until, *found) in list(process_state.endpoints.items()):
        process_state.endpoints[address] = (time.monotonic() + (60 if known else -1), *found)

    assert post(client, endpoint).status_code == 200

    assert Delivery.objects.count() == 2
    assert not spool.is_away()


def test_message_to_a_host_that_is_not_ours_is_turned_away(client, endpoint):
    answer = client.post(
        f"/webhooks/{endpoint.token}/", EVENT, content_type="application/json", HTTP_HOST="evil.example"
    )

    assert answer.status_code == 400
    assert not Delivery.objects.exists()


def test_door_needs_no_session_and_sets_no_cookie(client, endpoint):
    client.cookies["sessionid"] = "of somebody"

    answer = post(client, endpoint)

    assert (answer.status_code, list(answer.cookies)) == (200, [])
    assert "Vary" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_storing_costs_one_insert_once_the_endpoint_is_known(client, endpoint, django_assert_num_queries):
    post(client, endpoint)
    with django_assert_num_queries(1):
        post(client, endpoint)


def test_wrong_token_is_404_whatever_the_method(client, endpoint):
    for method in (client.post, client.get, client.put):
        assert method("/webhooks/nobody-knows-this/").status_code == 404
    assert not Delivery.objects.exists()


def test_retired_endpoint_is_404(client, endpoint):
    endpoint.retired_at = endpoint.created_at
    endpoint.save()
    assert post(client, endpoint).status_code == 404


def test_new_address_and_old_one_are_both_valid_until_the_old_one_is_retired(client, endpoint):
    first = endpoint.token
    assert endpoint.rotate(timezone.now())
    assert first != endpoint.token

    for token in (first, endpoint.token):
        assert client.post(f"/webhooks/{token}/", EVENT, content_type="application/json").status_code == 200
    assert list(Delivery.objects.order_by("pk").values_list("endpoint", "old_address")) == [
        (endpoint.pk, True),
        (endpoint.pk, False),
    ]

    assert not endpoint.rotate(timezone.now()), "messages to the first address would be lost unseen"
    assert endpoint.retire_old()
    assert not endpoint.retire_old()
    process_state.endpoints.clear()
    answers = [client.post(f"/webhooks/{t}/", EVENT, content_type="application/json") for t in (first, endpoint.token)]
    assert [answer.status_code for answer in answers] == [404, 200]


def test_retiring_shows_within_seconds(client, endpoint, monkeypatch):
    assert post(client, endpoint).status_code == 200
    WebhookEndpoint.objects.update(retired_at=endpoint.created_at)
    assert post(client, endpoint).status_code == 200  # still remembered

    moment = webhooks.time.monotonic() + webhooks.CACHE_S
    monkeypatch.setattr(webhooks.time, "monotonic", lambda: moment)

    assert post(client, endpoint).status_code == 404


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head", "options"])
def test_other_methods_are_405(client, endpoint, method):
    assert getattr(client, method)(f"/webhooks/{endpoint.token}/").status_code == 405


def test_one_megabyte_is_kept_whole_and_more_is_413_with_its_beginning(client, endpoint):
    exactly = b"a" * (1024 * 1024)
    assert post(client, endpoint, exactly).status_code == 200
    assert post(client, endpoint, exactly + b"b").status_code == 413

    larger, whole = Delivery.objects.order_by("-pk")
    assert bytes(whole.body) == exactly
    assert (bytes(larger.body), larger.truncated, larger.status) == (b"a" * 4096, True, DeliveryStatus.REFUSED)
    assert larger.size == len(exactly) + 1


def test_token_is_not_stored_in_clear(endpoint):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT token, token_digest FROM integrations_webhookendpoint WHERE id = %s", [endpoint.pk])
        stored = " ".join(cursor.fetchone())
    assert endpoint.token not in stored


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (1024 * 1024 + 1, 413)])
def test_body_that_comes_in_chunks_without_a_length_is_kept(rf, endpoint, size, status):
    body = b"c" * size
    request = rf.post(f"/webhooks/{endpoint.token}/", headers={"Transfer-Encoding": "chunked"})
    request.META.update({"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True})
    request.META.pop("CONTENT_LENGTH", None)

    assert webhooks.receive_outbound(request, endpoint.token).status_code == status

    assert bytes(Delivery.objects.get().body) == body[: 4096 if status == 413 else None]


def test_what_came_of_a_body_that_breaks_off_is_kept(rf, endpoint):
    class Breaks(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 5:
                raise ValueError("a chunk of no size")
            return super().read(5)

    request = rf.post(f"/webhooks/{endpoint.token}/", headers={"Transfer-Encoding": "chunked"})
    request.META.update({"wsgi.input": Breaks(b"hello, and more"), "wsgi.input_terminated": True})
    request.META.pop("CONTENT_LENGTH", None)

    assert webhooks.receive_outbound(request, endpoint.token).status_code == 200
    assert bytes(Delivery.objects.get().body) == b"hello"


class _Silent(WSGIRequestHandler):
    def log_message(self, *args):
        pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (b"Content-Length: 5\r\n", b"hello", b"200"),
        (b"Content-Length: 2000000\r\n", b"x" * 5000, b"413"),
        (b"Content-Length: -5\r\n", b"hello", None),
        (b"Content-Length: abc\r\n", b"hello", None),
        (b"", b"", b"200"),
    ],
)
def test_lengths_that_lie_do_no_harm(headers, body, status):
    endpoint = WebhookEndpointFactory()

    def app(environ, start_response):
        try:
            return get_wsgi_application()(environ, start_response)
        finally:
            connections.close_all()

    server = make_server("127.0.0.1", 0, app, handler_class=_Silent)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    with socket.create_connection(server.server_address, timeout=5) as raw:
        raw.sendall(
            b"POST /webhooks/%s/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n%s"
            % (endpoint.token.encode(), headers, body)
        )
        raw.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(raw)
        answer.begin()
    thread.join(5)
    server.server_close()
    assert answer.status < 500
    if status is not None:
        assert str(answer.status).encode() == status


@pytest.mark.django_db
def test_dead_broker_costs_nothing(client, endpoint, monkeypatch):
    """The broker may fail in any way: the message is stored and answered."""
    asked = []

    def dead(name, **how):
        asked.append(name)
        raise ConnectionError("no broker")

    monkeypatch.setattr(celery_app, "send_task", dead)
    notify_worker("apply_deliveries")
    notify_worker("apply_deliveries")  # silent now

    assert asked == ["integrations.tasks.apply_deliveries"]
    assert post(client, endpoint).status_code == 200


# --- how much may come


def test_messages_above_the_budget_are_refused_and_counted(client, endpoint, settings):
    settings.WEBHOOK_MESSAGES_PER_HOUR = 5

    answers = [post(client, endpoint) for _ in range(8)]

    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
    assert Delivery.objects.count() == 5
    process_state.traffic[endpoint.pk].written_at = 0
    post(client, endpoint)
    hour = WebhookHour.objects.get()
    assert (hour.messages, hour.refused) == (5, 4)
    assert post(client, WebhookEndpointFactory()).status_code == 200


def test_bytes_above_the_budget_are_refused(client, endpoint, settings):
    settings.WEBHOOK_MB_PER_HOUR = 1
    body = b"x" * 400_000

    assert [post(client, endpoint, body).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert WebhookHour.objects.get().bytes == 1_200_000


def test_too_large_bodies_count_as_what_is_kept_of_them(client, endpoint, settings):
    settings.WEBHOOK_MESSAGES_PER_HOUR = 2

    assert [post(client, endpoint, b"x" * 2_000_000).status_code for _ in range(3)] == [413, 413, 429]
    assert WebhookHour.objects.get().bytes == 2 * 4096


def test_processes_count_together(client, endpoint, settings):
    settings.WEBHOOK_MESSAGES_PER_HOUR = 6
    for _ in range(4):
        assert post(client, endpoint).status_code == 200
    process_state.clear()  # as another process, which knows what the first wrote down

    assert [post(client, endpoint).status_code for _ in range(3)] == [200, 200, 429]


def test_budget_begins_anew_with_the_hour(client, endpoint, settings):
    settings.WEBHOOK_MESSAGES_PER_HOUR = 1
    assert [post(client, endpoint).status_code for _ in range(2)] == [200, 429]
    hour = dt.timedelta(hours=1)
    process_state.traffic[endpoint.pk].hour -= hour
    WebhookHour.objects.update(hour=F("hour") - hour)

    assert post(client, endpoint).status_code == 200


def test_wrong_address_counts_for_nobody(client, endpoint, settings):
    settings.WEBHOOK_MESSAGES_PER_HOUR = 1
    for _ in range(3):
        assert client.post("/webhooks/wrong/", data=b"x", content_type="text/plain").status_code == 404
    assert post(client, endpoint).status_code == 200


def test_process_that_cannot_start_a_thread_just_now_notifies_later(notified, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", _no_room)
        with pytest.raises(RuntimeError):
            notify_soon("apply_deliveries")

    notify_soon("apply_deliveries")

    assert all_notified(notified) == [("apply_deliveries", ())]


def _no_room(thread):
    raise RuntimeError("can't start new thread")
