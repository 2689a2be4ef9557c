"""What of a bulk action can be taken back. Reads only; `new_runs` records.

Taken back is what the run changed and nobody changed since. Who had it before is not touched, nor who has changed
since: their wish, or Kartra's, is younger than ours.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, CharField, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy

from leads import kinds
from leads.changes.conflicts import same, value_now
from leads.changes.members import never_of
from leads.fields import WRITABLE
from leads.models import OPEN, Activity, BulkRun, ChangeStatus, Lead, LeadChange, Reason

STANDS, SINCE, GONE, QUEUED, BEFORE, UNDONE, NOT_DONE, NEVER, OUT = (
    "stands",
    "since",
    "gone",
    "queued",
    "before",
    "undone",
    "not_done",
    "never",
    "out",
)
WHY: dict[str, Any] = {
    STANDS: gettext_lazy("will be undone"),
    SINCE: gettext_lazy("changed since, so left as they are"),
    GONE: gettext_lazy("deleted in Kartra"),
    QUEUED: gettext_lazy("another change of the same thing is queued"),
    BEFORE: gettext_lazy("had it before this bulk action"),
    UNDONE: gettext_lazy("already undone"),
    NOT_DONE: gettext_lazy("not changed (failed, cancelled or left out)"),
    NEVER: gettext_lazy("cannot be undone"),
    OUT: gettext_lazy("always left out of bulk actions"),
}
"""What becomes of each change of the run, in words."""


@dataclass(frozen=True)
class Group:
    """What the run did of one kind with the same parameters, and what can be done about it. `number` by WHY's keys."""

    kind: kinds.ChangeKind
    parameters: Mapping[str, Any]
    inverse: tuple[kinds.ChangeKind, dict[str, Any]] | None
    number: dict[str, int]

    @property
    def did(self) -> str:
        return self.kind.sentence(self.parameters)

    @property
    def undoes(self) -> str:
        return self.inverse[0].sentence(self.inverse[1]) if self.inverse else ""

    @property
    def why_never(self) -> str:
        return "" if self.kind.undoable_q else self.kind.why_never_undone

    @property
    def rest(self) -> list[tuple[str, int, str]]:
        """Those that are not taken back: (key, how many, why)."""
        return [(key, self.number[key], WHY[key]) for key in WHY if key != STANDS and self.number.get(key)]


MOST_PARTS = 1000
"""So many different changes of a run are looked at; each costs a few queries."""

OF_EACH_LEAD = (kinds.UPDATE.name, kinds.CREATE.name)
"""Kinds whose parameters may differ from lead to lead."""


def inverse_of(kind: kinds.ChangeKind, parameters: Mapping[str, Any]) -> tuple[kinds.ChangeKind, dict[str, Any]] | None:
    """The single change that takes this one back; None where there is none, or where it differs from lead to lead."""
    if kind.undoable_q is None or not kind.inverse:
        return None
    return kinds.get_kind(kind.inverse), {name: parameters[name] for name in kind.undo_keeps if name in parameters}


def can_be_undone(kind: kinds.ChangeKind, parameters: Mapping[str, Any]) -> bool:
    """Whether all of its single changes can be taken back."""
    return all(kinds.get_kind(name).can_be_undone for name, _ in kind.single_steps(parameters))


def parts_of(run: BulkRun) -> list[tuple[kinds.ChangeKind, dict[str, Any]]]:
    """What the run consists of, each once. Edits of fields are one part whatever their values, and so are new leads. A run that is
    not `mixed` has one change of each of its own steps for each lead."""
    steps = kinds.get_kind(run.kind).single_steps(run.parameters)
    as_asked = run.parameters and not run.mixed and not run.undoes_id
    if as_asked and not any(name in OF_EACH_LEAD for name, _ in steps):
        once = [step for number, step in enumerate(steps) if step not in steps[:number]]
        return [(kinds.get_kind(name), parameters) for name, parameters in once]
    rows = run.changes.exclude(kind__in=OF_EACH_LEAD).order_by().values_list("kind", "parameters", "family").distinct()
    found = [(kinds.get_kind(kind), parameters) for kind, parameters, _ in rows[:MOST_PARTS]]
    for kind in OF_EACH_LEAD:
        if run.changes.filter(kind=kind).exists():
            found.append((kinds.get_kind(kind), run.parameters if run.kind == kind else {}))
    return found


def sorted_changes(run: BulkRun, kind: kinds.ChangeKind, parameters: Mapping[str, Any]) -> QuerySet[Any]:
    """The run's changes of this part, each with `fate`: a key of WHY."""
    rows = run.changes.filter(kind=kind.name)
    never = never_of(run.account, "lead")
    if kind.name not in OF_EACH_LEAD:
        rows = rows.filter(family=kind.family(parameters), parameters=parameters)
    younger = LeadChange.objects.filter(
        lead=OuterRef("lead"), family=OuterRef("family"), pk__gt=OuterRef("pk"), status__in=OPEN
    )
    undone = LeadChange.objects.filter(
        run__undoes=run, lead=OuterRef("lead"), family=OuterRef("family"), status=ChangeStatus.ACCEPTED
    )
    moved = Activity.objects.filter(change=OuterRef("pk"), kind=kind.activity, details__has_key="moved_from")
    if kind.edits:
        told = Activity.objects.filter(change=OuterRef("pk"), kind=kind.activity)
        stands: Any = Q(Exists(told))
    else:
        stands = kind.undoable_q(parameters) if kind.undoable_q else Q(pk__in=[])
    return rows.annotate(
        fate=Case(
            When(Q(status=ChangeStatus.SKIPPED, reason=Reason.ALREADY_SO) | Q(force=True), then=Value(BEFORE)),
            *([When(Exists(moved), then=Value(BEFORE))] if kind.known_before == "step" else []),
            When(~Q(status=ChangeStatus.ACCEPTED), then=Value(NOT_DONE)),
            When(lead__gone_at__isnull=False, then=Value(GONE)),
            *([] if never is None else [When(never, then=Value(OUT))]),
            *([] if kind.can_be_undone else [When(pk__isnull=False, then=Value(NEVER))]),
            When(Exists(younger), then=Value(QUEUED)),
            When(Exists(undone), then=Value(UNDONE)),
            When(stands, then=Value(STANDS)),
            default=Value(SINCE),
            output_field=CharField(),
        )
    )


def groups(run: BulkRun) -> list[Group]:
    """What of the run can be taken back, part by part, the last first; with numbers. A few queries for each part."""
    found = []
    for kind, parameters in reversed(parts_of(run)):
        if kind.edits:
            number = dict.fromkeys(WHY, 0)
            for _, fate, _ in edits(run):
                number[fate] += 1
        else:
            rows = sorted_changes(run, kind, parameters).order_by().values_list("fate").annotate(n=Count("pk"))
            number = {**dict.fromkeys(WHY, 0), **dict(rows)}
        found.append(Group(kind, parameters, inverse_of(kind, parameters), number))
    return found


def standing(run: BulkRun) -> list[tuple[tuple[kinds.ChangeKind, dict[str, Any]], QuerySet[Any]]]:
    """What an undo consists of, besides edits of fields, the last first: each change that takes back, and the changes of the
    run that it takes back."""
    return [
        (inverse, sorted_changes(run, kind, parameters).filter(fate=STANDS))
        for kind, parameters in reversed(parts_of(run))
        if (inverse := inverse_of(kind, parameters)) is not None
    ]


def edits(run: BulkRun, lead_ids: Sequence[int] = ()) -> Iterator[tuple[LeadChange, str, dict[str, Any]]]:
    """The run's edits of fields (of these few leads alone): the change, its fate, and the values that its fields had before
    (of those that are still as it left them)."""
    lead_columns = (f"lead__{name}" for name in (*WRITABLE, "email", "custom_values"))
    rows = sorted_changes(run, kinds.UPDATE, {}).select_related("lead").order_by("pk")
    rows = rows.only("lead", "run", "parameters", *lead_columns)
    for batch in [list(rows.filter(lead__in=lead_ids))] if lead_ids else _batches(rows, 1000):
        before: dict[int, dict[str, Any]] = {}
        told = Activity.objects.filter(change__in=[row.pk for row in batch], kind=kinds.UPDATE.activity).order_by("pk")
        for change_id, details in told.values_list("change", "details"):
            before.setdefault(change_id, {})[details["field"]] = _as_parameter(details.get("was"))
        for change in batch:
            fate: str = change.fate
            back = {
                name: was
                for name, was in before.get(change.pk, {}).items()
                if name in change.parameters and same(value_now(change.lead, name), change.parameters[name])
            }
            if back.get("email") == "":
                del back["email"]  # an address can be changed, but not emptied
            yield change, SINCE if fate == STANDS and not back else fate, back


def _as_parameter(value: Any) -> Any:
    """A value of the timeline as a change would write it: of chosen options their ids."""
    if isinstance(value, list):
        return [str(option[0]) for option in value]
    return "" if value is None else value


def _batches(rows: QuerySet[Any], size: int) -> Iterator[list[Any]]:
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:size]):
        yield batch
        last = batch[-1].pk


def number_standing(run: BulkRun, of: Sequence[Group]) -> int:
    """How many leads an undo of the run would change, given its groups."""
    standing = [group for group in of if group.number[STANDS]]
    if len(standing) <= 1:
        return sum(group.number[STANDS] for group in standing)
    edited: set[int] = set()
    leads = Q(pk__in=[])
    for group in standing:
        if group.kind.edits:
            edited = {change.lead_id for change, fate, _ in edits(run) if fate == STANDS}
        else:
            leads |= Q(pk__in=sorted_changes(run, group.kind, group.parameters).filter(fate=STANDS).values("lead"))
    return len(edited.union(Lead.objects.filter(leads, account=run.account_id).values_list("pk", flat=True)))
