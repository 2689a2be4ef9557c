"""Judges a set of leads before anything is recorded: who would change, who is so already, who is left out and why.

The preview counts by it and the freezing writes by it, so that what was previewed is what starts.
"""

import datetime as dt
import functools
import hashlib
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Sum, Value, When

from leads import clock, kinds
from leads.changes.members import members_of, never_among
from leads.models import OPEN, Account, Lead, LeadChange

Step = tuple[kinds.ChangeKind, dict[str, Any]]


@dataclass(frozen=True)
class Choices:
    """What a person chose besides the leads and the kinds.

    `force`: what is so already is sent all the same, so that Kartra's automations fire again. `include_left`: those who
    left a list themselves are added to it again. `read_first`: who is so already by an old copy is read before it is
    believed.
    """

    force: bool = False
    include_left: bool = False
    read_first: bool = False


NO_CHOICES = Choices()

PRIME = 1_000_003
"""For the mark: sums over the members tell one set from another of the same size."""


@dataclass(frozen=True)
class StepCount:
    """One step of a preview: how many leads it changes, have it already, and have turned it down themselves."""

    sentence: str
    will_change: int
    already_so: int
    left: int


@dataclass(frozen=True)
class Preview:
    """What a bulk action would do, counted now. `calls` is how many calls to Kartra that takes at the most.

    `total` = `will_change` + `already_so` + `left_out` + `gone` + `absent` (a read found no such lead in Kartra) +
    `never_touched` (whom no bulk action of the account touches; nothing else is counted of them).
    `id_not_known` of those that will change are known by their address alone; `opposite_waiting` have an open change of the
    same family by another kind; `never_read` were never
    read. `had` have at least one of the steps already, `doubtful` of them by an old copy; `read_first` of these are read
    before that is believed, and may then change too. `left` left a list themselves. `oldest_read_at` is the age of the
    oldest of our knowledge that this count rests on. `calls_per_lead`: one, and one more for every further change that
    Kartra must not be told twice. `mark` is the same as long as the same would be done to the same leads.
    """

    total: int
    will_change: int
    already_so: int
    gone: int
    id_not_known: int
    opposite_waiting: int
    never_read: int
    oldest_read_at: dt.datetime | None
    calls_per_lead: int = 1
    absent: int = 0
    left_out: int = 0
    never_touched: int = 0
    left: int = 0
    had: int = 0
    doubtful: int = 0
    read_first: int = 0
    steps: tuple[StepCount, ...] = ()
    mark: str = ""

    @property
    def calls(self) -> int:
        return (self.will_change + self.read_first) * self.calls_per_lead + self.read_first


def steps_of(kind: kinds.ChangeKind, clean: Mapping[str, Any]) -> list[Step]:
    """The single changes of a kind, in their order."""
    return [(kinds.get_kind(name), parameters) for name, parameters in kind.single_steps(clean)]


def classify_members(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> QuerySet[Lead]:
    """The members, each with `opposite` (an open change of one of the families by another kind), `absent` (Kartra has no
    such lead), and for the step of number N with `had_N` (it would change nothing, and nothing of its family is open) and
    `left_N` (they have turned it down themselves)."""
    members = members_of(account, leads)
    opposite: list[Exists] = []
    for number, (kind, parameters) in enumerate(steps):
        open_of_family = LeadChange.objects.filter(lead=OuterRef("pk"), family=kind.family(parameters), status__in=OPEN)
        opposite.append(Exists(open_of_family.exclude(kind=kind.name)))
        had: list[Any] = []
        if kind.already_so_q is not None:
            already = kind.already_so_q(account, parameters)
            had = [When(Exists(open_of_family), then=Value(False)), When(already, then=Value(True))]
        left: list[Any] = []
        if kind.opted_out_q is not None:
            left = [When(kind.opted_out_q(account, parameters), then=Value(True))]
        members = members.annotate(**{f"had_{number}": _flag(had), f"left_{number}": _flag(left)})
    creates = any(kind.creates for kind, _parameters in steps)
    return members.annotate(
        opposite=_flag([When(_any(opposite), then=Value(True))]),
        absent=_flag([] if creates else [When(_absent(), then=Value(True))]),
    )


def _absent() -> Q:
    """Leads of whom a read found none in Kartra, and who are not being created there."""
    created = LeadChange.objects.filter(lead=OuterRef("pk"), kind=kinds.CREATE.name, status__in=OPEN)
    return Q(absent_at__isnull=False, kartra_id=None, gone_at=None) & ~Q(Exists(created))  # asked in this order


def about_absent(again: QuerySet[LeadChange]) -> Q:
    """Of changes that are asked for again, those about leads whom Kartra does not have, and who are neither being created
    there nor created by another of these."""
    created = LeadChange.objects.filter(lead=OuterRef("lead"), kind=kinds.CREATE.name, status__in=OPEN)
    with_them = again.order_by().filter(lead=OuterRef("lead"), kind=kinds.CREATE.name)
    absent = Q(lead__absent_at__isnull=False, lead__kartra_id=None, lead__gone_at=None)
    return Q(~Exists(created), ~Exists(with_them)) & absent


def _flag(whens: Sequence[Any]) -> Any:
    return Case(*whens, default=Value(False), output_field=BooleanField())


def _any(tests: Sequence[Any]) -> Q:
    return functools.reduce(operator.or_, (Q(each) for each in tests))


def old_copy() -> Q:
    """Leads of whom what we know may not be true any more: due for an update, never read, or read longer ago than every
    lead is to be read within."""
    promised = dt.timedelta(hours=settings.REFRESH_WITHIN_H)
    return Q(dirty_at__isnull=False) | Q(read_at=None) | Q(read_at__lt=clock.now() - promised)


def read_first(number: int, choices: Choices) -> Q:
    """Members on whom this step has nothing to do by an old copy alone, where such are read before that is believed."""
    if not choices.read_first or choices.force:
        return Q(pk__in=[])
    return Q(**{f"had_{number}": True}) & ~left_out(number, choices) & old_copy()


def left_out(number: int, choices: Choices) -> Q:
    """Members whom this step leaves out because they turned it down themselves."""
    return Q(pk__in=[]) if choices.include_left else Q(**{f"left_{number}": True})


def already_so(number: int, choices: Choices) -> Q:
    """Members on whom this step has nothing to do."""
    return Q(pk__in=[]) if choices.force else Q(**{f"had_{number}": True})


def idle(number: int, choices: Choices) -> Q:
    return already_so(number, choices) | left_out(number, choices)


def will_change(steps: Sequence[Step], choices: Choices) -> Q:
    """Members whom at least one step changes."""
    return Q(gone_at=None, absent=False) & _any([~idle(number, choices) for number in range(len(steps))])


def preview_change(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    parameters: Mapping[str, Any],
    choices: Choices = NO_CHOICES,
) -> Preview:
    """Count what `record_run` would do with the same arguments. Reads only: one query, whose answer has a row for each
    way in which members differ."""
    steps = steps_of(kind, parameters)
    numbers = range(len(steps))
    rows = _ways_to_differ(account, leads, steps)
    here = [row for row in rows if not row["gone"] and not row["absent"]]

    def step_is(row: dict[str, Any], number: int) -> tuple[bool, bool]:
        """Whether the step leaves this kind of member alone, and whether because they turned it down."""
        out = row[f"left_{number}"] and not choices.include_left
        return bool(out or (row[f"had_{number}"] and not choices.force)), bool(out)

    def count(found: Iterable[dict[str, Any]]) -> int:
        return sum(row["number"] for row in found)

    will = [row for row in here if not all(step_is(row, n)[0] for n in numbers)]
    rest = [row for row in here if all(step_is(row, n)[0] for n in numbers)]
    left_out = [row for row in rest if any(step_is(row, n)[1] for n in numbers)]
    had = [row for row in here if any(row[f"had_{n}"] for n in numbers)]
    never = never_among(account, leads).count() if account.never_touched_id else 0
    known = [row["oldest"] for row in here if row["oldest"] is not None]
    return Preview(
        total=count(rows) + never,
        never_touched=never,
        will_change=count(will),
        already_so=count(rest) - count(left_out),
        left_out=count(left_out),
        left=count(row for row in here if any(row[f"left_{n}"] for n in numbers)),
        gone=count(row for row in rows if row["gone"]),
        absent=count(row for row in rows if row["absent"]),
        had=count(had),
        doubtful=(doubtful := count(row for row in had if row["old"])),
        read_first=doubtful if choices.read_first and not choices.force else 0,
        id_not_known=count(row for row in will if row["by_address"]),
        opposite_waiting=count(row for row in will if row["opposite"]),
        never_read=count(row for row in here if row["unread"]),
        oldest_read_at=min(known, default=None),
        calls_per_lead=_calls_per_lead(steps),
        steps=tuple(
            StepCount(
                step.sentence(given),
                will_change=count(row for row in here if not step_is(row, n)[0]),
                already_so=count(row for row in here if row[f"had_{n}"]),
                left=count(row for row in here if row[f"left_{n}"]),
            )
            for n, (step, given) in enumerate(steps)
        ),
        mark=_mark(will, kind, parameters, choices),
    )


def _ways_to_differ(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> list[dict[str, Any]]:
    """How many members answer each test alike, and who. The tests are the digits of one number, by which the database groups:
    sorting a million members by a dozen tests takes it longer."""
    tests = {
        f"{flag}_{number}": Q(**{f"{flag}_{number}": True}) for number in range(len(steps)) for flag in ("had", "left")
    }
    tests |= {"opposite": Q(opposite=True), "absent": Q(absent=True), "gone": Q(gone_at__isnull=False)}
    tests |= {"by_address": Q(kartra_id=None), "unread": Q(read_at=None), "old": old_copy()}
    digits = [Case(When(test, then=1 << place), default=0) for place, test in enumerate(tests.values())]
    rows = (
        classify_members(account, leads, steps)
        .annotate(way=functools.reduce(operator.add, digits))
        .order_by()
        .values("way")
        .annotate(
            number=Count("pk"),
            oldest=Min("read_at"),
            ids=Sum("pk"),
            squares=Sum(F("pk") * F("pk") % Value(PRIME)),
        )
        .order_by("way")
    )
    return [{**row, **{test: bool(row["way"] >> place & 1) for place, test in enumerate(tests)}} for row in rows]


def _mark(
    will: Iterable[dict[str, Any]], kind: kinds.ChangeKind, parameters: Mapping[str, Any], choices: Choices
) -> str:
    """Who would change, and what was chosen for them. That doubtful ones are read first is said only when it starts."""
    who = [[str(row["ids"]), str(row["squares"])] for row in will]
    told = [*who, kind.name, parameters, choices.force, choices.include_left]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def first_to_change(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.ChangeKind,
    parameters: Mapping[str, Any],
    choices: Choices,
    most: int,
) -> list[int]:
    """The first few of those that would change, to try it on."""
    steps = steps_of(kind, parameters)
    will = classify_members(account, leads, steps).filter(will_change(steps, choices))
    return list(will.order_by("pk").values_list("pk", flat=True)[:most])


def doubtful_leads(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> QuerySet[Lead]:
    """Members who have at least one of the steps already by an old copy."""
    had = _any([Q(**{f"had_{number}": True}) for number in range(len(steps))])
    found = classify_members(account, leads, steps).filter(Q(absent=False), had, old_copy(), gone_at=None)
    return Lead.objects.filter(pk__in=found.values("pk"))


def _calls_per_lead(steps: Sequence[Step]) -> int:
    if any(kind.creates for kind, _ in steps):
        return 1 + sum(kind.unlike_creation for kind, _ in steps)
    return max(1, sum(not kind.repeatable for kind, _ in steps))
