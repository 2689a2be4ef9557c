"""Records wishes, alone or as a run. The only creator of LeadChange rows.

Works on sets: a run of 100,000 is one INSERT … SELECT. Nothing here speaks to Kartra; `changes_recorded` says after the
commit that there is work.
"""

import datetime as dt
import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateTimeField,
    Exists,
    JSONField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.text import Truncator, capfirst

from leads import forgetting, kinds, mirror, runs
from leads.models import OPEN, Account, BulkRun, ChangeStatus, Lead, LeadChange, Reason
from leads.runs import BATCH, Author, user_of
from leads.signals import announce

Step = tuple[kinds.Kind, dict[str, Any]]


class CannotRecord(ValueError):
    """The wish cannot be recorded. The text is a sentence for the person who asked."""


@dataclass(frozen=True)
class Preview:
    """What a bulk action would do, counted now. `calls` is how many calls to Kartra that takes at the most.

    `total` = `will_change` + `already_so` + `gone`. `id_not_known` of those that will change are known by their address
    alone; `opposite_waiting` have an open change of the same family by another kind; `never_read` were never read.
    `oldest_read_at` is the age of the oldest of our knowledge that this count rests on. `calls_per_lead`: one, and one
    more for every further change that Kartra must not be told twice.
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

    @property
    def calls(self) -> int:
        return self.will_change * self.calls_per_lead


def _steps(kind: kinds.Kind, clean: Mapping[str, Any]) -> list[Step]:
    return [(kinds.get(name), parameters) for name, parameters in kind.single_steps(clean)]


def _members(account: Account, leads: QuerySet[Lead]) -> QuerySet[Lead]:
    """The set as a plain query on leads, whatever joins and order the given one has."""
    return Lead.objects.filter(account=account, pk__in=leads.order_by().values("pk"))


def _judged(account: Account, leads: QuerySet[Lead], steps: Sequence[Step]) -> QuerySet[Lead]:
    """The members, each with `opposite` (an open change of one of the families by another kind) and `so` (none of the
    steps would change anything)."""
    changing: list[Exists | Q] = []
    opposite: list[Exists] = []
    for kind, parameters in steps:
        open_of_family = LeadChange.objects.filter(lead=OuterRef("pk"), family=kind.family(parameters), status__in=OPEN)
        opposite.append(Exists(open_of_family.exclude(kind=kind.name)))
        if kind.already_so is None:
            changing.append(Q(pk__isnull=False))
            continue
        already = kind.already_so(Lead.objects.filter(account=account), parameters).filter(pk=OuterRef("pk"))
        changing.append(Exists(open_of_family) | ~Exists(already))
    return _members(account, leads).annotate(
        opposite=Case(
            When(functools.reduce(operator.or_, (Q(each) for each in opposite)), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        so=Case(
            When(gone_at__isnull=False, then=Value(False)),
            When(functools.reduce(operator.or_, (Q(each) for each in changing)), then=Value(False)),
            default=Value(True),
            output_field=BooleanField(),
        ),
    )


def preview(account: Account, leads: QuerySet[Lead], kind: kinds.Kind, parameters: Mapping[str, Any]) -> Preview:
    """Count what `record_run` would do with the same arguments. Reads only."""
    steps = _steps(kind, parameters)
    will = Q(gone_at=None, so=False)
    counts = _judged(account, leads, steps).aggregate(
        total=Count("pk"),
        will_change=Count("pk", filter=will),
        already_so=Count("pk", filter=Q(so=True)),
        gone=Count("pk", filter=Q(gone_at__isnull=False)),
        id_not_known=Count("pk", filter=will & Q(kartra_id=None)),
        opposite_waiting=Count("pk", filter=will & Q(opposite=True)),
        never_read=Count("pk", filter=Q(read_at=None, gone_at=None)),
        oldest_read_at=Min("read_at", filter=Q(gone_at=None)),
    )
    return Preview(**counts, calls_per_lead=_calls_per_lead(steps))


def _calls_per_lead(steps: Sequence[Step]) -> int:
    if any(kind.name == "create_lead" for kind, _ in steps):
        return 1 + sum(kind.name == "subscribe_calendar" for kind, _ in steps)
    return max(1, sum(not kind.repeatable for kind, _ in steps))


def record(
    lead: Lead, kind: kinds.Kind, parameters: Mapping[str, Any], *, by: Author = None, why: str = ""
) -> LeadChange:
    """Record one wish for one lead, on its own. Raises BadParameters or CannotRecord; then nothing is recorded."""
    return record_all(lead, kind, parameters, by=by, why=why)[0]


def record_all(
    lead: Lead,
    kind: kinds.Kind,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    seen: Mapping[str, Any] | None = None,
) -> list[LeadChange]:
    """Record a wish for one lead and what it carries besides, in order. `seen`: what the changed fields held when the
    person chose. Raises BadParameters or CannotRecord; then nothing is recorded."""
    clean = kind.clean(lead.account, parameters)
    only = Lead.objects.filter(pk=lead.pk)
    if lead.gone_at:
        raise CannotRecord(f"Lead {lead.kartra_id or lead.pk} is deleted in Kartra; nothing can be changed on it.")
    with transaction.atomic():
        _check_members(only, kind, clean, 1)
        recorded = [
            LeadChange.objects.create(
                account_id=lead.account_id,
                lead=lead,
                kind=step.name,
                parameters=given,
                family=step.family(given),
                seen=dict(seen or {}) if step.name == kind.name else {},
                requested_by=user_of(by),
                why=why,
                requested_at=timezone.now(),
            )
            for step, given in _steps(kind, clean)
        ]
        announce(lead.account_id)
    return recorded


def lead_to_create(account: Account, parameters: Mapping[str, Any]) -> Lead:
    """The row for a lead that is to be created. Raises BadParameters, or CannotRecord if Kartra is known to have it."""
    clean = kinds.get("create_lead").clean(account, parameters)
    known = mirror.find(account, email=clean["email"])
    if known is None:
        try:
            forgetting.check(account, email=clean["email"])
        except forgetting.LeftOut as problem:
            raise CannotRecord(str(problem)) from None
    if known is not None and known.gone_at:
        raise CannotRecord(f"Kartra had a lead of this address and says it is deleted: {known.kartra_id}.")
    if known is not None and known.kartra_id:
        raise CannotRecord(f"Kartra has a lead of this address already: {known.kartra_id}. Change that one instead.")
    if known is not None and known.changes.filter(kind="create_lead", status__in=OPEN).exists():
        raise CannotRecord("A lead of this address is being created already.")
    return mirror.expect(account, clean["email"], timezone.now())


def create_lead(
    account: Account, parameters: Mapping[str, Any], *, by: Author = None, why: str = ""
) -> list[LeadChange]:
    """Record that a lead is to be created in Kartra, with all it is to have. Raises BadParameters or CannotRecord."""
    with transaction.atomic():
        lead = lead_to_create(account, parameters)
        return record_all(lead, kinds.get("create_lead"), parameters, by=by, why=why)


def _check_members(leads: QuerySet[Lead], kind: kinds.Kind, clean: Mapping[str, Any], size: int) -> None:
    most = kind.most(clean)
    if most is not None and size > most:
        raise CannotRecord(
            f"{kind.label}: {size:,} leads at once is too many; at most {most:,} {'is' if most == 1 else 'are'} allowed."
        )
    if leads.exclude(pk__in=kind.applies(leads, clean).values("pk")).exists():
        raise CannotRecord(kind.applies_words)
    if kind.exclusive:
        account = leads.values("account")[:1]
        open_ones = LeadChange.objects.filter(account__in=account, family=kind.family(clean), status__in=OPEN)
        other = open_ones.first()
        if other is not None:
            raise CannotRecord(f"“{capfirst(str(other))}” is not settled yet. Wait for it, or decide about it first.")


def record_run(
    account: Account,
    leads: QuerySet[Lead],
    kind: kinds.Kind,
    parameters: Mapping[str, Any],
    *,
    by: Author = None,
    why: str = "",
    name: str = "",
    expected: int | None = None,
) -> BulkRun:
    """Freeze the set of leads as the members of a new run and start it. Returns the run, already running (or, where
    nothing is to be sent, finished). A kind of several steps makes one change for each step and lead.

    Over BATCH leads it is frozen in several transactions and is `preparing` meanwhile, which the pusher leaves alone.
    Raises BadParameters, or CannotRecord if the set is empty or leaves the account; then nothing is recorded.
    """
    clean = kind.clean(account, parameters)
    if leads.exclude(account=account).exists():
        raise CannotRecord("These leads are of more than one account. Choose the leads of one account first.")
    members = _members(account, leads)
    size = members.count()
    if not size:
        raise CannotRecord("No leads are chosen, so there is nothing to do.")
    steps = _steps(kind, clean)
    now = timezone.now()
    with transaction.atomic():
        _check_members(members, kind, clean, size)
        run = BulkRun.objects.create(
            account=account,
            name=name or Truncator(capfirst(kind.sentence(clean))).chars(120),
            kind=kind.name,
            parameters=clean,
            created_by=user_of(by),
            why=why,
            expected=size if expected is None else expected,
        )
        if size <= BATCH:
            _freeze(run, members, steps, now)
            runs.start(run)
    if size > BATCH:
        # The ids first, so that the set is the one of this moment whatever happens between the batches.
        ids = list(members.order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(ids), BATCH):
            low, high = ids[first], ids[min(first + BATCH, len(ids)) - 1]
            with transaction.atomic():
                _freeze(run, members.filter(pk__gte=low, pk__lte=high), steps, now)
        runs.start(run)
    return run


def _freeze(run: BulkRun, members: QuerySet[Lead], steps: Sequence[Step], now: dt.datetime) -> None:
    """One INSERT … SELECT a step: a change for every member, those with nothing to do already skipped with the reason."""
    for step in steps:
        _freeze_step(run, members, step, now)


def _freeze_step(run: BulkRun, members: QuerySet[Lead], step: Step, now: dt.datetime) -> None:
    kind, parameters = step
    judged = _judged(run.account, members, [step]).order_by("pk")
    idle = Q(gone_at__isnull=False) | Q(so=True)

    def text(value: str) -> Value:
        return Value(value, output_field=TextField())

    def json(value: Any) -> Cast:
        return Cast(Value(value, output_field=JSONField()), JSONField())

    columns: dict[str, Any] = {
        "account_id": Value(run.account_id),
        "lead_id": "pk",
        "run_id": Value(run.pk),
        "kind": text(kind.name),
        "parameters": json(parameters),
        "family": text(kind.family(parameters)),
        "seen": json({}),
        "status": Case(
            When(idle, then=text(ChangeStatus.SKIPPED)), default=text(ChangeStatus.WAITING), output_field=CharField()
        ),
        "reason": Case(
            When(gone_at__isnull=False, then=text(Reason.GONE)),
            When(so=True, then=text(Reason.ALREADY_SO)),
            default=text(""),
            output_field=CharField(),
        ),
        "code": text(""),
        "message": text(""),
        "closed_why": text(""),
        "alone": Value(False, output_field=BooleanField()),
        "not_done": Value(0),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": text(run.why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(idle, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }
    _insert_select(judged, columns)


def _insert_select(rows: QuerySet[Any], columns: Mapping[str, Any]) -> None:
    """One INSERT … SELECT of changes: `columns` are, by name, an expression or the name of what the rows have."""
    annotations = {f"new_{name}": each for name, each in columns.items() if not isinstance(each, str)}
    selected = [each if isinstance(each, str) else f"new_{name}" for name, each in columns.items()]
    sql, given = rows.annotate(**annotations).values_list(*selected).query.sql_with_params()
    table = connection.ops.quote_name(LeadChange._meta.db_table)
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) {sql}", given)


def record_again(
    account: Account, refused: QuerySet[LeadChange], *, by: Author = None, why: str = "", name: str
) -> BulkRun:
    """A new run with a copy of each of these changes, linked to it. Those whose lead is deleted in Kartra are left out
    with that reason. One INSERT … SELECT. Raises CannotRecord if money is among them: that is asked for one by one."""
    kind = refused.order_by("pk").values_list("kind", flat=True).first() or ""
    if any(kinds.get(each).money for each in refused.order_by().values_list("kind", flat=True).distinct()):
        raise CannotRecord("What costs or moves money is not tried again in bulk. Ask for it again on the lead's page.")
    run = BulkRun.objects.create(
        account=account, name=name, kind=kind, parameters=refused.order_by("pk").values_list("parameters", flat=True)[0],
        created_by=user_of(by), why=why, expected=refused.count(),
    )  # fmt: skip
    now = timezone.now()
    gone = Q(lead__gone_at__isnull=False)

    def text(value: str) -> Value:
        return Value(value, output_field=TextField())

    columns: dict[str, Any] = {
        "account_id": "account_id",
        "lead_id": "lead_id",
        "run_id": Value(run.pk),
        "retry_of_id": "pk",
        "kind": "kind",
        "parameters": "parameters",
        "family": "family",
        "seen": Cast(Value({}, output_field=JSONField()), JSONField()),
        "status": Case(
            When(gone, then=text(ChangeStatus.SKIPPED)), default=text(ChangeStatus.WAITING), output_field=CharField()
        ),
        "reason": Case(When(gone, then=text(Reason.GONE)), default=text(""), output_field=CharField()),
        "code": text(""),
        "message": text(""),
        "closed_why": text(""),
        "alone": Value(False, output_field=BooleanField()),
        "not_done": Value(0),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": text(why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(gone, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }  # fmt: skip
    _insert_select(refused.order_by("pk"), columns)
    runs.start(run)
    return run
