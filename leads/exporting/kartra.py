"""Leads in the form Kartra's own import takes: under 20,000 rows a file, under 55 columns, 255 characters a cell, no empty
column, several tags or lists of a lead in one cell between semicolons. (Kartra's help on importing leads.)
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.utils.translation import gettext as _

from leads.csv_cells import shield
from leads.exporting.lines import Told, custom_text
from leads.fields import LEAD_FIELDS
from leads.importing.people_list import Person
from leads.models import Account, CustomField

CUSTOM = "custom."
MAX_ROWS = 19_998  # and the header makes 19,999
MAX_COLUMNS = 54
MAX_CELL = 255

COLUMNS = {field.name: field.kartra_header for field in LEAD_FIELDS if field.kartra_header}
"""The standard fields of Kartra's import."""


class KartraFiles:
    """The files, and what had to be left out of them to fit: counted while they are made."""

    def __init__(self, account: Account, leads: Iterable[Told], *, max_rows: int = MAX_ROWS) -> None:
        self.account, self.leads, self.max_rows = account, leads, max_rows
        self.rows = self.without_email = self.gone = self.cut = self.names_left_out = 0
        self.columns_left_out: list[str] = []

    def files(self) -> Iterator[list[list[str]]]:
        """Each file as its lines, header first. One of them is in memory at a time."""
        custom = [*CustomField.objects.filter(account=self.account, missing_since=None).order_by("identifier")]
        room = MAX_COLUMNS - len(COLUMNS) - 2
        self.columns_left_out = [field.identifier for field in custom[room:]]
        header = [*COLUMNS.values(), "Tags", "Lists", *(shield(field.identifier) for field in custom[:room])]
        lines = (self._line(lead, custom[:room]) for lead in self.leads if self._belongs(lead))
        while rows := list(islice(lines, self.max_rows)):
            self.rows += len(rows)
            filled = [number for number in range(len(header)) if any(row[number] for row in rows)]
            yield [[line[number] for number in filled] for line in (header, *rows)]

    def remarks(self) -> list[str]:
        """What is not in the files, in sentences; known when they are made."""
        found = [
            (self.without_email, _("left out: no email address, which Kartra's import needs")),
            (self.gone, _("left out: deleted in Kartra")),
            (self.cut, _("cells cut at 255 characters, the most that Kartra's import takes")),
            (self.names_left_out, _("tags or lists left out: a semicolon in the name, or no room in 255 characters")),
        ]
        remarks = [f"{number:,} {words}." for number, words in found if number]
        if self.columns_left_out:
            remarks.append(
                _("Custom fields left out, over 54 columns: %(names)s.") % {"names": ", ".join(self.columns_left_out)}
            )
        return remarks

    def _belongs(self, lead: Told) -> bool:
        if lead.values["gone_at"] is not None:
            self.gone += 1
        elif not lead.values["email"].strip():
            self.without_email += 1
        else:
            return True
        return False

    def _line(self, lead: Told, custom: Sequence[CustomField]) -> list[str]:
        values = {**lead.values, "phone": _phone(lead)}
        line = [self._cell(values[name].strip()) for name in COLUMNS]
        line += [self._names(lead.tags), self._names(lead.lists)]
        held = lead.values["custom_values"]
        for field in custom:
            line.append(self._cell(custom_text(held.get(field.identifier), several=False).replace("\\;", ";")))
        return line

    def _cell(self, text: str) -> str:
        cell = shield(" ".join(text.split("\0")))
        if len(cell) > MAX_CELL:
            self.cut += 1
        return cell[:MAX_CELL]

    def _names(self, names: Sequence[str]) -> str:
        cell = ""
        for name in names:
            longer = f"{cell};{shield(name)}" if cell else shield(name)
            if ";" in name or len(longer) > MAX_CELL:
                self.names_left_out += 1
            else:
                cell = longer
        return cell


def told_of_people(account: Account, people: Iterable[Person]) -> Iterator[Told]:
    """People who are not in Kartra yet, as leads that an export could tell of."""
    options = {
        f"{CUSTOM}{field.identifier}": {str(number): str(words) for number, words in field.options}
        for field in CustomField.objects.filter(account=account)
    }
    for person in people:
        given = person.parameters
        custom = {
            name.removeprefix(CUSTOM): _chosen(value, options.get(name, {}))
            for name, value in given.items()
            if name.startswith(CUSTOM)
        }
        values = {name: given.get(name, "") for name in (*COLUMNS, "phone_country_code")}
        yield Told(
            {**values, "gone_at": None, "custom_values": custom}, given.get("tag", ()), given.get("list", ()), ()
        )


def _chosen(value: Any, options: dict[str, str]) -> Any:
    """A custom field's parameter as our copy would hold it: of options their ids and texts."""
    if not options:
        return value
    ids = value if isinstance(value, list) else [value]
    return [[number, options.get(str(number), str(number))] for number in ids if number != ""]


def _phone(lead: Told) -> str:
    """Country code and number without a plus, which a spreadsheet would take for a formula."""
    code, number = lead.values["phone_country_code"].strip(), lead.values["phone"].strip()
    if number and code and not number.startswith("+"):
        number = f"{code} {number}"
    return number.lstrip("+ ")
