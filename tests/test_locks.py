"""The locks are complete, and every line that installs them takes them as they are."""

import hashlib
import itertools
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+?))?\s*\\?$", re.MULTILINE)
PYTHONS = ("3.11.0", "3.11.14", "3.12.0", "3.12.12", "3.13.0", "3.14.0", "3.14.2")
MACHINES = ("x86_64", "aarch64")
TEXTS = (
    "Makefile",
    "Dockerfile",
    ".ci/*",
    "*.md",
    "docs/**/*.md",
    "docker-compose.yml",
    "Procfile*",
    "*.toml",
    "benchmarks/*.py",
)


def linux(python, machine):
    return {
        **default_environment(),
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "implementation_version": python,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_machine": machine,
    }


def pins(lock):
    """{name: (version, extras, marker)}"""
    found = PIN.findall((ROOT / lock).read_text())
    return {name: (version, set(filter(None, extras.split(","))), marker) for name, extras, version, marker in found}


def edges():
    """[(asker, version, requirement)]"""
    found = []
    for line in (ROOT / "requirements.edges").read_text().splitlines():
        asker, _, wanted = line.partition(" -> ")
        name, _, version = asker.partition("==")
        found.append((name, version, Requirement(wanted)))
    return found


def gaps(roots, locked, asked, environment):
    """What is asked for there, by the roots or by what they bring, and is not in the lock."""
    found, seen, todo = [], set(), [(root, "") for root in roots]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for asker, _version, wanted in asked:
            if asker != name or (wanted.marker and not wanted.marker.evaluate({**environment, "extra": extra})):
                continue
            needed = canonicalize_name(wanted.name)
            version, extras, marker = locked.get(needed, ("", set(), ""))
            there = version and (not marker or Requirement(f"x; {marker}").marker.evaluate(environment))
            if not there or not wanted.specifier.contains(version, prereleases=True) or not wanted.extras <= extras:
                found.append(f"{asker} -> {wanted}")
            todo += [(needed, each) for each in ("", *wanted.extras)]
    return found


@pytest.mark.parametrize(("python", "machine"), list(itertools.product(PYTHONS, MACHINES)))
def test_locks_are_closed(python, machine):
    environment = linux(python, machine)

    assert gaps(["kartra-mirror"], pins("requirements.lock"), edges(), environment) == []
    assert gaps(["kartra-mirror", "kartra-mirror:dev"], pins("requirements-dev.lock"), edges(), environment) == []


@pytest.mark.parametrize("name", ["coverage", "psycopg-binary", "filelock", "async-timeout"])
def test_gap_would_be_seen(name):
    locked = pins("requirements-dev.lock")
    del locked[name]

    assert gaps(["kartra-mirror", "kartra-mirror:dev"], locked, edges(), linux("3.11.0", "x86_64")) != []


def test_extra_that_the_lock_strips_would_be_seen():
    locked = pins("requirements-dev.lock")
    version, _extras, marker = locked["coverage"]
    locked["coverage"] = (version, set(), marker)

    assert gaps(["kartra-mirror:dev"], locked, edges(), linux("3.11.7", "x86_64")) == [
        "pytest-cov -> coverage[toml]>=7.10.6"
    ]


def test_edges_are_of_the_locked_versions_and_say_what_the_packages_say():
    locked, told = pins("requirements-dev.lock"), {}
    for name, version, wanted in edges():
        told.setdefault(name, set()).add(str(wanted))
        assert name.startswith("kartra-mirror") or locked[name][0] == version
    installed = {canonicalize_name(each.metadata["Name"]): each for each in distributions()}
    compared = 0
    for name, (version, extras, _marker) in locked.items():
        package = installed.get(name)
        if package is None or package.version != version:
            continue
        for text in package.requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                compared += 1
                assert str(wanted) in told[name]

    assert compared > 60


def test_locks_and_edges_hold_no_address_and_all_hashes():
    for name in ("requirements.lock", "requirements-dev.lock", "requirements.edges"):
        assert not re.search(r"://|index-url|find-links", (ROOT / name).read_text())
    for name in ("requirements.lock", "requirements-dev.lock"):
        blocks = re.split(r"\n(?=[a-z])", (ROOT / name).read_text().strip())
        assert [block for block in blocks if "--hash=sha256:" not in block] == []


def install_lines():
    found = []
    for pattern in TEXTS:
        for path in ROOT.glob(pattern):
            if path.is_file():
                text = path.read_text().replace("\\\n", " ")
                lines = [line for line in text.splitlines() if re.search(r"(pip|\$\(PIP\))[^\n]*\binstall\b", line)]
                found += [(str(path.relative_to(ROOT)), line.strip()) for line in lines]
    return [(name, line) for name, line in found if name != ".ci/edges.py"]  # looks at packages, installs none for use


def test_every_line_that_installs_takes_the_locks_as_they_are():
    lines = install_lines()

    assert {name for name, _line in lines} >= {"Makefile", "Dockerfile"}
    assert [line for line in lines if "--no-deps" not in line[1] or "--require-hashes" not in line[1]] == []
    for name in ("Makefile", "Dockerfile"):
        text = (ROOT / name).read_text()
        assert text.count(" install --no-deps") + text.count("install --no-cache-dir --no-deps") == len(
            re.findall(r"(pip|\$\(PIP\)) check", text)
        )


def wheel(folder, name, version, *requires):
    """A package with nothing in it but its metadata."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nProvides-Extra: toml",
        *(f"Requires-Dist: {each}" for each in requires),
    ]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", f"{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("extra", ["[toml]", ""], ids=["as locked", "extra stripped"])
def test_newer_release_of_an_indirect_dependency_changes_nothing(tmp_path, extra):
    """With the pip that Python itself brings, and the options of the Makefile."""
    found = tmp_path / "found"
    found.mkdir()
    hashes = {
        name: wheel(found, name, "1.0", *wants)
        for name, wants in {"measured": ["measure[toml]>=1"], "measure": []}.items()
    }
    wheel(found, "measure", "2.0")
    lock = tmp_path / "lock"
    lock.write_text(
        "".join(
            f"{pin}==1.0 --hash=sha256:{hashes[name]}\n"
            for pin, name in (("measured", "measured"), (f"measure{extra}", "measure"))
        )
    )
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True, timeout=120)
    [options] = {re.search(r"install (.*) -r", line)[1] for name, line in install_lines() if name == "Makefile"}
    pip = [tmp_path / "venv/bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]

    subprocess.run(
        [*pip, "install", "--no-index", "--find-links", found, *options.split(), "-r", lock], check=True, timeout=120
    )
    subprocess.run([*pip, "check"], check=True, timeout=60)

    frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True, timeout=60).stdout
    assert {line.partition("==")[0]: line.partition("==")[2] for line in frozen.split()} == {
        "measure": "1.0",
        "measured": "1.0",
    }


def test_make_names_the_python_it_needs(tmp_path):
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo "Python 3.10.4"; exit 0; fi\nexit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", "requirements.lock"):
        (tmp_path / name).write_text((ROOT / name).read_text())

    answer = subprocess.run(
        ["make", ".venv", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert answer.returncode != 0
    assert f"Kartra Mirror needs Python 3.11 or newer; {old} is Python 3.10.4." in answer.stderr
    assert not (tmp_path / ".venv").exists()
