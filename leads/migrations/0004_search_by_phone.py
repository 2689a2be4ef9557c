"""The index by which leads are found by the digits of their phone: on PostgreSQL, by trigrams, as the search of 0002."""

import logging

from django.db import migrations

logger = logging.getLogger(__name__)

# the expression of leads.filters.searching.phone_digits
DIGITS = "phone"
for sign in " ()-./+":
    DIGITS = f"REPLACE({DIGITS}, '{sign}', '')"


def index_phones(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
        if cursor.fetchone() is None:
            logger.warning("Leads are searched by phone without an index, because pg_trgm is not there.")
            return
        cursor.execute("DROP INDEX IF EXISTS leads_lead_phone")
        cursor.execute(f"CREATE INDEX CONCURRENTLY leads_lead_phone ON leads_lead USING gin (({DIGITS}) gin_trgm_ops)")


def forget_phones(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        with schema_editor.connection.cursor() as cursor:
            cursor.execute("DROP INDEX IF EXISTS leads_lead_phone")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0003_staff_sessions")]

    operations = [
        migrations.RunPython(index_phones, forget_phones),
    ]
