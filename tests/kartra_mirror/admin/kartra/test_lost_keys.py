"""The encryption key is gone: every page works, sending stops with its cause, and the keys can be entered again."""

import pytest
from cryptography.fernet import Fernet
from django.db import connection as database

from integrations.models import Connection, SendingStop, WebhookEndpoint
from integrations.push import send
from integrations.sending import calls
from tests.factories import ConnectionFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db


def stored(model, column):
    with database.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {model._meta.db_table} ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def other_encryption_key(settings):
    """The key with which everything was stored is gone; another one is there."""

    def lose():
        settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    return lose


def test_lost_encryption_key_stops_sending_and_breaks_no_page(staff, client, other_encryption_key):
    connection = ConnectionFactory(sending="on", api_key="k-1")
    endpoint = WebhookEndpointFactory(connection=connection)
    before = stored(Connection, "api_key"), stored(WebhookEndpoint, "token_digest")
    other_encryption_key()

    fresh = Connection.objects.get()
    assert fresh.secrets_lost
    assert send.drain(fresh).sent == 0
    stop = SendingStop.objects.get()
    assert stop.stopped_by == "lost_key"
    assert "not among FIELD_ENCRYPTION_KEYS" in stop.words
    with pytest.raises(calls.KeyLost):
        calls.client_for(Connection.objects.get())
    for url in ("/admin/", fresh.get_absolute_url(), endpoint.get_absolute_url(), "/admin/health/"):
        assert staff.get(url).status_code == 200
    assert "were encrypted with the key" in client.get("/readyz").json()["keys"]
    Connection.objects.get().save()
    WebhookEndpoint.objects.get().save()
    assert (stored(Connection, "api_key"), stored(WebhookEndpoint, "token_digest")) == before
    assert client.post(f"/webhooks/{endpoint.token}/", b"{}", content_type="application/json").status_code == 200


def test_keys_entered_again_after_a_lost_key_let_sending_go_on(staff, sandbox, connection, other_encryption_key):
    other_encryption_key()
    assert send.drain(Connection.objects.get()).sent == 0
    shown = staff.get(connection.get_absolute_url()).content.decode()
    assert "not among FIELD_ENCRYPTION_KEYS" in shown
    assert "What is stored cannot be opened" in shown
    assert "Empty keeps the one that is stored" not in shown
    given = {
        "name": connection.name,
        "app_id": connection.app_id,
        "api_url": connection.api_url,
        "calls_per_second": "0",
        "key": connection.api_key,
        "password": connection.api_password,
    }
    assert staff.post(connection.get_absolute_url(), {**given, "key": "", "password": ""}).status_code == 200
    assert staff.post(connection.get_absolute_url(), given).status_code == 302
    fresh = Connection.objects.get()
    assert (fresh.secrets_lost, fresh.sends) == (False, True)
