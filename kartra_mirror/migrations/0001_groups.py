"""Made the groups once; they are made after `migrate` now (`kartra_mirror.groups`), when all permissions are there."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("leads", "0007_imports"),
        ("integrations", "0005_doors_and_replay"),
    ]

    operations = []
