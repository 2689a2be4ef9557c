"""Excel workbooks as lists: what is read of one, and which are refused before they are opened."""

import datetime as dt
import io
import struct
import zipfile

import pytest

from leads.importing import CannotImport
from leads.models import PeopleList
from leads.people import lists, reading, workbook as workbooks
from tests.factories import AccountFactory
from tests.leads.people.making import listed, repacked, rows_of, workbook

pytestmark = pytest.mark.django_db

PLAIN = workbook(["Email", "City"], ["ada@example.com", "Bend"])


def csv_of(data):
    return b"".join(workbooks.as_csv(workbooks.sheet_of(io.BytesIO(data)).rows)).decode()


def test_cells_become_texts_and_rows_keep_their_numbers():
    data = workbook(
        ["Email", "Phone", "Day", "Came"],
        [],
        ["ada@example.com", 447912345678.0, dt.datetime(2026, 3, 4), True],
        ["bo@example.com", "two\nlines", dt.datetime(2026, 3, 4, 9, 30), None],
    )

    assert csv_of(data).split("\r\n") == [
        "Email,Phone,Day,Came",
        "",
        "ada@example.com,447912345678,2026-03-04,yes",
        "bo@example.com,two lines,2026-03-04 09:30:00",
        "",
    ]


def test_a_workbook_becomes_a_list_and_its_other_sheets_are_named():
    account = AccountFactory()
    data = workbook(["Email", "City"], ["nobody", "x"], ["Ada <ada@example.com>", "Bend"], sheets=["Other"])

    made = listed(account, data, "webinar.xlsx")

    assert rows_of(made) == [("unreadable", "nobody"), ("to_look_up", "ada@example.com")]
    assert [row.line for row in made.people.all()] == [2, 3]
    assert (made.name, made.notes["sheet"], made.notes["other_sheets"]) == ("webinar", "Sheet", 1)


def _with(name, content):
    return lambda parts: parts.update({name: content})


def _sheet(xml):
    head = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    return _with("xl/worksheets/sheet1.xml", (head + xml + "</worksheet>").encode())


ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
    b'<c r="A1" t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>'
)


def _encrypted(data):
    """The same with the mark of a password on each part."""
    marked = bytearray(data)
    for sign, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = marked.find(sign)
        while at >= 0:
            marked[at + place] |= 1
            at = marked.find(sign, at + 4)
    return bytes(marked)


def _many_entries():
    """An end that tells of a directory of gigabytes."""
    return PLAIN[:-10] + struct.pack("<L", 2**31) + PLAIN[-6:]


HOSTILE = {
    "a bomb": (lambda: repacked(PLAIN, _with("xl/worksheets/sheet2.xml", b"0" * 30_000_000)), "unpacks to more"),
    "texts without end": (
        lambda: repacked(PLAIN, _with("xl/sharedStrings.xml", bytes(range(256)) * 170_000)),
        "unpacks to more",
    ),
    "a huge part": (lambda: repacked(PLAIN, _with("xl/styles.xml", bytes(range(256)) * 40_000)), "unpacks to more"),
    "a directory of gigabytes": (_many_entries, "unpacks to more"),
    "too many parts": (
        lambda: repacked(PLAIN, lambda parts: parts.update({f"x{n}": b"" for n in range(5_001)})),
        "unpacks to more",
    ),
    "macros": (lambda: repacked(PLAIN, _with("xl/vbaProject.bin", b"x")), "holds macros"),
    "a password": (lambda: _encrypted(PLAIN), "protected by a password"),
    "an old workbook": (lambda: b"\xd0\xcf\x11\xe0" + b"x" * 600, "protected by a password, or is of an old kind"),
    "another archive": (lambda: repacked(PLAIN, lambda parts: parts.pop("xl/workbook.xml")), "not an Excel workbook"),
    "half of one": (lambda: PLAIN[: len(PLAIN) // 2], "damaged"),
    "a hole in it": (lambda: PLAIN[:300] + bytes(200) + PLAIN[500:], "damaged"),
    "no xml": (lambda: repacked(PLAIN, _with("xl/worksheets/sheet1.xml", b"<<<")), "damaged"),
    "entities": (lambda: repacked(PLAIN, _with("xl/worksheets/sheet1.xml", ENTITIES)), "damaged"),
    "no sheet": (
        lambda: repacked(PLAIN, lambda parts: parts.pop("xl/worksheets/sheet1.xml")),
        "shows no sheet|damaged",
    ),
    "a row of gigabytes": (
        lambda: repacked(PLAIN, _sheet('<sheetData><row r="1"><c r="XFD1"><v>1</v></c></row></sheetData>')),
        "more than 500 columns",
    ),
    "a far row": (
        lambda: repacked(
            PLAIN,
            _sheet(
                '<sheetData><row r="1"><c r="A1"><v>1</v></c></row><row r="99999999999"><c r="A2"><v>2</v></c></row></sheetData>'
            ),
        ),
        "more than 250,000 rows|No column|empty",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_refused_says_what_to_do(name):
    make, words = HOSTILE[name]
    with pytest.raises(CannotImport, match=words):
        listed(AccountFactory(), make(), "people.xlsx")
    assert not PeopleList.objects.exists()


def test_a_size_that_the_sheet_tells_of_itself_is_believed_by_nobody():
    told = '<dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>ada@example.com</t></is></c></row></sheetData>'
    made = listed(AccountFactory(), repacked(PLAIN, _sheet(told)), "people.xlsx")
    assert rows_of(made) == [("to_look_up", "ada@example.com")]


def test_sizes_are_read_from_the_directory_alone():
    """Nothing is unpacked of a bomb: its parts cannot even be opened."""
    bomb = bytearray(repacked(PLAIN, _with("xl/worksheets/sheet2.xml", b"0" * 30_000_000)))
    first = zipfile.ZipFile(io.BytesIO(bytes(bomb))).infolist()[0].header_offset
    bomb[first + 30 : first + 60] = bytes(30)
    with pytest.raises(CannotImport, match="unpacks to more"):
        workbooks.check(io.BytesIO(bytes(bomb)))


def test_a_large_workbook_is_unpacked_by_the_worker():
    account = AccountFactory()
    data = workbook(["Email", "City"], ["ada@example.com", "Bend"], ["nobody", "x"], sheets=["Other"])
    made = lists.create(account, io.BytesIO(data), "large.xlsx", small=10)
    broken = lists.create(account, io.BytesIO(workbook(["Name", "City"], ["Ada", "Bend"])), "broken.xlsx", small=10)
    assert (made.state, made.encoding) == ("reading", "xlsx")

    assert [reading.read(each) for each in (made, broken)] == [False, False]

    assert rows_of(made) == [("to_look_up", "ada@example.com"), ("unreadable", "nobody")]
    assert (made.headers, made.notes["other_sheets"]) == (["Email", "City"], 1)
    assert (broken.state, broken.why_stopped[:32]) == ("stopped", "No column holds email addresses.")
    with pytest.raises(CannotImport, match="macros"):
        lists.create(account, io.BytesIO(repacked(data, _with("xl/vbaProject.bin", b"x"))), "macros.xlsx", small=10)
