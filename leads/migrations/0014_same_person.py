"""Addresses are compared composed and without invisible characters: the stored keys are renewed, in batches."""

import logging
import unicodedata

from django.db import IntegrityError, migrations, models, transaction

logger = logging.getLogger(__name__)
BATCH = 5_000


def key_of(email):
    visible = "".join(each for each in email if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", visible).lower()).strip()[:320]


def renew(model):
    """One row at a time, for only few change; one that would be the second of its kind keeps the key it has."""
    kept, last = [], 0
    while rows := list(model.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "email", "email_key")[:BATCH]):
        last = rows[-1][0]
        for pk, email, was in rows:
            key = was if email.isascii() else key_of(email)
            if key == was or not key:
                continue
            try:
                with transaction.atomic():
                    model.objects.filter(pk=pk).update(email_key=key)
            except IntegrityError:
                kept.append(pk)
    return kept


def renew_keys(apps, schema_editor):
    for name in ("Lead", "LeadEmail"):
        if kept := renew(apps.get_model("leads", name)):
            logger.warning(
                "%s rows of %s name somebody whom another row names too, and keep their key until Kartra tells their id: %s",
                len(kept), name, ", ".join(map(str, kept[:50])),
            )


class Migration(migrations.Migration):
    dependencies = [("leads", "0013_booking_keys")]

    operations = [
        migrations.AddField(
            model_name="import",
            name="options",
            field=models.JSONField(
                blank=True, default=dict, help_text="How its cells are read, and what its ids were found to be."
            ),
        ),
        migrations.AddField(
            model_name="transaction",
            name="currency",
            field=models.CharField(
                blank=True,
                default="",
                help_text="As the export names it: an ISO code, or a sign that several currencies have. Empty: the account's own.",
                max_length=8,
                verbose_name="currency",
            ),
        ),
        migrations.AlterField(
            model_name="leadchange",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", ""),
                    ("already_so", "already so"),
                    ("gone", "deleted in Kartra"),
                    ("left_out", "left out"),
                    ("absent", "not in Kartra"),
                    ("outcome", "nobody can know whether it was done"),
                    ("conflict", "changed in Kartra meanwhile"),
                    ("unlisted_code", "Kartra answered with a code that is not documented"),
                    ("firewall", "twice not done: Kartra's firewall may refuse the text"),
                ],
                default="",
                max_length=16,
                verbose_name="reason",
            ),
        ),
        migrations.RunPython(renew_keys, migrations.RunPython.noop, elidable=False),
    ]
