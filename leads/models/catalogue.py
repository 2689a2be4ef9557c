"""The things of an account that leads are joined to: tags, lists, sequences, calendars, products and the like.

Kartra names nearly all of them by name. `missing_since` says when the account's catalogue stopped showing one;
things that Kartra has no list of (calendars, products, memberships) never get it.
"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from leads.models.account import Account
from leads.models.times import StampField
from leads.texts import visible

SAFETY_FIELD = "mirror_receipt"
"""The custom field that calls of ours write their receipts into. It is ours, not the lead's: no page or form shows it."""


class Thing(models.Model):
    """What every entry of the catalogue has. Names are kept byte for byte: Kartra's own matching is not documented."""

    account_path = "account"

    account = models.ForeignKey(Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="%(class)ss")
    name = models.CharField(_("name"), max_length=500)
    kartra_id = models.CharField(_("Kartra id"), max_length=32, blank=True, default="")
    first_seen_at = StampField(_("first seen at"), auto_now_add=True)
    missing_since = models.DateTimeField(_("no longer in Kartra since"), null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="leads_%(class)s_one_per_name"),
            models.CheckConstraint(condition=~models.Q(name=""), name="leads_%(class)s_named"),
        ]

    def __str__(self) -> str:
        return visible(self.name)


class Tag(Thing):
    """A tag of the account."""

    class Meta(Thing.Meta):
        verbose_name = _("tag")
        verbose_name_plural = _("tags")


class MailingList(Thing):
    """A list of the account."""

    class Meta(Thing.Meta):
        verbose_name = _("list")
        verbose_name_plural = _("lists")


class Sequence(Thing):
    """A sequence of the account. Kartra does not tell its steps."""

    class Meta(Thing.Meta):
        verbose_name = _("sequence")
        verbose_name_plural = _("sequences")


class Page(Thing):
    """A page of the account."""

    class Meta(Thing.Meta):
        verbose_name = _("page")
        verbose_name_plural = _("pages")


class Product(Thing):
    """A product, known from what was sold."""

    class Meta(Thing.Meta):
        verbose_name = _("product")
        verbose_name_plural = _("products")


class Calendar(Thing):
    """A calendar, known from bookings: Kartra has no list of them."""

    class Meta(Thing.Meta):
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")


class Membership(Thing):
    """A membership, known from the leads that have it."""

    class Meta(Thing.Meta):
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")


class CalendarClass(models.Model):
    """A class of a calendar, known from bookings."""

    account_path = "calendar__account"

    calendar = models.ForeignKey(Calendar, verbose_name=_("calendar"), on_delete=models.PROTECT, related_name="classes")
    name = models.CharField(_("name"), max_length=500)
    kartra_id = models.CharField(_("Kartra id"), max_length=32, blank=True, default="")
    first_seen_at = StampField(_("first seen at"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("calendar class")
        verbose_name_plural = _("calendar classes")
        constraints = [models.UniqueConstraint(fields=["calendar", "name"], name="leads_calendarclass_one_per_name")]

    def __str__(self) -> str:
        return self.name


class MembershipLevel(models.Model):
    """A level of a membership; access is per level."""

    account_path = "membership__account"

    membership = models.ForeignKey(
        Membership, verbose_name=_("membership"), on_delete=models.PROTECT, related_name="levels"
    )
    name = models.CharField(_("name"), max_length=500)
    kartra_id = models.CharField(_("Kartra id"), max_length=32, blank=True, default="")
    first_seen_at = StampField(_("first seen at"), auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("membership level")
        verbose_name_plural = _("membership levels")
        constraints = [
            models.UniqueConstraint(fields=["membership", "name"], name="leads_membershiplevel_one_per_name")
        ]

    def __str__(self) -> str:
        return self.name


class CustomFieldType(models.TextChoices):
    INPUT_FIELD = "input_field", _("one line of text")
    TEXT_AREA = "text_area", _("text")
    DROP_DOWN = "drop_down", _("drop-down")
    RADIO_BUTTON = "radio_button", _("one of several")
    CHECKBOX = "checkbox", _("any of several")


class CustomField(models.Model):
    """A custom field of the account. `options` is [[option id, option text], …], empty for the text types."""

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="customfields"
    )
    identifier = models.CharField(_("identifier"), max_length=500)
    kartra_id = models.CharField(_("Kartra id"), max_length=32, blank=True, default="")
    type = models.CharField(_("type"), max_length=32, help_text=_("As Kartra names it; five are documented."))
    options = models.JSONField(_("options"), default=list, blank=True)
    first_seen_at = StampField(_("first seen at"), auto_now_add=True)
    missing_since = models.DateTimeField(_("no longer in Kartra since"), null=True, blank=True)

    class Meta:
        ordering = ["identifier"]
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        constraints = [
            models.UniqueConstraint(fields=["account", "identifier"], name="leads_customfield_one_per_identifier")
        ]

    def __str__(self) -> str:
        return self.identifier
