"""The suite's own environment: workers that run at once share nothing."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests.environment import VAR_DIR, redis_of


@pytest.mark.parametrize(
    ("url", "worker", "expected"),
    [
        ("redis://127.0.0.1:6379/1", "", "redis://127.0.0.1:6379/1"),
        ("redis://127.0.0.1:6379/1", "gw0", "redis://127.0.0.1:6379/1"),
        ("redis://127.0.0.1:6379/1", "gw3", "redis://127.0.0.1:6379/4"),
        ("redis://:secret@127.0.0.1:6379", "gw2", "redis://:secret@127.0.0.1:6379/2"),
        ("", "gw2", ""),
    ],
)
def test_each_worker_has_a_redis_database_of_its_own(url, worker, expected):
    assert redis_of(url, worker) == expected


def test_a_worker_too_many_for_redis_is_said():
    with pytest.raises(SystemExit, match="too few for worker gw2"):
        redis_of("redis://127.0.0.1:6379/14", "gw2")


@pytest.mark.django_db
def test_each_worker_has_a_folder_and_a_database_of_its_own():
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")

    assert settings.VAR_DIR == Path(os.environ["VAR_DIR"]) == VAR_DIR
    assert str(connection.settings_dict["NAME"]).endswith(worker)
