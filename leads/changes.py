"""Records wishes, alone or as a run. The only creator of LeadChange rows.

Works on sets: a run of 100,000 is one INSERT … SELECT. Nothing here speaks to Kartra; `changes_recorded` says after the
commit that there is work.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    DateTimeField,
    JSONField,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.text import Truncator, capfirst

from leads import aftermath, forgetting, judging, kinds, mirror, runs, staff, undoing
from leads.aftermath import Next
from leads.judging import NO_CHOICES, Choices, Preview, Step, judged, members_of, preview, steps_of
from leads.models import OPEN, Account, BulkRun, ChangeStatus, Lead, LeadChange, Reason
from leads.runs import BATCH, Author, user_of
from leads.signals import announce


class CannotRecord(ValueError):
    """The wish cannot be recorded. The text is a sentence for the person who asked."""


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
    _check_person(by, lead.account, 1, kind, clean)
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
            for step, given in steps_of(kind, clean)
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


def _check_person(
    by: Author, account: Account, size: int, kind: kinds.Kind | None = None, clean: Mapping[str, Any] | None = None
) -> None:
    """Whether this is within what the person may ask for alone."""
    try:
        staff.check_account(by, account)
        staff.check_run(by, size)
        if kind is not None and clean is not None and kind.name == "refund_transaction":
            staff.check_refund(by, *kinds.refund_amounts(account, clean))
    except staff.NotAllowed as problem:
        raise CannotRecord(str(problem)) from None


def _check_members(leads: QuerySet[Lead], kind: kinds.Kind, clean: Mapping[str, Any], size: int) -> None:
    for part, parameters in kind.parts(clean):
        _check_part(leads, part, parameters, size)


def _check_part(leads: QuerySet[Lead], kind: kinds.Kind, clean: Mapping[str, Any], size: int) -> None:
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
    choices: Choices = NO_CHOICES,
    approved_by: Author = None,
) -> BulkRun:
    """Freeze the set of leads as the members of a new run and start it. Returns the run, already running (or, where
    nothing is to be sent, finished). A kind of several steps makes one change for each step and lead. `approved_by`: who
    started it for `by`.

    Over BATCH leads it is frozen in several transactions and is `preparing` meanwhile, which the pusher leaves alone.
    Raises BadParameters, or CannotRecord if the set is empty or leaves the account; then nothing is recorded.
    """
    clean = kind.clean(account, parameters)
    if leads.exclude(account=account).exists():
        raise CannotRecord("These leads are of more than one account. Choose the leads of one account first.")
    members = members_of(account, leads)
    size = members.count()
    if not size:
        raise CannotRecord("No leads are chosen, so there is nothing to do.")
    _check_person(approved_by or by, account, size, kind, clean)
    steps = steps_of(kind, clean)
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
            approved_by=user_of(approved_by),
        )
        if size <= BATCH:
            _freeze(run, members, steps, now, choices)
            runs.start(run)
    if size > BATCH:
        # The ids first, so that the set is the one of this moment whatever happens between the batches.
        ids = list(members.order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(ids), BATCH):
            low, high = ids[first], ids[min(first + BATCH, len(ids)) - 1]
            with transaction.atomic():
                _freeze(run, members.filter(pk__gte=low, pk__lte=high), steps, now, choices)
        runs.start(run)
    return run


def undo(run: BulkRun, *, by: Author = None, why: str = "", also: Sequence[Next] = ()) -> BulkRun:
    """Record a new run that takes back what this one changed and that is still as it left it; `also`: what happened next
    and is to be taken back with it. Returns the new run, already running.

    Raises CannotRecord while the run, or an undo of it, is under way, and where nothing is left to take back.
    """
    now = timezone.now()
    with transaction.atomic():
        run = BulkRun.objects.select_for_update(of=("self",)).select_related("account").get(pk=run.pk)
        if not run.has_ended:
            raise CannotRecord("This bulk action is still under way. Cancel it first; then undo what was done of it.")
        if run.undone_by.under_way().exists():
            raise CannotRecord("This bulk action is being undone already.")
        groups = undoing.groups(run)
        plan = [
            (group.inverse, undoing.sorted_changes(run, group.kind, group.parameters).filter(fate=undoing.STANDS))
            for group in groups
            if group.inverse and group.number[undoing.STANDS]
        ]
        back = [(each.back, aftermath.leads_of(run, each)) for each in also if each.back]
        edited = [each for each in undoing.edits(run) if each[1] == undoing.STANDS]
        if not plan and not back and not edited:
            raise CannotRecord(
                "Nothing of this bulk action is left to take back: it changed nothing, or all has changed since."
            )
        size = undoing.number_standing(run, groups)
        _check_person(by, run.account, size)
        steps = [step for step, _ in (*plan, *back)]
        undone = BulkRun.objects.create(
            account=run.account,
            name=f"Undo: {run.name}"[:200],
            kind=kinds.SEVERAL.name,
            parameters={"steps": [[kind.name, parameters] for kind, parameters in steps]},
            undoes=run,
            created_by=user_of(by),
            why=why,
            expected=size,
        )
        _record_edits(undone, edited, now)
    sets = [(step, Lead.objects.filter(pk__in=standing.values("lead"))) for step, standing in plan] + back
    for step, leads in sets:
        ids = list(leads.order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(ids), BATCH):
            low, high = ids[first], ids[min(first + BATCH, len(ids)) - 1]
            with transaction.atomic():
                _freeze_step(undone, leads.filter(pk__gte=low, pk__lte=high), step, now, NO_CHOICES)
    runs.start(undone)
    return undone


def _record_edits(run: BulkRun, edited: Sequence[tuple[LeadChange, str, dict[str, Any]]], now: dt.datetime) -> None:
    """Give fields back the values they had, unless somebody changes them in Kartra meanwhile."""
    kind = kinds.get("update_lead")
    LeadChange.objects.bulk_create(
        (
            LeadChange(
                account_id=run.account_id,
                lead=change.lead,
                run=run,
                kind=kind.name,
                parameters=before,
                family=kind.family(before),
                seen={name: [change.parameters[name]] for name in before},
                requested_by_id=run.created_by_id,
                why=run.why,
                requested_at=now,
            )
            for change, _, before in edited
        ),
        batch_size=1000,
    )


def _freeze(
    run: BulkRun, members: QuerySet[Lead], steps: Sequence[Step], now: dt.datetime, choices: Choices = NO_CHOICES
) -> None:
    """One INSERT … SELECT a step: a change for every member, those with nothing to do already skipped with the reason."""
    for step in steps:
        _freeze_step(run, members, step, now, choices)


def _freeze_step(run: BulkRun, members: QuerySet[Lead], step: Step, now: dt.datetime, choices: Choices) -> None:
    kind, parameters = step
    chosen = judged(run.account, members, [step]).order_by("pk")
    idle = Q(gone_at__isnull=False) | judging.idle(0, choices)

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
            When(judging.left_out(0, choices), then=text(Reason.LEFT_OUT)),
            When(judging.already_so(0, choices), then=text(Reason.ALREADY_SO)),
            default=text(""),
            output_field=CharField(),
        ),
        "code": text(""),
        "message": text(""),
        "anyway": Case(
            When(had_0=True, gone_at=None, then=Value(True)), default=Value(False), output_field=BooleanField()
        )
        if choices.anyway
        else Value(False, output_field=BooleanField()),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": text(run.why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(idle, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }
    _insert_select(chosen, columns)


def _insert_select(rows: QuerySet[Any], columns: Mapping[str, Any]) -> None:
    """One INSERT … SELECT of changes: `columns` are, by name, an expression or the name of what the rows have."""
    columns = dict(columns)
    for field in LeadChange._meta.concrete_fields:  # what has no say here has the default of its column
        if field.column and field.column not in columns and not field.primary_key and not field.null:
            columns[field.column] = Value(field.get_default(), output_field=type(field)())
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
    _check_person(by, account, refused.count())
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


__all__ = [
    "CannotRecord",
    "Choices",
    "Preview",
    "create_lead",
    "lead_to_create",
    "preview",
    "record",
    "record_again",
    "record_all",
    "record_run",
    "undo",
]
