"""A file of people, read to be created in Kartra. Nothing is stored.

Any CSV that an import can read; the columns are told by their headings. Only what Kartra takes of a new lead is read: its
fields, tags and lists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from leads import kinds
from leads.csv_cells import unshield
from leads.importing import columns, values
from leads.importing.files import CannotImport, Layout, Record, layout_of, records
from leads.importing.names import Catalogue
from leads.models import Account, ImportKind, RowRemark, normal_email
from leads.models.remarks import Remark

MOST = 5_000
"""People of one file: each is a call to Kartra, so these take four and a half minutes."""
CHUNK = 500
BAD_KEPT = 200
SEVERAL = {"tags": "tag", "lists": "list"}
"""Columns that hold names between semicolons, and the parameter they become."""


@dataclass(frozen=True)
class Person:
    """One person of the file: the line, and the parameters of a `create_lead`."""

    line: int
    parameters: dict[str, Any]

    @property
    def email(self) -> str:
        return str(self.parameters["email"])


@dataclass
class PeopleList:
    """What a file holds. `bad` are the lines that cannot be read and why (the first of them; `bad_number` all), `twice`
    how many named somebody again, `not_read` the headings of columns that a new lead cannot have."""

    people: list[Person] = field(default_factory=list)
    bad: list[tuple[int, Remark | str]] = field(default_factory=list)
    bad_number: int = 0
    twice: int = 0
    not_read: list[str] = field(default_factory=list)

    def reject(self, line: int, why: Remark | str) -> None:
        self.bad_number += 1
        if len(self.bad) < BAD_KEPT:
            self.bad.append((line, why))


def read(account: Account, file: BinaryIO, most: int = MOST) -> PeopleList:
    """The people of a file, to be created. Raises CannotImport if it cannot be read, holds no addresses, or too many
    people."""
    layout, by_target = _columns(account, file)
    kind = kinds.CREATE
    fields = kind.fields(account)
    catalogues = {SEVERAL[target]: Catalogue(account, target, may_be_new=False) for target in SEVERAL}
    wanted = {target: number for target, number in by_target.items() if SEVERAL.get(target, target) in fields}
    if "email" not in wanted:
        raise CannotImport(_("No column is called Email. A lead is made by its email address; name that column so."))
    taken = set(wanted.values())
    found = PeopleList(not_read=[header for number, header in enumerate(layout.headers) if number not in taken])
    seen: set[str] = set()
    for record in records(file, layout.encoding, layout.delimiter, layout.start, layout.line):
        if record.problem:
            found.reject(record.line, record.problem)
            continue
        try:
            given = _given(record, wanted)
            for name, catalogue in catalogues.items():
                if name in given:
                    given[name] = list(catalogue.read(given[name]))
            person = Person(record.line, kind.clean_with(fields, account, given))
        except kinds.BadParameters as problem:
            found.reject(record.line, problem.words)
            continue
        except values.Bad as problem:
            found.reject(record.line, problem.remark)
            continue
        key = normal_email(person.email)
        if key in seen:
            found.twice += 1
            continue
        seen.add(key)
        found.people.append(person)
        if len(found.people) > most:
            words = _(
                "The file holds more than %(most)s people. Take fewer at a time, or use Kartra's own import: it takes "
                "just under 20,000 in a file."
            )
            raise CannotImport(words % {"most": f"{most:,}"})
    return found


def _columns(account: Account, file: BinaryIO) -> tuple[Layout, dict[str, int]]:
    """How the file is read, and which column holds what."""
    layout = layout_of(file)
    index = {header: number for number, header in enumerate(layout.headers)}
    suggested = columns.suggest(account, ImportKind.LEADS, layout.headers)
    return layout, {target: index[header] for target, header in suggested.items()}


def _given(record: Record, wanted: Mapping[str, int]) -> dict[str, Any]:
    """What a row says of a person; empty cells say nothing."""
    return {SEVERAL.get(target, target): value for target, value in _cells(record, wanted) if value.strip()}


def _cells(record: Record, wanted: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for target, number in wanted.items():
        cell = record.cells[number] if number < len(record.cells) else ""
        if values.UNSTORABLE.search(cell):
            raise values.Bad(RowRemark.NO_TEXT, column=target)
        if target not in SEVERAL and target != "notes" and values.is_shortened(cell):
            column = columns.named(ImportKind.LEADS, target)
            raise values.Bad(RowRemark.COLUMN_OF, column=column, problem=values.shortened(cell).remark)
        yield target, cell if target in SEVERAL else unshield(cell.strip())
