"""One form of addresses, and names with what cannot be seen in them shown."""

import unicodedata

import pytest
from hypothesis import given, strategies as st

from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import KnownNames, clean_email, comparable, normal_email, visible


@pytest.mark.parametrize(
    "text",
    [
        "ada@example.com",
        " ADA@Example.com ",
        "\u200bada@example.com",
        "ada@example.com\ufeff",
        "a\u00adda@exam\u200dple.com",
        "\u202eada@example.com\u2066",
        "ada@\u2060example.com",
    ],
)
def test_one_person_is_one_address(text):
    assert normal_email(text) == "ada@example.com"


def test_letters_composed_or_not_are_the_same_and_capitals_are_kept():
    decomposed = unicodedata.normalize("NFD", "Zoë@example.com")

    assert normal_email(decomposed) == normal_email("ZOË@example.com") == "zoë@example.com"
    assert clean_email(f" {decomposed}\u200b") == "Zoë@example.com"
    assert normal_email("straße@example.com") != normal_email("strasse@example.com")


@given(st.text(max_size=60))
def test_the_form_in_which_addresses_are_compared_stays_as_it_is(text):
    assert normal_email(normal_email(text)) == normal_email(text)
    assert not any(unicodedata.category(each) == "Cf" for each in comparable(text))


@pytest.mark.parametrize(
    ("text", "shown", "plain"),
    [
        ("ａda@example.com", "ａ (U+FF41)", "ada@example.com"),
        ("ﬁona@example.com", "ﬁ (U+FB01)", "fiona@example.com"),
        ("ada＠example.com", "＠ (U+FF20)", "ada@example.com"),
    ],
)
def test_address_that_only_looks_like_another_is_refused_with_words_that_show_it(text, shown, plain):
    words = sentence_of(lookalike(text))
    assert shown in words
    assert words.endswith(f"Write it as {plain}.")
    assert not lookalike(plain)


def test_accents_and_other_scripts_are_no_lookalikes():
    assert not lookalike("zoë@exämple.com")
    assert not lookalike("δοκιμή@παράδειγμα.gr")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Trail ", "Trail␠"),
        (" Trail", "␠Trail"),
        ("a  b", "a␠␠b"),
        ("VIP\u200b", "VIP[U+200B]"),
        ("a\u00a0b", "a[U+00A0]b"),
        ("one two", "one two"),
        ("  ", "␠␠"),
        ("Zoë", "Zoë"),
    ],
)
def test_what_cannot_be_seen_in_a_name_is_shown(name, shown):
    assert visible(name) == shown


def test_known_name_that_is_meant():
    known = KnownNames({"Trail ", "Café", "VIP", "VIP "})

    assert known.closest("Trail") == "Trail "
    assert known.closest(unicodedata.normalize("NFD", "Café")) == "Café"
    assert known.closest("VIP") == "VIP"
    assert known.closest("\u200bVIP") == "\u200bVIP"  # two could be meant
    assert known.closest("new") == "new"
