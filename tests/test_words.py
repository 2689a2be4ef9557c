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
    r"mirror": "our copy",
    r"drift\w*": "changed in Kartra without us",
    r"(?:an?|the|this|that|each|every|which|of) runs?": "bulk action",
    r"rejected": "refused by Kartra",
    r"unknown": "checking with Kartra",
    r"undecided": "needs your decision",
    r"accepted": "done",
    r"skipped": "nothing to do, or left out",
    r"dirty": "update due",
    r"doors?": "address for Kartra",
    r"deliver(?:y|ies)": "message from Kartra",
    r"echo(?:es)?": "our own change coming back",
    r"refresh\w*|pull(?:s|ed|ing)?": "update from Kartra",
    r"pace": "Kartra's speed limit",
    r"lanes?|leases?|breakers?|fences?|dead letters?": "never shown; failed changes",
    r"canary": "try the first 10",
    r"requeue\w*": "try again",
    r"receipts?": "the safety field",
    r"quarantined": "could not be read",
    r"sandbox": "pretend Kartra",
    r"webhooks?|payloads?|endpoints?": "message, address",
    r"records|(?:a|the|this) (?:record|object)": "lead",
}
REPLACED = re.compile(rf"\b(?:{'|'.join(SAY_INSTEAD)})\b", re.IGNORECASE)

NAMES = re.compile(r"Kartra Mirror|manage\.py \w+|`\w+ --|[A-Z]+(?:_[A-Z]+)+|/webhooks/|\w+\.rejected\.csv")

ALLOWED = {
    "The custom field in Kartra that calls write their receipt into; empty: none.": "help of a field that no form shows",
    "not accepted": "Kartra's own word for a GDPR status",
    "unknown (the place could not be determined)": "Kartra's own word for a GDPR status",
}
"""Texts that stay, and why."""


def wrong_words(text: str) -> list[str]:
    return [] if text in ALLOWED else [match.group() for match in REPLACED.finditer(NAMES.sub(" ", text))]


def shown_in(template: str) -> str:
    """What a template shows by itself: its text, and the attributes that are read out or seen."""
    words = re.sub(r'\{%\s*translate\s+"([^"]*)"[^%]*%\}', r"\1", template)
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
    if not {"migrations", "management", "sandbox", "kartra"} & set(path.relative_to(ROOT / room).parts)
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


def test_every_state_has_a_word():
    assert set(STATUS_WORDS) == set(ChangeStatus.values)
    assert set(RUN_WORDS) == set(RunState.values)
    assert [words for words in (*STATUS_WORDS.values(), *RUN_WORDS.values()) if wrong_words(force_str(words))] == []


def test_the_words_that_are_looked_for_are_found():
    """The test would be worth nothing if it found nothing."""
    assert wrong_words("The dirty delivery was rejected by the sandbox") == ["dirty", "delivery", "rejected", "sandbox"]
    assert wrong_words(
        shown_in('<p title="a webhook">{{ delivery.pk }} {% translate "Refresh" %}<span class="door">ok</span></p>')
    ) == ["Refresh", "webhook"]
    assert wrong_words("Kartra Mirror: manage.py pull --catalogue") == []
