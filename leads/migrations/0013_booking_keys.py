from datetime import timedelta

from django.db import migrations, models

BOOKED = "Active"
SAME = timedelta(minutes=10)


def one_row_a_booking(apps, schema_editor):
    """Bookings that were told twice become one: the row that stands, else the latest; where a message told Kartra's id of a
    booking that our own confirmation had told without one, the row with the id."""
    rows = apps.get_model("leads", "CalendarEnrollment").objects.order_by("pk")
    with_id = {}
    for row in rows.exclude(booking_id="").exclude(starts_at=None):
        with_id.setdefault((row.lead_id, row.calendar_class_id, row.starts_at), []).append(row)
    kept, surplus = {}, []
    for row in rows.filter(booking_id=""):
        key = (row.lead_id, row.calendar_class_id, row.starts_at)
        twin = next((each for each in with_id.get(key, []) if abs(each.since - row.since) < SAME), None)
        if twin is not None:
            if twin.change_id is None and row.change_id is not None:
                twin.change_id = row.change_id
                twin.save(update_fields=["change"])
            surplus.append(row.pk)
        elif key in kept and kept[key].status == BOOKED != row.status:
            surplus.append(row.pk)
        else:
            if key in kept:
                surplus.append(kept[key].pk)
            kept[key] = row
    for first in range(0, len(surplus), 500):
        rows.filter(pk__in=surplus[first : first + 500]).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("leads", "0012_once"),
    ]

    operations = [
        migrations.AddField(
            model_name="lead",
            name="orders_due_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Its transactions are to be read from then on: a message told of something new.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="lead",
            name="said_deleted_at",
            field=models.DateTimeField(
                blank=True,
                help_text="A message says that it is deleted: nothing is sent until a read has looked.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="recurringsubscription",
            name="reported",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="A message that nobody vouches for says that it is cancelled; Kartra's details have not agreed yet.",
                verbose_name="cancelled, not confirmed yet",
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
                    ("outcome", "nobody can know whether it was done"),
                    ("conflict", "changed meanwhile"),
                    ("unlisted_code", "Kartra answered with a code that is not documented"),
                    ("firewall", "sent twice and not done"),
                ],
                default="",
                max_length=16,
                verbose_name="reason",
            ),
        ),
        migrations.RunPython(one_row_a_booking, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="calendarenrollment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("booking_id", ""), ("starts_at__isnull", False)),
                fields=("lead", "calendar_class", "starts_at"),
                name="leads_calendarenrollment_one_per_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="calendarenrollment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("booking_id", ""), ("starts_at", None)),
                fields=("lead", "calendar_class"),
                name="leads_calendarenrollment_one_without_start",
            ),
        ),
    ]
