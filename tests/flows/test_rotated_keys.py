"""Keys are changed while changes go out and messages come in: nothing is refused, and the old keys may go."""

import json

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command

from integrations import push, receive
from integrations.models import Connection, Delivery, WebhookEndpoint
from integrations.setup import key_rotation
from leads.models import LeadChange
from tests.beside import Beside, on_postgresql
from tests.flows.steps import tag

pytestmark = [pytest.mark.django_db(transaction=True), on_postgresql]


def test_keys_are_rotated_under_a_running_push(sandbox, connection, client, settings, capsys):
    leads = [sandbox.mirrored_lead(connection, f"lead{number}@example.com") for number in range(40)]
    for lead in leads:
        tag(lead)
    endpoint = WebhookEndpoint.objects.create(connection=connection)
    older = settings.FIELD_ENCRYPTION_KEYS, settings.DIGEST_KEYS
    pusher = Beside(lambda: push.drain(Connection.objects.get(), until_s=20))

    pusher.begin()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *older[0]]
    settings.DIGEST_KEYS = ["newer", *older[1]]
    body = json.dumps({"action": "assign_tag", "action_details": {}, "lead": {"id": leads[0].kartra_id}})
    before = client.post(f"/webhooks/{endpoint.token}/", body, content_type="application/json")
    call_command("rotate_keys")
    printed = capsys.readouterr().out
    settings.FIELD_ENCRYPTION_KEYS, settings.DIGEST_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1], ["newer"]
    after = client.post(f"/webhooks/{endpoint.token}/", body, content_type="application/json")
    pusher.end()
    push.drain(Connection.objects.get(), until_s=20)

    assert printed.count("no row uses it any more") == 2
    assert (before.status_code, after.status_code) == (200, 200)
    assert set(LeadChange.objects.values_list("status", flat=True)) == {"accepted"}
    assert Connection.objects.get().sends
    assert (key_rotation.cannot_start(), key_rotation.lost_secrets()) == ("", "")
    receive.drain()
    assert Delivery.objects.count() == 2
