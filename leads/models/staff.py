"""How far our own people may go: the accounts of a person, the bounds of a group. What they may do at all is Django's
permissions; these rows only narrow it."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account


class StaffLimits(models.Model):
    """The accounts a person may work in. Without a row, or with `limited` unset: all of them."""

    account_path = None  # about people: everybody may see it

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="limits")
    limited = models.BooleanField(
        default=False, help_text=_("Only the accounts chosen here; none chosen is none at all.")
    )
    accounts = models.ManyToManyField(Account, blank=True, related_name="+")

    class Meta:
        verbose_name = _("limits of a person")
        verbose_name_plural = _("limits of people")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("limits of %(whom)s") % {"whom": self.user_id}


class GroupLimits(models.Model):
    """How much the people of a group may do alone. Empty is without bound; without a row, too."""

    account_path = None  # about people: everybody may see it

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="limits")
    largest_run = models.PositiveIntegerField(_("largest bulk action"), null=True, blank=True)
    refund_ceiling = models.DecimalField(
        _("largest refund"), max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )

    # The permissions that the group had when `migrate` or `groups --sync` last gave it some, sorted; null: not known. It is
    # changed by hand where it has others now.
    given = models.JSONField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("limits of a group")
        verbose_name_plural = _("limits of groups")
        default_permissions = ()
        permissions = [
            ("start_bulkrun", _("Can start bulk actions on many leads")),
            ("export_lead", _("Can take leads out as a file")),
        ]
        constraints = [
            models.CheckConstraint(
                name="leads_grouplimits_refund_not_negative",
                condition=models.Q(refund_ceiling=None) | models.Q(refund_ceiling__gte=0),
            )
        ]

    def __str__(self) -> str:
        return gettext("limits of %(whom)s") % {"whom": self.group_id}
