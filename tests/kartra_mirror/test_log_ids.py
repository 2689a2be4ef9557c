"""Each line of the log says by ids what it is about: the request, the call, its changes; and nothing of a person."""

import json
import logging
import logging.config
import re
import subprocess
import sys

import pytest
import structlog

from integrations import push
from kartra_mirror import logs
from leads import kinds
from tests.recording import record_change

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def lines(monkeypatch):
    """What is logged by one's own logger of a name, as JSON: lines("name") → list that fills."""
    handlers = []
    configured = {}
    monkeypatch.setattr(logging.config, "dictConfig", configured.update)
    monkeypatch.setattr(structlog, "configure", lambda **how: None)
    logs.logging_config(readable=False, level="INFO")
    formatter = configured["formatters"]["line"].copy()
    make = formatter.pop("()")

    def of(name):
        found = []

        class Kept(logging.Handler):
            def emit(self, record):
                found.append(json.loads(self.format(record)))

        handler, logger = Kept(), logging.getLogger(name)
        handler.setFormatter(make(**formatter))
        logger.addHandler(handler)
        monkeypatch.setattr(logger, "level", logging.INFO)
        logger.manager._clear_cache()
        handlers.append((logger, handler))
        return found

    yield of
    for logger, handler in handlers:
        logger.removeHandler(handler)
        logger.manager._clear_cache()


def test_request_keeps_the_id_that_the_proxy_gave_it(client):
    answer = client.get("/healthz", headers={"X-Request-ID": "abc-DEF_12345"})

    assert answer.headers["X-Request-ID"] == "abc-DEF_12345"


@pytest.mark.parametrize(
    "given", ["short", "a" * 65, "ada@example.com", "abc def ghi", "abcdefgh\u00e9", "-abcdefgh", ""]
)
def test_id_that_is_not_well_formed_is_replaced(client, given):
    answer = client.get("/healthz", headers={"X-Request-ID": given})

    assert MADE.fullmatch(answer.headers["X-Request-ID"])


def test_each_request_has_an_id_of_its_own(client):
    ids = {client.get("/healthz").headers["X-Request-ID"] for _ in range(3)}

    assert len(ids) == 3
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.django_db
def test_line_of_a_request_has_its_id_and_route_and_no_path(client, lines):
    found = lines("kartra_mirror.edge.request_ids")

    client.get("/admin/reset/MQ/c5x-secret-token/?q=ada@example.com", headers={"X-Request-ID": "from-the-proxy"})
    client.post("/webhooks/a-secret-address/", headers={"X-Request-ID": "from-kartra"})
    client.get("/healthz")

    [one] = found
    assert (one["request_id"], one["route"], one["status"]) == (
        "from-kartra",
        "webhooks/(?P<token>[^/]{1,200})/?$",
        404,
    )
    assert one["event"] == "POST answered."
    assert "secret" not in json.dumps(found)


@pytest.mark.django_db(transaction=True)
def test_line_of_a_call_names_call_and_changes(sandbox, connection, lines):
    found = lines("integrations.push.send")
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    asked = (("assign_tag", {"tag": "VIP"}), ("give_points", {"points": 5}))
    changes = [record_change(lead, kinds.get_kind(kind), parameters) for kind, parameters in asked]

    push.drain(connection)

    [line] = [line for line in found if line["event"] == "A call is settled."]
    call = lead.calls.filter(writes=True).get()
    assert (line["call_id"], line["lead_id"], line["connection_id"]) == (call.pk, lead.pk, connection.pk)
    assert line["change_ids"] == [change.pk for change in changes]
    assert line["outcome"] == "ChainReply"
    assert "ada" not in json.dumps(found)
    assert structlog.contextvars.get_contextvars() == {}


def test_line_takes_over_nothing_that_a_library_hands_it(lines):
    found = lines("tests.some_library")

    logging.getLogger("tests.some_library").warning("Odd.", extra={"call_id": 7, "body": "Ada", "request": object()})

    [line] = found
    assert (line["event"], line["call_id"]) == ("Odd.", 7)
    assert {"body", "request"}.isdisjoint(line)


def test_whole_process_writes_json():
    code = (
        "from kartra_mirror.logs import logging_config; logging_config(readable=False, level='INFO'); import logging;"
        "logging.getLogger('x').info('Sent to ada@example.com', extra={'call_id': 7})"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    line = json.loads(answer.stderr)
    assert (line["event"], line["call_id"], line["level"]) == ("Sent to (email)", 7, "info")
