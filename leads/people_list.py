"""A file of people, read to be created in Kartra or to be found in our copy. Nothing is stored.

Any CSV that an import can read; the columns are told by their headings. Only what Kartra takes of a new lead is read: its
fields, tags and lists.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from leads import kinds
from leads.importing import columns, values
from leads.importing.files import CannotImport, Layout, Record, layout_of, records
from leads.models import Account, ImportKind, Lead, normal_email
from leads.shielding import unshield

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
    bad: list[tuple[int, str]] = field(default_factory=list)
    bad_number: int = 0
    twice: int = 0
    not_read: list[str] = field(default_factory=list)

    def reject(self, line: int, why: str) -> None:
        self.bad_number += 1
        if len(self.bad) < BAD_KEPT:
            self.bad.append((line, why))


def read(account: Account, file: BinaryIO, most: int = MOST) -> PeopleList:
    """The people of a file, to be created. Raises CannotImport if it cannot be read, holds no addresses, or too many
    people."""
    layout, by_target = _columns(account, file)
    kind = kinds.get("create_lead")
    fields = kind.fields(account)
    wanted = {target: number for target, number in by_target.items() if SEVERAL.get(target, target) in fields}
    if "email" not in wanted:
        raise CannotImport(_("No column is called Email. A lead is made by its email address; name that column so."))
    taken = set(wanted.values())
    found = PeopleList(not_read=[header for number, header in enumerate(layout.headers) if number not in taken])
    seen: set[str] = set()
    things: dict[str, Any] = {"tags": account.tags, "lists": account.mailinglists}
    known = {target: set(rows.values_list("name", flat=True)) for target, rows in things.items() if target in wanted}
    for record in records(file, layout.encoding, layout.delimiter, layout.start, layout.line):
        if record.problem:
            found.reject(record.line, record.problem)
            continue
        try:
            person = Person(record.line, kind.clean_with(fields, account, _given(record, wanted, known)))
        except kinds.BadParameters as problem:
            found.reject(record.line, problem.words)
            continue
        except values.Bad as problem:
            found.reject(record.line, str(problem))
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


def known(account: Account, file: BinaryIO) -> tuple[QuerySet[Lead], int]:
    """The leads of our copy that a file names, by their Kartra id or else their address, and how many of its people are
    not in our copy. Raises CannotImport."""
    layout, by_target = _columns(account, file)
    if not {"id", "email"} & set(by_target):
        raise CannotImport(_("No column is called Email or Kartra id, so nobody can be found by it."))
    rows = records(file, layout.encoding, layout.delimiter, layout.start, layout.line)
    named = (_named(record, by_target) for record in rows if not record.problem)
    pks: set[int] = set()
    missing = 0
    while chunk := list(islice(named, CHUNK)):
        leads = Lead.objects.filter(account=account)
        by_id = dict(leads.filter(kartra_id__in=[id for id, _ in chunk if id]).values_list("kartra_id", "pk"))
        keys = [email for _, email in chunk if email]
        by_email = dict(leads.filter(email_key__in=keys).order_by("-pk").values_list("email_key", "pk"))
        for id, email in chunk:
            found = by_id.get(id) if id else by_email.get(email)
            if found is None:
                missing += 1
            else:
                pks.add(found)
    return Lead.objects.filter(pk__in=pks), missing


def _columns(account: Account, file: BinaryIO) -> tuple[Layout, dict[str, int]]:
    """How the file is read, and which column holds what."""
    layout = layout_of(file)
    index = {header: number for number, header in enumerate(layout.headers)}
    suggested = columns.suggest(account, ImportKind.LEADS, layout.headers)
    return layout, {target: index[header] for target, header in suggested.items()}


def _given(record: Record, wanted: Mapping[str, int], known: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """What a row says of a person; empty cells say nothing. `known`: names of the account's tags and lists."""
    cells = _cells(record, wanted, known)
    return {SEVERAL.get(target, target): value for target, value in cells if value not in ("", [])}


def _cells(
    record: Record, wanted: Mapping[str, int], known: Mapping[str, Collection[str]] = MappingProxyType({})
) -> Iterator[tuple[str, Any]]:
    for target, number in wanted.items():
        cell = record.cells[number] if number < len(record.cells) else ""
        if values.UNSTORABLE.search(cell):
            raise values.Bad(_("%(column)s: it holds characters that are no text.") % {"column": target})
        if target in SEVERAL:
            yield target, list(values.names_among(cell, known.get(target, ())))
        else:
            yield target, unshield(cell.strip())


def _named(record: Record, by_target: Mapping[str, int]) -> tuple[str, str]:
    """Id and address of a row, each as it is compared; empty where there is none."""
    told = dict(_cells(record, {target: by_target[target] for target in ("id", "email") if target in by_target}))
    return told.get("id", "").lstrip("0"), normal_email(told.get("email", ""))
