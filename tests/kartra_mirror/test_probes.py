"""What a balancer and a container ask: by address, over plain http, whatever host they name."""

import pytest

pytestmark = pytest.mark.django_db


@pytest.fixture
def production(settings):
    settings.ALLOWED_HOSTS = ["mirror.example.com"]
    settings.SECURE_SSL_REDIRECT = True


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "127.0.0.1", "[fd00::1]:8000", "stranger.example", 'x"><y>'])
def test_probe_is_answered_whatever_the_host_and_over_plain_http(client, production, host):
    alive, ready = (client.get(path, headers={"host": host}) for path in ("/healthz", "/readyz"))

    assert (alive.status_code, alive.content) == (200, b"ok\n")
    assert ready.json()["database"] is True
    for answer in (alive, ready):
        assert answer.headers["Cache-Control"] == "no-store"
        assert host.encode() not in answer.content
        assert not {"Location", "Set-Cookie"} & set(answer.headers)


def test_every_other_address_keeps_to_host_and_https(client, production):
    for path in ("/admin/login/", "/metrics", "/healthz/", "/readyz/", "//healthz", "/healthzz", "/webhooks/x/"):
        assert client.get(path, headers={"host": "10.1.2.3"}).status_code in (301, 400), path
        assert client.get(path, headers={"host": "mirror.example.com"}).headers["Location"].startswith("https://"), path


def test_probe_takes_nothing(client, production):
    answers = [client.post(path, {"a": "b"}, headers={"host": "10.1.2.3"}) for path in ("/healthz", "/readyz")]

    assert [answer.status_code for answer in answers] == [405, 405]
    assert client.head("/healthz").status_code == 200
