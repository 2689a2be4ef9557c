"""Keys: rotated beside everything that runs, missed with a sentence, and lost without a page that breaks."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import receive
from integrations.models import Connection, Delivery, WebhookEndpoint
from integrations.setup import key_rotation
from leads import forgotten
from leads.models import Forgotten, Lead
from leads.models.digests import digests, key_name, newest
from tests.factories import AccountFactory, ConnectionFactory, DeliveryFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def newer(settings):
    """A newer encryption key before the one in use."""
    key = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [key, *settings.FIELD_ENCRYPTION_KEYS]
    return key


def rotated(capsys):
    call_command("rotate_keys")
    return capsys.readouterr().out


def test_every_secret_is_stored_anew_and_the_old_key_may_go(settings, capsys):
    connection = ConnectionFactory(api_key="k-1", api_password="p-1")
    endpoint = WebhookEndpointFactory(connection=connection, ipn_secret="s-1")
    endpoint.rotate(timezone.now())
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]

    printed = rotated(capsys)

    assert "5 secrets stored anew." in printed
    assert "no row uses it any more" in printed
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    fresh = Connection.objects.get()
    assert (fresh.api_key, fresh.api_password) == ("k-1", "p-1")
    kept = WebhookEndpoint.objects.get()
    assert (kept.token, kept.old_token, kept.ipn_secret) == (endpoint.token, endpoint.old_token, "s-1")
    assert "0 secrets stored anew." in rotated(capsys)


def test_rotation_that_was_ended_goes_on_and_leaves_what_somebody_wrote_meanwhile(newer, monkeypatch):
    first, second = ConnectionFactory(api_key="k-1"), ConnectionFactory(api_key="k-2")
    Connection.objects.filter(pk=first.pk).update(api_key="written meanwhile")
    _done, lost = key_rotation.rotate(batch=1)
    assert lost == 0
    assert [Connection.objects.get(pk=each.pk).api_key for each in (first, second)] == ["written meanwhile", "k-2"]
    assert set(key_rotation.secrets_by_key()) == {key_name(newer)}


def test_address_is_found_by_every_digest_key_and_moves_to_the_newest(client, settings):
    endpoint = WebhookEndpointFactory()
    settings.DIGEST_KEYS = ["newer", *settings.DIGEST_KEYS]
    answer = client.post(f"/webhooks/{endpoint.token}/", b"{}", content_type="application/json")
    assert answer.status_code == 200
    endpoint.refresh_from_db()
    assert endpoint.token_digest == newest("door", endpoint.token)
    assert endpoint.token_digest.startswith(key_name("newer"))


def test_forgotten_person_is_known_by_every_digest_key_and_moves_to_the_newest(settings):
    account = AccountFactory()
    [kept] = forgotten.kept_of(account, email="ada@example.com")
    Forgotten.objects.create(account=account, digest=kept, at=timezone.now())
    settings.DIGEST_KEYS = ["newer", *settings.DIGEST_KEYS]

    with pytest.raises(forgotten.LeftOut) as met:
        forgotten.check(account, email="Ada@example.com")
    met.value.note()
    row = Forgotten.objects.get()
    assert (row.met, row.digest.startswith(key_name("newer"))) == (1, True)

    settings.DIGEST_KEYS = settings.DIGEST_KEYS[:1]
    assert forgotten.forgotten_among(account, {1: ("", "ada@example.com"), 2: ("", "bo@example.com")}) == {1}


def test_digest_says_nothing_of_its_text_and_differs_by_purpose():
    assert newest("door", "x") != newest("forgotten", "x")
    assert digests("door", "x") == digests("door", "x")


WRONG = {
    "no digest key": ({"DIGEST_KEYS": []}, "DIGEST_KEYS is empty"),
    "a blank one": ({"DIGEST_KEYS": [""]}, "DIGEST_KEYS is empty"),
    "another digest key": ({"DIGEST_KEYS": ["other"]}, "by the key"),
    "no encryption key": ({"FIELD_ENCRYPTION_KEYS": []}, "FIELD_ENCRYPTION_KEYS is empty"),
    "a mistyped one": ({"FIELD_ENCRYPTION_KEYS": ["abc"]}, "Key 1 of FIELD_ENCRYPTION_KEYS is mistyped"),
}


@pytest.mark.parametrize(("values", "words"), WRONG.values(), ids=WRONG)
def test_wrong_keys_are_named_and_nobody_is_ready(client, settings, values, words):
    WebhookEndpointFactory()
    assert key_rotation.cannot_start() == ""
    for name, value in values.items():
        setattr(settings, name, value)
    assert words in key_rotation.cannot_start()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert words in answer.json()["keys"]
    with pytest.raises(CommandError, match=words):
        call_command("rotate_keys")


def test_neither_web_nor_worker_starts_with_other_keys(tmp_path):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, "VAR_DIR": str(tmp_path), "EMBEDDED": "1", "DIGEST_KEYS": "", "WEB_PORT": "0"}
    for command in (
        ["gunicorn", "kartra_mirror.wsgi", "--config", "kartra_mirror/gunicorn.py"],
        ["celery", "--app", "kartra_mirror", "worker", "--pool", "solo"],
        ["celery", "--app", "kartra_mirror", "beat"],
    ):
        answer = subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
        )
        assert answer.returncode != 0
        assert "DIGEST_KEYS is empty." in answer.stderr
        assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("given", ["s3cret", "forged", None])
def test_payment_whose_secret_cannot_be_compared_is_kept_and_applied_once_the_key_is_back(settings, given):
    endpoint = WebhookEndpointFactory(ipn_secret="s3cret")
    told = {"lead_id": "5", "lead_email": "ada@example.com", "transaction_id": "7", "transaction_type": "sale"}
    body = urlencode({**told, **({"secret_key": given} if given else {})}).encode()
    delivery = DeliveryFactory(endpoint=endpoint, channel="ipn", body=body)
    keys = settings.FIELD_ENCRYPTION_KEYS
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    receive.drain()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.reason["what"]) == ("refused", "secret_lost")
    assert not Lead.objects.exists()

    settings.FIELD_ENCRYPTION_KEYS = keys
    Delivery.objects.update(status="waiting", applied_at=None)
    receive.drain()
    delivery.refresh_from_db()
    assert delivery.status == ("refused" if given == "forged" else "applied")
    assert Lead.objects.exists() == (given != "forged")
