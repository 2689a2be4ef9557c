"""The words people see: templates, messages, labels and help texts use the words of the page, not those of the code.

What is left out: names (the product's, those of commands and files), the command line, logs, the sandbox, and the
plain-Python client, whose texts reach nobody unworded.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.utils.encoding import force_str

from leads.labels import RUN_WORDS, STATUS_WORDS
from leads.models import ChangeStatus, RunState

ROOT = Path(__file__).resolve().parents[1]

SAY_INSTEAD = {
    # the words of the code
    r"mirror": "our copy",
    r"drift\w*": "changed in Kartra without us",
    r"(?:an?|the|this|that|each|every|which|of|no|all) runs?|(?<!3 )runs? \d+|bulk runs?": "bulk action",
    r"(?:are|is|was|were|still) waiting(?! for)": "queued",
    r"accepted": "done",
    r"rejected|refused by Kartra": "failed: Kartra's reason; what to do",
    r"unknown": "checking with Kartra",
    r"undecided": "needs your decision",
    r"skipped|already so|so already": "no change needed, deleted in Kartra, or left out: reason",
    r"superseded": "overtaken by a later change",
    r"dirty": "update due",
    r"(?:last |never |not )read(?: at)?\b(?! the)|read at|(?:was|were|is|are) (?:never |not )?read(?!-only)|read from Kartra": "checked",
    r"(?:found|told) by a read|a read\b(?! the)|reads of": "an update from Kartra",
    r"refresh\w*|pull(?:s|ed|ing)?": "update from Kartra",
    r"doors?": "webhook address",
    r"webhooks?(?! address)|payloads?|endpoints?|address(?:es)? for Kartra": "webhook address, message from Kartra",
    r"deliver(?:y|ies)": "message from Kartra",
    r"echo(?:es)?": "our own change",
    r"pace|rate limits?|throttl\w+": "Kartra's speed limit",
    r"lanes?|leases?|breakers?|fences?|claim(?:s|ed|ing)?|settled?|dead letters?|proof tokens?": "never shown",
    r"receipts?": "the safety field in Kartra",
    r"load(?:s|ed|ing)?": "import",
    r"canary": "try the first 10",
    r"requeue\w*|retr(?:y|ies|ied|ying)": "try again",
    r"close with a reason|closed with": "dismiss",
    r"(?<!Kartra )sandbox|pretend Kartra": "Kartra sandbox",
    r"look-only|looking only": "read-only",
    r"quarantined": "could not be read",
    r"records|(?:a|the|this) (?:record|object)": "lead",
    r"add another kind|and besides|do this too": "Add another action",
    r"at a glance|lately": "overview, recent activity",
    # whole sentences, by what was hard in them
    r"nobody told us|cannot be known": "we have not imported or heard about",
    r"knowledge|every one read": "data checked within",
    r"send (?:it )?also (?:what|to those|for those)|all the same|fire again": "also send to leads that already have it",
    r"come to nothing|left to you": "Kartra may reject this; you would then choose",
    r"seen (?:not )?done|told": "checked; Kartra answered",
    r"newer words|what we know now": "re-applying never overwrites newer data",
    r"is to be decided|fits what you look for": "no decisions waiting; no results",
    r"besides|of whom|anew|and so\.|lest": "60 more are not in Kartra",
    r"put on|put into|tak(?:e|es|en) (?:off|back|away|out)|took (?:off|back|away|out)|out of the (?:list|sequence)": "add, remove, undo",
    r"in the account|by at": "account data; date",
    r"is to be|are to be": "will be",
}
OLD_NAMES = re.compile(
    r"pretend Kartra|look-only|refused by Kartra|clos(?:e|ed) (?:it )?with a reason|address(?:es)? for Kartra|nobody told us"
    r"|cannot be known|also what is so already|fits what you look for|nothing is to be decided",
    re.IGNORECASE,
)
"""What no text may say, of whatever reader: also the references, the guides of engineers and what commands print."""
REPLACED = re.compile(rf"\b(?:{'|'.join(SAY_INSTEAD)})\b", re.IGNORECASE)
EXCLAIMED = re.compile(r"\w!(?:\s|$)")

NAMES = re.compile(r"Kartra Mirror|manage\.py \w+|`\w+ --|[A-Z]+(?:_[A-Z]+)+|/webhooks/|\w+\.rejected\.csv")

ALLOWED = {
    "The custom field in Kartra that calls write their receipt into; empty: none.": "help of a field that no form shows",
    "not told": "a value of our own that no page shows",
    "not accepted": "Kartra's own word for a GDPR status",
    "unknown (the place could not be determined)": "Kartra's own word for a GDPR status",
}
"""Texts that stay, and why."""


def wrong_words(text: str) -> list[str]:
    """What the text says that another word says better; nothing for texts that stay."""
    if text in ALLOWED:
        return []
    plain = NAMES.sub(" ", text)
    return [match.group() for pattern in (REPLACED, EXCLAIMED) for match in pattern.finditer(plain)]


def shown_in(template: str) -> str:
    """What a template shows by itself: its text, and the attributes that are read out or seen."""
    words = re.sub(r"""\{%\s*translate\s+(["'])(.*?)\1[^%]*%\}""", r"\2", template)
    words = re.sub(r"\{#.*?#\}|<(?:button|option)\b[^>]*? value=\"[^\"]*\"", " ", words)
    attributes = re.findall(r'(?:title|aria-label|placeholder|alt|value)="([^"{]*)"', words)
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<(script|style)\b.*?</\1>", " ", words, flags=re.S)
    return " ".join([*re.sub(r"<[^>]*>", " ", text).split(), *attributes])


TEMPLATES = [path.relative_to(ROOT) for path in sorted((ROOT / "templates").rglob("*.*"))]


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_template_uses_the_words_of_the_page(path):
    assert wrong_words(shown_in((ROOT / path).read_text())) == []


def test_no_line_of_a_template_is_longer_than_160_characters():
    long = [
        f"{path}:{number} has {len(line)}"
        for path in TEMPLATES
        if path.suffix == ".html"
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if len(line) > 160
    ]

    assert long == []


def sentences_of(tree: ast.AST) -> Iterator[ast.Constant]:
    """Texts of more than one word that are no docstrings and go into no log."""
    silent: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(id(node.value))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and getattr(node.func.value, "id", "") == "logger"
        ):
            silent.update(id(inner) for inner in ast.walk(node))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in silent
            and " " in node.value.strip()
            and " | " not in node.value  # a type
        ):
            yield node


MODULES = [
    path.relative_to(ROOT)
    for room in ("leads", "integrations", "kartra_mirror")
    for path in sorted((ROOT / room).rglob("*.py"))
    if not {"migrations", "management"} & set(path.parts)
    and path.relative_to(ROOT).parts[:2] != ("integrations", "sandbox")
    and (path.relative_to(ROOT).parts[:2] != ("integrations", "kartra") or path.name == "words.py")
    and path.name != "settings.py"
]


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_messages_use_the_words_of_the_page(path):
    found = {
        f"line {node.lineno}: {node.value}": words
        for node in sentences_of(ast.parse((ROOT / path).read_text()))
        if (words := wrong_words(node.value))
    }
    assert found == {}


@pytest.mark.parametrize(
    "model", [m for m in admin.site._registry if m._meta.app_label in ("leads", "integrations")], ids=str
)
def test_labels_of_lists_and_pages_use_the_words_of_the_page(model):
    """Names that Django makes of the code's own: of models, columns, fields, filters and choices."""
    made = admin.site._registry[model]
    shown = [force_str(model._meta.verbose_name), force_str(model._meta.verbose_name_plural)]
    named = [
        *made.list_display,
        *(made.fields or []),
        *(each[0] if isinstance(each, tuple) else each for each in made.list_filter),
    ]
    for name in named:
        if isinstance(name, str):
            shown.append(force_str(label_for_field(name, model, made)))
    for field in model._meta.concrete_fields:
        if field.name in named:
            shown += [force_str(label) for _value, label in field.flatchoices]
    assert {label: words for label in shown if (words := wrong_words(label))} == {}


OF_ENGINEERS = {"kartra", "staff", "home", "health", "frame", "ui"}
OF_PEOPLE = [
    path
    for path in (*TEMPLATES, *MODULES)
    if path.parts[:2] in (("templates", "admin"), ("kartra_mirror", "admin")) and not OF_ENGINEERS & set(path.parts)
]


@pytest.mark.parametrize("path", OF_PEOPLE, ids=str)
def test_a_connection_is_a_kartra_account_where_people_work(path):
    """Only the engineer's pages have connections."""
    text = (ROOT / path).read_text()
    shown = [shown_in(text)] if path.parts[0] == "templates" else [n.value for n in sentences_of(ast.parse(text))]

    assert [each for each in shown if re.search(r"\bconnections?\b", each, re.IGNORECASE)] == []


GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(path for room in ("integrations", "kartra_mirror") for path in (ROOT / room).rglob("commands/*.py"))


@pytest.mark.parametrize("path", [*GUIDES, *COMMANDS], ids=lambda path: path.name)
def test_guides_and_commands_say_nothing_by_an_old_name(path):
    assert OLD_NAMES.findall(path.read_text()) == []


@pytest.mark.parametrize("name", ["for-marketers.md", "five-minutes.md"])
def test_guide_for_everybody_uses_the_words_of_the_page(name):
    text = re.sub(r"```.*?```|`[^`]*`|^    .*$|\]\([^)]*\)", " ", (ROOT / "docs" / name).read_text(), flags=re.S | re.M)

    assert [line for line in text.splitlines() if wrong_words(line)] == []


def test_every_state_has_a_word():
    assert set(STATUS_WORDS) == set(ChangeStatus.values)
    assert set(RUN_WORDS) == set(RunState.values)
    assert [words for words in (*STATUS_WORDS.values(), *RUN_WORDS.values()) if wrong_words(force_str(words))] == []


def test_the_words_that_are_looked_for_are_found():
    """The test would be worth nothing if it found nothing."""
    assert wrong_words("The dirty delivery was rejected by the sandbox") == ["dirty", "delivery", "rejected", "sandbox"]
    assert wrong_words("Leads that nobody told us of cannot be known. Was it read?") == [
        "nobody told us",
        "cannot be known",
    ]
    assert wrong_words("Could not be read. The Kartra sandbox is read-only. Its webhook address is new.") == []
    assert wrong_words("Done!") == ["e!"]
    assert wrong_words(
        shown_in('<p title="a webhook">{{ delivery.pk }} {% translate "Refresh" %}<span class="door">ok</span></p>')
    ) == ["Refresh", "webhook"]
    assert wrong_words("Kartra Mirror: manage.py pull --catalogue") == []
