"""A filter of the leads list, saved under a name. Everybody who sees leads sees it; bulk actions can be aimed at it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.models.account import Account
from leads.models.times import StampField


class Segment(models.Model):
    """A set of leads of one account, described and not stored: it holds whoever fits at the moment it is asked.

    `selection` is a `leads.filters.Selection` as JSON; of whom it is resolved for, it holds those of its account.
    """

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.CASCADE, related_name="segments")
    name = models.CharField(_("name"), max_length=200)
    selection = models.JSONField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = StampField(_("created at"), auto_now_add=True)
    updated_at = StampField(_("updated at"), auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("segment")
        verbose_name_plural = _("segments")
        constraints = [
            models.UniqueConstraint("account", Lower("name"), name="leads_segment_one_per_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="leads_segment_named"),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_segment_change", args=[self.pk])
