"""Migrations: they call no code of ours, which will have changed when they run, and what they made once they leave alone."""

import ast
import sqlite3
from pathlib import Path

import pytest

from tests.kartra_mirror.test_demo import manage

ROOT = Path(__file__).resolve().parents[1]
OURS = {"leads", "integrations", "kartra_mirror"}
FILES = sorted(path for app in OURS for path in (ROOT / app / "migrations").glob("0*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.parent.name}.{path.stem}")
def test_migration_calls_no_code_of_ours(path):
    """What a field is made of may be named, as Django writes it; a function that moves rows takes its models from `apps`."""
    tree = ast.parse(path.read_text())
    froms = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [module for module in froms if module.partition(".")[0] in OURS]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    used = {node.id for function in functions for node in ast.walk(function) if isinstance(node, ast.Name)}
    assert not used & OURS
    assert [node.name for node in tree.body if isinstance(node, ast.ClassDef)] == ["Migration"]


def test_second_migrate_changes_nothing(tmp_path):
    def migrated():
        answer = manage(ROOT, "migrate", "--verbosity", "0", VAR_DIR=str(tmp_path))
        assert answer.returncode == 0, answer.stderr
        with sqlite3.connect(tmp_path / "db.sqlite3") as database:
            return list(database.iterdump())

    assert migrated() == migrated()
