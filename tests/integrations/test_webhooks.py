"""The door: what it takes, what it turns away, and that whatever came is kept."""

import http.client
import io
import json
import socket
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from django.core.wsgi import get_wsgi_application
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations import apply, tasks, webhooks
from integrations.models import Delivery, DeliveryStatus
from tests.factories import DoorFactory

EVENT = json.dumps({"action": "assign_tag", "lead": {"id": "5"}, "action_details": {"tag": {"tag_name": "VIP"}}})


@pytest.fixture
def door(db):
    return DoorFactory()


def post(client, door, body=EVENT, *, ipn=False, slash=True, kind="application/json"):
    url = f"/webhooks/{door.token}{'/ipn' if ipn else ''}{'/' if slash else ''}"
    return client.post(url, data=body, content_type=kind)


@pytest.mark.parametrize("slash", [True, False])
@pytest.mark.parametrize("ipn", [True, False])
def test_message_is_kept_as_the_bytes_it_was(client, door, ipn, slash, rings):
    body = b'\xff\x00{"action": "x" \xe2'

    answer = post(client, door, body, ipn=ipn, slash=slash)

    delivery = Delivery.objects.get()
    assert (answer.status_code, answer.content) == (200, b"")
    assert bytes(delivery.body) == body
    assert (delivery.channel, delivery.status, delivery.size) == ("ipn" if ipn else "outbound", "waiting", len(body))
    assert delivery.headers["Content-Type"] == "application/json"


@pytest.mark.django_db(transaction=True)
def test_worker_is_rung_after_the_commit(client, rings):
    post(client, DoorFactory())
    assert rings == [("apply_deliveries", ())]


def test_storing_costs_one_insert_once_the_door_is_known(client, door, django_assert_num_queries):
    post(client, door)
    with django_assert_num_queries(1):
        post(client, door)


def test_wrong_token_is_404_whatever_the_method(client, door):
    for method in (client.post, client.get, client.put):
        assert method("/webhooks/nobody-knows-this/").status_code == 404
    assert not Delivery.objects.exists()


def test_retired_door_is_404(client, door):
    door.retired_at = door.created_at
    door.save()
    assert post(client, door).status_code == 404


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "head", "options"])
def test_other_methods_are_405(client, door, method):
    assert getattr(client, method)(f"/webhooks/{door.token}/").status_code == 405


def test_one_megabyte_is_kept_whole_and_more_is_413_with_its_beginning(client, door):
    exactly = b"a" * (1024 * 1024)
    assert post(client, door, exactly).status_code == 200
    assert post(client, door, exactly + b"b").status_code == 413

    larger, whole = Delivery.objects.order_by("-pk")
    assert bytes(whole.body) == exactly
    assert (bytes(larger.body), larger.truncated, larger.status) == (b"a" * 4096, True, DeliveryStatus.REFUSED)
    assert larger.size == len(exactly) + 1


def test_token_is_not_stored_in_clear(door):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT token, token_digest FROM integrations_door WHERE id = %s", [door.pk])
        stored = " ".join(cursor.fetchone())
    assert door.token not in stored


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (1024 * 1024 + 1, 413)])
def test_body_that_comes_in_chunks_without_a_length_is_kept(rf, door, size, status):
    body = b"c" * size
    request = rf.post(f"/webhooks/{door.token}/", headers={"Transfer-Encoding": "chunked"})
    request.META.update({"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True})
    request.META.pop("CONTENT_LENGTH", None)

    assert webhooks.receive_outbound(request, door.token).status_code == status

    assert bytes(Delivery.objects.get().body) == body[: 4096 if status == 413 else None]


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
    door = DoorFactory()

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
            % (door.token.encode(), headers, body)
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
def test_dead_broker_costs_nothing(client, door, monkeypatch):
    """The bell may fail in any way: the message is stored and answered."""
    monkeypatch.undo()

    class Dead:
        name = "integrations.tasks.apply_deliveries"

        def apply_async(self, **kwargs):
            raise ConnectionError("no broker")

    monkeypatch.setattr(tasks, "_quiet_until", 0.0)
    tasks.ring(Dead())
    tasks.ring(Dead())  # silent now

    assert tasks._quiet_until > 0
    assert post(client, door).status_code == 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=15,
)
events = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["assign_tag", "unassign_tag", "list_subscription", "buy_product", "new_thing", ""]) | json_values,
        "action_details": st.fixed_dictionaries({}, optional={"tag": json_values, "list": json_values}) | json_values,
        "lead": st.fixed_dictionaries(
            {},
            optional={"id": json_values, "email": json_values | st.just("a@example.com"), "custom_fields": json_values, "score": json_values,
                      "tags": json_values, "date_joined": json_values, "blacklisted": json_values},
        )
        | json_values,
    },
)  # fmt: skip


@pytest.mark.django_db
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300) | events.map(lambda e: json.dumps(e).encode()), ipn=st.booleans())
def test_any_body_is_kept_and_applied_or_set_aside(client, body, ipn):
    door = DoorFactory()

    answer = post(client, door, body, ipn=ipn, kind="application/x-www-form-urlencoded")
    apply.drain()

    delivery = Delivery.objects.filter(door=door).get()
    assert answer.status_code == 200
    assert bytes(delivery.body) == body
    assert delivery.status != DeliveryStatus.WAITING
    assert delivery.status != DeliveryStatus.QUARANTINED or delivery.reason
    assert "could not be applied" not in delivery.reason, delivery.reason
