"""Judges a set of leads before anything is recorded: who would change, who is so already, who is left out and why.

The preview counts by it and the freezing writes by it, so that what was previewed is what starts.
"""

import datetime as dt
import functools
import hashlib
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Case, Count, Exists, Min, OuterRef, Q, QuerySet, Value, When

from leads import kinds
from leads.models import OPEN, Account, Lead, LeadChange

Step = tuple[kinds.Kind, dict[str, Any]]


@dataclass(frozen=True)
class Choices:
    """What a person chose besides the leads and the kinds.

    `anyway`: what is so already is sent all the same, so that Kartra's automations fire again. `include_left`: those who
    left a list themselves are added to it again.
    """

    anyway: bool = False
    include_left: bool = False


NO_CHOICES = Choices()


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

    `total` = `will_change` + `already_so` + `left_out` + `gone`. `id_not_known` of those that will change are known by
    their address alone; `opposite_waiting` have an open change of the same family by another kind; `never_read` were never
    read. `had` have at least one of the steps already, `doubtful` of them by a copy
    that is due for an update. `left` left a list themselves. `oldest_read_at` is the age of the oldest of our knowledge
    that this count rests on. `calls_per_lead`: one, and one more for every further change that Kartra must not be told
    twice. `mark` is the same as long as the same leads would change.
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
    left_out: int = 0
    left: int = 0
    had: int = 0
    doubtful: int = 0
    steps: tuple[StepCount, ...] = ()
    mark: str = ""

    @property
    def calls(self) -> int:
        return self.will_change * self.calls_per_lead


def steps_of(kind: kinds.Kind, clean: Mapping[str, Any]) -> list[Step]:
    """The single changes of a kind, in their order."""
    return [(kinds.get(name), parameters) for name, parameters in kind.single_steps(clean)]


def members_of(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """The set as a plain query on leads, whatever joins and order the given one has."""
    return Lead.objects.filter(account=account, pk__in=leads.order_by().values("pk"))


def judged(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> QuerySet[Lead]:
    """The members, each with `opposite` (an open change of one of the families by another kind), and for the step of
    number N with `had_N` (it would change nothing, and nothing of its family is open) and `left_N` (they have turned it
    down themselves)."""
    members = members_of(account, leads)
    opposite: list[Exists] = []
    for number, (kind, parameters) in enumerate(steps):
        open_of_family = LeadChange.objects.filter(lead=OuterRef("pk"), family=kind.family(parameters), status__in=OPEN)
        opposite.append(Exists(open_of_family.exclude(kind=kind.name)))
        had: list[Any] = []
        if kind.already_so is not None:
            already = kind.already_so(Lead.objects.filter(account=account), parameters).filter(pk=OuterRef("pk"))
            had = [When(Exists(open_of_family), then=Value(False)), When(Exists(already), then=Value(True))]
        left: list[Any] = []
        if kind.left is not None:
            themselves = kind.left(Lead.objects.filter(account=account), parameters).filter(pk=OuterRef("pk"))
            left = [When(Exists(themselves), then=Value(True))]
        members = members.annotate(**{f"had_{number}": _flag(had), f"left_{number}": _flag(left)})
    return members.annotate(opposite=_flag([When(_any(opposite), then=Value(True))]))


def _flag(whens: Sequence[Any]) -> Any:
    return Case(*whens, default=Value(False), output_field=BooleanField())


def _any(tests: Sequence[Any]) -> Q:
    return functools.reduce(operator.or_, (Q(each) for each in tests))


def left_out(number: int, choices: Choices) -> Q:
    """Members whom this step leaves out because they turned it down themselves."""
    return Q(pk__in=[]) if choices.include_left else Q(**{f"left_{number}": True})


def already_so(number: int, choices: Choices) -> Q:
    """Members on whom this step has nothing to do."""
    return Q(pk__in=[]) if choices.anyway else Q(**{f"had_{number}": True})


def idle(number: int, choices: Choices) -> Q:
    return already_so(number, choices) | left_out(number, choices)


def will_change(steps: Sequence[Step], choices: Choices) -> Q:
    """Members whom at least one step changes."""
    return Q(gone_at=None) & _any([~idle(number, choices) for number in range(len(steps))])


def preview(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.Kind,
    parameters: Mapping[str, Any],
    choices: Choices = NO_CHOICES,
) -> Preview:
    """Count what `record_run` would do with the same arguments. Reads only."""
    steps = steps_of(kind, parameters)
    numbers = range(len(steps))
    here = Q(gone_at=None)
    will = will_change(steps, choices)
    left = here & ~will & _any([left_out(number, choices) for number in numbers])
    had = here & _any([Q(**{f"had_{number}": True}) for number in numbers])
    set_ = judged(account, leads, steps)
    counts = set_.aggregate(
        total=Count("pk"),
        gone=Count("pk", filter=~here),
        left_out=Count("pk", filter=left),
        left=Count("pk", filter=here & _any([Q(**{f"left_{number}": True}) for number in numbers])),
        had=Count("pk", filter=had),
        doubtful=Count("pk", filter=had & (Q(dirty_at__isnull=False) | Q(read_at=None))),
        id_not_known=Count("pk", filter=will & Q(kartra_id=None)),
        opposite_waiting=Count("pk", filter=will & Q(opposite=True)),
        never_read=Count("pk", filter=here & Q(read_at=None)),
        oldest_read_at=Min("read_at", filter=here),
        **{f"will_{number}": Count("pk", filter=here & ~idle(number, choices)) for number in numbers},
        **{f"so_{number}": Count("pk", filter=here & Q(**{f"had_{number}": True})) for number in numbers},
        **{f"away_{number}": Count("pk", filter=here & Q(**{f"left_{number}": True})) for number in numbers},
    )
    ids = list(set_.filter(will).order_by("pk").values_list("pk", flat=True))
    told = tuple(
        StepCount(step.sentence(given), counts.pop(f"will_{n}"), counts.pop(f"so_{n}"), counts.pop(f"away_{n}"))
        for n, (step, given) in enumerate(steps)
    )
    rest = counts["total"] - counts["gone"] - counts["left_out"] - len(ids)
    return Preview(
        **counts, will_change=len(ids), already_so=rest, calls_per_lead=_calls_per_lead(steps), steps=told,
        mark=hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()[:32],
    )  # fmt: skip


def first_to_change(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.Kind,
    parameters: Mapping[str, Any],
    choices: Choices,
    most: int,
) -> list[int]:
    """The first few of those that would change, to try it on."""
    steps = steps_of(kind, parameters)
    will = judged(account, leads, steps).filter(will_change(steps, choices))
    return list(will.order_by("pk").values_list("pk", flat=True)[:most])


def doubtful(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> QuerySet[Lead]:
    """Members who have at least one of the steps already by a copy that is due for an update, or was never read."""
    had = _any([Q(**{f"had_{number}": True}) for number in range(len(steps))])
    found = judged(account, leads, steps).filter(had, Q(dirty_at__isnull=False) | Q(read_at=None), gone_at=None)
    return Lead.objects.filter(pk__in=found.values("pk"))


def _calls_per_lead(steps: Sequence[Step]) -> int:
    if any(kind.name == "create_lead" for kind, _ in steps):
        return 1 + sum(kind.name == "subscribe_calendar" for kind, _ in steps)
    return max(1, sum(not kind.repeatable for kind, _ in steps))
