"""The units of deploy/systemd/: the same processes as everywhere, and what systemd itself says of them."""

import re
import shlex
import shutil
import subprocess

import pytest

from tests.deploy.files import QUEUES, ROOT, procfile, queues_of, same_but_for_host

FOLDER = ROOT / "deploy/systemd"
HOME = "/opt/kartra-mirror"
SERVICES = {"web": "web", "push@": "worker", "apply": "apply", "beat": "beat"}
"""Which line of the Procfile each is."""
ALL = (FOLDER / "kartra-mirror-.service.d/all.conf").read_text()


def unit(name):
    return (FOLDER / f"kartra-mirror-{name}.service").read_text()


def said(text, key):
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def command(name):
    [line] = said(unit(name), "ExecStart")
    words = shlex.split(line)
    return [words[0].removeprefix(f"{HOME}/.venv/bin/"), *words[1:]]


@pytest.mark.parametrize("name", SERVICES)
def test_processes_are_those_of_the_procfile(name):
    assert same_but_for_host(command(name)) == same_but_for_host(procfile()[SERVICES[name]])


def test_workers_together_take_every_queue():
    assert set.union(*(queues_of(command(name)) for name in SERVICES)) == QUEUES


@pytest.mark.parametrize("name", SERVICES)
def test_process_comes_back_has_time_to_end_and_waits_for_the_tables(name):
    text = unit(name)

    assert said(text, "Restart") == ["always"]
    assert int(said(text, "TimeoutStopSec")[0]) > 30
    assert said(text, "ExecStartPre") == [f"{HOME}/.venv/bin/python manage.py migrate --check"]
    assert said(text, "MemoryMax")
    assert said(ALL, "StartLimitIntervalSec") == ["0"]


def test_nothing_is_written_but_in_its_own_folder():
    assert said(ALL, "ProtectSystem") == ["strict"]
    assert said(ALL, "ReadWritePaths") == ["/var/lib/kartra-mirror"]
    assert said(ALL, "NoNewPrivileges") == ["yes"]
    assert said(ALL, "CapabilityBoundingSet") == [""]
    assert said(ALL, "EnvironmentFile") == [f"{HOME}/.env"]
    assert said(ALL, "User") == ["mirror"]


def test_systemd_keeps_the_address_of_web():
    assert said(unit("web"), "Requires") == ["kartra-mirror-web.socket"]
    assert said((FOLDER / "kartra-mirror-web.socket").read_text(), "ListenStream") == ["127.0.0.1:8000"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path):
    """With programs that are there; and it would find something, in the part that all share too."""
    for path in (path for path in FOLDER.rglob("*") if path.is_file()):
        to = tmp_path / path.relative_to(FOLDER)
        to.parent.mkdir(exist_ok=True)
        to.write_text(path.read_text().replace(f"{HOME}/.venv/bin/", "/bin/").replace("/bin/gunicorn", "/bin/true"))
        to.write_text(re.sub(r"/bin/(python|celery)\b", "/bin/true", to.read_text()))
    names = sorted(path.name.replace("@.", "@1.") for path in tmp_path.glob("kartra-mirror*.*") if path.is_file())

    clean = subprocess.run(
        ["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    with (tmp_path / "kartra-mirror-.service.d/all.conf").open("a") as file:
        file.write("NoSuchThing=yes\n")
    wrong = subprocess.run(
        ["systemd-analyze", "verify", *names], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert len(names) == 7
    assert (clean.returncode, clean.stderr) == (0, "")
    assert "NoSuchThing" in wrong.stderr
