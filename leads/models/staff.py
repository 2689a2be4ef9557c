"""Our own people: how far they may go (the accounts of a person, the bounds of a group; what they may do at all is Django's
permissions, these rows only narrow it), their sessions, and who asked for a new password."""

import datetime as dt
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.crypto import salted_hmac
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
            ("export_lead", _("Can export leads as a file")),
        ]
        constraints = [
            models.CheckConstraint(
                name="leads_grouplimits_refund_not_negative",
                condition=models.Q(refund_ceiling=None) | models.Q(refund_ceiling__gte=0),
            )
        ]

    def __str__(self) -> str:
        return gettext("limits of %(whom)s") % {"whom": self.group_id}


class StaffSessionsQuerySet(models.QuerySet["StaffSessions"]):
    def end_all(self, user: Any) -> None:
        """End all sessions of the person, the present one too, and forget the devices that are known as theirs."""
        self.get_or_create(user=user)
        self.filter(user=user).update(epoch=models.F("epoch") + 1)


class StaffSessions(models.Model):
    """Which sessions of a person are good: those that began in this epoch. Without a row it is epoch 0.

    A session says the epoch in which it began, so all of a person's end by one row that changes, however many there are of everybody."""

    account_path = None  # about people: everybody may see it

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sessions")
    epoch = models.PositiveIntegerField(default=0)

    objects = StaffSessionsQuerySet.as_manager()

    class Meta:
        verbose_name = _("sessions of a person")
        verbose_name_plural = _("sessions of people")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("sessions of %(whom)s") % {"whom": self.user_id}

    @staticmethod
    def epoch_of(user: Any) -> int:
        """Without a query where the person was read together with it."""
        row: StaffSessions | None = getattr(user, "sessions", None)
        return 0 if row is None else row.epoch


class StaffPreferences(models.Model):
    """How a person wants pages to be. Without a row, as everybody's are."""

    account_path = None  # about people: everybody may see it

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences")
    time_zone = models.CharField(
        max_length=64, blank=True, help_text=_("A name of the IANA database; empty: the zone of the browser.")
    )

    class Meta:
        verbose_name = _("preferences of a person")
        verbose_name_plural = _("preferences of people")
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("preferences of %(whom)s") % {"whom": self.user_id}

    @staticmethod
    def time_zone_of(user: Any) -> str:
        """Without a query where the person was read together with it."""
        row: StaffPreferences | None = getattr(user, "preferences", None)
        return "" if row is None else row.time_zone


class PasswordLinkRequestQuerySet(models.QuerySet["PasswordLinkRequest"]):
    def since(self, at: dt.datetime) -> Self:
        return self.filter(asked_at__gte=at)

    def waiting(self) -> Self:
        """Those for which nobody has looked yet whether somebody has the address."""
        return self.filter(done_at=None)


class PasswordLinkRequest(models.Model):
    """Somebody asked for a link to choose a new password. Whether one of our people has the mail address is looked for afterwards by a
    worker, so that the answer takes as long for everybody. The address itself is not kept."""

    account_path = None  # about people: everybody may see it

    email_digest = models.CharField(
        max_length=64, db_index=True, help_text=_("Keyed, of the address in small letters.")
    )
    address = models.GenericIPAddressField(
        null=True, db_index=True, help_text=_("From where; see kartra_mirror.entry.")
    )
    asked_at = models.DateTimeField(db_index=True)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = PasswordLinkRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for a new password")
        verbose_name_plural = _("requests for new passwords")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def digest_of(email: str) -> str:
        return salted_hmac("new password", email.strip().lower(), algorithm="sha256").hexdigest()
