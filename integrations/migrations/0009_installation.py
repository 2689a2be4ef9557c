import uuid

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0007_catalogue_doubt'),
    ]

    operations = [
        migrations.CreateModel(
            name='Installation',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('key', models.UUIDField(default=uuid.uuid4, editable=False)),
                ('marked_at', models.DateTimeField(editable=False, help_text='When the key was first kept outside; empty: not yet.', null=True)),
                ('is_demo', models.BooleanField(default=False, editable=False, help_text='Made by the demo for itself.')),
            ],
            options={
                'verbose_name': 'installation',
                'verbose_name_plural': 'installations',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='integrations_installation_one_row')],
            },
        ),
        migrations.AlterField(
            model_name='heartbeat',
            name='name',
            field=models.CharField(max_length=100, primary_key=True, serialize=False),
        ),
        migrations.AlterField(
            model_name='heartbeat',
            name='at',
            field=models.DateTimeField(help_text="By the database's clock."),
        ),
        migrations.AddField(
            model_name='heartbeat',
            name='ahead_s',
            field=models.FloatField(blank=True, help_text="So many seconds the machine's clock is ahead of the database's.", null=True),
        ),
    ]
