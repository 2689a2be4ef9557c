"""docker-compose.yml: what is there, what waits for what, what nothing in .env can undo."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from deploy.make_env import filled
from tests.deploy.files import (
    COMPOSE,
    OURS,
    QUEUES,
    ROOT,
    SERVICES,
    dockerfile_env,
    example_names,
    procfile,
    queues_of,
    same_but_for_host,
)

BUILT = [name for name, service in SERVICES.items() if service.get("build")]
KARTRA_DEADLINE_S = 30


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(s|m)", text).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_services_are_those_of_a_whole_installation():
    assert set(SERVICES) == {"migrate", *OURS, "postgres", "redis", "caddy", "sandbox"}
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["sandbox"]
    assert set(BUILT) == {"migrate", *OURS, "sandbox"}


@pytest.mark.parametrize("name", [*OURS, "sandbox", "caddy"])
def test_everything_waits_until_the_tables_are_there(name):
    waits = SERVICES[name]["depends_on"]

    assert waits["migrate"] == {"condition": "service_completed_successfully"}
    assert {each["condition"] for each in waits.values()} <= {"service_healthy", "service_completed_successfully"}


def test_tables_are_made_once_and_wait_for_the_database_alone():
    migrate = SERVICES["migrate"]

    assert shlex.split(migrate["command"]) == ["python", "manage.py", "migrate", "--noinput"]
    assert migrate["depends_on"] == {name: {"condition": "service_healthy"} for name in ("postgres", "redis")}
    assert migrate["restart"] == "no"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_every_service_says_whether_it_is_well(name):
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert check["retries"] >= 3


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_is_held_close(name):
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert any(each.startswith("/tmp") for each in service["tmpfs"])
    assert service["init"] is True
    assert service["mem_limit"]
    assert "privileged" not in service


def test_only_the_proxy_can_be_reached_from_outside():
    assert [name for name, service in SERVICES.items() if service.get("ports")] == ["caddy"]


def test_images_are_exact_versions():
    images = [service["image"] for name, service in SERVICES.items() if name not in BUILT]
    images += re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)

    assert [image for image in images if not re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)+", image)] == []


@pytest.mark.parametrize("name", BUILT)
def test_no_variable_of_the_image_can_be_undone_by_env(name):
    service, image = SERVICES[name], dockerfile_env()
    settings_of_image = {key: value for key, value in image.items() if key in example_names()}

    assert set(settings_of_image) == {"VAR_DIR", "WEB_HOST", "WEB_PORT"}
    assert service["env_file"] == ".env"
    assert settings_of_image.items() <= service["environment"].items()
    assert {"DATABASE_URL", "REDIS_URL", "PROXY_COUNT"} <= set(service["environment"])
    assert service["volumes"] == [f"var:{image['VAR_DIR']}"]


@pytest.mark.parametrize("name", BUILT)
def test_variables_are_those_that_the_settings_know(name):
    assert set(SERVICES[name]["environment"]) <= example_names()


def test_names_of_containers_are_those_of_services():
    for name in BUILT:
        environment = SERVICES[name]["environment"]
        for address in (environment["DATABASE_URL"], environment["REDIS_URL"]):
            assert re.search(r"(?:@|//)(\w+):\d+/", address)[1] in SERVICES
    upstream, _, port = SERVICES["caddy"]["environment"]["MIRROR_UPSTREAM"].partition(":")
    assert (upstream, port) == ("web", SERVICES["web"]["environment"]["WEB_PORT"])


@pytest.mark.parametrize(("name", "line"), [("push", "worker"), ("apply", "apply"), ("beat", "beat")])
def test_commands_are_those_of_the_procfile(name, line):
    assert same_but_for_host(shlex.split(SERVICES[name]["command"])) == same_but_for_host(procfile()[line])


def test_workers_together_take_every_queue():
    assert set.union(*(queues_of(shlex.split(SERVICES[name].get("command", ""))) for name in OURS)) == QUEUES


@pytest.mark.parametrize("name", OURS)
def test_a_call_under_way_has_time_to_end(name):
    assert seconds(SERVICES[name]["stop_grace_period"]) > KARTRA_DEADLINE_S


@pytest.mark.parametrize("name", ["push", "apply", "beat"])
def test_check_of_a_worker_looks_at_the_file_it_touches(name):
    assert SERVICES[name]["environment"]["ALIVE_FILE"] in SERVICES[name]["healthcheck"]["test"][-1]


def test_check_of_web_is_that_of_the_image():
    text = (ROOT / "Dockerfile").read_text()

    assert SERVICES["web"]["healthcheck"]["test"][-1] in text
    assert "/healthz" in SERVICES["web"]["healthcheck"]["test"][-1]


def test_redis_keeps_what_it_has():
    command = SERVICES["redis"]["command"]

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "redis:/data" in SERVICES["redis"]["volumes"]


def test_every_volume_is_declared():
    used = {each.partition(":")[0] for service in SERVICES.values() for each in service.get("volumes", [])}

    assert {each for each in used if not each.startswith(".")} == set(COMPOSE["volumes"])
    assert [each for each in used if each.startswith(".") and not (ROOT / each).exists()] == []


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_takes_the_file_with_the_env_that_is_made(tmp_path):
    (tmp_path / "docker-compose.yml").write_text((ROOT / "docker-compose.yml").read_text())
    options = {
        "cwd": tmp_path,
        "env": {"PATH": os.environ["PATH"]},
        "capture_output": True,
        "text": True,
        "timeout": 60,
    }
    command = ["docker-compose", "--profile", "sandbox", "config"]

    without = subprocess.run(command, **options)
    (tmp_path / ".env").write_text(filled("mirror.example.com", "you@example.com"))
    answer = subprocess.run(command, **options)

    assert without.returncode != 0
    assert answer.returncode == 0, answer.stderr
    assert "WARNING" not in answer.stderr
    assert "WEB_HOST: 0.0.0.0" in answer.stdout
    assert "MIRROR_ADDRESS: https://mirror.example.com" in answer.stdout
