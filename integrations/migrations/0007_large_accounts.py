"""Fewer indexes on calls and messages, as in leads.0010. On PostgreSQL they are made and dropped without holding up who writes.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APP = "integrations"
NEW = [
    ('apicall', models.Index(condition=models.Q(('made_by__isnull', False)), fields=['made_by'], name='integrations_call_made_by')),
    ('delivery', models.Index(condition=models.Q(('discard__isnull', False)), fields=['discard'], name='integrations_delivery_discard')),
]

OLD = {
    'apicall': ['connection', 'lead', 'made_by'],
    'attempt': ['change'],
    'delivery': ['discard', 'endpoint', 'lead'],
}
"""Keys whose index is the beginning of another one, or of a column that is nearly always empty."""


def make(apps, schema_editor):
    """New ones first, so that none is missed meanwhile."""
    connection = schema_editor.connection
    if connection.vendor != "postgresql":
        for model, index in NEW:
            add = schema_editor.add_index if isinstance(index, models.Index) else schema_editor.add_constraint
            add(apps.get_model(APP, model), index)
        for _table, name in _needless(apps, connection):
            schema_editor.execute(f'DROP INDEX IF EXISTS "{name}"')
        return
    for model, index in NEW:
        with connection.cursor() as cursor:
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index.name])
            found = cursor.fetchone()
            if found and not found[0]:  # left half made by a try that was cut off
                cursor.execute(f"DROP INDEX CONCURRENTLY {index.name}")
        table = apps.get_model(APP, model)
        if found and found[0]:
            continue
        if isinstance(index, models.Index):
            schema_editor.add_index(table, index, concurrently=True)
        else:
            [column] = index.fields
            made = f"{index.name} ON {table._meta.db_table} ({column}) WHERE {column} IS NOT NULL"
            schema_editor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {made}")
    for _table, name in _needless(apps, connection):
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _needless(apps, connection):
    """The indexes that were made of these keys by themselves, by table and name."""
    found = []
    with connection.cursor() as cursor:
        for model, names in OLD.items():
            meta = apps.get_model(APP, model)._meta
            there = connection.introspection.get_constraints(cursor, meta.db_table)
            for column in (meta.get_field(name).column for name in names):
                found += [
                    (meta.db_table, name)
                    for name, each in there.items()
                    if each["index"] and not each["unique"] and each["columns"] == [column]
                    and name.startswith(f"{meta.db_table}_{column}_")
                ]
    return found


def unmake(apps, schema_editor):
    for model, names in OLD.items():
        meta = apps.get_model(APP, model)._meta
        for column in (meta.get_field(name).column for name in names):
            made = f"{meta.db_table}_{column}_0 ON {meta.db_table} ({column})"
            schema_editor.execute(f"CREATE INDEX {made}")
    for _model, index in NEW:
        schema_editor.execute(f"DROP INDEX {index.name}")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('integrations', '0006_plainer_words'),
        ('leads', '0009_second_profiles'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make, unmake)],
            state_operations=[
                migrations.AddIndex(
                    model_name='apicall',
                    index=NEW[0][1],
                ),
                migrations.AddIndex(
                    model_name='delivery',
                    index=NEW[1][1],
                ),
            ],
        ),
    ]
