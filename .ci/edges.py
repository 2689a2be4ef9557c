"""Write down who asks for what among the locked packages, as their own metadata says: `.ci/edges.py UV > requirements.edges`.
Part of `make lock`; the tests see from it that the locks are closed.

A line is `ASKER==VERSION -> REQUIREMENT`, with the requirement's extras and markers; the project and its group for tests and
checks ask without a version (`kartra-mirror`, `kartra-mirror:dev`). No address is in it.
"""

import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
EXTRA = re.compile(r"\bextra == ['\"]([^'\"]+)['\"]")


def locked() -> dict[str, str]:
    return dict(PIN.findall((ROOT / "requirements-dev.lock").read_text()))


def metadata(pins: dict[str, str], uv: str, folder: str) -> dict[str, Distribution]:
    """Of every locked package: from where it is installed, and those that this machine does not need from `folder`."""
    found = _in(sysconfig.get_path("purelib"))
    missing = [
        f"{name}=={version}" for name, version in pins.items() if name not in found or found[name].version != version
    ]
    if missing:
        subprocess.run([uv, "pip", "install", "--quiet", "--no-deps", "--target", folder, *missing], check=True)
    return found | _in(folder)


def _in(folder: str) -> dict[str, Distribution]:
    return {canonicalize_name(each.metadata["Name"]): each for each in distributions(path=[folder])}


def edges(pins: dict[str, str], packages: dict[str, Distribution]) -> list[str]:
    """Every requirement of a locked package, those of extras where somebody asks for the extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asks = {
        project["project"]["name"]: project["project"]["dependencies"],
        f"{project['project']['name']}:dev": project["dependency-groups"]["dev"],
    }
    asks |= {f"{name}=={version}": packages[name].requires or [] for name, version in pins.items()}
    wanted: set[tuple[str, str]] = set()
    found: set[str] = set()
    while True:
        before = len(found)
        for asker, texts in asks.items():
            for text in texts:
                requirement = Requirement(text)
                extras = EXTRA.findall(str(requirement.marker or ""))
                if extras and not any((asker.partition("==")[0], extra) in wanted for extra in extras):
                    continue
                wanted |= {(canonicalize_name(requirement.name), extra) for extra in requirement.extras}
                found.add(f"{asker} -> {requirement}")
        if len(found) == before:
            return sorted(found)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as extra_packages:
        pinned = locked()
        print("\n".join(edges(pinned, metadata(pinned, sys.argv[1], extra_packages))))
