"""Many new leads at once, as one bulk action: who of a list would be made in Kartra, and the wishes for them.

Beside `changes` the only place where wishes are made: here each lead has parameters of its own, so they are no set that
one statement could write.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext as _

from leads import access, clock, kinds, mirror
from leads.access import Author, user_of
from leads.changes import bulk_insert, runs
from leads.changes.checks import CannotRecord
from leads.changes.members import never_of
from leads.changes.preview import Choices, Preview, Step
from leads.forgotten import forgotten_among
from leads.importing.people_list import BAD_KEPT, CHUNK, MOST, Person
from leads.models import OPEN, Account, BulkRun, Lead, LeadChange, PeopleList, normal_email
from leads.models.run import creation_name
from leads.people.newcomers import Newcomers as ListNewcomers, NoNewcomer


@dataclass(frozen=True)
class Newcomers:
    """Who of a list would be created, and how many are left out: because Kartra has a lead of this address, had one that is
    deleted there, because it is being created already, because they asked to be forgotten, or because no bulk action touches them."""

    new: tuple[Person, ...] = ()
    known: int = 0
    gone: int = 0
    being_created: int = 0
    forgotten: int = 0
    never_touched: int = 0

    @property
    def mark(self) -> str:
        """The same as long as the same people would be created."""
        told = "\n".join(person.email for person in self.new)
        return f"{len(self.new)}/{hashlib.sha256(told.encode()).hexdigest()[:32]}"

    @property
    def steps(self) -> int:
        """How many single changes that is."""
        return sum(len(steps_for(person)) for person in self.new)


def sort_people(account: Account, people: Sequence[Person]) -> Newcomers:
    """Sort the people of a list, each of them named once. Reads only; a few queries for every 500."""
    new: list[Person] = []
    known = gone = being_created = forgotten = never_touched = 0
    never = never_of(account, "pk")
    for first in range(0, len(people), CHUNK):
        chunk = people[first : first + CHUNK]
        left_out = forgotten_among(
            account, {number: ("", person.email) for number, person in enumerate(chunk)}, note=False
        )
        asked = LeadChange.objects.filter(lead=OuterRef("pk"), kind=kinds.CREATE.name, status__in=OPEN)
        rows = Lead.objects.filter(account=account, email_key__in=[normal_email(person.email) for person in chunk])
        state: dict[str, str] = {}
        keys = rows.filter(never).values_list("email_key", flat=True) if never is not None else ()
        out = set(keys)
        for key, kartra_id, gone_at, being in rows.annotate(being=Exists(asked)).values_list(
            "email_key", "kartra_id", "gone_at", "being"
        ):
            found = "known" if kartra_id and not gone_at else "gone" if gone_at else "being" if being else ""
            state[key] = min(filter(None, [state.get(key, ""), found]), key=ORDER.index, default="")
        for number, person in enumerate(chunk):
            is_ = state.get(normal_email(person.email), "")
            known += is_ == "known"
            gone += is_ == "gone"
            being_created += is_ == "being"
            if not is_ and number in left_out:
                forgotten += 1
            elif not is_ and normal_email(person.email) in out:
                never_touched += 1
            elif not is_:
                new.append(person)
    return Newcomers(tuple(new), known, gone, being_created, forgotten, never_touched)


ORDER = ["known", "being", "gone"]
"""Of several rows of one address the first of these counts."""


def create_leads(
    account: Account,
    people: Sequence[Person],
    *,
    by: Author = None,
    why: str = "",
    approved_by: Author = None,
    chunk: int = CHUNK,
) -> BulkRun:
    """Record that these people are to be created in Kartra, with what their rows say, as one bulk action. Whoever is not
    new any more is left out. Returns the run, already running. Raises CannotRecord; then nothing is recorded."""
    new = sort_people(account, people).new
    if not new:
        raise CannotRecord(_("Nobody of this list is new, so there is nothing to do."))
    try:
        access.check_account(approved_by or by, account)
        access.check_run(approved_by or by, len(new))
    except access.NotAllowed as problem:
        raise CannotRecord(str(problem)) from None
    run = BulkRun.objects.create(
        account=account,
        name=creation_name(len(new)),
        kind=kinds.CREATE.name,
        created_by=user_of(by),
        why=why,
        expected=len(new),
        approved_by=user_of(approved_by),
    )
    with runs.filling(run):
        for first in range(0, len(new), chunk):
            try:
                _fill(run, new[first : first + chunk])
            except IntegrityError:  # some of them were made at the same moment; now they are seen
                _fill(run, new[first : first + chunk])
    return run


def _fill(run: BulkRun, people: Sequence[Person]) -> None:
    with transaction.atomic():
        if runs.is_preparing(run.pk):
            record_people(run, sort_people(run.account, people).new)


@dataclass(frozen=True)
class Missing:
    """People whom a bulk action creates before it does with them what it does with its leads. `bad`: rows that cannot become
    leads, as far as they are shown; `known`: how many turned out to be leads by now, or to stay out."""

    people: tuple[Person, ...] = ()
    mark: str = ""
    known: int = 0
    bad: tuple[NoNewcomer, ...] = ()

    @property
    def number(self) -> int:
        return len(self.people)

    def batches(self) -> Iterator[Sequence[Person]]:
        for first in range(0, len(self.people), CHUNK):
            yield self.people[first : first + CHUNK]


NOBODY_MISSING = Missing()


def missing_of(people_list: PeopleList | None) -> Missing:
    """Who of a list would be created: those whom Kartra did not have, and who are new still. Raises CannotRecord where they are
    more than are created at once."""
    if people_list is None:
        return NOBODY_MISSING
    newcomers = ListNewcomers(people_list)
    if newcomers.rows.count() > MOST:
        words = _(
            "%(number)s people are not in Kartra, and up to %(most)s are created at once. Leave them out, or use a shorter list."
        )
        raise CannotRecord(words % {"number": f"{newcomers.rows.count():,}", "most": f"{MOST:,}"})
    people, bad = newcomers.sorted(BAD_KEPT)
    found = sort_people(people_list.account, people)
    known = found.known + found.gone + found.being_created + found.forgotten
    return Missing(found.new, found.mark, known, tuple(bad))


def with_missing(counted: Preview, missing: Missing) -> Preview:
    """The preview with the people who are created first: each of them gets every step."""
    if not missing.number:
        return counted
    return replace(
        counted,
        total=counted.total + missing.number,
        will_change=counted.will_change + missing.number,
        steps=tuple(replace(step, will_change=step.will_change + missing.number) for step in counted.steps),
        mark=f"{counted.mark}+{missing.mark}",
    )


def record_missing(
    run: BulkRun, people: Sequence[Person], steps: Sequence[Step], now: dt.datetime, choices: Choices
) -> None:
    """Write the wishes for people who are created by a bulk action that does more with them: those who are new still are
    created, then get its steps like its other members. In the caller's transaction."""
    new = sort_people(run.account, people).new
    if new:
        bulk_insert.insert_changes(run, record_people(run, new), steps, now, choices)


def record_people(run: BulkRun, people: Sequence[Person]) -> list[int]:
    """Write the wishes for these people, save for who is being created already. In the caller's transaction. The leads that
    they are, in order."""
    now = clock.now()
    rows = mirror.create_placeholders(run.account, [person.email for person in people], now)
    # Nobody else begins to create the same leads between this look and the commit.
    list(
        Lead.objects.select_for_update(no_key=True)
        .filter(pk__in=rows.values())
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    begun = LeadChange.objects.filter(lead__in=rows.values(), kind=kinds.CREATE.name, status__in=OPEN)
    busy = set(begun.values_list("lead_id", flat=True))
    LeadChange.objects.bulk_create(
        LeadChange(
            account_id=run.account_id,
            lead_id=rows[normal_email(person.email)],
            run=run,
            kind=kind.name,
            parameters=parameters,
            family=kind.family(parameters),
            requested_by_id=run.created_by_id,
            why=run.why,
            requested_at=now,
        )
        for person in people
        if rows[normal_email(person.email)] not in busy
        for kind, parameters in steps_for(person)
    )
    return sorted(rows.values())


def steps_for(person: Person) -> list[tuple[kinds.ChangeKind, dict[str, object]]]:
    """The single changes that make this person in Kartra with what their row says."""
    return [(kinds.get_kind(name), parameters) for name, parameters in kinds.CREATE.single_steps(person.parameters)]
