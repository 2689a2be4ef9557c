"""A million leads, built once on PostgreSQL and cloned for each round: `make bench-data`, `SIZE=10000` for fewer.

The server is that of `DATABASE_URL` (default: PostgreSQL on loopback, as `postgres`); databases of the benchmarks are called
`mirror_bench…`, and no other is touched.
"""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVER = os.environ.get("DATABASE_URL", "postgres://postgres@127.0.0.1:5432/postgres")
SIZE = int(os.environ.get("SIZE", "1000000"))
PREFIX = "mirror_bench"
TAGS, LISTS = 50, 20
FILLING = "1"
"""Another text makes a new template; for whoever changes `_fill`."""


def _address(name: str) -> str:
    return f"{SERVER.rsplit('/', 1)[0]}/{name}"


def server() -> Any:
    """A connection to the server that is in no transaction."""
    import psycopg

    return psycopg.connect(SERVER, autocommit=True)


def prepare(name: str, folder: str) -> None:
    """Django on this database."""
    os.environ.update(
        DATABASE_URL=_address(name),
        VAR_DIR=folder,
        EMBEDDED="1",
        LOG_LEVEL="ERROR",
        DJANGO_SETTINGS_MODULE="kartra_mirror.settings",
    )
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()


def template() -> str:
    """The name of the template of this size, of the tables and the filling as they are now."""
    told = hashlib.sha256(FILLING.encode())
    for path in sorted([*ROOT.glob("leads/migrations/*.py"), *ROOT.glob("integrations/migrations/*.py")]):
        told.update(path.read_bytes())
    return f"{PREFIX}_{SIZE}_{told.hexdigest()[:8]}"


def exists(name: str) -> bool:
    with server() as db:
        return db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def drop(name: str) -> None:
    assert name.startswith(PREFIX)
    with server() as db:
        db.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextmanager
def clone(name: str) -> Iterator[str]:
    """A copy of the template of its own, which goes afterwards."""
    copy = f"{PREFIX}_{name}"
    drop(copy)
    with server() as db:
        db.execute(f'CREATE DATABASE "{copy}" TEMPLATE "{template()}" STRATEGY FILE_COPY')
    try:
        yield copy
    finally:
        drop(copy)


def build(folder: str) -> None:
    """Make the template in a process of its own: it must not be open when it is cloned."""
    name = template()
    if exists(name):
        return
    drop(f"{name}_new")
    with server() as db:
        db.execute(f'CREATE DATABASE "{name}_new"')
    prepare(f"{name}_new", folder)
    from django.core.management import call_command
    from django.db import connection, connections

    call_command("migrate", verbosity=0)
    _fill()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE, PARALLEL 0)")
    connections.close_all()
    with server() as db:
        db.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')


def _insert(model: Any, rows: str, **columns: str) -> None:
    """One INSERT … SELECT of expressions over `rows`; what is not named has the default of its field."""
    from django.db import connection

    names, given, expressions = [], [], []
    for field in model._meta.concrete_fields:
        if field.primary_key and field.attname not in columns:
            continue
        if field.attname in columns:
            expressions.append(columns[field.attname])
        elif field.null:
            continue
        elif getattr(field, "auto_now_add", False):
            expressions.append("now()")
        else:
            expressions.append("%s::jsonb" if field.get_internal_type() == "JSONField" else "%s")
            given.append(field.get_db_prep_save(field.get_default(), connection))
        names.append(f'"{field.column}"')
    table = model._meta.db_table
    with connection.cursor() as cursor:
        sql = f'INSERT INTO "{table}" ({", ".join(names)}) SELECT {", ".join(expressions)} FROM {rows}'
        cursor.execute(sql if given else sql.replace("%%", "%"), given or None)


def _fill() -> None:
    """Per lead: three tags of fifty, one list of twenty, two lines of the timeline, one ended change; every second one bought."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.utils import timezone

    from integrations.models import Connection
    from leads.models import (
        Account,
        Activity,
        BulkRun,
        Lead,
        LeadChange,
        LeadTag,
        ListSubscription,
        MailingList,
        Product,
        RecurringSubscription,
        Sequence,
        Tag,
        Transaction,
    )

    small, big = (Account.objects.create(name=name) for name in ("Small and older", "Large"))
    for account in (small, big):
        Connection.objects.create(
            account=account,
            app_id=f"bench-{account.pk}",
            api_key="x",
            api_password="x",
            api_url="http://127.0.0.1:9/api",
            switched_on_at=timezone.now(),
        )
    get_user_model().objects.create_superuser("bench", "bench@example.com", "bench")
    for model, name, number in ((Tag, "tag", TAGS), (MailingList, "list", LISTS)):
        model.objects.bulk_create(model(account=big, name=f"{name} {n}") for n in range(number))
    Sequence.objects.create(account=big, name="Welcome")
    Product.objects.bulk_create(Product(account=big, name=f"Course {n}") for n in range(10))
    _leads(small.pk, 20, 0)
    _leads(big.pk, SIZE, 20)
    first = Lead.objects.filter(account=big).order_by("pk").values_list("pk", flat=True)[0]
    of_lead = f"generate_series(0, {SIZE - 1}) AS i"
    ids = {
        model: f"(ARRAY[{', '.join(str(pk) for pk in model.objects.order_by('pk').values_list('pk', flat=True))}])"
        for model in (Tag, MailingList, Product)
    }
    known = "now() - interval '100 days'"
    for number in range(3):
        chosen = f"{ids[Tag]}[1 + (i / {TAGS**number} + {number * 17} + {number} * (i %% 7)) %% {TAGS}]"
        with connection.cursor() as cursor:
            table = LeadTag._meta.db_table
            cursor.execute(
                f"INSERT INTO {table} (lead_id, tag_id, since, source)"
                f" SELECT {first} + i, {chosen.replace('%%', '%')}, {known}, 'import' FROM {of_lead} ON CONFLICT DO NOTHING"
            )
    _insert(
        ListSubscription,
        of_lead,
        lead_id=f"{first} + i",
        mailing_list_id=f"{ids[MailingList]}[1 + i %% {LISTS}]",
        since=known,
        source="'import'",
        active="i %% 9 <> 0",
    )
    run = BulkRun.objects.create(
        account=big, name="Done", kind="assign_tag", parameters={"tag": "tag 1"}, expected=SIZE // 10
    )
    BulkRun.objects.filter(pk=run.pk).update(state="finished", ended_at=timezone.now())
    _insert(
        LeadChange,
        of_lead,
        account_id=str(big.pk),
        lead_id=f"{first} + i",
        run_id=f"CASE WHEN i %% 10 = 0 THEN {run.pk} END",
        kind="'assign_tag'",
        parameters="""'{"tag": "tag 1"}'""",
        family="'tag:tag 1'",
        status="CASE WHEN i %% 97 = 0 THEN 'rejected' ELSE 'accepted' END",
        code="CASE WHEN i %% 97 = 0 THEN '232' ELSE '' END",
        requested_at=f"{known} + i * interval '5 seconds'",
        settled_at=f"{known} + i * interval '5 seconds'",
    )
    for kind, details in (
        ("tag_assigned", '{"tag": "tag 1"}'),
        ("changed_in_kartra", '{"field": "city", "was": "Bend", "is": "Salem"}'),
    ):
        _insert(
            Activity,
            of_lead,
            account_id=str(big.pk),
            lead_id=f"{first} + i",
            kind=f"'{kind}'",
            at=f"{known} + i * interval '8 seconds'",
            source="'refresh'",
            details=f"'{details}'",
        )
    _insert(
        Transaction,
        f"generate_series(0, {SIZE - 1}, 2) AS i",
        account_id=str(big.pk),
        lead_id=f"{first} + i",
        kartra_id="(7000000 + i)::text",
        type="CASE WHEN i %% 40 = 0 THEN 'refund' ELSE 'sale' END",
        product_id=f"{ids[Product]}[1 + (i / 2) %% 10]",
        full_amount="97",
        at=f"{known} + i * interval '8 seconds'",
    )
    _insert(
        RecurringSubscription,
        f"generate_series(0, {SIZE - 1}, 20) AS i",
        account_id=str(big.pk),
        lead_id=f"{first} + i",
        kartra_id="(100 + i)::text",
        product_id=f"{ids[Product]}[1 + i %% 10]",
        status="'active'",
        started_at=known,
    )


def _leads(account: int, number: int, first: int) -> None:
    from leads.models import Lead

    _insert(
        Lead,
        f"generate_series({first}, {first + number - 1}) AS i",
        account_id=str(account),
        kartra_id="(100000 + i)::text",
        email="'lead' || i || '@example.com'",
        email_key="'lead' || i || '@example.com'",
        first_name="'Name' || i %% 997",
        last_name="'Lind' || i %% 9973",
        phone="'+1 555 ' || lpad((i - i %% 1000 * (i %% 50 / 49))::text, 7, '0')",
        country="(ARRAY['Spain', 'Japan', 'Canada'])[1 + i %% 3]",
        source="'api'",
        score="i %% 100",
        read_at="now() - (i %% 36) * interval '1 hour'",
        known_since="now() - interval '200 days'",
        known_from="'import'",
        date_joined="now() - i * interval '1 minute'",
        custom_values="""('{"crm_ref": "A-' || i || '"}')::jsonb""",
        changed_seq="i",
    )


def main() -> None:
    import tempfile

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        build(folder)
    print(f"{template()}: {SIZE:,} leads, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
