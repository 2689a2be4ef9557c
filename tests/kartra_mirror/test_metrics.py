"""/metrics: what stands in the tables, in a fixed number of queries; and files for Prometheus and Grafana that name what is there."""

import datetime as dt
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.db import DatabaseError
from prometheus_client.parser import text_string_to_metric_families

from integrations import clock
from integrations.models import ApiCall, Concern, Heartbeat, WebhookHour
from integrations.process_state import process_state
from integrations.receive import spool
from tests.factories import (
    BulkRunFactory,
    ConnectionFactory,
    DeliveryFactory,
    LeadChangeFactory,
    LeadFactory,
    SendingStopFactory,
    WebhookEndpointFactory,
)

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
BOARD = ROOT / "deploy/grafana/kartra-mirror.json"
NAMES = re.compile(r"kartra_mirror_[a-z_]+")


@pytest.fixture(autouse=True)
def _token(settings):
    settings.METRICS_TOKEN = "let-me-in"


@pytest.fixture
def ask(client):
    """{name: {values of the labels, in the order of their names: number}}, asked anew."""

    def ask():
        process_state.metrics = (0.0, b"")
        return numbers(text(client))

    return ask


def text(client):
    return client.get("/metrics", headers={"Authorization": "Bearer let-me-in"}).content.decode()


def numbers(said):
    found = {}
    for family in text_string_to_metric_families(said):
        values = found.setdefault(family.name.removeprefix("kartra_mirror_"), {})
        for sample in family.samples:
            values[tuple(value for _name, value in sorted(sample.labels.items()))] = sample.value
    return found


def ago(seconds):
    return clock.now() - dt.timedelta(seconds=seconds)


def call(connection, seconds_ago=5, outcome="answered", **more):
    at = ago(seconds_ago)
    finished = None if not outcome else at
    how = {"claimed_at": at, "sent_at": at, "finished_at": finished, "cause": "refresh", "commands": "get_lead"}
    return ApiCall.objects.create(connection=connection, outcome=outcome, **how | more)


def fill(name="Shop"):
    """One of everything that is counted."""
    connection = ConnectionFactory(account__name=name, app_id=f"secret-app {name}", calls_per_second=10, sending="on")
    door = WebhookEndpointFactory(connection=connection)
    lead = LeadFactory(account=connection.account, read_at=ago(9 * 24 * 3600))
    LeadChangeFactory(lead=lead, requested_at=ago(600))
    LeadChangeFactory(lead=lead, requested_at=ago(60), run=BulkRunFactory(account=connection.account))
    LeadChangeFactory(lead=lead, kind="give_points", parameters={"points": 5}, status="unknown", requested_at=ago(60))
    LeadChangeFactory(lead=lead, status="accepted", settled_at=ago(60))
    LeadChangeFactory(lead=lead, status="accepted", settled_at=ago(6000))
    call(connection, elapsed_ms=400)
    call(connection, 300, elapsed_ms=1600)
    call(connection, 200, "unknown", code="timeout", elapsed_ms=9000)
    call(connection, 3000, elapsed_ms=99000)
    for status in ("quarantined", "held", "applied"):
        DeliveryFactory(endpoint=door, status=status, applied_at=ago(7), received_at=ago(7))
    DeliveryFactory(endpoint=door, received_at=ago(100))
    WebhookHour.objects.create(endpoint=door, hour=ago(3600), refused=3)
    SendingStopFactory(connection=connection, stopped_by="outage", why="")
    Concern.objects.create(connection=connection, code="held", since=ago(60))
    for beat, seconds in (("sweep", 20), ("push alive", 40)):
        Heartbeat.objects.update_or_create(name=beat, defaults={"at": ago(seconds)})
    Heartbeat.objects.update_or_create(name="clock web-2", defaults={"at": ago(5), "ahead_s": 7.5})
    return connection


def rounded(values):
    return {labels: round(number, -1) for labels, number in values.items()}


def test_everything_is_told_as_it_stands(ask):
    fill()

    found = ask()

    assert found["changes"] == {("assign_tag", "waiting"): 2, ("give_points", "unknown"): 1}
    assert rounded(found["oldest_change_age_seconds"]) == {
        ("waiting",): 600,
        ("sending",): 0,
        ("unknown",): 60,
        ("undecided",): 0,
    }
    assert found["recent_changes"] == {("accepted",): 1}
    assert found["recent_calls"] == {("", "Shop", "answered"): 2, ("timeout", "Shop", "unknown"): 1}
    assert found["recent_call_mean_seconds"] == {(): pytest.approx(11 / 3)}
    assert found["recent_call_max_seconds"] == {(): 9}
    assert found["recent_calls_within"] == {
        (name,): number
        for name, number in (("0.25", 0), ("0.5", 1), ("1", 1), ("2", 2), ("5", 2), ("10", 3), ("20", 3))
    }
    assert found["app_calls_per_second"] == {("Shop",): pytest.approx(1 / 60)}
    assert found["app_allowed_calls_per_second"] == {("Shop",): 10}
    assert found["app_speed_ratio"] == {("Shop",): 1}
    assert found["deliveries"] == {("waiting",): 1, ("quarantined",): 1, ("held",): 1}
    assert rounded(found["apply_lag_seconds"]) == {(): 100}
    assert found["recent_deliveries"] == {("waiting",): 1, ("quarantined",): 1, ("held",): 1, ("applied",): 1}
    assert found["refused_deliveries"] == {("Shop",): 3}
    assert found["late_leads"] == {("Shop",): 1}
    assert round(found["oldest_read_age_seconds"]["Shop",] / 3600) == 9 * 24
    assert found["promised_read_age_seconds"] == {(): 24 * 3600}
    assert found["stops"] == {("outage", "", "Shop"): 1}
    assert found["concerns"] == {("held",): 1}
    assert rounded(found["heartbeat_age_seconds"]) == {("sweep",): 20, ("push",): 40}
    assert found["clock_difference_seconds"]["web-2",] == 7.5
    assert rounded(found["oldest_row_age_seconds"])["integrations_delivery",] == 10


def test_no_secret_and_no_person_is_named(client):
    fill()

    said = text(client)

    assert "kartra_mirror_recent_calls" in said
    assert not re.search(r"secret-app|@example|let-me-in", said)


def test_same_number_of_queries_whatever_there_is(ask, django_assert_num_queries, django_assert_max_num_queries):
    fill()
    with django_assert_max_num_queries(45) as first:
        ask()
    asked = len([each for each in first.captured_queries if "clock_timestamp()" not in each["sql"]])
    for n in range(4):
        fill(f"Other {n}")
    with django_assert_num_queries(asked):
        assert len(ask()["late_leads"]) == 5


def test_answer_is_kept_for_some_seconds(client, django_assert_num_queries):
    fill()
    first = text(client)
    with django_assert_num_queries(0):
        assert text(client) == first


def test_nothing_there_is_told_too(ask):
    found = ask()

    assert found["apply_lag_seconds"] == {(): 0}
    assert found["spool_bytes"] == {(): 0}


def test_bytes_that_wait_in_the_file_are_told(ask):
    (spool.folder() / "messages").write_bytes(b"x" * 120)

    assert ask()["spool_bytes"] == {(): 120}


def test_without_a_database_it_says_so(client, monkeypatch):
    def gone():
        raise DatabaseError

    monkeypatch.setattr("integrations.clock.now", gone)
    assert client.get("/metrics", headers={"Authorization": "Bearer let-me-in"}).status_code == 503


@pytest.mark.parametrize("given", [None, "", "Bearer ", "Bearer nope", "Bearer lét-me-in"])
def test_stranger_sees_nothing(client, given):
    headers = {} if given is None else {"Authorization": given}
    assert client.get("/metrics", headers=headers).status_code == 404


def test_files_name_only_metrics_that_are_there_and_the_board_all(ask):
    fill()
    known = {f"kartra_mirror_{name}" for name in ask()}
    expressions = " ".join(
        target["expr"] for panel in json.loads(BOARD.read_text())["panels"] for target in panel["targets"]
    )

    assert set(NAMES.findall(RULES.read_text())) - known == set()
    assert set(NAMES.findall(expressions)) == known


def test_page_of_the_docs_names_every_metric(ask):
    fill()

    assert {f"kartra_mirror_{name}" for name in ask()} == set(NAMES.findall((ROOT / "docs/watching.md").read_text()))


promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)"
)


@promtool
@pytest.mark.parametrize(
    "how", [["rules", RULES], ["config", RULES.with_name("prometheus.yml")]], ids=["rules", "config"]
)
def test_promtool_takes_the_files(how, tmp_path):
    shutil.copytree(RULES.parent, tmp_path / "prometheus")
    (tmp_path / "prometheus/metrics-token").write_text("let-me-in")
    path = tmp_path / "prometheus" / how[1].name
    answer = subprocess.run(["promtool", "check", how[0], path], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@promtool
def test_promtool_takes_the_answer(client):
    fill()
    answer = subprocess.run(
        ["promtool", "check", "metrics"], input=text(client), capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


@promtool
def test_promtool_takes_what_the_board_asks(tmp_path):
    """Each expression of the board, as a rule: promtool reads it."""
    targets = [target for panel in json.loads(BOARD.read_text())["panels"] for target in panel["targets"]]
    rules = [{"record": f"board:{n}", "expr": target["expr"]} for n, target in enumerate(targets)]
    (tmp_path / "board.yml").write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    answer = subprocess.run(
        ["promtool", "check", "rules", tmp_path / "board.yml"], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
