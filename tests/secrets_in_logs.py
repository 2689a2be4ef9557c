"""A plugin: no line that the whole run writes to a log may hold one of the secrets in use: keys, passwords, tokens of addresses.

Lines are looked at as they would be written, from INFO on, each while the test that writes it runs.
"""

import logging
import logging.handlers
from collections.abc import Iterator

import pytest

from integrations.sandbox.state import KEY, PASSWORD
from tests.factories import STAFF_PASSWORD

SHORTEST = 8
"""Shorter ones stand in a text by chance; those that matter are longer."""


class Listener(logging.Handler):
    """Looks for `secrets` in all that is logged. `found`: the lines that hold one, without it."""

    def __init__(self, always: set[str]) -> None:
        super().__init__(logging.INFO)
        self.always = always
        self.secrets: set[str] = set(always)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            line = record.getMessage()
        held = [secret for secret in self.secrets if secret in line]
        for secret in held:
            line = line.replace(secret, "(SECRET)")
        if held:
            self.found.append(line[:2000])

    def learn(self, *secrets: object) -> None:
        self.secrets |= {secret for secret in secrets if isinstance(secret, str) and len(secret) >= SHORTEST}

    def forget(self) -> None:
        self.secrets, self.found = set(self.always), []


@pytest.fixture(scope="session")
def log_listener() -> Iterator[Listener]:
    from django.conf import settings
    from django.db.models.signals import post_init, post_save

    from integrations.models import Connection, WebhookEndpoint

    always = {
        settings.SECRET_KEY,
        *settings.FIELD_ENCRYPTION_KEYS,
        *settings.DIGEST_KEYS,
        KEY,
        PASSWORD,
        STAFF_PASSWORD,
    }
    listener = Listener({secret for secret in always if len(secret) >= SHORTEST})
    root = logging.getLogger()
    for handler in root.handlers:  # what is shown of a run stays as it is
        handler.setLevel(max(handler.level, root.level))
        listener.setFormatter(listener.formatter or handler.formatter)
    root.addHandler(listener)
    root.setLevel(logging.INFO)

    def of_connection(instance: Connection, **how: object) -> None:
        listener.learn(instance.__dict__.get("api_key"), instance.__dict__.get("api_password"))

    def of_endpoint(instance: WebhookEndpoint, **how: object) -> None:
        own = instance.__dict__
        listener.learn(own.get("token"), own.get("old_token"), own.get("ipn_secret"))

    for signal in (post_init, post_save):
        signal.connect(of_connection, sender=Connection)
        signal.connect(of_endpoint, sender=WebhookEndpoint)
    yield listener
    root.removeHandler(listener)
    for signal in (post_init, post_save):
        signal.disconnect(of_connection, sender=Connection)
        signal.disconnect(of_endpoint, sender=WebhookEndpoint)


@pytest.fixture(autouse=True)
def _no_secret_is_logged(log_listener: Listener) -> Iterator[None]:
    log_listener.forget()
    yield
    assert log_listener.found == []
