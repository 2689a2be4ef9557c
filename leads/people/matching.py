"""Whom the rows of a list mean: sets of entries, held against our copy and against those who asked to be forgotten.

Reads only, a few queries for a thousand entries.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from leads import kinds
from leads.forgotten import forgotten_among
from leads.mirror import identity
from leads.models import (
    OPEN,
    Account,
    LeadChange,
    PeopleList,
    PeopleListRow,
    PersonState,
    RowRemark,
    normal_email,
)
from leads.models.people_list import ONE_PERSON
from leads.models.remarks import Remark, remark
from leads.people.entries import Entry
from leads.person.spellings import readings
from leads.texts import without_invisible

_ADDRESSES = re.compile(r"[^\s<>@,;:\"'()\[\]]{1,320}@[^\s<>@,;:\"'()\[\]]{1,320}")
MOST_READ = 20
"""So many addresses of an unreadable row are looked at for those who asked to be forgotten."""


@dataclass(frozen=True)
class Match:
    """Whom an entry means."""

    entry: Entry
    state: PersonState
    lead: int | None = None
    reason: Remark = field(default_factory=dict)


@dataclass
class Matched:
    """Entries in their order. `agree`, `differ`: how many ids did so with the addresses beside them."""

    matches: list[Match]
    agree: int = 0
    differ: int = 0


class Seen:
    """Who of a list stood further up: by address, and by lead. Of a stored list, asked of its rows for a set at once."""

    def __init__(self, people_list: PeopleList | None = None) -> None:
        self.people_list = people_list
        self.keys: set[str] = set()
        self.leads: set[int] = set()

    def ask(self, keys: set[str], leads: set[int]) -> None:
        """Look whether these stood further up. Of a stored list, nobody else is remembered."""
        if self.people_list is None:
            return
        rows = PeopleListRow.objects.filter(people_list=self.people_list, state__in=ONE_PERSON).order_by()
        self.keys = set(rows.filter(email_key__in=keys).values_list("email_key", flat=True))
        found = rows.filter(lead__in=leads).values_list("lead", flat=True)
        self.leads = {pk for pk in found if pk is not None}

    def is_new(self, key: str, lead: int | None) -> bool:
        """Whether this is the first row of the person; the next one is not."""
        if (key and key in self.keys) or (lead is not None and lead in self.leads):
            return False
        self.keys |= {key} - {""}
        self.leads |= {lead} - {None}  # type: ignore[arg-type]
        return True


def match(account: Account, entries: Sequence[Entry], seen: Seen, *, note: bool = True) -> Matched:
    """Whom each entry means. `note`: count that those who asked to be forgotten were met again."""
    out = _forgotten(account, entries, note=note)
    readable = [entry for number, entry in enumerate(entries) if not entry.problem and number not in out]
    known = identity.known(account, [(entry.kartra_id, entry.email) for entry in readable])
    own = {id(entry): known.classify(entry.kartra_id, entry.email) for entry in readable}
    leads = {each.lead.pk: each.lead for each in own.values() if each.lead is not None}
    absent = {pk for pk, lead in leads.items() if lead.absent_at and not lead.kartra_id and not lead.gone_at}
    if absent:
        created = LeadChange.objects.filter(lead__in=absent, kind=kinds.CREATE.name, status__in=OPEN)
        absent -= set(created.values_list("lead", flat=True))
    seen.ask({normal_email(entry.email) for entry in readable} - {""}, set(leads))
    verdicts = Counter(each.verdict for each in own.values())
    found = Matched([], verdicts[identity.AGREES], verdicts[identity.DIFFERS])
    for number, entry in enumerate(entries):
        if number in out:
            found.matches.append(Match(Entry(entry.line, ""), PersonState.FORGOTTEN))
        elif entry.problem:
            found.matches.append(Match(entry, PersonState.UNREADABLE, reason=entry.problem))
        else:
            found.matches.append(_of(entry, own[id(entry)], absent, seen))
    return found


def _of(entry: Entry, row: identity.RowIdentity, absent: set[int], seen: Seen) -> Match:
    if row.problem:
        return Match(entry, PersonState.UNREADABLE, reason=row.problem)
    lead = row.lead
    is_absent = lead is not None and lead.pk in absent
    if lead is None and not entry.email:
        return Match(entry, PersonState.UNREADABLE, reason=remark(RowRemark.UNKNOWN_ID, id=entry.kartra_id))
    pk = lead.pk if lead is not None and not is_absent else None
    if not seen.is_new(normal_email(entry.email), pk):
        return Match(entry, PersonState.REPEATED)
    if pk is None:
        return Match(entry, PersonState.TO_LOOK_UP)
    return Match(entry, PersonState.GONE if lead is not None and lead.gone_at else PersonState.KNOWN, pk)


def _forgotten(account: Account, entries: Sequence[Entry], *, note: bool) -> set[int]:
    """The numbers of entries that name somebody who asked to be forgotten; also of those that cannot be read, in whatever
    spelling an address stands there."""
    people: dict[int, tuple[str, str]] = {}
    numbers: list[int] = []
    for number, entry in enumerate(entries):
        told = (
            [(entry.kartra_id, entry.email)]
            if not entry.problem
            else [("", each) for each in spelled_in(entry.written)]
        )
        for each in told:
            people[len(numbers)] = each
            numbers.append(number)
    return {numbers[key] for key in forgotten_among(account, people, note=note)} if people else set()


def spelled_in(text: str) -> list[str]:
    """The addresses in a text that cannot be read as one, with escapes undone and characters that look like others made
    plain."""
    found: dict[str, None] = {}
    for reading in readings(text):
        plain = unicodedata.normalize("NFKC", without_invisible(reading))
        if "@" in plain:
            found |= dict.fromkeys(each.strip(".,;:") for each in _ADDRESSES.findall(plain))
            squeezed = "@".join(part.strip() for part in plain.split("@"))
            found |= dict.fromkeys(each.strip(".,;:") for each in _ADDRESSES.findall(squeezed))
        if len(found) >= MOST_READ:
            break
    return list(found)[:MOST_READ]


def as_row(people_list: PeopleList, number: int, found: Match) -> PeopleListRow:
    """The row of a list, unsaved."""
    entry = found.entry
    return PeopleListRow(
        people_list=people_list,
        number=number,
        line=entry.line,
        written=entry.written,
        email=entry.email,
        email_key=normal_email(entry.email),
        kartra_id=entry.kartra_id,
        values=dict(entry.values),
        state=found.state,
        reason=found.reason,
        lead_id=found.lead,
    )
