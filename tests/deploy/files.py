"""What the files of a deployment say, read once."""

import re
import shlex
from pathlib import Path

import yaml
from django.conf import settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("web", "push", "apply", "beat")
"""The processes of the product."""
QUEUES = {queue.name for queue in settings.CELERY_TASK_QUEUES}


def procfile():
    """{name: words of its command}"""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: shlex.split(command) for name, _, command in (line.partition(": ") for line in lines)}


def queues_of(command):
    return set(command[command.index("--queues") + 1].split(",")) if "--queues" in command else set()


def dockerfile_env():
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    pairs = [
        word.partition("=") for line in re.findall(r"^ENV (.*)$", text, re.MULTILINE) for word in shlex.split(line)
    ]
    return {name: value for name, _, value in pairs}


def example_names():
    """The variables of .env.example."""
    return set(re.findall(r"^([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def same_but_for_host(command):
    """A worker's command without its own name among workers."""
    words = list(command)
    if "--hostname" in words:
        at = words.index("--hostname")
        del words[at : at + 2]
    return words
