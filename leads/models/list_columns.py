"""Which columns a person has chosen to see on the leads list."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext, gettext_lazy as _


class LeadListColumns(models.Model):
    """The columns of one person. Without a row: those that everybody begins with."""

    account_path = None  # about people: everybody may see it

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    names = models.JSONField(
        default=list, help_text=_('In their order: ["email", "custom:Colour"]. One that is no more is passed over.')
    )

    class Meta:
        verbose_name = _("columns of a person")
        verbose_name_plural = _("columns of people")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("columns of %(whom)s") % {"whom": self.user_id}
