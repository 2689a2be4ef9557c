"""How the suite is kept: files that can be read in one sitting, and tests that reach for nothing private."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PRODUCT = {"integrations", "kartra_mirror", "leads"}

MOST_LINES = 500


def in_tests(look):
    """What a look at a source finds, in all tests: ["path:line: name"]."""
    return [f"{path.relative_to(ROOT)}:{line}: {name}" for path in TESTS for line, name in look(path.read_text())]


def test_no_file_is_too_long():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in TESTS}
    assert {path: number for path, number in lines.items() if number >= MOST_LINES} == {}


def private_uses(source):
    """Where a private name of ours is used: [(line, name)], however it is written: `module._name`, an import of it, or
    its name as a text beside the module (as `monkeypatch.setattr(module, "_name", …)` has it)."""
    tree = ast.parse(source)
    ours, found = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(each.asname or each.name.split(".")[0], each.name.split(".")[0]) for each in node.names]
            ours |= {name for name, package in names if package in PRODUCT}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PRODUCT:
            ours |= {each.asname or each.name for each in node.names}
            found += [(node.lineno, each.name) for each in node.names if is_private(each.name)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and begins_with(node.value) in ours:
            found.append((node.lineno, node.attr))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, text) for text in private_texts(node, ours)]
        elif isinstance(node, ast.Tuple):
            found += [(node.lineno, text) for text in private_texts(ast.Call(node, node.elts, []), ours)]
    return sorted(set(found))


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name != "_meta"


def begins_with(node):
    """The name with which an expression begins: `a` of `a.b(c).d`."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def private_texts(call, ours):
    """Private names given as texts after something of ours, or in a text that leads to them."""
    texts = [each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    paths = [text for text in texts if text.split(".")[0] in PRODUCT and text.replace(".", "").isidentifier()]
    if call.args and begins_with(call.args[0]) in ours:
        yield from (text for text in texts if text.isidentifier() and is_private(text))
    yield from (text for text in paths if any(map(is_private, text.split("."))))


def test_nothing_private_is_reached_for():
    assert in_tests(private_uses) == []


def patched_numbers(source):
    """Batch sizes, limits and the like that are replaced under a test: [(line, name)]. They are passed."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "setattr":
            texts = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            found += [(node.lineno, text) for text in texts[:1] if text.rpartition(".")[2].isupper()]
    return found


def test_no_number_is_patched():
    assert in_tests(patched_numbers) == []


def test_what_is_looked_for_is_found():
    """The test would be worth nothing if it found nothing."""
    source = """
import leads.orders
from integrations import push, tasks
from integrations.push import send, _hidden
from integrations.kartra.client import Client
from django.db import models

push.send._record(1)
Client(1, 2)._transport.post()
leads.orders._sum
monkeypatch.setattr(tasks, "_only_one", 1)
monkeypatch.setattr("integrations.tasks._only_one", 1)
for module, name in ((send, "_send"), (models, "_theirs")):
    pass
Client._meta, models._theirs, self._own, send.__name__
"""
    assert [name for _line, name in private_uses(source)] == [
        "_hidden",
        "_record",
        "_transport",
        "_sum",
        "_only_one",
        "integrations.tasks._only_one",
        "_send",
    ]
    patches = 'monkeypatch.setattr(record, "BATCH", 7)\nmonkeypatch.setattr("leads.jobs.MOST_ROWS", 7)\npatch.setattr(a, "b", "C")'
    assert [name for _line, name in patched_numbers(patches)] == ["BATCH", "leads.jobs.MOST_ROWS"]
