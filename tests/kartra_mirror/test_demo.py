"""The demo runs on a database of its own and leaves a real installation alone; gunicorn reads what Django reads."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

ROOT = Path(__file__).resolve().parents[2]
SANDBOX_OFF = "http://127.0.0.1:9"  # the demo would wait for it; nobody gets that far
REFUSED = "The demo runs only on a database of its own"


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A folder with an embedded database that has its tables."""
    folder = tmp_path_factory.mktemp("migrated")
    assert manage(ROOT, "migrate", "--verbosity", "0", VAR_DIR=str(folder)).returncode == 0
    return folder


@pytest.fixture
def project(tmp_path):
    """The project in a folder of its own, so that there can be a .env beside it."""
    folder = tmp_path / "project"
    for name in ("kartra_mirror", "leads", "integrations", "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", folder)
    return folder


def run(folder, *command, **variables):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {**kept, "SANDBOX_URL": SANDBOX_OFF, **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def manage(folder, *arguments, **variables):
    return run(folder, sys.executable, "manage.py", *arguments, **variables)


def make_admin(folder, **variables):
    made = manage(
        folder,
        "createsuperuser",
        "--noinput",
        "--username",
        "admin",
        "--email",
        "boss@example.com",
        DJANGO_SUPERUSER_PASSWORD="correct horse battery",
        **variables,
    )
    assert made.returncode == 0, made.stderr


def rows(path):
    with sqlite3.connect(path) as database:
        users = database.execute("SELECT id, username, email, password, is_superuser FROM auth_user").fetchall()
        accounts = database.execute("SELECT name FROM leads_account").fetchall()
        return users, accounts


def production(project, database, **more):
    """A .env of a real installation."""
    lines = {
        "SECRET_KEY": "a-real-one-of-fifty-characters-and-more-0123456789abcdef",
        "DIGEST_KEYS": "another",
        "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "DATABASE_URL": f"sqlite:///{database}",
        **more,
    }
    (project / ".env").write_text("".join(f"{name}={value}\n" for name, value in lines.items() if value))


@pytest.fixture
def earlier(migrated, tmp_path):
    """A folder as an earlier version left it: migrations are recorded that this version does not have."""
    folder = tmp_path / "earlier"
    shutil.copytree(migrated, folder)
    with sqlite3.connect(folder / "db.sqlite3") as database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('leads', '0002_every_kind', '2026-11-24')"
        )
    database.close()
    return folder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("arguments", [["demo", "--prepare"], ["demo"], ["migrate"]], ids=" ".join)
def test_folder_of_an_earlier_version_is_named_and_not_touched(earlier, arguments):
    before = contents(earlier)
    answer = manage(ROOT, *arguments, VAR_DIR=str(earlier))
    assert answer.returncode == 1
    assert (
        answer.stderr.strip()
        .splitlines()[0]
        .startswith(f"CommandError: {earlier}/db.sqlite3 was made by an earlier version")
    )
    assert "VAR_DIR=var-new make run" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert contents(earlier) == before


@pytest.mark.parametrize("forced", [{}, {"EMBEDDED": "1"}], ids=["as it is", "EMBEDDED=1"])
@pytest.mark.parametrize("arguments", [["demo"], ["demo", "--prepare"]], ids=" ".join)
def test_demo_beside_a_production_env_changes_nothing(project, migrated, tmp_path, arguments, forced):
    database = tmp_path / "real.sqlite3"
    shutil.copy(migrated / "db.sqlite3", database)
    production(project, database)
    make_admin(project)
    before = rows(database)

    answer = manage(project, *arguments, **forced)

    assert answer.returncode == 1
    assert REFUSED in answer.stderr
    assert "Traceback" not in answer.stderr
    assert rows(database) == before
    assert [name for _id, name, *_more in before[0]] == ["admin"]


@pytest.mark.parametrize("name", ["SECRET_KEY", "REDIS_URL"])
def test_demo_refuses_one_variable_of_a_real_installation(project, migrated, tmp_path, name):
    value = {
        "SECRET_KEY": "a-real-one-of-fifty-characters-and-more-0123456789abcdef",
        "REDIS_URL": "redis://127.0.0.1:9/0",
    }
    (project / ".env").write_text(f"{name}={value[name]}\n")
    shutil.copytree(migrated, tmp_path / "var")

    answer = manage(project, "demo", VAR_DIR=str(tmp_path / "var"), EMBEDDED="1")

    assert (answer.returncode, REFUSED in answer.stderr) == (1, True)


def test_demo_refuses_an_embedded_database_that_people_use(migrated, tmp_path):
    folder = tmp_path / "var"
    shutil.copytree(migrated, folder)
    make_admin(ROOT, VAR_DIR=str(folder))
    before = rows(folder / "db.sqlite3")

    answer = manage(ROOT, "demo", "--prepare", VAR_DIR=str(folder))

    assert (answer.returncode, REFUSED in answer.stderr) == (1, True)
    assert str(folder / "db.sqlite3") in answer.stderr
    assert rows(folder / "db.sqlite3") == before


def test_demo_marks_an_empty_database_and_comes_back_to_it(migrated, tmp_path):
    folder = tmp_path / "var"
    shutil.copytree(migrated, folder)
    assert manage(ROOT, "demo", "--prepare", VAR_DIR=str(folder)).returncode == 0
    make_admin(ROOT, VAR_DIR=str(folder))

    again = manage(ROOT, "demo", "--prepare", VAR_DIR=str(folder))

    assert (again.returncode, again.stderr) == (0, "")
    with sqlite3.connect(folder / "db.sqlite3") as database:
        assert database.execute("SELECT is_demo FROM integrations_installation").fetchall() == [(1,)]
        [(key,)] = database.execute("SELECT key FROM integrations_installation").fetchall()
    assert (folder / "installation").read_text().replace("-", "") == key


def test_procfile_holds_what_a_real_installation_runs():
    names = {line.split(":")[0]: line for line in (ROOT / "Procfile").read_text().splitlines()}
    demo = {line.split(":")[0]: line for line in (ROOT / "Procfile.demo").read_text().splitlines()}

    assert set(names) == {"web", "worker", "apply", "beat"}
    assert {name: demo[name] for name in names} == names
    assert set(demo) - set(names) == {"sandbox", "setup"}
    assert "--procfile Procfile.demo" in (ROOT / "Makefile").read_text()


def test_gunicorn_reads_the_env_file_as_django_does(project, tmp_path):
    production(
        project, tmp_path / "real.sqlite3", WEB_HOST="127.0.0.3", WEB_PORT="8123", WEB_WORKERS="3", WEB_THREADS="5"
    )

    answer = run(
        project,
        sys.executable,
        "-m",
        "gunicorn",
        "kartra_mirror.wsgi",
        "--config",
        "kartra_mirror/gunicorn.py",
        "--print-config",
    )
    url = manage(
        project, "shell", "--verbosity", "0", "-c", "from django.conf import settings; print(settings.PUBLIC_URL)"
    )

    assert answer.returncode == 0, answer.stderr
    found = dict(line.split("=", 1) for line in answer.stdout.replace(" ", "").splitlines() if "=" in line)
    assert found["bind"] == "['127.0.0.3:8123']"
    assert (found["workers"], found["threads"]) == ("3", "5")
    assert url.stdout.strip() == "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("first", "refused"), [(SANDBOX_OFF, False), ("https://app.kartra.com", True)], ids=["demo", "real"]
)
def test_database_from_before_there_were_marks_is_the_demos_if_its_first_connection_is(
    migrated, tmp_path, first, refused
):
    folder = tmp_path / "var"
    shutil.copytree(migrated, folder)
    make_admin(ROOT, VAR_DIR=str(folder))
    (folder / "login.txt").write_text("x")
    made = manage(
        ROOT,
        "shell",
        "--verbosity",
        "0",
        "-c",
        "from leads.models import Account; from integrations.models import Connection\n"
        f"for n, url in enumerate(['{first}/api', '{SANDBOX_OFF}/api']):\n"
        "    Connection.objects.create(account=Account.objects.create(name=f'a{n}'), app_id='x', api_key='k', api_password='p', api_url=url)",
        VAR_DIR=str(folder),
    )
    assert made.returncode == 0, made.stderr

    answer = manage(ROOT, "demo", "--prepare", VAR_DIR=str(folder))

    assert (answer.returncode, REFUSED in answer.stderr) == ((1, True) if refused else (0, False))
