"""No text that comes from outside costs more than linear time. Growth is judged, not seconds: machines are slow in different ways."""

import ast
import time
import zoneinfo
from contextlib import suppress

import pytest

from integrations.kartra.bodies import Unreadable, object_of
from integrations.receive.body_text import shown
from kartra_mirror.logs import mask
from leads import csv_cells
from leads.importing import values
from leads.texts import visible
from tests.abuse import regexes

MOST = 8.0
"""By so much longer may four times as much take: 4 is linear, 16 quadratic."""


def is_linear(ask, *given):
    """Whether `ask(*given, length)` seconds grow as the length does; measured again where something else came between."""
    return any(regexes.growth(lambda length: ask(*given, length)) < MOST for _ in range(3))


def seconds_of_regex(pattern, method, way, length):
    return regexes.asked(pattern, method, regexes.text_of(way, length))


def test_no_regular_expression_is_more_than_linear():
    found = {}
    for each in regexes.expressions():
        for method in each.methods:
            for way in regexes.hardest(each.pattern, method):
                if not is_linear(seconds_of_regex, each.pattern, method, way):
                    found[f"{each.where} {method}"] = way

    assert found == {}


def test_every_regular_expression_is_found():
    """As many as a plain search of the sources finds, and none is asked for by a name that would hide it."""
    listed = {each.where for each in regexes.expressions()}
    written, hidden = set(), []
    for path, tree in regexes.sources():
        where = path.relative_to(regexes.ROOT)
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            if regexes.re.search(rf"\bre\.(compile|{'|'.join(regexes.METHODS)})\(", line):
                written.add(f"{where}:{number}")
        hidden += [
            str(where)
            for node in ast.walk(tree)
            if (isinstance(node, ast.ImportFrom) and node.module == "re")
            or (isinstance(node, ast.Import) and any(name.name == "re" and name.asname for name in node.names))
        ]

    assert hidden == []
    assert written - listed == set()
    assert len(listed) > 60


@pytest.mark.parametrize("bad", [r"\w+@\w+", r"name=\"[^>]*\s*>", r"<[^@\s]+@[^@\s]+\.[^@\s]+>"])
def test_one_that_is_not_linear_would_be_found(bad):
    pattern = regexes.re.compile(bad)
    way = regexes.hardest(pattern, "search")[0]

    assert regexes.growth(lambda length: seconds_of_regex(pattern, "search", way, length), best_of=1) >= MOST


def seconds_of_function(function, text, length):
    text = text * (length // len(text))
    begun = time.process_time_ns()
    with suppress(Unreadable, values.Bad):
        function(text)
    return (time.process_time_ns() - begun) / 1e9


TAKEN_APART = {
    "log": mask,
    "body shown": lambda text: shown(text.encode()),
    "body read": lambda text: object_of(text.encode()),
    "names": csv_cells.split,
    "name": lambda text: csv_cells.joined([text]),
    "amount": values.amount,
    "number": values.whole,
    "date": lambda text: values.moment(text, zoneinfo.ZoneInfo("UTC")),
    "name shown": visible,
}
HARD = ["a", "@", "a@", ".", '"', "\\", "1,", "1 ", ";", "_-", "secret ", '{"a":', "[", "%7B", "/webhooks/", " ", "-\t"]


@pytest.mark.parametrize("what", TAKEN_APART)
def test_text_from_outside_is_taken_apart_in_linear_time(what):
    assert [text for text in HARD if not is_linear(seconds_of_function, TAKEN_APART[what], text)] == []
