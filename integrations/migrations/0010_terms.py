"""The field's terms: a webhook endpoint, a stop of sending, a report of a deleted lead. Names alone; no row changes."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

RENAMED = (("door", "webhookendpoint"), ("stop", "sendingstop"), ("gonefinding", "deletionreport"))


def rename_permissions(apps, schema_editor):
    """Whoever had a permission has it under its new name. One that was made under the new name meanwhile goes first."""
    permissions = apps.get_model("auth", "Permission").objects.using(schema_editor.connection.alias)
    for old, new in RENAMED:
        ours = permissions.filter(
            content_type__app_label="integrations",
            codename__in=[f"{verb}_{old}" for verb in ("add", "change", "delete", "view", "rotate")],
        )
        for permission in ours:
            codename = permission.codename.replace(f"_{old}", f"_{new}")
            permissions.filter(content_type=permission.content_type, codename=codename).delete()
            permission.codename = codename
            permission.save(update_fields=["codename"])


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("integrations", "0009_installation"),
        ("kartra_mirror", "0001_groups"),
        ("leads", "0017_terms"),
    ]

    operations = [
        migrations.RunPython(rename_permissions, migrations.RunPython.noop),
        migrations.RemoveConstraint("GoneFinding", "integrations_gonefinding_decided_iff_not_pending"),
        migrations.RemoveConstraint("Door", "integrations_door_one_per_name"),
        migrations.RemoveConstraint("Door", "integrations_door_old_token_with_digest"),
        migrations.RemoveIndex("Delivery", "integrations_delivery_action"),
        migrations.RenameModel("Door", "WebhookEndpoint"),
        migrations.RenameModel("Stop", "SendingStop"),
        migrations.RenameModel("GoneFinding", "DeletionReport"),
        migrations.RenameField("Delivery", "door", "endpoint"),
        migrations.RenameField("DeletionReport", "belief", "verdict"),
        migrations.AlterModelOptions(
            "WebhookEndpoint",
            {
                "ordering": ["connection", "name"],
                "permissions": [("rotate_webhookendpoint", "Can change and retire addresses for Kartra")],
                "verbose_name": "address for Kartra",
                "verbose_name_plural": "addresses for Kartra",
            },
        ),
        migrations.AlterField(
            "DeletionReport",
            "connection",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deletion_reports",
                to="integrations.connection",
            ),
        ),
        migrations.AlterField(
            "DeletionReport",
            "lead",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="deletion_reports", to="leads.lead"
            ),
        ),
        migrations.AlterField(
            "WebhookEndpoint",
            "connection",
            models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="endpoints",
                to="integrations.connection",
                verbose_name="connection",
            ),
        ),
        migrations.AddIndex(
            "Delivery",
            models.Index(fields=["endpoint", "action", "-received_at"], name="integrations_delivery_action"),
        ),
        migrations.AddConstraint(
            "DeletionReport",
            models.CheckConstraint(
                condition=Q(verdict="pending", decided_at=None) | (~Q(verdict="pending") & Q(decided_at__isnull=False)),
                name="integrations_deletionreport_decided_iff_not_pending",
            ),
        ),
        migrations.AddConstraint(
            "WebhookEndpoint",
            models.UniqueConstraint(
                condition=Q(retired_at=None),
                fields=("connection", "name"),
                name="integrations_webhookendpoint_one_per_name",
            ),
        ),
        migrations.AddConstraint(
            "WebhookEndpoint",
            models.CheckConstraint(
                condition=Q(old_token__isnull=True, old_token_digest__isnull=True)
                | Q(old_token__isnull=False, old_token_digest__isnull=False),
                name="integrations_webhookendpoint_old_token_with_digest",
            ),
        ),
    ]
