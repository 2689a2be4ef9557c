"""By what a text names a person, and what is somebody else."""

import base64
import gzip
import html
import json
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings, strategies as st

from leads.models import Lead
from leads.person.naming import REMOVED, KnownBy, Person, person_of, told_in
from leads.person.spellings import readings, readings_of_bytes
from tests.factories import LeadFactory

ADA = Person(
    account_id=1,
    lead_id=1,
    kartra_id="7744330",
    addresses=frozenset({"ada@example.com", "o'lind+x@example.com"}),
    names=frozenset({("ada", "lind")}),
    phones=frozenset({"5557483921"}),
    streets=frozenset({"12 heron lane"}),
)

NAMED = [
    "ada@example.com",
    "Mail <ADA@Example.com>.",
    "q=mail+ada%40example.com",
    "q=ada%2540example.com",
    "o'lind+x@example.com",
    "q=o%27lind%2Bx%40example.com",
    "Notes:\\nada@example.com",
    "ada@example.com.csv",
    "Ada Lind",
    "LIND, Ada",
    "ada+lind",
    "Ada B. Lind",
    "ada\u200b lind",
    "+1 (555) 748-3921",
    "0555/748 39 21",
    "Heron Lane? 12 Heron Lane!",
    "12,+Heron%20Lane",
    "id 7744330",
    "lead[id]=7744330",
    '{"lead_id": 7744330}',
]
SOMEBODY_ELSE = [
    "lada@example.com",
    "x+ada@example.com",
    "q=x%2Bada%40example.com",
    '{"url":"http://x.io/?a=b%20c","email":"x+ada@example.com"}',
    "ada@example.com.au",
    "ada@example.community",
    "Ada",
    "Lind",
    "Adam Lind",
    "Ada Lindgren",
    "15557483921999",
    "555-7483",
    "112 Heron Lane",
    "12 Heron Laneway",
    "17744330",
    "77443301",
    "7744330.55",
]


@pytest.mark.parametrize("text", NAMED)
def test_text_that_names_her(text):
    assert ADA.is_in(text)
    assert ADA.is_in({"a": [{"b": text}]})
    assert ADA.is_in_bytes(text.encode())
    assert ADA.may_be_in_text(text)
    assert not ADA.is_in(ADA.without(text))


@pytest.mark.parametrize("text", SOMEBODY_ELSE)
def test_text_that_names_somebody_else(text):
    assert not ADA.is_in(text)
    assert ADA.without(text) == text


def test_what_names_her_is_cut_out_and_the_rest_stays():
    assert ADA.without("Ada Lind (ada@example.com) likes tea") == f"{REMOVED} ({REMOVED}) likes tea"
    assert ADA.without("see ada%40example.com") == ""  # where it stands nobody can say
    assert ADA.without_in({"who": ["Ada Lind", 5], "Ada Lind": 1, "tea": True}) == {"who": [REMOVED, 5], "tea": True}


@pytest.mark.parametrize(("value", "named"), [({"transaction": "7744330"}, False), ({"lead_id": "7744330"}, True)])
def test_number_of_something_else_is_not_her_id(value, named):
    assert ADA.is_in(value) is named
    assert (ADA.without_in({**value, "why": "for Ada Lind"})["why"], ADA.without_in(value) == value) == (
        f"for {REMOVED}",
        not named,
    )


def test_short_id_counts_only_beside_the_word_for_it():
    person = Person(account_id=1, lead_id=1, kartra_id="12")
    assert person.is_in('{"lead":{"id":"12"}}')
    assert person.is_in("lead_id=12")
    for other in ("12 leads", "at 12:30", "transaction_id=12", '{"id": 123}', "id=112"):
        assert not person.is_in(other), other


def test_cells_of_a_row_may_hold_the_names_apart():
    assert ADA.is_in_cells(["x@example.com", "Ada", " LIND "])
    assert not ADA.is_in_cells(["x@example.com", "Ada", "Berg"])


WRAPPINGS = [
    lambda text: quote(text, safe=""),
    quote_plus,
    lambda text: json.dumps(text)[1:-1],
    lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
    html.escape,
    lambda text: "".join(f"&#x{ord(each):x};" for each in text),
]
TEXTS = ["ada@example.com", "Ada Lind", "12 Heron Lane", "555 748 39 21", "lead_id=7744330"]
around = st.text(alphabet=" \t,;<>\"'()", max_size=4)


@settings(max_examples=60)
@given(st.sampled_from(TEXTS), st.lists(st.sampled_from(WRAPPINGS), max_size=3), around, around)
def test_she_is_found_in_up_to_three_layers_of_spellings(text, layers, before, after):
    for wrap in layers:
        text = wrap(text)
    assert ADA.is_in(f"{before}{text}{after}")
    assert ADA.is_in_bytes(f"{before} {text} {after}".encode("utf-16"))
    assert ADA.is_in_bytes(gzip.compress(f"{before} {text} {after}".encode()))
    assert ADA.is_in(f"x {base64.b64encode(f'{before} {text} and more'.encode()).decode()} y")


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_bytes_of_whatever_kind_are_read_without_an_error(body):
    for reading in readings_of_bytes(body):
        assert isinstance(reading, str)
    ADA.is_in_bytes(body)


@pytest.mark.parametrize(
    "piece",
    ["%", "\\", "\\u", "&", "&#9", "+", "=", "A", "555", "ada@", "12 heron ", "[", "lead_id=", "\u200b", "7744330"],
)
def test_no_text_costs_more_than_linear_time(piece):
    times = []
    for size in (20_000, 80_000):
        text = (piece * size)[:size]
        began = time.perf_counter()
        for _ in range(2):
            ADA.is_in(text)
            list(readings(text))
        times.append(time.perf_counter() - began)
    assert times[1] < 12 * times[0] + 0.2


# --- whose it is


@pytest.mark.django_db
def test_what_another_lead_has_too_names_nobody():
    given = {"first_name": "Ada", "last_name": "Lind", "phone": "555 748 3921", "address": "12 Heron Lane"}
    ada = LeadFactory(email="ada@example.com", **given)
    assert person_of(ada).shared == ()
    assert person_of(ada).streets == {"12 heron lane"}

    LeadFactory(account=ada.account, email="twin@example.com", **given)

    found = person_of(Lead.objects.get(pk=ada.pk))
    assert found.shared == ("name", "phone", "street")
    assert (found.names, found.phones, found.streets) == (frozenset(), frozenset(), frozenset())
    assert found.addresses == {"ada@example.com"}


def test_messages_tell_telephones_and_streets():
    told = {
        "lead_phone": "555 748 3921",
        "shipping_address": "9 Bilby Lane 4040",
        "email_address": "a@b.c",
        "x": [{"street": "5 Way"}],
    }
    assert {each.digits or each.street_words for each in told_in(told)} == {"5557483921", "9 bilby lane 4040", ""}
    assert KnownBy(street="Main").street_words == ""
