"""What every test has: caught notifications, nothing but loopback, a sandbox and a connection to it."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.contenttypes.management import create_contenttypes
from django.core.cache import cache
from django.db import DatabaseError, connections
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, settings

from integrations.models import Connection
from integrations.process_state import process_state
from integrations.receive import spool
from integrations.sending import call_counter, installation
from kartra_mirror import celery_app, groups
from tests.factories import ConnectionFactory
from tests.sandbox_fixture import SandboxForTests
from tests.secrets_in_logs import _no_secret_is_logged as _no_secret_is_logged, log_listener as log_listener

# `pytest --hypothesis-profile=thorough` tries 2,000 examples of each
_how = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=120, **_how)
settings.register_profile("thorough", max_examples=2000, **_how)
settings.load_profile("quick")

_connect = socket.socket.connect


def _only_loopback(self: socket.socket, address: object) -> None:
    host = address[0] if isinstance(address, tuple) else address
    if self.family in (socket.AF_INET, socket.AF_INET6) and str(host) not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"A test tried to reach {host}.")
    _connect(self, address)  # type: ignore[arg-type]


KEPT = {"django_content_type", "auth_permission", "auth_group", "auth_group_permissions", "leads_grouplimits"}
"""Tables that a migration filled and that say the same before and after every test that commits."""


def _emptying(ops: BaseDatabaseOperations, style: object, tables: list[str], **how: bool) -> list[str]:
    deletes = [f"DELETE FROM {ops.quote_name(table)}" for table in tables if table not in KEPT]
    return ["; ".join(deletes)] if ops.connection.vendor == "postgresql" else deletes


def _patient(ops: BaseDatabaseOperations, sql_list: list[str]) -> None:
    """Empty the tables; again where a request that a closed page had begun wrote meanwhile."""
    for left in reversed(range(6)):
        try:
            return BaseDatabaseOperations.execute_sql_flush(ops, sql_list)
        except DatabaseError:
            if not left:
                raise
            time.sleep(0.5)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """The test database, which a test that commits leaves empty in a few milliseconds.

    As it comes, TRUNCATE makes new files for all tables, and all content types and permissions are made again: half a second
    after every such test.
    """
    type(connections["default"].ops).sql_flush = _emptying  # type: ignore[method-assign]
    type(connections["default"].ops).execute_sql_flush = _patient  # type: ignore[method-assign]
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
    post_migrate.disconnect(groups.make, sender=apps.get_app_config(groups.LAST))


@pytest.fixture(scope="session", autouse=True)
def _no_waste() -> None:
    """What takes long in every test and is not what it tests."""
    # A hash that is slow on purpose: a third of a second for each person.
    django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Nobody needs these rows after a power cut.
    database = django_settings.DATABASES["default"]
    if "postgresql" in database["ENGINE"]:
        database.setdefault("OPTIONS", {})["options"] = "-c jit=off -c synchronous_commit=off"


@pytest.fixture(autouse=True)
def _no_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but this machine is ever called."""
    monkeypatch.setattr(socket.socket, "connect", _only_loopback)


@pytest.fixture(autouse=True)
def notified(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[object, ...]]]:
    """The notifications of workers, caught: [(task, ids)]. No worker runs unless a test starts one."""
    caught: list[tuple[str, tuple[object, ...]]] = []
    monkeypatch.setattr(
        celery_app, "send_task", lambda name, args=(), **how: caught.append((name.rpartition(".")[2], tuple(args)))
    )
    return caught


CLOCK_ASKED = 6
"""So often may be asked for the time where queries are counted, whatever their number, and once more a second (`about_now`):
on SQLite nobody is asked."""


def _counted(exactly: bool) -> Callable[..., Any]:
    @contextmanager
    def counting(number: int, **how: Any) -> Iterator[CaptureQueriesContext]:
        began = time.monotonic()
        with CaptureQueriesContext(connections["default"]) as context:
            yield context
        asked = [each["sql"] for each in context.captured_queries]
        others = [sql for sql in asked if "clock_timestamp()" not in sql]
        shown = "\n".join(others)
        assert len(others) == number if exactly else len(others) <= number, (
            f"{len(others)} queries, not {number}:\n{shown}"
        )
        assert len(asked) - len(others) <= CLOCK_ASKED + int(time.monotonic() - began)

    return counting


@pytest.fixture
def django_assert_num_queries() -> Callable[..., Any]:
    """pytest-django's, but the database's clock is counted apart."""
    return _counted(exactly=True)


@pytest.fixture
def django_assert_max_num_queries() -> Callable[..., Any]:
    """pytest-django's, but the database's clock is counted apart."""
    return _counted(exactly=False)


@pytest.fixture(autouse=True)
def _no_mark() -> None:
    """Every test's database is an installation of its own: no mark of the one before is in VAR_DIR or Redis."""
    (Path(django_settings.VAR_DIR) / "installation").unlink(missing_ok=True)
    client = call_counter.counter_redis()
    if client is not None:
        client.delete(installation.REDIS_KEY)


@pytest.fixture(autouse=True)
def _no_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    """No message of the test before waits in a file, and no thread stores one beside a test."""
    shutil.rmtree(Path(django_settings.VAR_DIR) / "spool", ignore_errors=True)
    monkeypatch.setattr(spool, "start", lambda: None)


@pytest.fixture(autouse=True)
def _fresh_caches() -> None:
    process_state.clear()
    cache.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reading", help="a switch of the Kartra sandbox for all tests, as names=trimmed")


@pytest.fixture
def switched(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How what Kartra does not document is read in this test: as the switches stand, or as its parameter or `--reading`
    says."""
    name, _, value = str(getattr(request, "param", None) or request.config.getoption("--reading") or "").partition("=")
    return {name: {"true": True, "false": False}.get(value, value)} if name else {}


@pytest.fixture
def sandbox(switched: dict[str, Any]) -> Iterator[SandboxForTests]:
    """A Kartra sandbox of this test's own, with the demo's catalogue and no leads."""
    server = SandboxForTests(**switched)
    yield server
    server.stop()


@pytest.fixture
def connection(db: None, sandbox: SandboxForTests) -> Connection:
    """A connection to the sandbox that sends, through the app without a speed limit."""
    by_id = sandbox.server.switches["get_lead_by_id"]  # as a first check would have found
    made: Connection = ConnectionFactory(api_url=sandbox.url, sending="on", get_lead_by_id=by_id)
    sandbox.make_known(made)
    return made
