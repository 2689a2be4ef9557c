"""Whether a file's column of ids holds Kartra's ids: sampled before anything is written, by our copy and by what Kartra says.

Kept with the import as `options["ids"]`: how many sampled rows agree, differ and are not known here, up to 20 of the latter
to be looked up in Kartra, what came of that, and what a person said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _, ngettext

from leads.importing import columns
from leads.importing.files import Record
from leads.mirror import identity
from leads.models import Account, Import, ImportKind, RowRemark
from leads.models.remarks import remark, sentence_of
from leads.texts import clean_email

ENOUGH = 20
"""So many rows that agree are enough to believe the others; so many are looked up where fewer are known."""
SAMPLED = 400
NAMED = 5
BELIEVED, PROVISIONAL, UNSURE, FOREIGN = "believed", "provisional", "unsure", "foreign"


@dataclass(frozen=True)
class SampleRow:
    """What a row says of a person."""

    line: int
    id: str
    email: str
    name: str

    @property
    def words(self) -> str:
        return _("line %(line)s: %(id)s is %(person)s") % {
            "line": f"{self.line:,}",
            "id": self.id,
            "person": " ".join(filter(None, [self.name, self.email])) or "—",
        }


class Spread:
    """Rows with an id, spread evenly over a file of any length."""

    def __init__(self, job: Import) -> None:
        prefix = "lead_" if job.kind == ImportKind.TRANSACTIONS else ""
        names = [f"{prefix}{name}" for name in ("id", "email", "first_name", "last_name")]
        self.places = [job.headers.index(job.mapping[name]) if name in job.mapping else None for name in names]
        self.rows: list[SampleRow] = []
        self._step, self._met = 1, 0

    @property
    def wanted(self) -> bool:
        return self.places[0] is not None

    def add(self, record: Record) -> None:
        id, email, first, last = (
            record.cells[place].strip() if place is not None and place < len(record.cells) else ""
            for place in self.places
        )
        id = clean_email(id).lstrip("0")
        if not id.isascii() or not id.isdigit():
            return
        if self._met % self._step == 0:
            self.rows.append(SampleRow(record.line, id, clean_email(email), f"{first} {last}".strip()[:100]))
        self._met += 1
        if len(self.rows) >= 2 * SAMPLED:
            self.rows, self._step = self.rows[::2], self._step * 2


def sampled(account: Account, rows: Sequence[SampleRow]) -> dict[str, Any]:
    """What our copy says of a sample."""
    known = identity.known(account, [(row.id, row.email) for row in rows])
    found: dict[str, Any] = {"agree": 0, "differ": 0, "unknown": 0, "looked": None, "said": "", "examples": []}
    unknown: list[SampleRow] = []
    checkable = [row for row in rows if row.email]
    for row in checkable or rows:
        row_identity = known.classify(row.id, row.email)
        if row_identity.verdict == identity.AGREES:
            found["agree"] += 1
        elif row_identity.verdict == identity.DIFFERS and not row_identity.moved:
            found["differ"] += 1
            if len(found["examples"]) < NAMED:
                found["examples"].append([row.line, row_identity.problem])
        else:
            found["unknown"] += 1
            unknown.append(row)
    found["rows"] = [[row.line, row.id, row.email, row.name] for row in _spread(unknown)]
    return found


def _spread(rows: Sequence[SampleRow]) -> list[SampleRow]:
    return [rows[number * len(rows) // ENOUGH] for number in range(ENOUGH)] if len(rows) > ENOUGH else list(rows)


def verdict(options: Mapping[str, Any]) -> str:
    """Whether ids that our copy does not know are taken: believed; provisional (a person says so: rows are found by their
    address, and a read tells the id); unsure; or foreign, where they mostly name other people."""
    ids = options.get("ids")
    if not ids or "agree" not in ids:
        return BELIEVED
    looked = ids.get("looked") or {}
    agree, differ = ids["agree"] + looked.get("agree", 0), ids["differ"] + looked.get("differ", 0)
    if differ > agree:
        return FOREIGN
    asked = bool(looked) and not looked.get("failed")
    if agree and (not ids["unknown"] or ids["agree"] >= ENOUGH or asked):
        return BELIEVED
    return PROVISIONAL if ids.get("said") == "kartra" else UNSURE


def identity_is_believed(options: Mapping[str, Any]) -> bool:
    return verdict(options) == BELIEVED


def to_look_up(options: Mapping[str, Any]) -> list[SampleRow]:
    """Rows that Kartra is to be asked about before the ids are believed; none where that is settled or was done."""
    ids = options.get("ids")
    if not ids or ids.get("looked") is not None or verdict(options) not in (UNSURE, PROVISIONAL):
        return []
    return [SampleRow(*row) for row in ids["rows"] if row[2]]


def people(options: Mapping[str, Any]) -> list[SampleRow]:
    """Sampled rows that nobody could check, for a person to look at."""
    return [SampleRow(*row) for row in (options.get("ids") or {}).get("rows", [])]


def header(job: Import) -> str:
    """The heading of the column of ids."""
    return str(job.mapping.get("lead_id" if job.kind == ImportKind.TRANSACTIONS else "id", ""))


def needs_no_address(job: Import) -> bool:
    """Whether the column says of itself that it is Kartra's, in a file without addresses."""
    address = "lead_email" if job.kind == ImportKind.TRANSACTIONS else "email"
    return address not in job.mapping and columns.says_kartra(header(job))


def problem(job: Import, *, sample: bool = True) -> str:
    """Why the ids are not taken yet, as a sentence for people, with some of them (`sample`) where nobody could check them;
    empty where nothing is to be asked."""
    options = job.options
    found = verdict(options)
    ids = options.get("ids") or {}
    looked = ids.get("looked") or {}
    if found == FOREIGN and (ids["unknown"] or looked):
        differ = ids["differ"] + looked.get("differ", 0)
        number = differ + ids["agree"] + looked.get("agree", 0)
        words = ngettext(
            "“%(header)s” is probably not Kartra's id: of %(number)s row that could be checked %(differ)s names somebody else.",
            "“%(header)s” is probably not Kartra's id: of %(number)s rows that could be checked %(differ)s name somebody else.",
            number,
        )
        told = [words % {"header": header(job), "number": f"{number:,}", "differ": f"{differ:,}"}]
        told += [
            _("Line %(line)s: %(why)s.") % {"line": f"{line:,}", "why": sentence_of(why)}
            for line, why in ids["examples"][:2]
        ]
        return " ".join(told)
    if found == UNSURE:
        if not sample:
            return _("Whether “%(header)s” is Kartra's id could not be checked.") % {"header": header(job)}
        words = _("Whether “%(header)s” is Kartra's id could not be checked: %(sample)s.")
        shown = "; ".join(row.words for row in people(options)[:NAMED])
        return words % {"header": header(job), "sample": shown}
    return ""


def is_foreign_by_now(counts: Mapping[str, Any]) -> bool:
    """Whether what was met of the whole file so far speaks against the ids."""
    differ = int(counts.get("ids_differ", 0))
    return differ >= ENOUGH and differ > int(counts.get("ids_agree", 0))


def without_people(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an import that has ended: nobody of its sample stays."""
    ids = options.get("ids")
    return {**options, "ids": {**ids, "rows": [], "examples": []}} if ids else dict(options)


def looked_up(options: Mapping[str, Any], answers: Iterable[tuple[SampleRow, str]] | None) -> dict[str, Any]:
    """The options with what Kartra said: for each row the id that the address has there, "" for none. None: Kartra could not
    be asked."""
    ids = {**options["ids"]}
    looked: dict[str, Any] = {"agree": 0, "differ": 0, "none": 0, "failed": answers is None}
    examples = list(ids["examples"])
    for row, id in answers or ():
        if id == row.id:
            looked["agree"] += 1
        elif id:
            looked["differ"] += 1
            examples.append([row.line, remark(RowRemark.OTHER_ID, email=row.email, id=id)])
        else:
            looked["none"] += 1
    return {**options, "ids": {**ids, "looked": looked, "examples": examples[:NAMED]}}
