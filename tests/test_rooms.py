"""The map of the rooms holds: no circle between files, and no room or file that grew a second subject.

import-linter (`make lint`) keeps the layers; it does not see a circle between a package's `__init__` and its own parts.
"""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ("kartra_mirror", "leads", "integrations")
MOST_MODULES = 14
MOST_LINES = 300
MAY_HAVE_MORE = {"leads.models", "integrations.models", "integrations.management.commands"}


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name, migrations aside."""
    found = {}
    for path in (path for app in APPS for path in (ROOT / app).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(tree: ast.AST, known: dict[str, Path]) -> set[str]:
    """The modules of ours that a file imports, in functions too; what only types need is left out."""
    if isinstance(tree, ast.If) and "TYPE_CHECKING" in ast.unparse(tree.test):
        return set().union(*(imports(each, known) for each in tree.orelse))
    found = set()
    if isinstance(tree, ast.Import):
        found = {alias.name for alias in tree.names}
    elif isinstance(tree, ast.ImportFrom):
        names = {alias.name: f"{tree.module}.{alias.name}" for alias in tree.names}
        found = {full if full in known else str(tree.module) for full in names.values()}
    return found.union(*(imports(each, known) for each in ast.iter_child_nodes(tree))) & set(known)


def circles(graph: dict[str, set[str]]) -> list[str]:
    """What is left when whatever imports nothing that is left is taken away again and again, from both sides."""
    left = {name: set(targets) for name, targets in graph.items()}
    while True:
        wanted = set().union(*left.values())
        idle = {name for name, targets in left.items() if not targets or name not in wanted}
        if not idle:
            return sorted(left)
        left = {name: targets - idle for name, targets in left.items() if name not in idle}


def test_no_circle_between_files():
    known = modules()
    graph = {name: imports(ast.parse(path.read_text()), known) - {name} for name, path in known.items()}

    assert len(graph) > 250
    assert circles(graph) == []


def test_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}, "e": set()}) == ["b", "c"]


def test_no_room_has_too_many_modules():
    sizes = Counter(name.rpartition(".")[0] for name, path in modules().items() if path.name != "__init__.py")

    assert {room: n for room, n in sizes.items() if n > MOST_MODULES and room not in MAY_HAVE_MORE} == {}


def test_no_module_is_too_long():
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules().items()}

    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_every_room_says_what_it_owns():
    rooms = [path for path in modules().values() if path.name == "__init__.py" and "management" not in path.parts]

    assert [str(path) for path in rooms if not ast.get_docstring(ast.parse(path.read_text()))] == []
