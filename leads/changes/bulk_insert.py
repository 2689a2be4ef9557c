"""Writes the changes of a run, many at once, for `changes` alone: a run of 100,000 is one INSERT … SELECT a step."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
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

from leads import kinds, mirror, transitions
from leads.changes import preview, undo
from leads.changes.preview import NO_CHOICES, Choices, Step, classify_members
from leads.models import BulkRun, ChangeRemark, ChangeStatus, Lead, LeadChange, Reason
from leads.models.remarks import remark


def insert_changes(
    run: BulkRun, members: QuerySet[Lead], steps: Sequence[Step], now: dt.datetime, choices: Choices = NO_CHOICES
) -> None:
    """One INSERT … SELECT a step: a change for every member, those with nothing to do already skipped with the reason. Who is
    to be read first is queued, and marked for reading; whether there is anything to do is seen then."""
    for step in steps:
        insert_step(run, members, step, now, choices)
    if choices.read_first:
        doubtful = run.changes.filter(read_first=True, lead__in=members.order_by().values("pk"))
        mirror.mark_all_dirty(Lead.objects.filter(pk__in=doubtful.values("lead")), now)


def insert_step(run: BulkRun, members: QuerySet[Lead], step: Step, now: dt.datetime, choices: Choices) -> None:
    kind, parameters = step
    chosen = classify_members(run.account, members, [step]).order_by("pk")
    doubtful = Q(gone_at=None, absent=False) & preview.read_first(0, choices)
    idle = Q(gone_at__isnull=False) | Q(absent=True) | (preview.idle(0, choices) & ~doubtful)
    columns: dict[str, Any] = {
        "account_id": Value(run.account_id),
        "lead_id": "pk",
        "run_id": Value(run.pk),
        "kind": _text(kind.name),
        "parameters": _json(parameters),
        "family": _text(kind.family(parameters)),
        "baseline": _json({}),
        "status": Case(
            When(idle, then=_text(ChangeStatus.SKIPPED)), default=_text(ChangeStatus.WAITING), output_field=CharField()
        ),
        "reason": Case(
            When(gone_at__isnull=False, then=_text(Reason.GONE)),
            When(absent=True, then=_text(Reason.ABSENT)),
            When(preview.left_out(0, choices), then=_text(Reason.LEFT_OUT)),
            When(doubtful, then=_text("")),
            When(preview.already_so(0, choices), then=_text(Reason.ALREADY_SO)),
            default=_text(""),
            output_field=CharField(),
        ),
        "code": _text(""),
        "remark": Case(When(absent=True, then=_not_there()), default=_json({}), output_field=JSONField()),
        "force": Case(
            When(had_0=True, gone_at=None, then=Value(True)), default=Value(False), output_field=BooleanField()
        )
        if choices.force
        else Value(False, output_field=BooleanField()),
        "read_first": Case(When(doubtful, then=Value(True)), default=Value(False), output_field=BooleanField()),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": _text(run.why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(idle, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }
    insert_select(chosen, columns)


def copy_again(run: BulkRun, refused: QuerySet[LeadChange], now: dt.datetime) -> None:
    """One INSERT … SELECT: a copy of each of these changes, linked to it. Those whose lead is deleted in Kartra, or is not
    there, are skipped with that reason, and so is who turned it down meanwhile: one UPDATE for each thing that can be turned
    down."""
    gone, absent = Q(lead__gone_at__isnull=False), preview.about_absent(refused)
    idle = gone | absent
    columns: dict[str, Any] = {
        "account_id": "account_id",
        "lead_id": "lead_id",
        "run_id": Value(run.pk),
        "retry_of_id": "pk",
        "kind": "kind",
        "parameters": "parameters",
        "family": "family",
        "baseline": _json({}),
        "status": Case(
            When(idle, then=_text(ChangeStatus.SKIPPED)), default=_text(ChangeStatus.WAITING), output_field=CharField()
        ),
        "reason": Case(
            When(gone, then=_text(Reason.GONE)),
            When(absent, then=_text(Reason.ABSENT)),
            default=_text(""),
            output_field=CharField(),
        ),
        "remark": Case(When(absent, then=_not_there()), default=_json({}), output_field=JSONField()),
        "requested_by_id": Cast(Value(run.created_by_id), output_field=LeadChange._meta.get_field("id")),
        "why": _text(run.why),
        "requested_at": Value(now, output_field=DateTimeField()),
        "settled_at": Case(
            When(idle, then=Value(now, output_field=DateTimeField())),
            default=Value(None, output_field=DateTimeField()),
            output_field=DateTimeField(),
        ),
    }
    insert_select(refused.order_by("pk"), columns)
    waiting = run.changes.filter(status=ChangeStatus.WAITING)
    for name, parameters in waiting.order_by().values_list("kind", "parameters").distinct():
        if (left := kinds.get_kind(name).opted_out_q) is not None:
            themselves = left(Lead.objects.filter(account=run.account_id), parameters).values("pk")
            of_kind = waiting.filter(kind=name, parameters=parameters, lead__in=themselves)
            transitions.skip(of_kind, Reason.LEFT_OUT, now)


def record_edits(run: BulkRun, edits: Iterable[tuple[LeadChange, str, dict[str, Any]]], now: dt.datetime) -> None:
    """Give the fields of edits that still stand back the values they had, unless somebody changes them in Kartra meanwhile."""
    kind = kinds.UPDATE
    LeadChange.objects.bulk_create(
        (
            LeadChange(
                account_id=run.account_id,
                lead=change.lead,
                run=run,
                kind=kind.name,
                parameters=before,
                family=kind.family(before),
                baseline={name: [change.parameters[name]] for name in before},
                requested_by_id=run.created_by_id,
                why=run.why,
                requested_at=now,
            )
            for change, fate, before in edits
            if fate == undo.STANDS
        ),
        batch_size=1000,
    )


def _not_there() -> Cast:
    return _json(remark(ChangeRemark.ABSENT))


def _text(value: str) -> Value:
    return Value(value, output_field=TextField())


def _json(value: Any) -> Cast:
    return Cast(Value(value, output_field=JSONField()), JSONField())


def insert_select(rows: QuerySet[Any], columns: Mapping[str, Any]) -> None:
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
