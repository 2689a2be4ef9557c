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
from leads.bulk_sql import as_one
from leads.changes import preview, undo
from leads.changes.preview import NO_CHOICES, Choices, Step, classify_members
from leads.models import BulkRun, ChangeRemark, ChangeStatus, Lead, LeadChange, Reason
from leads.models.remarks import remark


def insert_changes(
    run: BulkRun, ids: Sequence[int], steps: Sequence[Step], now: dt.datetime, choices: Choices = NO_CHOICES
) -> None:
    """One INSERT … SELECT a step: a change for every lead of these keys, which stand in their order; those with nothing to do
    already skipped with the reason. Who is to be read first is queued, and marked for reading; whether there is anything to do
    is seen then."""
    for step in steps:
        insert_step(run, ids, step, now, choices)
    if choices.read_first:
        doubtful = run.changes.filter(read_first=True, lead__gte=ids[0], lead__lte=ids[-1], lead__in=ids)
        mirror.mark_all_dirty(Lead.objects.filter(pk__in=doubtful.values("lead")), now)


READ_FIRST = "read_first"
"""What becomes of a member that is read before it is judged; else a reason to skip it, or nothing."""


def insert_step(run: BulkRun, ids: Sequence[int], step: Step, now: dt.datetime, choices: Choices) -> None:
    """What becomes of each member is judged once, and written by the same statement."""
    kind, parameters = step
    members = Lead.objects.filter(pk__in=as_one(ids), pk__gte=ids[0], pk__lte=ids[-1])
    judged = classify_members(run.account, members, [step]).annotate(
        fate=Case(
            When(gone_at__isnull=False, then=_text(Reason.GONE)),
            When(absent=True, then=_text(Reason.ABSENT)),
            When(preview.left_out(0, choices), then=_text(Reason.LEFT_OUT)),
            When(preview.read_first(0, choices), then=_text(READ_FIRST)),
            When(preview.already_so(0, choices), then=_text(Reason.ALREADY_SO)),
            default=_text(""),
            output_field=CharField(),
        ),
        forced=Case(
            *([When(had_0=True, gone_at=None, then=Value(True))] if choices.force else []),
            default=Value(False),
            output_field=BooleanField(),
        ),
    )
    waits, value = f"fate IN ('', '{READ_FIRST}')", _column_value
    columns: dict[str, tuple[str, list[Any]]] = {
        "account_id": ("%s", [run.account_id]),
        "lead_id": ("lead", []),
        "run_id": ("%s", [run.pk]),
        "kind": ("%s", [kind.name]),
        "parameters": value("parameters", parameters),
        "family": ("%s", [kind.family(parameters)]),
        "baseline": value("baseline", {}),
        "status": (f"CASE WHEN {waits} THEN %s ELSE %s END", [ChangeStatus.WAITING.value, ChangeStatus.SKIPPED.value]),
        "reason": (f"CASE WHEN {waits} THEN %s ELSE fate END", [Reason.NONE.value]),
        "remark": _either("fate = 'absent'", value("remark", remark(ChangeRemark.ABSENT)), value("remark", {})),
        "force": ("forced", []),
        "read_first": (f"fate = '{READ_FIRST}'", []),
        "requested_by_id": value("requested_by", run.created_by_id),
        "why": ("%s", [run.why]),
        "requested_at": value("requested_at", now),
        "settled_at": _either(waits, value("settled_at", None), value("settled_at", now)),
    }
    for field in LeadChange._meta.concrete_fields:  # what has no say here has the default of its column
        if field.column and field.column not in columns and not field.primary_key and not field.null:
            columns[field.column] = value(field.name, field.get_default())
    table, quote = connection.ops.quote_name(LeadChange._meta.db_table), connection.ops.quote_name
    asked, given = judged.order_by("pk").values_list("pk", "fate", "forced").query.sql_with_params()
    names = ", ".join(quote(name) for name in columns)
    told = ", ".join(sql for sql, _values in columns.values())
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) WITH judged (lead, fate, forced) AS MATERIALIZED ({asked})"
            f" SELECT {told} FROM judged ORDER BY lead",
            [*given, *(each for _sql, values in columns.values() for each in values)],
        )


def _column_value(name: str, value: Any) -> tuple[str, list[Any]]:
    """A value as this column of a change takes it, also where the database cannot see which column it is for."""
    field = LeadChange._meta.get_field(name)
    cast = f"::{field.db_type(connection)}" if connection.vendor == "postgresql" else ""
    return f"%s{cast}", [field.get_db_prep_save(value, connection)]  # type: ignore[union-attr]


def _either(condition: str, one: tuple[str, list[Any]], other: tuple[str, list[Any]]) -> tuple[str, list[Any]]:
    return f"CASE WHEN {condition} THEN {one[0]} ELSE {other[0]} END", [*one[1], *other[1]]


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
            themselves = Lead.objects.filter(left(run.account, parameters), account=run.account_id).values("pk")
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
