"""Load what Kartra exported: a CSV of any size, in constant memory, into the mirror. Nothing is sent to Kartra.

Kartra does not document the columns of its export, so the caller may say which column is which.
"""

import csv
import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.utils import timezone

from leads.mirror import FIELDS, Row, write_rows
from leads.models import Account, normal_email

BATCH = 1000
MAX_CELL = 100_000
MAX_EMAIL = 320
SAMPLE_BYTES = 65536

TARGETS = ("id", *FIELDS, "tags", "lists")
"""What a column of the file can be; `custom.<identifier>` besides."""

SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("id", "leadid", "kartraid", "contactid"),
    "email": ("email", "emailaddress", "mail", "leademail"),
    "first_name": ("firstname", "first", "givenname", "forename"),
    "middle_name": ("middlename",),
    "last_name": ("lastname", "last", "surname", "familyname"),
    "last_name2": ("lastname2", "secondlastname"),
    "phone": ("phone", "phonenumber", "telephone", "mobile"),
    "phone_country_code": ("phonecountrycode", "countrycode", "phonecode"),
    "company": ("company", "companyname", "organisation", "organization"),
    "address": ("address", "street", "streetaddress"),
    "zip": ("zip", "zipcode", "postcode", "postalcode"),
    "city": ("city", "town"),
    "state": ("state", "region", "province"),
    "country": ("country",),
    "website": ("website", "url", "site"),
    "score": ("score", "points", "leadscore"),
    "source": ("source", "leadsource"),
    "ip": ("ip", "ipaddress"),
    "date_joined": ("datejoined", "joined", "dateadded", "created", "createdat", "subscribedon"),
    "notes": ("notes", "note"),
    "tags": ("tags", "tag"),
    "lists": ("lists", "list", "mailinglists"),
    "lead_preferred_time_zone": ("timezone", "preferredtimezone"),
}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DATE_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%m/%d/%Y", "%m/%d/%Y %H:%M", "%d %b %Y")


class CannotImport(ValueError):
    """The file cannot be loaded as it is. The text says why and what to do."""


@dataclass
class ImportResult:
    """What an import did. `examples` are the first bad rows: (line, reason)."""

    rows: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    reject_path: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    examples: list[tuple[int, str]] = field(default_factory=list)


def _plain(header: str) -> str:
    return re.sub(r"[^a-z0-9]", "", header.casefold())


def suggest_mapping(headers: list[str]) -> dict[str, str]:
    """{what it is: header}, for the headers whose meaning is plain. The first of two alike is taken."""
    found: dict[str, str] = {}
    for header in headers:
        plain = _plain(header)
        for target in TARGETS:
            if target not in found and (plain == _plain(target) or plain in SYNONYMS.get(target, ())):
                found[target] = header
                break
    return found


def encoding_of(sample: bytes) -> str:
    """utf-8 (with or without mark), utf-16 with a mark, else Windows' Latin letters."""
    if sample[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        sample[: sample.rfind(b"\n") + 1 or None].decode("utf-8-sig")
        return "utf-8-sig"
    except UnicodeDecodeError:
        return "cp1252"


def delimiter_of(line: str) -> str:
    """Comma, semicolon, tab or bar: what the header line has most of outside quotes."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(",;\t|", key=bare.count)


class Import:
    """One file to load into one account. `mapping` overrides what is suggested: {"email": "Email Address"}."""

    def __init__(self, account: Account, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        self.account = account
        self.path = path
        try:
            with path.open("rb") as file:
                sample = file.read(SAMPLE_BYTES)
        except OSError as error:
            raise CannotImport(f"{path} cannot be read: {error.strerror or error}.") from None
        if not sample.strip():
            raise CannotImport(f"{path} is empty.")
        self.encoding = encoding_of(sample)
        text = sample.decode(self.encoding, "replace")
        self.delimiter = delimiter_of(text.splitlines()[0])
        self.headers = [header.strip() for header in next(self._lines())]
        self.mapping = self._mapped(dict(mapping or {}))

    def _mapped(self, given: dict[str, str]) -> dict[str, str]:
        for target, header in given.items():
            if target not in TARGETS and not target.startswith("custom."):
                raise CannotImport(f"There is no field {target}. There are: {', '.join(TARGETS)}, custom.<identifier>.")
            if header not in self.headers:
                raise CannotImport(f"The file has no column {header}. Its columns are: {', '.join(self.headers)}.")
        taken = set(given.values())
        mapping = {t: h for t, h in suggest_mapping(self.headers).items() if h not in taken} | given
        if "email" not in mapping and "id" not in mapping:
            raise CannotImport(
                'No column is known to hold the email address or the lead\'s id. Say which: --map email="<header>". '
                f"The file's columns are: {', '.join(self.headers)}."
            )
        return mapping

    def _lines(self) -> Iterator[list[str]]:
        csv.field_size_limit(MAX_CELL * 4)
        with self.path.open(encoding=self.encoding, errors="replace", newline="") as file:
            yield from csv.reader((line.replace("\0", "\ufffd") for line in file), delimiter=self.delimiter)

    def run(self, *, dry_run: bool = False, on_progress: Callable[[int], None] | None = None) -> ImportResult:
        """Load the file. Bad rows go to `<file>.rejected.csv` with the reason. Safe to repeat."""
        result = ImportResult(mapping=self.mapping)
        at = timezone.now()
        seen: set[int] = set()
        rejects: list[tuple[int, str, list[str]]] = []
        batch: list[Row] = []
        cells_of: dict[int, list[str]] = {}
        reject_path = self.path.with_name(self.path.name + ".rejected.csv")
        with _Rejects(None if dry_run else reject_path, self.headers) as reject_file:

            def flush() -> None:
                written = write_rows(self.account, batch, at=at, dry_run=dry_run)
                result.created += written.created
                result.updated += written.updated
                result.unchanged += written.unchanged
                rejects.extend((row.number, reason, cells_of[row.number]) for row, reason in written.refused)
                for number, reason, cells in rejects:
                    result.rejected += 1
                    if len(result.examples) < 10:
                        result.examples.append((number, reason))
                    reject_file.write(number, reason, cells)
                batch.clear()
                rejects.clear()
                cells_of.clear()

            for number, cells in self._rows():
                result.rows += 1
                row, problem = self._read(number, cells)
                if row is not None:
                    mark = hash(row.kartra_id or normal_email(row.email))
                    if mark in seen:
                        row, problem = None, "The same lead stands further up in the file; the first one counts."
                    seen.add(mark)
                if row is None:
                    rejects.append((number, problem, cells))
                else:
                    batch.append(row)
                    cells_of[number] = cells
                if len(batch) + len(rejects) >= BATCH:
                    flush()
                    if on_progress:
                        on_progress(result.rows)
            flush()
            result.reject_path = str(reject_path) if result.rejected and not dry_run else ""
        return result

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        lines = self._lines()
        next(lines)
        number = 1
        while True:
            number += 1
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield number, [f"(unreadable: {error})"]
                continue
            if any(cell.strip() for cell in cells):
                yield number, cells

    def _read(self, number: int, cells: list[str]) -> tuple[Row | None, str]:
        """The row, or why it is none."""
        if len(cells) > len(self.headers):
            return None, f"It has {len(cells)} cells, the header {len(self.headers)}."
        told = dict(zip(self.headers, cells, strict=False))
        values = {target: told[header].strip() for target, header in self.mapping.items() if header in told}
        for target, value in values.items():
            if len(value) > MAX_CELL or _CONTROL.search(value):
                return None, f"The {target} holds control characters or is too long."
        id, email = values.pop("id", ""), values.pop("email", "")
        if id and (not id.isascii() or not id.isdigit() or len(id) > 32):
            return None, f"The id {id[:40]} is not a number."
        if not id and not email:
            return None, "It has neither an email address nor an id."
        if email and (len(email) > MAX_EMAIL or not re.fullmatch(r"[^@\s]+@[^@\s]+", email)):
            return None, f"{email[:80]} is not an email address."
        fields: dict[str, Any] = {}
        custom: dict[str, str] = {}
        tags: tuple[str, ...] = ()
        lists: tuple[str, ...] = ()
        for target, value in values.items():
            if target.startswith("custom."):
                custom[target.removeprefix("custom.")] = value
            elif target == "tags":
                tags = _names(value)
            elif target == "lists":
                lists = _names(value)
            else:
                converted, problem = self._convert(target, value)
                if problem:
                    return None, problem
                if converted is not _LEAVE:
                    fields[target] = converted
        return Row(number, id.lstrip("0"), email, fields, custom, tags, lists), ""

    def _convert(self, target: str, value: str) -> tuple[Any, str]:
        if target == "score":
            if not value:
                return _LEAVE, ""
            return (
                (int(value), "")
                if re.fullmatch(r"-?\d{1,9}", value)
                else (None, f"The score {value[:40]} is no number.")
            )
        if target == "blacklisted":
            flags = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False, "": _LEAVE}
            return flags.get(value.casefold(), _LEAVE), ""
        if target == "date_joined":
            if not value or value.startswith("0000"):
                return _LEAVE, ""
            moment = _date(value, self.account)
            return (moment, "") if moment else (None, f"The date {value[:40]} cannot be read.")
        limit = {"country": 100, "source": 64, "gdpr_lead_status": 16, "gdpr_lead_communications": 16}.get(target)
        if limit and len(value) > limit:
            return None, f"The {target} is longer than {limit} characters."
        return ("" if value == "N/A" else value), ""


_LEAVE: Any = object()


def _names(cell: str) -> tuple[str, ...]:
    return tuple(name for part in cell.split(";") if (name := part.strip()[:500]))


def _date(value: str, account: Account) -> dt.datetime | None:
    for form in _DATE_FORMATS:
        try:
            return dt.datetime.strptime(value, form).replace(tzinfo=account.zone).astimezone(dt.UTC)
        except (ValueError, OverflowError):
            continue
    return None


class _Rejects:
    """The reject file: made at the first bad row, so that a good import leaves none."""

    def __init__(self, path: Path | None, headers: list[str]) -> None:
        self._path = path
        self._headers = headers
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> "_Rejects":
        return self

    def write(self, number: int, reason: str, cells: list[str]) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("w", encoding="utf-8", newline="")
            self._writer = csv.writer(self._file)
            self._writer.writerow(["line", "reason", *self._headers])
        self._writer.writerow([number, reason, *cells])

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()
