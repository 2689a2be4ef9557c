"""What is kept on disk is its owner's alone, whatever the umask of whoever starts us."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import call_command

from kartra_mirror import private_files
from kartra_mirror.edge.checks import check_var_dir
from tests.chaos.servers import ROOT, free_port, wait_for

BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def _same_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_ones(folder):
    """What others may open of the folder and of all that is in it, with its mode."""
    found = [folder, *folder.rglob("*")]
    return {str(path): oct(path.stat().st_mode & 0o777) for path in found if path.stat().st_mode & 0o077}


def test_nothing_of_a_running_demo_is_open_to_others(tmp_path):
    var, out = tmp_path / "var", tmp_path / "leads.csv"
    var.mkdir(mode=0o755)
    web, kartra = free_port(), free_port()
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    env = {
        **kept,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "VAR_DIR": str(var),
        "WEB_PORT": str(web),
        "SANDBOX_PORT": str(kartra),
        "SANDBOX_LEADS": "30",
    }
    how = {"cwd": ROOT, "env": env, "umask": 0o022}

    subprocess.run([sys.executable, "manage.py", "demo", "--prepare"], check=True, capture_output=True, **how)
    house = subprocess.Popen(
        [BIN / "honcho", "--procfile", "Procfile.demo", "start"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **how,
    )
    try:
        wait_for(web, 60)
        ends = time.monotonic() + 60
        while not (var / "login.txt").exists() and time.monotonic() < ends:
            time.sleep(0.2)
        change = ["change", "assign_tag", "--set", "tag=VIP", "--connection", "Kartra sandbox", "--all", "--wait"]
        for args in (change, ["export_leads", str(out), "--connection", "Kartra sandbox"]):
            subprocess.run([sys.executable, "manage.py", *args], check=True, capture_output=True, **how)
        while_running = open_ones(var)
        names = {path.name for path in var.iterdir()}
    finally:
        house.terminate()
        house.wait(30)

    assert while_running == {}
    assert {"db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "keys.json", "login.txt", "broker", "calls"} <= names
    assert {"installation", "sandbox.sqlite3"} <= names
    assert open_ones(var) == {}
    assert open_ones(out) == {}


def test_folder_of_an_earlier_version_is_narrowed_once(tmp_path):
    (tmp_path / "calls").mkdir()
    (tmp_path / "db.sqlite3").write_text("")
    (tmp_path / "calls" / "1.count").write_text("7")
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.write_text("not ours")
    (tmp_path / "link").symlink_to(elsewhere)
    tmp_path.chmod(0o755)

    private_files.keep_private(tmp_path)

    assert (elsewhere.stat().st_mode & 0o777) == 0o644
    (tmp_path / "link").unlink()
    assert open_ones(tmp_path) == {}


@pytest.mark.parametrize("other", ["file", "owner"])
def test_folder_that_is_not_ours_is_left_and_named(tmp_path, settings, monkeypatch, other):
    (tmp_path / ("somebody's" if other == "file" else "db.sqlite3")).write_text("")
    if other == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    tmp_path.chmod(0o755)

    private_files.keep_private(tmp_path)

    assert tmp_path.stat().st_mode & 0o777 == 0o755
    settings.VAR_DIR = tmp_path
    [warning] = check_var_dir()
    assert "other users of this machine may open" in warning.msg
    tmp_path.chmod(0o700)
    assert check_var_dir() == []


@pytest.mark.django_db
def test_check_says_so(tmp_path, settings, capsys):
    tmp_path.chmod(0o755)
    settings.VAR_DIR = tmp_path

    call_command("check", stderr=sys.stderr)

    assert "kartra_mirror.W002" in capsys.readouterr().err


def test_static_files_stay_readable_for_whatever_serves_them(tmp_path):
    """As the Dockerfile collects them, for another user than runs the web process."""
    code = (
        "import sys, pathlib; sys.argv = ['manage.py', 'collectstatic', '--noinput', '--verbosity', '0'];"
        "from kartra_mirror import settings as ours;"
        f"ours.STATIC_ROOT = {str(tmp_path / 'static')!r};"
        "from django.core.management import execute_from_command_line as go; go(sys.argv)"
    )
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "kartra_mirror.settings",
        "EMBEDDED": "1",
        "VAR_DIR": str(tmp_path / "var"),
        "PYTHONPATH": str(ROOT),
    }

    subprocess.run([sys.executable, "-c", code], check=True, env=env, umask=0o022, capture_output=True)

    collected = [path for path in (tmp_path / "static").rglob("*") if path.is_file()]
    assert len(collected) > 50
    assert [str(path) for path in collected if path.stat().st_mode & 0o044 != 0o044] == []
    assert all(path.stat().st_mode & 0o055 == 0o055 for path in (tmp_path / "static").rglob("*") if path.is_dir())
