"""A language in which every text that went through gettext stands in ⟦…⟧, and the reader that finds what did not."""

import re
from html.parser import HTMLParser
from typing import Any

from django.utils import translation

KEPT = re.compile(
    r"(</?(?:a|b|br|code|em|p|small|strong|ul|li)\b[^>]*>|%\(\w+\)[-0-9.]*[sdifr]|%[-0-9.]*[sd]|%%|\{\w*\})"
)
"""Tags and placeholders: what a translator leaves alone. It stays outside the brackets, so that what is put in is looked at."""


def pseudo(text: str) -> str:
    """The text as a translation would give it, marked: "⟦Read ⟧%(number)s⟦ leads.⟧"."""
    pieces = KEPT.split(str(text))
    return "".join(
        piece if number % 2 or not re.search(r"[^\W\d_]", piece) else f"⟦{piece}⟧"
        for number, piece in enumerate(pieces)
    )


def speak(monkeypatch: Any) -> None:
    """Let every function of gettext, lazy ones too, answer in this language."""
    marked = {
        "gettext": lambda text: pseudo(text),
        "pgettext": lambda context, text: pseudo(text),
        "ngettext": lambda one, more, number: pseudo(one if number == 1 else more),
        "npgettext": lambda context, one, more, number: pseudo(one if number == 1 else more),
    }
    for name, function in marked.items():
        monkeypatch.setattr(translation._trans, name, function, raising=False)


ATTRIBUTES = ("title", "placeholder", "aria-label", "alt", "data-placeholder", "data-confirm")
SILENT = {"script", "style", "pre", "code", "kbd", "template"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
ICONS = "material-symbols"

NOT_WORDS = re.compile(
    r"""[^\s@<>"“”]+@[^\s@<>"“”]+     # mail addresses
    |https?://\S+|/\S+/\S*            # addresses
    |\b\w+(?:[_.]\w+)+\b              # identifiers: commands, events, names of files
    |\b[A-Z][A-Za-z]+(?:/[A-Z][\w+-]*)+  # time zones: America/New_York
    |\b[0-9a-f]{8}-[0-9a-f-]+\b|\b(?=[a-f]*\d)[0-9a-f]{12,}\b  # keys
    |\d{4}-\d\d-\d\dT[\d:.+Z]+        # moments in files
    |[\w\[\]]+=\w+                    # fields of a call
    |\w+\*{4,}                        # what is shown of a password
    """,
    re.VERBOSE | re.ASCII,
)
WORD = re.compile(r"[A-Za-z]{2,}")


class Reader(HTMLParser):
    """What a person sees or hears of a page: [(where, text)]."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[tuple[str, str]] = []
        self.open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ATTRIBUTES:
            if given.get(name):
                self.texts.append((f"<{tag} {name}>", given[name]))
        if tag == "input" and given.get("aria-hidden") != "true" and given.get("type") in ("submit", "button", "reset"):
            self.texts.append(("<input value>", given.get("value", "")))
        if tag not in VOID:
            silent = tag in SILENT or ICONS in given.get("class", "")
            self.open.append((tag, silent))

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag in [each for each, _silent in self.open]:
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(silent for _tag, silent in self.open):
            self.texts.append((f"<{self.open[-1][0]}>" if self.open else "", " ".join(data.split())))


def left(text: str) -> str:
    """What of the text stands in no brackets."""
    before = None
    while before != text:
        before, text = text, re.sub(r"⟦[^⟦⟧]*⟧", " ", text)
    return text


def untranslated(text: str, data: frozenset[str] = frozenset()) -> bool:
    """Whether words are left when what was marked and what is data is taken out."""
    return any(word not in data for word in WORD.findall(NOT_WORDS.sub(" ", left(text))))


def words_left(html: str, data: frozenset[str] = frozenset()) -> list[str]:
    """The texts of a page with words that did not go through gettext."""
    reader = Reader()
    reader.feed(html)
    return [f"{where} {text}" for where, text in reader.texts if untranslated(text, data)]
