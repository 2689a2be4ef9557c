"""The Dockerfile, and what the check of it (deploy/image_check.py) makes of its lines."""

import re

import pytest

from deploy.image_check import command_of, instructions, is_left_out
from tests.deploy.files import ROOT

LINES = instructions((ROOT / "Dockerfile").read_text())
RULES = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def rests(name):
    return [rest for each, rest in LINES if each == name]


def test_image_is_run_by_a_user_with_a_fixed_number():
    [user] = rests("USER")

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert f"--uid {user.partition(':')[0]} " in " ".join(rests("RUN"))
    assert [name for name, _rest in LINES].index("USER") < [name for name, _rest in LINES].index("CMD")


def test_what_builds_is_not_in_the_image():
    assert len(rests("FROM")) == 2
    assert [rest for rest in rests("COPY") if "--from=" in rest] == ["--from=build /opt/venv /opt/venv"]
    assert "pip" not in " ".join(rest for _name, rest in LINES[[n for n, _r in LINES].index("FROM", 1) :])


def test_image_stops_and_is_asked_as_it_should_be():
    assert rests("STOPSIGNAL") == ["SIGTERM"]
    assert command_of(rests("CMD")[0])[0] == "gunicorn"
    assert "/healthz" in rests("HEALTHCHECK")[0]


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        "var/keys.json",
        "var/db.sqlite3",
        ".venv/bin/python",
        "tests/conftest.py",
        "docker-compose.yml",
        "leads/__pycache__/apps.cpython-311.pyc",
        "kartra_mirror/admin/__pycache__",
    ],
)
def test_nothing_private_or_idle_reaches_the_builder(path):
    assert is_left_out(path, RULES)


def test_everything_that_is_copied_reaches_the_builder():
    sources = [word for rest in rests("COPY") if "--from=" not in rest for word in rest.split()[:-1]]

    assert len(sources) >= 7
    assert [source for source in sources if not (ROOT / source).exists() or is_left_out(source, RULES)] == []
    assert not is_left_out("leads/models/lead.py", RULES)
    assert {"kartra_mirror", "leads", "integrations", "templates"} <= set(sources)


def test_lines_are_read_as_docker_reads_them():
    text = '# a\nFROM x:1 AS y\nRUN a \\\n    && b\nCOPY --from=y /a \\\n  /b\n\nHEALTHCHECK --interval=1s \\\n CMD ["a", "b c"]\n'

    assert instructions(text) == [
        ("FROM", "x:1 AS y"),
        ("RUN", "a && b"),
        ("COPY", "--from=y /a /b"),
        ("HEALTHCHECK", '--interval=1s CMD ["a", "b c"]'),
    ]
    assert command_of('["a", "b c"]') == ["a", "b c"]
    assert command_of("a b") == ["sh", "-c", "a b"]
