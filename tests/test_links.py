"""No link in the project's texts leads nowhere: files are there, and so are the headings that are named."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.browser.screens import PICTURES

ROOT = Path(__file__).resolve().parents[1]
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"!?\[[^\]\[]*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")


def prose(path):
    """The text without code: neither blocks nor what stands in backticks."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)
    return text


def links(path):
    return LINK.findall(re.sub(r"`[^`\n]*`(?!\])", "", prose(path)))


def anchors(path):
    """The names of headings as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", prose(path), re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        number = next(n for n in range(100) if f"{name}-{n}" * bool(n) + name * (not n) not in found)
        found.add(f"{name}-{number}" if number else name)
    return found


def dead(path, link):
    """Why this link of this text leads nowhere, "" where it leads somewhere or out of the project."""
    if re.match(r"[a-z]+:", link):
        return ""
    file, _, anchor = unquote(link).partition("#")
    target = (path.parent / file).resolve() if file else path
    if not target.exists() or not target.is_relative_to(ROOT):
        return "no such file"
    if anchor and (target.suffix != ".md" or anchor not in anchors(target)):
        return "no such heading"
    return ""


def test_links_lead_somewhere():
    found = [(path, link) for path in TEXTS for link in links(path)]

    assert len(found) > 25
    assert [f"{path.relative_to(ROOT)}: {link}: {why}" for path, link in found if (why := dead(path, link))] == []


def test_pictures_are_those_that_make_screens_renews():
    named = {f"{name}-{scheme}.png" for name, schemes in PICTURES.items() for scheme in schemes}

    assert {path.name for path in (ROOT / "docs" / "screens").iterdir()} == named
    assert max(path.stat().st_size for path in (ROOT / "docs" / "screens").iterdir()) < 250_000


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("README.md", ""),
        ("README.md#two-commands", ""),
        ("https://example.com/x", ""),
        ("mailto:you@example.com", ""),
        ("missing.md", "no such file"),
        ("../outside.md", "no such file"),
        ("README.md#missing", "no such heading"),
        ("#missing", "no such heading"),
    ],
)
def test_dead_link_is_found(link, why):
    assert dead(ROOT / "README.md", link) == why


def test_links_are_found_in_prose_and_not_in_code(tmp_path):
    text = (
        '# A heading: of *words*\n\n[a](b.md) ![c](d.png "e") `[f](g)` [`h`](i.md)\n\n    [j](k)\n\n```\n[l](m)\n```\n'
    )
    (tmp_path / "x.md").write_text(text)

    assert links(tmp_path / "x.md") == ["b.md", "d.png", "i.md"]
    assert anchors(tmp_path / "x.md") == {"a-heading-of-words"}
