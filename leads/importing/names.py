"""Names of tags and lists in a cell: how they are separated, and which known ones are meant."""

import csv
import re
from functools import lru_cache
from typing import Any

from leads.csv_cells import split, unshield
from leads.importing.values import MAX_NAME, Bad
from leads.models import Account, MailingList, RowRemark, Tag
from leads.models.remarks import remark
from leads.texts import KnownNames, visible

SEPARATORS = (";", ",", "|")
"""What may stand between names; the first is ours."""

_QUOTED = re.compile(r'\s*"(?:[^"]|"")*"(?:\s*[,;|]\s*"(?:[^"]|"")*")*\s*')
SHORT, MOST_KEPT = 300, 2_000
"""Characters of a cell whose names are kept for the next row that says the same, and how many cells these are."""
MODELS: dict[str, Any] = {"tags": Tag, "lists": MailingList, "left_lists": MailingList}


class Catalogue:
    """The account's tags or lists, as cells name them. `separator`: what stands between names, as a person said; without
    that a name with another separator in it is only taken where it is known. `may_be_new`: names are made that are not."""

    def __init__(self, account: Account, target: str, separator: str = "", *, may_be_new: bool = True) -> None:
        self.may_be_new = may_be_new
        self.noun = RowRemark.TAGS if MODELS[target] is Tag else RowRemark.LISTS
        self.separator = separator
        self.known = KnownNames(MODELS[target].objects.filter(account=account).values_list("name", flat=True))
        self._read_short = lru_cache(maxsize=MOST_KEPT)(self._read)

    def read(self, cell: str) -> tuple[str, ...]:
        """The names of a cell, each once, as the catalogue has them. Raises Bad where one may be several."""
        if not cell or cell.isspace():
            return ()
        return self._read_short(cell) if len(cell) <= SHORT else self._read(cell)

    def _read(self, cell: str) -> tuple[str, ...]:
        if (whole := self._whole(cell)) is not None:
            return (whole,)
        if _QUOTED.fullmatch(cell):
            mark = next((mark for mark in SEPARATORS if re.search(rf'"\s*{re.escape(mark)}\s*"', cell)), ",")
            return self._each(_cut(cell, mark))
        if self.separator and self.separator != SEPARATORS[0]:
            return self._each(_cut(cell, self.separator))
        found = self._each(split(cell))
        for name in found:
            if not self.separator and name not in self.known and any(mark in name for mark in SEPARATORS[1:]):
                problem = RowRemark.ONE_OR_SEVERAL if self.may_be_new else RowRemark.NOT_IN_COPY
                raise Bad(problem, name=visible(name)[:80], noun=remark(self.noun))
        return found

    def _whole(self, cell: str) -> str | None:
        """The known name that the cell is as a whole."""
        for text in (cell, unshield(cell.strip())):
            if (name := self.known.closest(text)) in self.known and not self._parts_known(text):
                return name
        return None

    def _parts_known(self, text: str) -> bool:
        """Whether it is several known names rather than one."""
        parts = split(text)
        return len(parts) > 1 and all(self.known.closest(part) in self.known for part in parts)

    def _each(self, names: "list[str] | tuple[str, ...]") -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.known.closest(name)[:MAX_NAME] for name in names if name))


def _cut(cell: str, mark: str) -> list[str]:
    """The names between such marks; one in quotation marks may hold the mark itself."""
    row = next(csv.reader([cell.replace("\n", " ")], delimiter=mark, skipinitialspace=True), [])
    return [name for each in row if (name := unshield(each.strip()))]
