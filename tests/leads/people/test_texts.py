"""Whom a text names, however it is written: a table of what people paste and upload, hostile ones among them."""

import io

import pytest

from leads.importing import CannotImport
from leads.models.remarks import sentence_of
from leads.people.entries import passages, reading_of
from leads.people.typos import counted, meant_domain
from tests.factories import AccountFactory

pytestmark = pytest.mark.django_db

BAD = "not readable"


def entries(text):
    file = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    found = reading_of(AccountFactory(), file)
    return [
        entry for passage in passages(file, found, found.layout.start, found.layout.line) for entry in passage.people
    ]


def people(text):
    return [entry.email or BAD for entry in entries(text)]


TEXTS = {
    "an address a line": ("ada@example.com\n\nbo@example.com\n", ["ada@example.com", "bo@example.com"]),
    "between commas": (
        "ada@example.com, bo@example.com;cy@example.com",
        ["ada@example.com", "bo@example.com", "cy@example.com"],
    ),
    "between blanks": ("ada@example.com bo@example.com", ["ada@example.com", "bo@example.com"]),
    "from a mail": ('"Moss, Ada" <ada@example.com>, Bo Lind <bo@example.com>', ["ada@example.com", "bo@example.com"]),
    "last name first": ("Moss, Ada <ada@example.com>\n", ["ada@example.com"]),
    "name beside it": ("Ada Moss ada@example.com\n", ["ada@example.com"]),
    "from a link": ("mailto:ada@example.com\nMAILTO:bo@example.com.\n", ["ada@example.com", "bo@example.com"]),
    "in quotes": ("'ada@example.com'\n“bo@example.com”\n", ["ada@example.com", "bo@example.com"]),
    "invisible characters": (
        "\ufeffada\u200b@exam\u00adple.com\n\u202ebo@example.com\n",
        ["ada@example.com", "bo@example.com"],
    ),
    "a heading above": ("Who came\nada@example.com\n", ["ada@example.com"]),
    "a table": (
        "Name,E-Mail,City\nAda,ada@example.com,Bend\nBo,bo@example.com,\n",
        ["ada@example.com", "bo@example.com"],
    ),
    "a table without headings": ("ada@example.com,Ada\nbo@example.com,Bo\n", ["ada@example.com", "bo@example.com"]),
    "a foreign heading": ("Teilnehmer;Anschrift\nAda;ada@example.com\n", ["ada@example.com"]),
    "pasted from a sheet": ("Name\tEmail\nAda\tada@example.com\n", ["ada@example.com"]),
    "a name in the column": ("Email,City\nAda Moss <ada@example.com>,Bend\n", ["ada@example.com"]),
    "windows lines": ("ada@example.com\r\nbo@example.com\r\n", ["ada@example.com", "bo@example.com"]),
    "16 bits": ("ada@example.com\nbo@example.com\n".encode("utf-16"), ["ada@example.com", "bo@example.com"]),
    "8 bits": ("Name,Email\nJos\u00e9,ada@example.com\n".encode("cp1252"), ["ada@example.com"]),
    "an open quotation mark": (
        'ada@example.com\n"bo@example.com\ncy@example.com\n',
        ["ada@example.com", "bo@example.com", "cy@example.com"],
    ),
    "no address": ("ada@example.com\nnobody\nada at example.com\n", ["ada@example.com", BAD, BAD]),
    "half an address": (
        "ada@example.com\n@example.com\nada@\na@b\na@b@c.com\n",
        ["ada@example.com", BAD, BAD, BAD, BAD],
    ),
    "two in a cell": ("Email,City\nada@example.com; bo@example.com,Bend\n", [BAD]),
    "more cells than columns": ("Email,City\nada@example.com,Bend,bo@example.com\n", [BAD]),
    "lookalikes": ("\uff41da@example.com\nada\uff20example.com\nbo@example.com\n", [BAD, BAD, "bo@example.com"]),
    "broken bytes": (b"ad\xffa\xc3@example.com\nbo@example.com\n\xe2\x82\xac@example.com\n", None),
    "a null": ("ada@example.com\nb\0o@example.com\n", ["ada@example.com", "bo@example.com"]),
    "a formula": ("Email\n'=cmd@example.com\nbo@example.com\n", None),
    "only angle brackets": ("ada@example.com\n<>\n<<<>>>@\n" + "<" * 5000 + "\n", ["ada@example.com", BAD, BAD, BAD]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_whom_a_text_names(name):
    text, expected = TEXTS[name]
    found = people(text)
    assert expected is None or found == expected
    assert all(each.isprintable() for each in found)


def test_what_is_said_beside_an_address_is_kept():
    table = entries("Email,City,Seat\nAda Moss <ada@example.com>,Bend,7\n")
    lines = entries('"Moss, Ada" <ada@example.com>\nBo Lind <bo@example.com>\ncy@example.com')

    assert [dict(entry.values) for entry in (*table, *lines)] == [
        {"First name": "Ada", "Last name": "Moss", "City": "Bend", "Seat": "7"},
        {"First name": "Ada", "Last name": "Moss"},
        {"First name": "Bo", "Last name": "Lind"},
        {},
    ]
    assert [entry.line for entry in lines] == [1, 2, 3]


def test_what_cannot_be_read_says_why():
    found = entries("Email,City\nnobody,Bend\n,Bend\nada@example.com;bo@example.com,\n\uff41da@example.com,\n")

    assert [sentence_of(entry.problem).split(" ")[-4:] for entry in found] == [
        ["not", "an", "email", "address"],
        ["email", "address", "nor", "an", "id"][-4:],
        ["row", "of", "its", "own"],
        ["Write", "it", "as", "ada@example.com."],
    ]


def test_a_very_long_line_is_read_piece_by_piece():
    found = people(", ".join(f"p{n}@example.com" for n in range(20_000)))
    assert (len(found), found[0], found[-1], BAD in found) == (20_000, "p0@example.com", "p19999@example.com", False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("\ufeff  \n\n", "empty"),
        ("Name,City\nAda,Bend\n", "No column holds email addresses"),
        (b"%PDF-1.7 ada@example.com", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (bytes(range(256)) * 40, "not a text file"),
    ],
)
def test_a_text_that_names_nobody_says_what_to_do(text, words):
    with pytest.raises(CannotImport, match=words):
        entries(text)


@pytest.mark.parametrize(
    ("email", "meant"),
    [
        ("maya@exmaple.com", "example.com"),
        ("maya@gmial.com", "gmail.com"),
        ("maya@gmail.con", "gmail.com"),
        ("maya@gmaill.com", "gmail.com"),
        ("maya@hotmai.com", "hotmail.com"),
        ("maya@gmail.com", ""),
        ("maya@quokka.test", ""),
        ("maya@quoka.test", "quokka.test"),
        ("maya@t.co", ""),
    ],
)
def test_a_probable_slip_is_hinted_at(email, meant):
    assert meant_domain(email, counted({}, ["a@quokka.test"] * 9 + ["b@gmail.com"])) == meant
