"""Which installation this database is."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Installation(models.Model):
    """The one row that names this database. `integrations.sending.installation` keeps its key outside the database, too."""

    account_path = None  # of the installation: everybody may see it

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    marked_at = models.DateTimeField(
        null=True, editable=False, help_text=_("When the key was first kept outside; empty: not yet.")
    )
    is_demo = models.BooleanField(default=False, editable=False, help_text=_("Made by the demo for itself."))

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("installations")
        constraints = [models.CheckConstraint(name="integrations_installation_one_row", condition=Q(id=1))]

    def __str__(self) -> str:
        return str(self.key)
