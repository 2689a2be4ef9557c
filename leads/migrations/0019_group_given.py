"""What was last given to a group, so that one that nobody changed gets new permissions by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("leads", "0018_kind_permissions")]

    operations = [
        migrations.AddField("GroupLimits", "given", models.JSONField(blank=True, editable=False, null=True)),
    ]
