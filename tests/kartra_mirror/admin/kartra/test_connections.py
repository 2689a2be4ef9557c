"""Connections and addresses in the admin: keys written and never shown, errors as one sentence, the switch."""

import pytest
from django.db import connection as database
from django.urls import reverse
from django.utils import timezone
from requests.adapters import HTTPAdapter

from integrations.models import Connection, WebhookEndpoint
from leads.models import Account, Lead
from tests.factories import ConnectionFactory, StaffFactory, WebhookEndpointFactory

pytestmark = pytest.mark.django_db

ADD = "/admin/integrations/connection/add/"


def given(sandbox, **more):
    return {
        "name": "Shop",
        "app_id": sandbox.app_id,
        "key": sandbox.key,
        "password": sandbox.password,
        "api_url": sandbox.url,
        "calls_per_second": "19",
        "time_zone": "",
        **more,
    }


def test_connection_is_made_with_account_and_endpoint(staff, sandbox):
    answer = staff.post(ADD, given(sandbox), follow=True)

    made = Connection.objects.get()
    assert (made.name, made.sending, made.api_key, made.account.time_zone) == (
        "Shop",
        "look_only",
        sandbox.key,
        "America/New_York",
    )
    assert "Kartra answers and takes these keys" in answer.content.decode()
    page = staff.get(made.get_absolute_url()).content.decode()
    assert WebhookEndpoint.objects.get().outbound_url in page
    assert "read-only" in page


def test_new_connection_to_the_pretend_kartra_leads_to_its_own_page(staff, sandbox, settings):
    settings.SANDBOX_URL = sandbox.url.removesuffix("/api")

    answer = staff.post(ADD, given(sandbox))

    assert answer.url == Connection.objects.get().get_absolute_url()
    assert staff.get(answer.url).status_code == 200


def test_empty_keys_keep_what_is_stored_and_nothing_shows_them(staff, sandbox, connection):
    Connection.objects.filter(pk=connection.pk).update(app_id=sandbox.app_id)
    connection.api_key = "sandbox-key"
    connection.save()
    url = connection.get_absolute_url()

    staff.post(url, given(sandbox, key="", password="", name="Renamed"))

    connection.refresh_from_db()
    assert (connection.name, connection.api_key, connection.api_password) == ("Renamed", sandbox.key, sandbox.password)
    page = staff.get(url).content.decode()
    assert "sandbox-password" not in page
    assert 'value="sandbox-key"' not in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"key": "nope"}, "API key is wrong"),
        ({"password": "nope"}, "API password is wrong"),
        ({"app_id": "nope"}, "app id is wrong"),
        ({"api_url": "http://127.0.0.1:9/api"}, "cannot be reached"),
        ({"api_url": "http://kartra.example/api"}, "others could read the keys"),
        ({"calls_per_second": "21"}, "less than or equal to 19.5"),
        ({"time_zone": "Mars/Base"}, "not the name of a time zone"),
        ({"key": ""}, "required"),
    ],
    ids=range(8),
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_saved(staff, sandbox, wrong, words):
    answer = staff.post(ADD, given(sandbox, **wrong))

    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert not Connection.objects.exists()
    assert not Account.objects.exists()


def test_web_page_instead_of_json_is_said(staff, sandbox):
    sandbox.fault("html, nothing done")
    assert "web page" in staff.post(ADD, given(sandbox)).content.decode()
    assert not Connection.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_kartra_is_asked_in_no_transaction_and_once(staff, sandbox, connection, monkeypatch):
    asked, send = [], HTTPAdapter.send

    def noted(*args, **given):
        asked.append(database.in_atomic_block)
        return send(*args, **given)

    monkeypatch.setattr(HTTPAdapter, "send", noted)
    sandbox.mirrored_lead(connection, "ada@example.com")
    Lead.objects.update(read_at=timezone.now())
    Connection.objects.filter(pk=connection.pk).update(app_id="another")
    asked.clear()

    for url, name in ((ADD, "Shop"), (connection.get_absolute_url(), "Renamed")):
        assert staff.post(url, given(sandbox, name=name)).status_code == 302
    assert staff.post(ADD, given(sandbox, name="Third", key="nope")).status_code == 200

    assert asked == [False] * 4  # the keys; the keys and a lead of the account; the keys
    assert set(Account.objects.values_list("name", flat=True)) == {"Shop", "Renamed"}


def test_one_who_may_not_change_connections_has_nothing_asked(client, sandbox, connection):
    client.force_login(StaffFactory())
    before = len(sandbox.calls())

    assert [client.post(url, given(sandbox)).status_code for url in (ADD, connection.get_absolute_url())] == [403, 403]
    assert len(sandbox.calls()) == before


def test_two_connections_of_one_name_are_refused(staff, sandbox):
    ConnectionFactory(account__name="Shop")
    assert "of this name already" in staff.post(ADD, given(sandbox)).content.decode()


def test_switch_check_and_catalogue(staff, sandbox, connection):
    def do(what, **more):
        return staff.post(
            reverse("admin:integrations_connection_do", args=[connection.pk, what]), more, follow=True
        ).content.decode()

    assert (
        "Stop sending"
        in staff.get(reverse("admin:integrations_connection_do", args=[connection.pk, "off"])).content.decode()
    )
    connection.refresh_from_db()
    assert connection.sending == "on"
    assert "Sending is stopped" in do("off", why="Lunch")
    connection.refresh_from_db()
    assert (connection.sending, connection.standing_stop.why) == ("stopped", "Lunch")
    sandbox.credentials(refuse="233")
    assert "stays as it was" in do("on")
    assert "API password is wrong" in do("check")
    assert "API password is wrong" in do("catalogue")
    sandbox.credentials(refuse="")
    assert "Sending is on" in do("on")
    assert "12 tags" in do("catalogue")
    assert staff.get(reverse("admin:integrations_connection_do", args=[connection.pk, "check"])).status_code == 302
    assert staff.get(reverse("admin:integrations_connection_do", args=[connection.pk, "explode"])).status_code == 404


def test_secret_of_an_address_is_written_and_never_shown(staff):
    endpoint = WebhookEndpointFactory(ipn_secret="first-secret")
    url = reverse("admin:integrations_webhookendpoint_change", args=[endpoint.pk])
    page = staff.get(url).content.decode()
    assert "first-secret" not in page
    assert endpoint.ipn_url in page

    staff.post(url, {"name": endpoint.name, "secret": ""})
    endpoint.refresh_from_db()
    assert endpoint.ipn_secret == "first-secret"
    staff.post(url, {"name": "Renamed", "secret": "second-secret"})
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.ipn_secret) == ("Renamed", "second-secret")


def test_retired_address_takes_nothing_more(staff, client):
    endpoint = WebhookEndpointFactory()
    staff.post(
        "/admin/integrations/webhookendpoint/", {"action": "retire", "_selected_action": [endpoint.pk], "index": "0"}
    )
    assert client.post(f"/webhooks/{endpoint.token}/", b"{}", content_type="application/json").status_code == 404
