"""Inserts many plain rows at once, past the ORM's objects: some ten times faster where thousands of ties come in."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, models, router


def insert_new(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows of these fields; one that a unique constraint knows already is passed over. Values are those of the
    columns themselves (ids for relations); fields left out must be nullable."""
    connection = connections[router.db_for_write(model)]
    quote, ops = connection.ops.quote_name, connection.ops
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    names = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(columns))
    adapted: dict[dt.datetime, Any] = {}

    def plain(value: Any) -> Any:
        if not isinstance(value, dt.datetime):
            return value
        if value not in adapted:
            adapted[value] = ops.adapt_datetimefield_value(value)
        return adapted[value]

    values = [[plain(value) for value in row] for row in rows]
    if values:
        sql = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
