"""No secret in use stands in a dump of the database, and whatever would be logged of one is seen by the suite."""

import logging
from urllib.parse import urlencode

import pytest
from django.db import connection as database
from django.utils import timezone

from integrations import console, push, receive
from integrations.models import Connection
from tests.factories import STAFF_PASSWORD, StaffFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db(transaction=True)


def dump():
    """Every cell of every table, as text."""
    tables = database.introspection.table_names()
    with database.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SELECT * FROM {database.ops.quote_name(table)}")
            for row in cursor.fetchall():
                for cell in row:
                    yield bytes(cell).decode(errors="replace") if isinstance(cell, bytes | memoryview) else str(cell)


def test_dump_holds_no_secret(client, sandbox, connection, settings):
    endpoint = WebhookEndpointFactory(connection=connection, ipn_secret="sentinel-of-payments")
    assert endpoint.rotate(timezone.now())
    endpoint.save()
    for payment in ({"transaction_id": "1", "lead_id": "5", "transaction_type": "sale"}, {"transaction_id": "?"}):
        sale = urlencode({**payment, "secret_key": "sentinel-of-payments"})
        client.post(f"/webhooks/{endpoint.token}/ipn", sale, content_type="application/x-www-form-urlencoded")
    receive.drain()
    user = StaffFactory(is_superuser=True)
    client.force_login(user)
    lead = sandbox.mirrored_lead(connection, "ada@example.com")
    settings.CONSOLE_WAIT_S = 0.0
    tag = [("lead[id]", lead.kartra_id), ("actions[0][cmd]", "assign_tag"), ("actions[0][tag_name]", "VIP")]
    console.call(connection, tag, made_by=user)
    push.drain(Connection.objects.get(pk=connection.pk), until_s=2)
    console.call(connection, [("lead[id]", lead.kartra_id), ("actions[0][cmd]", "snooze_lead")], made_by=user)

    cells = "\n".join(dump())

    assert "ada@example.com" in cells
    secrets = {
        sandbox.key,
        sandbox.password,
        endpoint.token,
        endpoint.old_token,
        "sentinel-of-payments",
        STAFF_PASSWORD,
        settings.SECRET_KEY,
        *settings.FIELD_ENCRYPTION_KEYS,
        *settings.DIGEST_KEYS,
    }
    assert [secret for secret in secrets if not secret or secret in cells] == []


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_suite_sees_a_secret_that_is_logged(sandbox, connection, log_listener, level):
    endpoint = WebhookEndpointFactory(connection=connection)
    for secret in (sandbox.key, endpoint.token):
        logging.getLogger("leads").log(level, "sent with %s", secret)
    seen, log_listener.found = log_listener.found, []

    assert len(seen) == 2
    assert all("(SECRET)" in line for line in seen)
