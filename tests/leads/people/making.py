"""Texts, workbooks and lists for tests."""

import io
import zipfile

import openpyxl

from leads.models import PeopleListRow
from leads.people import lists, reading


def rows_of(people_list):
    """What became of each row: [(state, email or what stands there)]."""
    rows = PeopleListRow.objects.filter(people_list=people_list).order_by("number")
    return [(row.state, row.email or row.written) for row in rows]


def listed(account, text, name="people.csv", **how):
    """A list of a text or of bytes, read to its end."""
    data = text if isinstance(text, bytes) else text.encode()
    made = lists.create(account, io.BytesIO(data), name, **how)
    while reading.read(made):
        pass
    return made


def workbook(*rows, sheets=()):
    """The bytes of a workbook; further sheets by name."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name in sheets:
        book.create_sheet(name).append(["Email"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(data, change):
    """The workbook with its parts, {name: bytes}, as `change` leaves them."""
    parts = {
        name: zipfile.ZipFile(io.BytesIO(data)).read(name) for name in zipfile.ZipFile(io.BytesIO(data)).namelist()
    }
    change(parts)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()
