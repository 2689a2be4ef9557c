"""Commands that the project's texts name are there: of manage.py, with their options and what these take, and of make.

Nothing is carried out: the commands' own parsers read the lines.
"""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
BLOCKS = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^(?: {4}|\t)(.+)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
MANAGE = re.compile(r"(?:manage\.py|\bMANAGE)\s+(?P<line>\S.*)")
MAKE = re.compile(r"^(?:[A-Z_]+=\S+ )*make (?P<line>\S.*)")
ENDS = {"|", "||", "&", "&&", ";", ">", ">>", "<", "<<"}
OURS = {name for name, app in get_commands().items() if app in ("integrations", "kartra_mirror")}


def code(text):
    """All that stands as code: lines of blocks, and what is in backticks."""
    blocks = "\n".join(block.strip("` ") for block in BLOCKS.findall(text))
    rest = BLOCKS.sub("", text)
    return [*blocks.splitlines(), *INDENTED.findall(rest), *INLINE.findall(rest)]


def words(line):
    """The words of one command, as a shell reads them, up to the next command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = []
    for word in lexer:
        if word in ENDS:
            break
        found.append(word)
    return found


def manage_problem(line, in_passing=False):
    """What is wrong with this command of manage.py, "" where it could be carried out. Named in passing, or where a place is left
    open ("…", brackets, a choice with a slash), only its options are looked up."""
    is_open = in_passing or re.search(r"…|\.\.\.|[\[\]()]|(?:^|\s)/(?:\s|$)", re.sub(r"'[^']*'", "", line))
    try:
        name, *arguments = words(re.sub(r"[\[\]()]", " ", line) if is_open else line)
    except ValueError as problem:
        return f"no shell reads it: {problem}"
    if not re.fullmatch(r"[a-z_]+", name):
        return ""  # a place for any command's name
    if name not in get_commands():
        return f"there is no command {name}"
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    options = set(parser._option_string_actions)
    if unknown := [word for word in arguments if word.startswith("--") and word.split("=")[0] not in options]:
        return f"{name} has no {' '.join(unknown)}"
    if not is_open and arguments:
        try:
            parser.parse_args(arguments)
        except (CommandError, SystemExit) as problem:
            return f"{name}: {problem}"
    return ""


def make_problem(line):
    targets = [word for word in words(line) if "=" not in word and word != "…"]
    if not all(re.fullmatch(r"[a-z-]+", target) for target in targets):
        return ""
    return " ".join(f"there is no target {target}" for target in targets if target not in TARGETS)


def problem(line):
    """What is wrong with a piece of code; "" where it is no command of ours."""
    if found := MANAGE.search(line):
        return manage_problem(found["line"])
    if found := MAKE.match(line.strip()):
        return make_problem(found["line"])
    if line.split(maxsplit=1)[0] in OURS and "--" in line:  # a command without what runs it, as in tables
        return manage_problem(line, in_passing=True)
    return ""


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_are_there(path):
    assert {line: found for line in code(path.read_text()) if line.strip() and (found := problem(line))} == {}


def test_texts_name_commands():
    """The test would be worth nothing if it looked at nothing."""
    lines = [line for path in TEXTS for line in code(path.read_text())]

    assert sum(bool(MANAGE.search(line)) for line in lines) > 60
    assert sum(bool(MAKE.match(line.strip())) for line in lines) > 30


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('.venv/bin/python manage.py change assign_tag --set tag=VIP --list "Spring readers" --dry-run', ""),
        ("runuser -u mirror -- .venv/bin/python manage.py sandbox --port 9100 | tee log", ""),
        ("MANAGE pull --leads 5", "pull has no --leads"),
        ("MANAGE pull --limit none", "pull: "),
        ("MANAGE sending off", "sending: "),
        ("MANAGE pulls --all", "there is no command pulls"),
        ("MANAGE connect 'My shop", "no shell reads it"),
        ("manage.py pull [--lead EMAIL …] [--older 12h]", "pull has no --older"),
        ("status --jason", "status has no --jason"),
        ("manage.py NAME", ""),
        ("make run", ""),
        ("WEB_PORT=8600 make runn", "there is no target runn"),
        ("make env HOST=mirror.example.com MAIL=you@example.com", ""),
        ("ls --all", ""),
    ],
)
def test_wrong_command_is_found(line, words):
    assert problem(line)[: len(words)] == words
    assert bool(problem(line)) == bool(words)
