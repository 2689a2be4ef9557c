"""Migrations: they call no code of ours, which will have changed when they run, what they made once they leave alone, and code of the
version before works on what they make (docs/upgrading.md)."""

import ast
import sqlite3
from pathlib import Path

import pytest
from django.db import connection
from django_migration_linter import MigrationLinter
from django_migration_linter.sql_analyser import PostgresqlAnalyser, analyse_sql_statements

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


INDEX = {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"}
FORGIVEN = {
    # Of the rows that are held or being discarded: few, and none before it. While it is made web keeps messages in its file.
    ("integrations", "0003_strangers_and_sign_in"): INDEX,
    # On a table that the same migration makes, which the linter does not see: its indexes have a condition.
    ("integrations", "0004_watching"): INDEX,
    # On tables that the same migration makes: some are on a name without its case, or have a condition.
    ("leads", "0012_recipes"): INDEX,
    ("leads", "0015_people_lists"): INDEX,
}
"""What the linter finds and is safe. That an index locks its table is only a warning of the linter's, and an error here."""
INITIAL = {("leads", "0001_initial"), ("integrations", "0001_initial"), ("integrations", "0002_initial")}
LATER = [(path.parent.parent.name, path.stem) for path in FILES]
LATER = [each for each in LATER if each[0] != "kartra_mirror" and each not in INITIAL]


@pytest.fixture
def linter(db):
    if connection.vendor != "postgresql":
        pytest.skip(
            "What a migration locks and drops is looked at in PostgreSQL's words, and there is no PostgreSQL here."
        )
    return MigrationLinter(no_cache=True, all_warnings_as_errors=True)


@pytest.mark.parametrize(("app", "name"), LATER, ids=lambda each: each)
def test_code_of_the_version_before_works_on_what_a_migration_makes(linter, app, name, capsys):
    """A mistake of long ago cannot be mended: what is found here in a new migration is mended, or forgiven above with the reason."""
    linter.exclude_migration_tests = FORGIVEN.get((app, name), set())

    linter.lint_migration(linter.migration_loader.get_migration(app, name))

    assert not linter.has_errors, capsys.readouterr().out
    assert linter.nb_valid == 1  # it was looked at


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ('ALTER TABLE "leads_lead" DROP COLUMN "phone" CASCADE', "DROP_COLUMN"),
        ('ALTER TABLE "leads_lead" RENAME COLUMN "phone" TO "telephone"', "RENAME_COLUMN"),
        ('ALTER TABLE "leads_lead" ADD COLUMN "height" integer NOT NULL', "NOT_NULL"),
        ('ALTER TABLE "leads_lead" ADD COLUMN "height" integer DEFAULT 0 NOT NULL', None),
        ('DROP TABLE "leads_lead" CASCADE', "DROP_TABLE"),
        ('CREATE INDEX "by_phone" ON "leads_lead" ("phone")', "CREATE_INDEX"),
        ('CREATE INDEX CONCURRENTLY "by_phone" ON "leads_lead" ("phone")', None),
    ],
)
def test_what_older_code_cannot_bear_is_found(sql, code):
    errors, _ignored, warnings = analyse_sql_statements(PostgresqlAnalyser, [sql])

    assert [issue.code for issue in (*errors, *warnings)] == ([code] if code else [])


def test_second_migrate_changes_nothing(tmp_path):
    def migrated():
        answer = manage(ROOT, "migrate", "--verbosity", "0", VAR_DIR=str(tmp_path))
        assert answer.returncode == 0, answer.stderr
        with sqlite3.connect(tmp_path / "db.sqlite3") as database:
            return list(database.iterdump())

    assert migrated() == migrated()
