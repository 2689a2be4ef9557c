"""The cause of a line of the timeline, and the line behind a tie of a lead, as foreign keys.

Until now a line named its cause by a text ("call 5", "delivery 12", "import 3"), and a tie was matched with its line by the moment.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import BigIntegerField, Case, OuterRef, Subquery, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Substr

CAUSES = (
    # the text's word, the new field, the cause's model
    ("call", "call", ("integrations", "ApiCall")),
    ("delivery", "delivery", ("integrations", "Delivery")),
    ("import", "import_job", ("leads", "Import")),
)
TIES = (
    # the tie, its thing, what the lines about it are called and name it by
    ("LeadTag", "Tag", "tag", ["tag_assigned"], "tag"),
    ("ListSubscription", "MailingList", "mailing_list", ["list_joined", "list_left"], "list"),
    ("SequenceEnrollment", "Sequence", "sequence", ["sequence_entered", "sequence_left"], "sequence"),
    (
        "CalendarEnrollment",
        "CalendarClass",
        "calendar_class",
        ["calendar_booked", "calendar_cancelled", "calendar_completed"],
        "class",
    ),
    ("MembershipGrant", "MembershipLevel", "level", ["membership_granted", "membership_revoked"], "level"),
)


def texts_to_keys(apps, schema_editor):
    """One statement for each sort of cause. A row that is not there any more is no cause; nor is the call beside a change,
    which leads to it by its attempts."""
    alias = schema_editor.connection.alias
    activities = apps.get_model("leads", "Activity").objects.using(alias)
    for word, field, model in CAUSES:
        number = Cast(Substr("cause", len(word) + 2), BigIntegerField())
        lines = activities.filter(cause__startswith=f"{word} ").annotate(
            number=Case(When(cause__regex=rf"^{word} [0-9]{{1,18}}$", then=number), output_field=BigIntegerField())
        )
        if field != "delivery":
            lines = lines.filter(change=None)
        there = apps.get_model(*model).objects.using(alias).filter(pk=OuterRef("number")).values("pk")
        lines.update(**{field: Subquery(there)})


def point_ties_at_lines(apps, schema_editor):
    """One statement for each sort of tie: the line of the same lead, source and moment that names the thing."""
    alias = schema_editor.connection.alias
    for tie, thing, field, kinds, detail in TIES:
        name = apps.get_model("leads", thing).objects.using(alias).filter(pk=OuterRef(OuterRef(f"{field}_id")))
        lines = (
            apps.get_model("leads", "Activity")
            .objects.using(alias)
            .annotate(thing=KT(f"details__{detail}"))
            .filter(
                lead=OuterRef("lead_id"),
                at=OuterRef("since"),
                source=OuterRef("source"),
                kind__in=kinds,
                thing=Subquery(name.values("name")),
            )
        )
        ties = apps.get_model("leads", tie).objects.using(alias).filter(source__in=["push", "webhook", "ipn"])
        ties.update(activity=Subquery(lines.order_by("-pk").values("pk")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0010_terms"),
        ("leads", "0020_selections"),
    ]

    operations = [
        migrations.AddField(
            model_name="activity",
            name="call",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="activities",
                to="integrations.apicall",
                verbose_name="call to Kartra",
            ),
        ),
        migrations.AddField(
            model_name="activity",
            name="delivery",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="activities",
                to="integrations.delivery",
                verbose_name="message from Kartra",
            ),
        ),
        migrations.AddField(
            model_name="activity",
            name="import_job",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="activities",
                to="leads.import",
                verbose_name="import",
            ),
        ),
        migrations.AddField(
            model_name="calendarenrollment",
            name="activity",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="leads.activity",
            ),
        ),
        migrations.AddField(
            model_name="leadtag",
            name="activity",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="leads.activity",
            ),
        ),
        migrations.AddField(
            model_name="listsubscription",
            name="activity",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="leads.activity",
            ),
        ),
        migrations.AddField(
            model_name="membershipgrant",
            name="activity",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="leads.activity",
            ),
        ),
        migrations.AddField(
            model_name="sequenceenrollment",
            name="activity",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="leads.activity",
            ),
        ),
        migrations.RunPython(texts_to_keys, migrations.RunPython.noop),
        migrations.RunPython(point_ties_at_lines, migrations.RunPython.noop),
        migrations.RemoveField(
            model_name="activity",
            name="cause",
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("call__isnull", False)), fields=["call"], name="leads_activity_call"
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("delivery__isnull", False)), fields=["delivery"], name="leads_activity_delivery"
            ),
        ),
        migrations.AddIndex(
            model_name="activity",
            index=models.Index(
                condition=models.Q(("import_job__isnull", False)), fields=["import_job"], name="leads_activity_import"
            ),
        ),
        migrations.AddIndex(
            model_name="calendarenrollment",
            index=models.Index(
                condition=models.Q(("activity__isnull", False)),
                fields=["activity"],
                name="leads_calendarenrollment_line",
            ),
        ),
        migrations.AddIndex(
            model_name="leadtag",
            index=models.Index(
                condition=models.Q(("activity__isnull", False)), fields=["activity"], name="leads_leadtag_line"
            ),
        ),
        migrations.AddIndex(
            model_name="listsubscription",
            index=models.Index(
                condition=models.Q(("activity__isnull", False)), fields=["activity"], name="leads_listsubscription_line"
            ),
        ),
        migrations.AddIndex(
            model_name="membershipgrant",
            index=models.Index(
                condition=models.Q(("activity__isnull", False)), fields=["activity"], name="leads_membershipgrant_line"
            ),
        ),
        migrations.AddIndex(
            model_name="sequenceenrollment",
            index=models.Index(
                condition=models.Q(("activity__isnull", False)),
                fields=["activity"],
                name="leads_sequenceenrollment_line",
            ),
        ),
        migrations.AddConstraint(
            model_name="activity",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("call", None), ("import_job", None)),
                    models.Q(("change", None), ("delivery", None), ("import_job", None)),
                    models.Q(("call", None), ("change", None), ("delivery", None)),
                    _connector="OR",
                ),
                name="leads_activity_one_cause",
            ),
        ),
    ]
