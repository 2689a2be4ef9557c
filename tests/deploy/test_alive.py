"""A worker and beat touch ALIVE_FILE while they work, and stop when they do: what the health checks of containers look at."""

import os
import subprocess
import sys

import pytest
from django.db import connections

from tests.deploy.files import ROOT, procfile
from tests.processes import database_url, wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("line", ["apply", "beat"])
def test_file_is_touched_again_and_again(tmp_path, line):
    file = tmp_path / "alive"
    words = [sys.executable, "-m", *procfile()[line]]
    env = {**os.environ, "DATABASE_URL": database_url(), "VAR_DIR": str(tmp_path), "ALIVE_FILE": str(file)}
    connections.close_all()
    process = subprocess.Popen(words, cwd=ROOT, env=env)
    try:
        wait_until(file.exists, 60)
        file.unlink()
        wait_until(file.exists, 60)
    finally:
        process.terminate()
        process.wait(60)
    file.unlink()

    assert not file.exists()
    assert process.returncode == 0
