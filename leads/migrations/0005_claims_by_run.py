"""Two indexes, made on PostgreSQL without holding up who writes.

What waits in a bulk action, in its order. And who of an account has a phone number: 0004 made its index of digits under the name of this
one, which was lost by that.
"""

from django.db import migrations, models

WAITING = models.Index(fields=["run", "id"], condition=models.Q(status="waiting"), name="leads_change_waiting_run")


def make(apps, schema_editor):
    change = apps.get_model("leads", "LeadChange")
    if schema_editor.connection.vendor != "postgresql":
        schema_editor.add_index(change, WAITING)
        return
    with schema_editor.connection.cursor() as cursor:
        for name, made in (
            (WAITING.name, "ON leads_leadchange (run_id, id) WHERE status = 'waiting'"),
            ("leads_lead_phone", "ON leads_lead (account_id, phone)"),
        ):
            cursor.execute(
                "SELECT indexdef, indisvalid FROM pg_indexes JOIN pg_index ON indexrelid = to_regclass(indexname)"
                " WHERE schemaname = current_schema() AND indexname = %s",
                [name],
            )
            found = cursor.fetchone()
            if found and "gin_trgm_ops" in found[0]:
                cursor.execute("ALTER INDEX leads_lead_phone RENAME TO leads_lead_phone_digits")
            elif found and found[1]:
                continue
            elif found:  # left half made by a try that was cut off
                cursor.execute(f"DROP INDEX {name}")
            cursor.execute(f"CREATE INDEX CONCURRENTLY {name} {made}")


def unmake(apps, schema_editor):
    schema_editor.remove_index(apps.get_model("leads", "LeadChange"), WAITING)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("leads", "0004_search_by_phone")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make, unmake)],
            state_operations=[migrations.AddIndex(model_name="leadchange", index=WAITING)],
        ),
    ]
