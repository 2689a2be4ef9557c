"""People who asked to be forgotten: all that stays of them is a keyed hash."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.account import Account
from leads.models.digests import LENGTH


class Forgotten(models.Model):
    """The keyed hash of a Kartra id or of an email address that must not come back. See `leads.erasure.forget`."""

    account_path = "account"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="forgotten")
    digest = models.CharField(max_length=LENGTH)
    at = models.DateTimeField()
    met = models.PositiveIntegerField(default=0, help_text=_("How often Kartra or a file named this person since."))

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("forgotten person")
        verbose_name_plural = _("forgotten people")
        permissions = [("forget_lead", _("Can erase a person"))]
        constraints = [models.UniqueConstraint(fields=["account", "digest"], name="leads_forgotten_once")]

    def __str__(self) -> str:
        return f"a person forgotten on {self.at:%Y-%m-%d}"
