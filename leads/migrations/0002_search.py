"""The index by which leads are searched. On PostgreSQL parts of words are found by trigrams: an index that is made while others
go on writing, and is left out where the extension may not be made (searching works without, slowly)."""

import logging

from django.db import DatabaseError, migrations

logger = logging.getLogger(__name__)

# the expression of leads.filters.searching.AsOneText, as `icontains` compares it
TEXT = "UPPER(email || ' ' || first_name || ' ' || last_name || ' ' || phone || ' ' || company)"


def index_texts(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        try:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError as problem:
            logger.warning("Leads are searched without an index, because pg_trgm could not be added: %s", problem)
            return
        cursor.execute("DROP INDEX IF EXISTS leads_lead_search")
        cursor.execute(f"CREATE INDEX CONCURRENTLY leads_lead_search ON leads_lead USING gin ({TEXT} gin_trgm_ops)")


def forget_texts(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("DROP INDEX IF EXISTS leads_lead_search")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0001_initial")]

    operations = [
        migrations.RunPython(index_texts, forget_texts),
    ]
