"""A row of a file of leads → what the mirror is to take in, or why it cannot be."""

import datetime as dt
import re
import zoneinfo
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from leads.csv_cells import unshield
from leads.fields import LEAD_FIELDS
from leads.importing import values
from leads.importing.columns import CUSTOM, named
from leads.importing.files import Record
from leads.importing.ids import identity_is_believed
from leads.importing.names import Catalogue
from leads.importing.values import Bad
from leads.mirror import ActivityCause, Row, Written, write_rows
from leads.models import Account, CustomField, CustomFieldType, ImportKind, RowRemark, normal_email
from leads.texts import clean_email, lookalikes

MAX_CELL = 100_000
MAX_EMAIL = 320
SHORT = {"country": 100, "source": 64, "gdpr_lead_status": 16, "gdpr_lead_communications": 16}
"""Fields that the mirror keeps in short columns."""
FREE = ("notes", "email", "score")
"""Columns in which a number with an exponent is what somebody wrote, or is refused as something else."""
TIES = ("tags", "lists", "left_lists")


ADDRESS = re.compile(r"[^@\s\"(),:;<>\[\]\\]+@[^@\s\"(),:;<>\[\]\\]+")
"""What may be an email address: one @, and no character that none has outside quotes."""


def check_address(email: str) -> None:
    """Raises Bad for a text that is no address, or one that only looks like another."""
    if odd := lookalikes(email):
        raise Bad(RowRemark.LOOKALIKE, **odd)
    if email and (len(email) > MAX_EMAIL or not ADDRESS.fullmatch(email)):
        raise Bad(RowRemark.NO_ADDRESS, email=email[:80])


class LeadRows:
    """Reads rows by a mapping and writes batches of them."""

    def __init__(
        self,
        account: Account,
        headers: Sequence[str],
        mapping: Mapping[str, str],
        *,
        day_first: bool,
        options: Mapping[str, Any],
    ) -> None:
        self.believed = identity_is_believed(options)
        self.clears = bool(options.get("clears"))
        self.remarks: Counter[str] = Counter()
        self.account, self.width = account, len(headers)
        index = {header: number for number, header in enumerate(headers)}
        self.places = {target: index[header] for target, header in mapping.items()}
        self.custom = {target: target.removeprefix(CUSTOM) for target in mapping if target.startswith(CUSTOM)}
        zone = account.zone
        how: dict[str, Callable[[str], Any]] = {
            "number": values.whole,
            "flag": values.flag,
            "moment": lambda cell: self._moment(cell, zone, day_first),
        }
        self.convert = {field.name: how[field.value] for field in LEAD_FIELDS if field.value in how}
        self.options = {
            field.identifier: (field.type, {text: [id, text] for id, text in reversed(field.options)})
            for field in CustomField.objects.filter(account=account, identifier__in=self.custom.values())
            if field.type not in (CustomFieldType.INPUT_FIELD, CustomFieldType.TEXT_AREA)
        }
        checkboxes = {
            f"{CUSTOM}{name}" for name, (type, _ids) in self.options.items() if type == CustomFieldType.CHECKBOX
        }
        self.names = {
            target: Catalogue(account, target, str(options.get("separator", "")))
            for target in TIES
            if target in mapping
        }
        self.several = checkboxes | set(self.names)  # cells of several names are taken apart as they stand
        self.plain = [(place, target) for target, place in self.places.items() if target not in self.several]
        self.checkboxes = [(self.places[target], target) for target in sorted(checkboxes)]

    def read(self, record: Record) -> Row:
        """What the row tells. Raises Bad."""
        cells = record.cells
        if len(cells) > self.width and any(cell.strip() for cell in cells[self.width :]):
            raise Bad(RowRemark.TOO_MANY_CELLS, cells=f"{len(cells):,}", width=f"{self.width:,}")
        told = self._told(cells)
        id, email = self._who(told)
        fields: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for target, cell in told.items():
            is_empty = not cell or cell.isspace()
            if is_empty and not self.clears:
                continue  # an empty cell says nothing
            if target in self.custom:
                custom[self.custom[target]] = self._custom(self.custom[target], cell)
            elif target in self.convert:
                value = self.convert[target](cell)
                if value is not None or is_empty:
                    fields[target] = value
            else:
                if len(cell) > SHORT.get(target, MAX_CELL):
                    raise Bad(RowRemark.VALUE_TOO_LONG, field=target, most=SHORT[target])
                fields[target] = "" if cell == "N/A" else cell
        return Row(
            record.line,
            id,
            email,
            fields,
            custom,
            *(self._names(target, cells) for target in TIES),
        )

    def _names(self, target: str, cells: Sequence[str]) -> tuple[str, ...]:
        place = self.places.get(target, len(cells))
        return self.names[target].read(cells[place]) if place < len(cells) else ()

    def _told(self, cells: Sequence[str]) -> dict[str, str]:
        """The cells by what they are, cleaned, but for those of tags and lists. They are looked at one by one only where a look
        at all of them together finds something odd: few rows have that."""
        row = " ".join(cells)
        if not row.isprintable() or len(row) > MAX_CELL or values.MAY_BE_SHORTENED.search(row):
            self._check(cells)
        told = {target: cells[number].strip() for number, target in self.plain if number < len(cells)}
        if "'" in row:
            told = {target: unshield(cell) for target, cell in told.items()}
        told.update((target, cells[number]) for number, target in self.checkboxes if number < len(cells))
        return told

    def _check(self, cells: Sequence[str]) -> None:
        """Raises Bad for the first cell that is too long, no text, or a number that a spreadsheet has shortened."""
        for target, number in self.places.items():
            if number >= len(cells):
                continue
            cell, column = cells[number], named(ImportKind.LEADS, target)
            if len(cell) > MAX_CELL:
                raise Bad(RowRemark.CELL_TOO_LONG, column=column, most=f"{MAX_CELL:,}")
            if values.UNSTORABLE.search(cell):
                raise Bad(RowRemark.CELL_NO_TEXT, column=column)
            if target in self.several or target in FREE:
                continue
            if values.is_shortened(unshield(cell.strip())):
                raise Bad(RowRemark.CELL_OF, column=column, problem=values.shortened(cell).remark)

    def _moment(self, cell: str, zone: zoneinfo.ZoneInfo, day_first: bool) -> dt.datetime | None:
        found = values.moment(cell, zone, day_first=day_first)
        if found is not None and found.doubled:
            self.remarks["doubled"] += 1
        return found.at if found else None

    def _who(self, told: dict[str, str]) -> tuple[str, str]:
        id, email = told.pop("id", ""), told.pop("email", "")
        id, email = ("" if text.lower() in ("n/a", "null") else text for text in (clean_email(id), clean_email(email)))
        if id and (not id.isascii() or not id.isdigit() or len(id) > 32):
            raise Bad(RowRemark.NO_NUMBER_ID, id=id[:40])
        check_address(email)
        id = id.lstrip("0")
        if not id and not email:
            raise Bad(RowRemark.NOBODY)
        return id, email

    def _custom(self, identifier: str, cell: str) -> Any:
        if identifier not in self.options:
            return cell
        type, options = self.options[identifier]
        chosen = values.names(cell) if type == CustomFieldType.CHECKBOX else tuple(filter(None, [cell]))
        return [options.get(text, ["", text]) for text in chosen]  # an option we do not know: the read tells its id

    def key(self, row: Row) -> str:
        """By this a second row of the same lead is known."""
        return row.kartra_id or normal_email(row.email)

    twice = RowRemark.LEAD_TWICE

    def write(self, rows: Sequence[Row], *, at: dt.datetime, dry_run: bool, cause: ActivityCause) -> Written:
        return write_rows(self.account, rows, at=at, dry_run=dry_run, cause=cause, believed=self.believed)
