"""Fewer indexes on tables that grow, and some for large accounts. On PostgreSQL they are made and dropped without holding up who
writes; no constraint is looked at anew. A new database never has those that are dropped here: the migrations before say so by now,
for to say it here would take as long as all of them.
"""

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

APP = "leads"
NEW = [
    ('activity', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_activity_change')),
    ('calendarenrollment', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_calendarenrollment_by')),
    ('lead', models.Index(fields=['email_key', 'account'], name='leads_lead_email_key')),
    ('lead', models.Index(condition=models.Q(('gone_at', None), ('orders_read_at', None)), fields=['account'], name='leads_lead_orders_unread')),
    ('leadchange', models.Index(condition=models.Q(('run__isnull', False), ('settled_at__isnull', False)), fields=['run', '-settled_at', '-id'], name='leads_change_run_settled')),
    ('leadchange', models.Index(condition=models.Q(('retry_of__isnull', False)), fields=['retry_of'], name='leads_change_retry_of')),
    ('leadchange', models.Index(condition=models.Q(('retried_in__isnull', False)), fields=['retried_in'], name='leads_change_retried_in')),
    ('leadchange', models.Index(condition=models.Q(('closed_by__isnull', False)), fields=['closed_by'], name='leads_change_closed_by')),
    ('leadchange', models.Index(condition=models.Q(('superseded_by__isnull', False)), fields=['superseded_by'], name='leads_change_superseded')),
    ('leadchange', models.Index(condition=models.Q(('decided_with__isnull', False)), fields=['decided_with'], name='leads_change_decided_with')),
    ('leadchange', models.Index(condition=models.Q(('decided_with', None), ('status', 'undecided')), fields=['account', 'reason', 'kind'], name='leads_change_questions')),
    ('leadtag', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_leadtag_by')),
    ('listsubscription', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_listsubscription_by')),
    ('membershipgrant', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_membershipgrant_by')),
    ('recurringsubscription', models.Index(models.F('lead'), django.db.models.functions.text.Upper('status'), name='leads_recurring_of_lead')),
    ('recurringsubscription', models.Index(fields=['-started_at', '-id'], name='leads_recurring_newest')),
    ('sequenceenrollment', models.Index(condition=models.Q(('change__isnull', False)), fields=['change'], name='leads_sequenceenrollment_by')),
    ('transaction', models.Index(fields=['-at', '-id'], name='leads_transaction_newest')),
    ('transaction', models.Index(models.F('lead'), django.db.models.functions.text.Upper('type'), name='leads_transaction_of_lead')),
    ('leadchange', models.UniqueConstraint(condition=models.Q(('idempotency_key__isnull', False)), fields=('idempotency_key',), name='leads_change_once_per_form')),
]

OLD = {
    'activity': ['account', 'change', 'lead'],
    'calendarenrollment': ['change'],
    'importchunk': ['file'],
    'importreject': ['file'],
    'importseen': ['file'],
    'lead': ['account'],
    'leadchange': ['account', 'closed_by', 'decided_with', 'idempotency_key', 'lead', 'retried_in', 'retry_of', 'run', 'superseded_by'],
    'leadtag': ['change', 'tag'],
    'listsubscription': ['change', 'mailing_list'],
    'membershipgrant': ['change', 'level'],
    'recurringsubscription': ['account', 'lead'],
    'sequenceenrollment': ['change', 'sequence'],
    'transaction': ['account', 'lead'],
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
    with connection.cursor() as cursor:
        there = connection.introspection.get_constraints(cursor, "leads_leadchange")
    for name, each in there.items():
        if each["unique"] and each["columns"] == ["idempotency_key"] and name != "leads_change_once_per_form":
            schema_editor.execute(f"ALTER TABLE leads_leadchange DROP CONSTRAINT {name}")


def _needless(apps, connection):
    """The indexes that were made of these keys by themselves, by table and name."""
    found = [("leads_lead", "leads_lead_email")]
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
        ('integrations', '0007_large_accounts'),
        ('leads', '0009_second_profiles'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make, unmake)],
            state_operations=[
                migrations.RemoveIndex(
                    model_name='lead',
                    name='leads_lead_email',
                ),
                migrations.AddIndex(
                    model_name='activity',
                    index=NEW[0][1],
                ),
                migrations.AddIndex(
                    model_name='calendarenrollment',
                    index=NEW[1][1],
                ),
                migrations.AddIndex(
                    model_name='lead',
                    index=NEW[2][1],
                ),
                migrations.AddIndex(
                    model_name='lead',
                    index=NEW[3][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[4][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[5][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[6][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[7][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[8][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[9][1],
                ),
                migrations.AddIndex(
                    model_name='leadchange',
                    index=NEW[10][1],
                ),
                migrations.AddIndex(
                    model_name='leadtag',
                    index=NEW[11][1],
                ),
                migrations.AddIndex(
                    model_name='listsubscription',
                    index=NEW[12][1],
                ),
                migrations.AddIndex(
                    model_name='membershipgrant',
                    index=NEW[13][1],
                ),
                migrations.AddIndex(
                    model_name='recurringsubscription',
                    index=NEW[14][1],
                ),
                migrations.AddIndex(
                    model_name='recurringsubscription',
                    index=NEW[15][1],
                ),
                migrations.AddIndex(
                    model_name='sequenceenrollment',
                    index=NEW[16][1],
                ),
                migrations.AddIndex(
                    model_name='transaction',
                    index=NEW[17][1],
                ),
                migrations.AddIndex(
                    model_name='transaction',
                    index=NEW[18][1],
                ),
                migrations.AddConstraint(
                    model_name='leadchange',
                    constraint=NEW[19][1],
                ),
            ],
        ),
    ]
