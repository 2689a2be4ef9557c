"""docs/settings.md and docs/commands.md say what settings and commands say now."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_pages_of_settings_and_commands_are_of_now(tmp_path):
    environment = {"PATH": os.environ["PATH"], "EMBEDDED": "1", "VAR_DIR": str(tmp_path), "COLUMNS": "100"}
    environment["DJANGO_SETTINGS_MODULE"] = "kartra_mirror.settings"

    answer = subprocess.run(
        [sys.executable, "docs/references.py", "--check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )

    assert (answer.returncode, answer.stdout) == (0, ""), answer.stdout + answer.stderr
