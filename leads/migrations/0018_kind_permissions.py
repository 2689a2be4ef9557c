"""The permissions of the kinds of change are made from the kinds now (`kartra_mirror.groups`). No row changes: each is found again
by its codename."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("leads", "0017_terms")]

    operations = [
        migrations.AlterModelOptions(
            name="leadchange",
            options={
                "ordering": ["pk"],
                "permissions": [
                    ("resubscribe_list", "Can add leads again to lists that they left themselves"),
                    ("decide_change", "Can decide about changes whose outcome nobody knows"),
                ],
                "verbose_name": "requested change",
                "verbose_name_plural": "requested changes",
            },
        ),
    ]
