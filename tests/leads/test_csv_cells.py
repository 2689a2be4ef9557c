"""Cells that no spreadsheet runs as a formula, whatever stands before it, and back letter for letter."""

import sys
import unicodedata

import pytest
from hypothesis import given, strategies as st

from leads.csv_cells import joined, shield, split, unshield

INVISIBLE = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Cf", "Cc", "Zs")]
FILLERS = ["\u115f", "\u1160", "\u2800", "\u3164", "\ufe0f", "\uffa0", "\u034f"]
LETTERS = "';=+@- a\ufeff\u200b\u3164\\,"


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝"])
def test_nothing_invisible_hides_a_formula(sign):
    cells = [f"{before}{sign}1+1" for before in [*INVISIBLE, *FILLERS, "\ufeff\u200b \u00ad"]]

    assert [cell for cell in cells if not shield(cell).startswith("'")] == []
    assert [cell for cell in cells if unshield(shield(cell)) != cell] == []


@pytest.mark.parametrize(
    ("cell", "shielded"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; \u200b@x;y;-2", "a;' \u200b@x;y;'-2"),
        ("a;'=1", "a;''=1"),
        ("=1;=2", "'=1;'=2"),
        ("\ufeff=1", "'\ufeff=1"),
        ("a;b", "a;b"),
        ("ada@example.com", "ada@example.com"),
        ("Bend; Oregon - west", "Bend; Oregon - west"),
    ],
)
def test_what_stands_behind_a_semicolon_is_a_cell_too(cell, shielded):
    assert (shield(cell), unshield(shielded)) == (shielded, cell)


def test_name_with_a_semicolon_is_shielded_within_names_too():
    names = ("a;=1", "=2", "plain", "\u200b+3")

    assert joined(names) == "a\\;'=1;'=2;plain;'\u200b+3"
    assert split(joined(names)) == names


@given(st.text(f"{LETTERS}\t\n", max_size=12))
def test_any_cell_comes_back(cell):
    assert unshield(shield(cell)) == cell


@given(st.lists(st.text(LETTERS, min_size=1, max_size=12), unique=True, max_size=4))
def test_any_names_come_back(names):
    assert split(joined(names)) == tuple(names)
