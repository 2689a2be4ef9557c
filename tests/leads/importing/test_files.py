"""Reading any file: what wrote it does not matter, what is no CSV is refused in words, one bad row hides no other."""

import csv
import io
import itertools

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from leads.importing import CannotImport
from leads.importing.files import layout_of, records
from leads.models import Import, Lead
from leads.models.remarks import sentence_of


def rows_of(content, position=None):
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    layout = layout_of(file)
    start = (layout.start, layout.line) if position is None else position
    return list(records(file, layout.encoding, layout.delimiter, *start))


def cells(content):
    return [record.cells if not record.problem else sentence_of(record.problem) for record in rows_of(content)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encoding_delimiter_and_line_ends_are_found(encoding, delimiter, end):
    lines = [["Email", "First Name"], ["zoe@example.com", "Zoë"], ["jose@example.com", 'José, der "Große"']]
    text = "".join(delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) + end for line in lines)
    body = text.encode(encoding)

    assert cells(body) == lines[1:]
    for record in rows_of(body):
        assert rows_of(body, (record.position, record.next_line)) == [
            later for later in rows_of(body) if later.position > record.position
        ]


def test_mixed_line_ends_and_empty_lines():
    assert cells("email,a\r\nx,1\ny,2\rz,3\r\n\r\n \n,\nw,4") == [["x", "1"], ["y", "2"], ["z", "3"], ["w", "4"]]


def test_line_is_that_of_a_text_editor():
    found = rows_of('email,a\n\nx,"one\ntwo"\ny,2\n')
    assert [(record.line, record.cells) for record in found] == [(3, ["x", "one\ntwo"]), (5, ["y", "2"])]


def test_latin_letters_that_only_come_late_are_found():
    body = b"email,name\n" + b"a@example.com,Ada\n" * 20_000 + "b@example.com,Zoë\n".encode("cp1252")
    assert cells(body)[-1] == ["b@example.com", "Zoë"]


def test_one_broken_byte_does_not_turn_utf8_into_something_else():
    found = cells("email,name\nb@example.com,Zoë\nc@example.com,Žarko\n".encode() + b"d@example.com,\xff\n")
    assert found[0] == ["b@example.com", "Zoë"]
    assert found[2] == ["d@example.com", "\udcff"]


def test_quote_that_is_never_closed_swallows_no_other_row():
    assert cells('email,a\nx,"open\ny,2\nz,3\n') == [
        "A quotation mark is opened and never closed.",
        ["y", "2"],
        ["z", "3"],
    ]
    assert cells('email,a\nx,"open\ny,"2"\nz,3\n') == [
        "A quotation mark stands where none may be.",
        ["y", "2"],
        ["z", "3"],
    ]


def test_ten_megabytes_in_a_cell_are_one_bad_row():
    huge = "x" * 10_000_000
    too_long = "It is longer than 1,048,576 characters."
    assert cells(f"email,a\nx,{huge}\ny,2\n") == [too_long, ["y", "2"]]
    lines = "y@example.com,line\n" * 500_000
    assert cells(f'email,a\nx,"{lines}"\ny,2\n') == [too_long, ["y", "2"]]
    assert cells(f'email,a\nx,"{huge}')[0] == too_long


def test_headers_come_out_each_once():
    assert layout_of(io.BytesIO(b"Email,,email,EMAIL ,,\n")).headers == ("Email", "column 2", "email (2)", "EMAIL (3)")


def test_line_that_names_the_separator_is_passed_over():
    file = io.BytesIO("\ufeffsep=;\r\nEmail;City\r\na@example.com;Bonn, Rhein\r\n".encode())
    layout = layout_of(file)
    assert (layout.delimiter, layout.headers, layout.line) == (";", ("Email", "City"), 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\0\0\0\0", "empty"),
        (b"\xff\xfe", "empty"),
        (b"PK\x03\x04" + bytes(range(256)), "Excel workbook or a ZIP"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "picture"),
        (bytes(range(256)) * 40, "not a text file"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32"),
        (b",".join(b"c%d" % n for n in range(10_000)), "10,000 columns"),
        (b"ada@example.com,Ada\nbo@example.com,Bo\n", "not the names of the columns"),
        (b'email,"city\na@example.com,Bend\n', "column names cannot be read"),
        (b'"' + b"x" * 3_000_000, "column names cannot"),
    ],
)
def test_what_is_no_csv_is_refused_in_words_and_changes_nothing(load, content, words):
    with pytest.raises(CannotImport, match=words):
        load(content)
    assert not Import.objects.exists()
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a@example.com,A\0da", "no text"),
        ("a@example.com," + "x" * 200_000, "longer than 100,000"),
        ("a@example.com," + "x" * 2_000_000, "longer than 1,048,576"),
        ('a@example.com,"never closed', "never closed"),
        ('a@example.com,"Ada" Lovelace', "quotation mark stands"),
        ("a@example.com,Ada,more", "3 cells"),
        ("a@example.com,\x1b[2J", "no text"),
        ("\x7f@example.com,", "no text"),
        (";,", "not an email"),
    ],
)
def test_bad_row_is_told_and_the_others_are_loaded(load, row, why):
    result = load(f"email,first name\nok@example.com,Ok\n{row}\nfine@example.com,Fine\n")
    assert set(Lead.objects.values_list("email", flat=True)) == {"ok@example.com", "fine@example.com"}
    [(line, reason)] = result.rejects
    assert line == 3
    assert why in reason


def test_bytes_that_are_no_text_make_a_bad_row(load):
    result = load("email,first name\nü@example.com,Zoë Žarko\n".encode() + b"a@example.com,\xff\xfe\n")
    assert result.numbers == (2, 1, 0, 0, 1)
    assert result.cells == [["a@example.com", "\ufffd\ufffd"]]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300))
def test_no_bytes_break_the_reader(body):
    try:
        found = rows_of(body)
    except CannotImport:
        return
    assert all(later.position > record.position for record, later in itertools.pairwise(found))
    assert all(record.position <= len(body) + 1 for record in found)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\t"), max_size=20),
            min_size=2,
            max_size=2,
        ),
        max_size=8,
    )
)
def test_what_python_writes_is_read_back(lines):
    """Of texts: a file that is full of control characters is refused, as it is none."""
    wanted = [line for line in lines if any(cell and not cell.isspace() for cell in line)]
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["email", "a"], *lines])
    assert [record.cells for record in rows_of(file.getvalue())] == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(max_size=200))
@pytest.mark.django_db
def test_no_text_breaks_an_import(load, body):
    result = load("email,id,score\n" + body)
    assert result.rows == result.created + result.updated + result.unchanged + result.rejected
