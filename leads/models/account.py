"""A Kartra account that is mirrored. Every other row of the mirror belongs to one."""

import datetime as dt
import zoneinfo

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.times import StampField


def validate_time_zone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(
            gettext("%(value)s is not the name of a time zone (an example is America/New_York).") % {"value": value}
        )


class Account(models.Model):
    """One Kartra account. How it is reached is the matter of `integrations.Connection`."""

    account_path = "pk"

    name = models.CharField(_("name"), max_length=100, unique=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="America/New_York",
        validators=[validate_time_zone],
        help_text=_("The zone of Kartra's dates, which come without one. Kartra documents them as EST."),
    )
    contacts_in_kartra = models.PositiveIntegerField(
        _("contacts in Kartra"),
        null=True,
        blank=True,
        help_text=_(
            "The total that Kartra shows on its own Leads page. Kartra's API does not tell it; with it the pages say "
            "how many of all leads our copy knows."
        ),
    )
    never_touched = models.ForeignKey(
        "leads.Segment",
        verbose_name=_("always leave out"),
        on_delete=models.RESTRICT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text=_("No bulk action touches who is in this segment."),
    )
    contacts_counted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = StampField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("account")
        verbose_name_plural = _("accounts")

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The zone in which Kartra's naive dates are read."""
        return zoneinfo.ZoneInfo(self.time_zone)

    def time_of_kartra(self, at: dt.datetime) -> str:
        """A moment as Kartra's people see it, with the zone's name: "16 Jan 2027 15:00, Kartra's time (America/New_York)"."""
        when = date_format(at.astimezone(self.zone), "j M Y H:i")
        return gettext("%(when)s, Kartra's time (%(zone)s)") % {"when": when, "zone": self.time_zone}
