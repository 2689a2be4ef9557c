"""A machine whose disk is full names itself, and is forgotten once there is room."""

import io
import json
import os
import socket
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from integrations import clock
from integrations.watching import disks

pytestmark = pytest.mark.django_db

GIB = 1024**3


def room(monkeypatch, free, whole):
    """A disk of so many GiB, with blocks of 1 KiB."""
    found = SimpleNamespace(f_bavail=int(free * GIB) // 1024, f_blocks=int(whole * GIB) // 1024, f_frsize=1024)
    monkeypatch.setattr(os, "statvfs", lambda path: found)


@pytest.mark.parametrize(
    ("free", "whole", "full"),
    [
        (0.9, 20, True),
        (1.1, 20, False),
        (2, 1000, False),
        (0.9, 1000, True),
        (0.02, 1, True),
        (0.06, 1, False),
        (0, 1, True),
    ],
)
def test_little_room_is_a_twentieth_and_on_a_large_disk_a_gigabyte(free, whole, full, monkeypatch):
    room(monkeypatch, free, whole)

    assert disks.is_full() is full


def test_disk_that_cannot_be_written_is_full(monkeypatch):
    room(monkeypatch, 10, 20)
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    assert disks.is_full()


def test_folder_that_is_not_there_is_full(settings, tmp_path):
    settings.VAR_DIR = tmp_path / "gone"

    assert disks.is_full()


def test_status_names_it_until_there_is_room(monkeypatch, admin_client):
    room(monkeypatch, 0.1, 20)
    disks.look(clock.now())
    disks.look(clock.now())
    machine = socket.gethostname()
    assert status() == [machine]
    assert f"The disk of {machine} with VAR_DIR is full" in status_text()
    assert f"The disk of {machine} with VAR_DIR is full" in admin_client.get("/admin/health/").content.decode()

    room(monkeypatch, 10, 20)
    disks.look(clock.now())
    assert status() == []


def status():
    return json.loads(status_text(json=True))["full_disks"]


def status_text(**options):
    out = io.StringIO()
    call_command("status", stdout=out, **options)
    return out.getvalue()
