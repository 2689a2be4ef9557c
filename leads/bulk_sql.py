"""Inserts many plain rows at once, past the ORM's objects: some ten times faster where thousands of ties come in, and the
database says which of them were new.
"""

import datetime as dt
import functools
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from django.db import connection, connections, models, router
from django.db.models.expressions import RawSQL

MOST_VALUES = 9_000
"""Values in one statement: databases bound them."""


def insert_new(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]], *, returning: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """Insert rows of these fields; one that a unique constraint knows already is passed over. Values are those of the
    columns themselves (ids for relations); fields left out must be nullable. `returning`: fields of the rows that were
    inserted, which is what this answers."""
    connection = connections[router.db_for_write(model)]
    quote, ops = connection.ops.quote_name, connection.ops

    adapted: dict[dt.datetime, Any] = {}

    def plain(value: Any) -> Any:
        if not isinstance(value, dt.datetime):
            return value
        if value not in adapted:
            adapted[value] = ops.adapt_datetimefield_value(value)
        return adapted[value]

    values = [[plain(value) for value in row] for row in rows]
    if connection.vendor == "postgresql":
        return _insert_arrays(model, columns, values, returning) if values else []
    places = f"({', '.join(['%s'] * len(columns))})"
    into = f"INSERT INTO {quote(model._meta.db_table)} ({_named(model, columns)}) VALUES"
    found: list[tuple[Any, ...]] = []
    if not values:
        return found
    with connection.cursor() as cursor:
        if not returning:
            cursor.executemany(f"{into} {places} ON CONFLICT DO NOTHING", values)
            return found
        at_once = MOST_VALUES // len(columns)
        for first in range(0, len(values), at_once):
            some = values[first : first + at_once]
            sql = (
                f"{into} {', '.join([places] * len(some))} ON CONFLICT DO NOTHING RETURNING {_named(model, returning)}"
            )
            cursor.execute(sql, [value for row in some for value in row])
            found += cursor.fetchall()
    return found


def update_each(
    model: type[models.Model],
    keys: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Give many rows values of their own, in one statement: each of `rows` has the values of `keys`, which say whose it is, then
    those of `columns`. How many were updated."""
    connection = connections[router.db_for_write(model)]
    quote = connection.ops.quote_name
    fields: list[Any] = [model._meta.get_field(name) for name in (*keys, *columns)]
    values = [
        [field.get_db_prep_save(value, connection) for field, value in zip(fields, row, strict=True)] for row in rows
    ]
    if not values:
        return 0

    def given(place: int, field: Any) -> str:
        column = f"given.column{place + 1}"
        return f"CAST({column} AS {field.db_type(connection)})" if connection.vendor == "postgresql" else column

    table = quote(model._meta.db_table)
    pairs = [(quote(field.column), given(place, field)) for place, field in enumerate(fields)]
    wanted = [f"{table}.{column} = {value}" for column, value in pairs[: len(keys)]]
    places = f"({', '.join(['%s'] * len(fields))})"
    sql = (
        f"UPDATE {table} SET {', '.join(f'{column} = {value}' for column, value in pairs[len(keys) :])}"
        f" FROM (VALUES {', '.join([places] * len(values))}) AS given WHERE {' AND '.join(wanted)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for row in values for value in row])
        return int(cursor.rowcount)


def update_rows(model: type[models.Model], names: Sequence[str], rows: Sequence[models.Model]) -> None:
    """Save these fields (`Field.attname`) of many rows."""
    update_each(model, ["id"], names, ((row.pk, *(getattr(row, name) for name in names)) for row in rows))


def insert_row(row: models.Model) -> None:
    """Insert one row that has no key yet; nothing happens where a unique constraint knows it already. The statement is made once
    for each model: making it takes the ORM about as long as the database takes to carry it out."""
    connection = connections[router.db_for_write(type(row))]
    sql, fields = _insertion(type(row), connection.alias)
    with connection.cursor() as cursor:
        cursor.execute(sql, [field.get_db_prep_save(field.pre_save(row, True), connection) for field in fields])


@functools.cache
def _insertion(model: type[models.Model], alias: str) -> tuple[str, list[Any]]:
    quote = connections[alias].ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING", fields


def _named(model: type[models.Model], names: Sequence[str]) -> str:
    quote = connections[router.db_for_write(model)].ops.quote_name
    return ", ".join(quote(_field(model, name).column) for name in names)


def _field(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


def _insert_arrays(
    model: type[models.Model], columns: Sequence[str], values: Sequence[Sequence[Any]], returning: Sequence[str]
) -> list[tuple[Any, ...]]:
    """PostgreSQL takes each column as one array: one statement, which is read once however many rows there are."""
    connection = connections[router.db_for_write(model)]
    arrays = [f"%s::{_array_type(_field(model, name).db_type(connection))}" for name in columns]
    sql = (
        f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} ({_named(model, columns)})"
        f" SELECT * FROM unnest({', '.join(arrays)}) ON CONFLICT DO NOTHING"
    )
    if returning:
        sql += f" RETURNING {_named(model, returning)}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*values, strict=True)])
        return cursor.fetchall() if returning else []


def _array_type(type: str) -> str:
    """Without a length: a cast would cut to it what the column refuses."""
    return f"{type.split('(')[0]}[]"


def as_one(keys: Sequence[int]) -> Any:
    """These keys for `pk__in`: PostgreSQL takes them as one array. As 25,000 parameters they take longer than what is asked."""
    if connection.vendor != "postgresql":
        return keys
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])


def insert_objects(objects: Sequence[models.Model]) -> None:
    """Insert new objects of one model, and give them their keys. On PostgreSQL by COPY, which takes a tenth of the time that
    the columns of a lead take as parameters."""
    if not objects:
        return
    model = type(objects[0])
    connection = connections[router.db_for_write(model)]
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(objects, batch_size=500)
        return
    table, fields = model._meta.db_table, model._meta.concrete_fields
    stamps = [field for field in fields if getattr(field, "auto_now_add", False)]
    prepared = [place for place, field in enumerate(fields) if field.get_internal_type() == "JSONField"]
    values_of = attrgetter(*(field.attname for field in fields))
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [table, str(model._meta.pk.column), len(objects)],
        )
        for each, (pk,) in zip(objects, cursor.fetchall(), strict=True):
            each.pk = pk
            for field in stamps:
                field.pre_save(each, True)
        names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
        with cursor.copy(f"COPY {connection.ops.quote_name(table)} ({names}) FROM STDIN") as copy:
            for each in objects:
                values = list(values_of(each))
                for place in prepared:
                    values[place] = fields[place].get_db_prep_save(values[place], connection)
                copy.write_row(values)
    for each in objects:
        each._state.adding, each._state.db = False, connection.alias
