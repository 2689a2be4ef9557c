"""`make env`: a file that is right, for its owner alone, and never one over another."""

import os
import stat
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet

from deploy.make_env import Unfit, address_of, filled
from tests.deploy.files import ROOT, example_names

SCRIPT = [sys.executable, str(ROOT / "deploy/make_env.py")]
GIVEN = ["--host", "mirror.example.com", "--mail", "you@example.com"]


def values(text):
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def make(folder, *arguments):
    return subprocess.run(
        [*SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30
    )


def test_file_is_written_for_its_owner_alone(tmp_path):
    answer = make(tmp_path, *GIVEN)

    assert answer.returncode == 0
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    found = values((tmp_path / ".env").read_text())
    assert found["PUBLIC_URL"] == "https://mirror.example.com"
    assert found["ALLOWED_HOSTS"] == "mirror.example.com"
    assert found["ADMINS"] == "you@example.com"
    assert found["POSTGRES_PASSWORD"] in found["DATABASE_URL"]
    assert Fernet(found["FIELD_ENCRYPTION_KEYS"])


def test_file_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / ".env").write_text("SECRET_KEY=mine\n")

    answer = make(tmp_path, *GIVEN)

    assert answer.returncode == 1
    assert answer.stderr == ".env is there already, with the keys of an installation. Nothing was changed.\n"
    assert (tmp_path / ".env").read_text() == "SECRET_KEY=mine\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say for whom: make env HOST=mirror.example.com MAIL=you@example.com"),
        (["--host", "mirror.example.com"], "Say for whom"),
        (["--host", "my mirror", "--mail", "you@example.com"], "is no name of a machine"),
        (["--host", "mirror.example.com/admin", "--mail", "you@example.com"], "is no name of a machine"),
        (["--host", "mirror.example.com", "--mail", "you"], "is no mail address"),
    ],
)
def test_without_a_fit_answer_nothing_is_written(tmp_path, arguments, words):
    answer = make(tmp_path, *arguments)

    assert answer.returncode == 2
    assert words in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_keys_are_new_each_time_and_every_name_is_a_setting():
    first, second = (values(filled("mirror.example.com", "you@example.com")) for _ in range(2))
    secret = {
        "SECRET_KEY",
        "FIELD_ENCRYPTION_KEYS",
        "DIGEST_KEYS",
        "METRICS_TOKEN",
        "POSTGRES_PASSWORD",
        "DATABASE_URL",
    }

    assert {name for name in first if first[name] != second[name]} == secret
    assert set(first) <= example_names()
    assert not set("".join(first.values())) & set(" $'\"#\\`"), "a shell, compose and systemd each read it another way"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("mirror.example.com", ("https://mirror.example.com", "mirror.example.com")),
        ("https://mirror.example.com/", ("https://mirror.example.com", "mirror.example.com")),
        ("http://127.0.0.1:8480", ("http://127.0.0.1:8480", "127.0.0.1")),
        ("https://mirror.example.com:8443", ("https://mirror.example.com:8443", "mirror.example.com")),
    ],
)
def test_address_of_a_name(text, address):
    assert address_of(text) == address


def test_address_that_is_none_is_refused():
    for text in ("", "ftp://mirror.example.com", "-x", "a,b"):
        with pytest.raises(Unfit):
            address_of(text)


def test_product_starts_with_the_file_as_it_is(tmp_path):
    """`check --deploy` has nothing to say of a new installation's settings."""
    text = filled("mirror.example.com", "you@example.com").replace("/var/lib/kartra-mirror", str(tmp_path))
    environment = {**{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}, **values(text)}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert answer.returncode == 0, answer.stderr
