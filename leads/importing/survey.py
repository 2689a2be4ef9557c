"""One look over the whole file before anything of it is written: in which order its dates are, and whose its ids may be."""

from typing import Any, BinaryIO

from django.utils.translation import gettext as _

from leads.importing import ids, values
from leads.importing.files import CannotImport, records
from leads.models import Import, ImportKind


def survey(job: Import, file: BinaryIO) -> None:
    """Find out and keep with the import how dates in numbers are read (unless that was said), and what our copy says of the
    ids. Raises CannotImport where the dates show both orders. Done once for each matching of the columns."""
    if "surveyed" in job.options:
        return
    dates = _Dates(job)
    spread = ids.Spread(job)
    if dates.place is not None or spread.wanted:
        for record in records(file, job.encoding, job.delimiter, job.data_start, job.data_line):
            if not record.problem:
                dates.add(record.line, record.cells)
                if spread.wanted:
                    spread.add(record)
    options: dict[str, Any] = {**job.options, "surveyed": True, "dates": dates.example}
    if spread.rows and not ids.needs_no_address(job):
        said = (job.options.get("ids") or {}).get("said", "")
        options["ids"] = {**ids.sampled(job.account, spread.rows), "said": said}
    else:
        options.pop("ids", None)
    day_first = dates.order() if job.day_first is None else job.day_first
    job.options, job.day_first = options, day_first
    Import.objects.filter(pk=job.pk).update(options=options, day_first=day_first)


class _Dates:
    """The dates of a file that are written in numbers. `example`: one that is another day in the other order, and its line."""

    def __init__(self, job: Import) -> None:
        target = "at" if job.kind == ImportKind.TRANSACTIONS else "date_joined"
        self.place = job.headers.index(job.mapping[target]) if target in job.mapping else None
        self.first: dict[bool, tuple[int, str]] = {}
        self.example: list[Any] | None = None

    def add(self, line: int, cells: list[str]) -> None:
        cell = cells[self.place].strip() if self.place is not None and self.place < len(cells) else ""
        if not cell or cell[:4].isdecimal():
            return
        if (order := values.order_of(cell)) is not None:
            self.first.setdefault(order, (line, cell[:40]))
        elif self.example is None and values.is_ambiguous(cell):
            self.example = [line, cell[:40]]

    def order(self) -> bool:
        """Whether days come first; months do where nothing shows it."""
        if len(self.first) == 2:
            (day_line, day), (month_line, month) = self.first[True], self.first[False]
            words = _(
                "The dates are written in both orders: %(day)s in line %(day_line)s begins with the day, %(month)s in line "
                "%(month_line)s with the month. Say which is meant (--dates on the command line); the others are bad rows then."
            )
            raise CannotImport(
                words % {"day": day, "day_line": f"{day_line:,}", "month": month, "month_line": f"{month_line:,}"}
            )
        return True in self.first
