"""The groups Viewer, Support, Marketer, Manager, Engineer.

Django makes permissions after the last migration, so they are made here first.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from kartra_mirror import groups


def make_groups(apps, schema_editor):
    for app in ("auth", "leads", "integrations"):
        config = apps.get_app_config(app)
        config.models_module = True  # historical apps have none, and would be passed over
        create_permissions(config, verbosity=0, using=schema_editor.connection.alias, apps=apps)
        config.models_module = None
    groups.make(apps)


class Migration(migrations.Migration):

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("leads", "0007_imports"),
        ("integrations", "0005_doors_and_replay"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
