"""Every regular expression of ours, read from the syntax trees of the product, and the texts that are hardest for one.

Nothing is listed by hand, so a new one cannot be forgotten. What is put together when it runs needs an example (BUILT).
"""

import ast
import importlib
import re
import time
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from re import _constants as codes, _parser as parser

from leads.person.naming import Person

ROOT = Path(__file__).resolve().parents[2]
APPS = ("leads", "integrations", "kartra_mirror")
METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
OTHERS = ("RegexValidator", "RegexField", "re_path")
"""What takes a pattern as its first argument, besides `re`."""

ADA = Person(
    account_id=1,
    lead_id=1,
    kartra_id="104223",
    addresses=frozenset({"ada@example.com", "grace.hopper@example.com"}),
    names=frozenset({("ada", "lind")}),
    phones=frozenset({"15550100123"}),
    streets=frozenset({"12 harbour street"}),
)

BUILT = {
    ("leads.person.naming", "self"): [ADA],
    ("leads.person.naming", "pattern"): ADA.sources(),
    ("leads.person.naming", "word"): ["lind"],
    ("integrations.receive.body_text", "BETWEEN"): [r"(?:[^0-9a-z&%]|%(?!26)[0-9a-f]{2}){0,20}"],
    ("integrations.receive.body_text", "value"): [r"(?:(?:\\|%5c)u0068|(?:h|%68))(?:(?:\\|%5c)u0020|(?: |%20)|\+)"],
    ("integrations.receive.body_text", "any_of_them"): [
        r"(?:(?:\\|%5c)u0068|(?:h|%68))|(?:(?:\\|%5c)u0020|(?: |%20)|\+)"
    ],
    ("leads.erasure.scrub", "either"): [r"ada@example\.com|grace\.hopper@example\.com"],
    ("leads.importing.values", "thousands"): [",", "."],
    ("leads.importing.values", "point"): [".", ","],
    ("leads.importing.names", "mark"): [";"],
    ("integrations.sandbox.commands.relations", "form"): ["-?[0-9]+", r"\s*[-+]?[0-9]+(\.0*)?\s*"],
}
"""Examples of what a name stands for in a pattern that is put together when it runs."""


@dataclass(frozen=True)
class Expression:
    """One regular expression: where it stands, what it is, and how it is asked."""

    where: str
    pattern: "re.Pattern[str]"
    methods: tuple[str, ...]


def sources():
    for path in sorted(path for app in APPS for path in (ROOT / app).rglob("*.py")):
        if "migrations" not in path.parts:
            yield path, ast.parse(path.read_text())


def last_name(node):
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def calls(tree):
    """The calls that take a pattern: [(call, method)]. A compiled one's method is "compile"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            of_re = isinstance(node.func, ast.Attribute) and last_name(node.func.value) == "re"
            if of_re and name in ("compile", *METHODS):
                yield node, name
            elif name in OTHERS:
                yield node, "search"


def uses(trees):
    """How what has a name is asked, anywhere in the product: {"_EMAIL": {"sub"}}."""
    found = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                found.setdefault(last_name(node.func.value), set()).add(node.func.attr)
    return found


def names_of(tree):
    """Under which name the value of each assignment is kept: {the value's node: name}."""
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and len(node.targets) == 1]
    return {node.value: last_name(node.targets[0]) for node in assigned}


def compiled(call, method, module):
    """The pattern of a call, once for each example of what its names stand for. NameError: one has no example."""
    wanted = sorted({each.id for each in ast.walk(call.args[0]) if isinstance(each, ast.Name)})
    examples = [BUILT[module.__name__, name] for name in wanted if (module.__name__, name) in BUILT]
    named = [name for name in wanted if (module.__name__, name) in BUILT]
    flags = [each.value for each in call.keywords if each.arg == "flags"]
    flags += call.args[{"compile": 1, "match": 2, "fullmatch": 2, "search": 2, "findall": 2}.get(method, 4) :]
    if last_name(call.func) in OTHERS:
        flags = []
    for values in product(*examples):
        known = {**vars(module), **dict(zip(named, values, strict=True))}
        text, *more = [eval(compile(ast.Expression(node), "", "eval"), known) for node in (call.args[0], *flags[:1])]
        yield re.compile(text, *more)


@cache
def expressions():
    """All of them. A compiled one that nothing is seen to ask is searched with, which is hardest."""
    files, found = list(sources()), []
    asked = uses(tree for _path, tree in files)
    for path, tree in files:
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        names = names_of(tree)
        for call, method in calls(tree):
            name = names.get(call, "")
            methods = asked.get(name if name else call, {"search"}) if method == "compile" else {method}
            for pattern in compiled(call, method, module):
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                found.append(Expression(where, pattern, tuple(sorted(methods))))
    return found


# --- what is hard for one

ALWAYS = ["a", "7", " ", "\n", '"', "\\", "@", ".", ",", "-"]
REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
REST = ["", "\0", "!\n"]
"""What ends a text so that a match that came far fails after all."""


def pieces(pattern):
    """Characters and words that mean something to the pattern."""
    text = pattern.pattern
    words = re.findall(r"[A-Za-z]+|%[0-9A-F]{2}|[^\sA-Za-z]", text)
    found = [each for word in words for each in {word, word[0]}]
    return list(dict.fromkeys([*ALWAYS, *found]))[:24]


def example(items):
    """A short text that parsed pieces of a pattern match."""
    return "".join(map(shortest, items))


def shortest(item):
    code, value = item
    if code in (codes.LITERAL, codes.NOT_LITERAL):
        return chr(value) if code is codes.LITERAL else "a"
    if code is codes.IN:
        return next((char for char in map(chr, range(33, 127)) if any(holds(value, char))), "a")
    if code in REPEATS:
        return example(value[2]) * value[0]
    if code is codes.BRANCH:
        return example(value[1][0])
    if code in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
        return example(value[-1] if code is codes.SUBPATTERN else value)
    return "a" if code is codes.ANY else ""


def holds(members, char):
    """Whether a character is one of a set's."""
    negated = members[0][0] is codes.NEGATE
    yield negated != any(is_one(member, char) for member in members)


def is_one(member, char):
    code, value = member
    if code is codes.CATEGORY:
        kind = {"DIGIT": str.isdecimal, "SPACE": str.isspace, "WORD": lambda each: each.isalnum() or each == "_"}
        return kind[str(value).rpartition("_")[2]](char) != ("_NOT_" in str(value))
    return value[0] <= ord(char) <= value[1] if code is codes.RANGE else code is codes.LITERAL and value == ord(char)


def before_repeats(items, before=""):
    """What stands before each repetition of a pattern, and at its end: there a text may be made to go on for long."""
    for item in items:
        code, value = item
        if code in REPEATS:
            yield before
            yield from before_repeats(value[2], before)
        elif code in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
            yield from before_repeats(value[-1] if code is codes.SUBPATTERN else value, before)
        elif code is codes.BRANCH:
            for each in value[1]:
                yield from before_repeats(each, before)
        before += shortest(item)
    yield before


def pumped(pattern):
    """Ways of making a text of any length of them: [(what stands first, what comes again and again, what ends it)]."""
    of_it = pieces(pattern)
    pairs = [one + other for one, other in product(of_it, of_it) if one != other]
    first = sorted({"", "a", *before_repeats(parser.parse(pattern.pattern, pattern.flags))}, key=len)[:16]
    found = [(before, pump, after) for pump in of_it for before in first for after in {*REST, *of_it}]
    return found + [(before, pump, after) for pump in pairs for before in ("", "a", first[-1]) for after in REST]


def text_of(way, length):
    before, pump, after = way
    return before + (pump * (length // len(pump) + 1))[:length] + after


def asked(pattern, method, text):
    """Seconds of this process that a question takes; of all of its answers where there are several."""
    method = {"sub": "findall", "subn": "findall", "finditer": "findall"}.get(method, method)
    ask = getattr(pattern, method)
    begun = time.process_time_ns()
    ask(text)
    return (time.process_time_ns() - begun) / 1e9


def hardest(pattern, method, *, length=1000, number=4):
    """The texts that take longest, as ways of making them."""
    took = sorted(((asked(pattern, method, text_of(way, length)), way) for way in pumped(pattern)), reverse=True)
    return [way for _took, way in took[:number]]


def growth(ask, *, best_of=3, least=0.001):
    """By how much longer four times as much takes, from 4,000 to 16,000: 4 is linear, 16 quadratic. `ask`: seconds for a length."""
    short, _middle, long = (max(min(ask(length) for _ in range(best_of)), least) for length in (4000, 8000, 16000))
    return long / short
