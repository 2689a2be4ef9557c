"""Where `connect` has Kartra's keys from, and that none is shown."""

import io
import sys

import pytest
from django.core.management import CommandError, call_command

from integrations.models import Connection

pytestmark = pytest.mark.django_db(transaction=True)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def connect(sandbox, *args):
    out, err = io.StringIO(), io.StringIO()
    call_command("connect", "Shop", "--api-url", sandbox.url, *args, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def lines(sandbox):
    return (
        f"# of our shop\nKARTRA_APP_ID={sandbox.app_id}\n\nexport KARTRA_API_KEY='{sandbox.key}'\n"
        f"KARTRA_API_PASSWORD = {sandbox.password}\n"
    )


@pytest.fixture
def secrets_file(sandbox, tmp_path):
    path = tmp_path / "secrets"
    path.write_text(lines(sandbox))
    path.chmod(0o600)
    return path


def made(sandbox):
    connection = Connection.objects.get()
    return (connection.app_id, connection.api_key, connection.api_password) == (
        sandbox.app_id,
        sandbox.key,
        sandbox.password,
    )


def test_keys_from_a_file(sandbox, secrets_file):
    _out, err = connect(sandbox, "--secrets-file", str(secrets_file))

    assert made(sandbox)
    assert err == ""


def test_keys_from_standard_input(sandbox, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines(sandbox)))

    connect(sandbox, "--secrets-file", "-")

    assert made(sandbox)


def test_keys_from_the_environment(sandbox, monkeypatch):
    for name, value in (("APP_ID", sandbox.app_id), ("API_KEY", sandbox.key), ("API_PASSWORD", sandbox.password)):
        monkeypatch.setenv(f"KARTRA_{name}", value)

    _out, err = connect(sandbox)

    assert made(sandbox)
    assert err == ""


def test_missing_keys_are_asked_for_at_a_terminal_alone(sandbox, monkeypatch):
    asked = []
    answers = {"App id: ": sandbox.app_id, "Api key: ": sandbox.key, "Api password: ": sandbox.password}
    monkeypatch.setattr("getpass.getpass", lambda prompt: (asked.append(prompt), f"{answers[prompt]}\n")[1])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="api key"):
        connect(sandbox)
    assert asked == []

    monkeypatch.setattr(sys, "stdin", Terminal())
    connect(sandbox, "--app-id", sandbox.app_id)
    assert made(sandbox)
    assert asked == ["Api key: ", "Api password: "]
    connect(sandbox, "--calls-per-second", "5")  # it has them
    assert len(asked) == 2


def test_keys_on_the_command_line_are_warned_of(sandbox):
    given = ["--app-id", sandbox.app_id, "--api-key", sandbox.key, "--api-password", sandbox.password]

    out, err = connect(sandbox, *given)

    assert made(sandbox)
    assert "--api-key and --api-password on the command line: other users of this machine can see it" in err
    assert sandbox.key not in out + err
    assert sandbox.password not in out + err


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_file_that_others_may_read_is_refused(sandbox, secrets_file, mode):
    secrets_file.chmod(mode)

    with pytest.raises(CommandError, match="chmod 600"):
        connect(sandbox, "--secrets-file", str(secrets_file))

    assert sandbox.calls() == []


@pytest.mark.parametrize(
    "text", ["hush-hush", "KARTRA_KEY=hush-hush", "KARTRA_API_KEY=hush-hush\nKARTRA_API_KEY=hush-hush"]
)
def test_wrong_line_is_named_by_its_number_alone(sandbox, secrets_file, text):
    secrets_file.write_text(text)

    with pytest.raises(CommandError, match=r"Line \d of ") as caught:
        connect(sandbox, "--secrets-file", str(secrets_file))

    assert "hush" not in str(caught.value)
    assert caught.value.returncode == 2


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), (b"\xff\xfe\xff", "no text")])
def test_file_that_is_none(sandbox, tmp_path, content, words):
    path = tmp_path / "secrets"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)

    with pytest.raises(CommandError, match=words):
        connect(sandbox, "--secrets-file", str(path))
