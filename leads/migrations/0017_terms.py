"""What a change knows of itself, by the field's terms. Names alone; no row changes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("leads", "0016_one_judge")]

    operations = [
        migrations.RenameField("LeadChange", "seen", "baseline"),
        migrations.RenameField("LeadChange", "anyway", "force"),
        migrations.RenameField("LeadChange", "alone", "send_alone"),
        migrations.RenameField("LeadChange", "once", "idempotency_key"),
    ]
