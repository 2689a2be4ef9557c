"""How the web process is reached: what is believed of a proxy, what is said of plain http, and the options of HSTS."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
REAL = {
    "SECRET_KEY": "a-real-one-of-fifty-characters-and-more-0123456789abcdef",
    "DIGEST_KEYS": "another",
    "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "EMBEDDED": "0",
    "ALLOWED_HOSTS": "mirror.example.com",
}
HTTPS = {"PUBLIC_URL": "https://mirror.example.com"}
PLAIN = {"PUBLIC_URL": "http://mirror.example.com"}
ASKED = """
import django, json
django.setup()
from django.conf import settings
from django.test import RequestFactory
from kartra_mirror.edge import checks
request = RequestFactory().get("/", headers={"X-Forwarded-Proto": "https"})
names = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")
print(json.dumps({
    "secure": request.is_secure(),
    "said": [each.id for each in checks.check_public_url()],
    "about the proxy": checks.about_the_proxy(),
    "hsts": [getattr(settings, name) for name in names],
    "hosts": settings.KARTRA_HOSTS,
    "plain": settings.PLAIN_HTTP_HOSTS,
    "digest keys": settings.DIGEST_KEYS,
}))
"""


def run(folder, *command, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {
        **kept,
        **REAL,
        "VAR_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "kartra_mirror.settings",
        **environment,
    }
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def facts(folder, **environment):
    answer = run(folder, "-c", ASKED, **environment)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


def test_scheme_that_a_header_tells_is_believed_of_a_proxy_alone(tmp_path):
    alone, behind = facts(tmp_path, **HTTPS), facts(tmp_path, **HTTPS, PROXY_COUNT="1")

    assert (alone["secure"], behind["secure"]) == (False, True)
    assert "PROXY_COUNT=1" in alone["about the proxy"]
    assert behind["about the proxy"] == ""


def test_options_of_hsts_are_settings(tmp_path):
    given = {
        "SECURE_HSTS_SECONDS": "60",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": "0",
        "SECURE_HSTS_PRELOAD": "0",
        "PROXY_COUNT": "1",
    }

    assert facts(tmp_path, **HTTPS)["hsts"] == [31536000, True, True]
    assert facts(tmp_path, **HTTPS, **given)["hsts"] == [60, False, False]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (PLAIN, ["kartra_mirror.W001"]),
        (HTTPS, []),
        (PLAIN | {"DEBUG": "1"}, []),
        (PLAIN | {"EMBEDDED": "1"}, []),
        ({"PUBLIC_URL": "http://127.0.0.1:8000"}, []),
        ({"PUBLIC_URL": "http://localhost"}, []),
    ],
)
def test_plain_http_is_said_where_it_is_an_oversight(tmp_path, environment, said):
    assert facts(tmp_path, **environment)["said"] == said


def test_check_says_what_to_do(tmp_path):
    answer = run(tmp_path, "manage.py", "check", **PLAIN)

    assert "kartra_mirror.W001" in answer.stderr
    assert "deploy/Caddyfile" in answer.stderr
    assert run(tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **HTTPS).returncode == 0


LOOPBACK = ["127.0.0.1", "localhost", "::1"]


@pytest.mark.parametrize(
    ("environment", "hosts", "plain"),
    [
        (HTTPS, ["app.kartra.com"], []),
        (HTTPS | {"KARTRA_HOSTS": "proxy.example.com"}, ["app.kartra.com", "proxy.example.com"], []),
        (HTTPS | {"PLAIN_HTTP_HOSTS": "10.0.0.5"}, ["app.kartra.com", "10.0.0.5"], ["10.0.0.5"]),
        (HTTPS | {"DEBUG": "1"}, ["app.kartra.com", *LOOPBACK], LOOPBACK),
        ({}, ["app.kartra.com", *LOOPBACK], LOOPBACK),
    ],
    ids=["production", "named", "plain http named", "debug", "not over https"],
)
def test_hosts_that_keys_may_go_to(tmp_path, environment, hosts, plain):
    told = facts(tmp_path, **environment)
    assert (told["hosts"], told["plain"]) == (hosts, plain)


def test_digest_key_is_taken_by_the_name_it_had(tmp_path, monkeypatch):
    assert facts(tmp_path, **HTTPS)["digest keys"] == ["another"]
    monkeypatch.delitem(REAL, "DIGEST_KEYS")
    assert facts(tmp_path, **HTTPS, DIGEST_KEY="former")["digest keys"] == ["former"]
