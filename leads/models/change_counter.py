"""Where the numbers of `Lead.changed_seq` come from."""

from typing import Any

from django.db import connections, models
from django.db.models.sql.compiler import SQLCompiler
from django.utils.translation import gettext_lazy as _


class ChangeCounter(models.Model):
    """On PostgreSQL the sequence of this table's key, while the table stays empty. On SQLite `value` of its only row: it has
    one writer at a time, so the number is that of the transaction too."""

    account_path = None  # a number

    value = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("counter of changes to leads")
        verbose_name_plural = _("counters of changes to leads")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.value)


SEQUENCE = f"nextval(pg_get_serial_sequence('{ChangeCounter._meta.db_table}', 'id'))"


class NextNumber(models.Func):
    """The next number: on PostgreSQL another for each row, on SQLite what the counter holds."""

    output_field = models.BigIntegerField()
    template = f"(SELECT value FROM {ChangeCounter._meta.db_table})"

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=SEQUENCE, **context)


class OwnTransaction(models.Func):
    """The transaction that writes, by a number that no later one has."""

    output_field = models.BigIntegerField()
    template = NextNumber.template

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="pg_current_xact_id()::text::bigint", **context)


def next_numbers(using: str) -> dict[str, models.Func]:
    """The columns of a lead that say when it was changed, as they are to be written now. Within the transaction that changes
    the lead."""
    if connections[using].vendor != "postgresql" and not ChangeCounter.objects.update(value=models.F("value") + 1):
        ChangeCounter.objects.create(value=1)
    return {"changed_seq": NextNumber(), "changed_xid": OwnTransaction()}


def transactions_now(using: str) -> tuple[int, int]:
    """The oldest transaction that is at work, and the first that has not begun: all before the one are over, none from the other
    on has written anything."""
    if connections[using].vendor != "postgresql":
        counted = ChangeCounter.objects.using(using).values_list("value", flat=True).first() or 0
        return counted + 1, counted + 1
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT pg_snapshot_xmin(now)::text::bigint, pg_snapshot_xmax(now)::text::bigint FROM pg_current_snapshot() AS now"
        )
        oldest, unborn = cursor.fetchone()
    return oldest, unborn


def drawn_numbers(using: str, number: int) -> list[tuple[int, int]]:
    """The same columns of so many leads as values, (changed_seq, changed_xid), for whoever writes them past the ORM."""
    next_numbers(using)
    if connections[using].vendor != "postgresql":
        value = ChangeCounter.objects.using(using).values_list("value", flat=True)[0]
        return [(value, value)] * number
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {SEQUENCE}, pg_current_xact_id()::text::bigint FROM generate_series(1, %s)", [number])
        return cursor.fetchall()
