"""Which leads may be somebody's second profile, as the last search of their account found them. Written by
`leads.filters.duplicates` alone: at a million leads the search takes seconds, so a list does not wait for it."""

from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.lead import Lead


class SecondProfile(models.Model):
    """A lead that shares something with another of its account."""

    account_path = "lead__account"

    lead = models.OneToOneField(Lead, on_delete=models.CASCADE, primary_key=True, related_name="+")

    class Meta:
        verbose_name = _("possible second profile")
        verbose_name_plural = _("possible second profiles")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.lead_id)


class SecondProfileSearch(models.Model):
    """When an account was last searched, and how long that took."""

    account_path = "account"

    account = models.OneToOneField(Account, on_delete=models.CASCADE, related_name="second_profile_search")
    at = models.DateTimeField()
    took_s = models.FloatField(default=0)

    class Meta:
        verbose_name = _("search for second profiles")
        verbose_name_plural = _("searches for second profiles")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("second profiles of %(account)s") % {"account": self.account_id}
