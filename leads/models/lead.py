"""The lead as Kartra holds it, and the addresses it had."""

from typing import Any, Self

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.times import StampField
from leads.texts import normal_email


class GoneReason(models.TextChoices):
    """How we know that a lead is gone. A failed call is never one of them."""

    DELETED = "deleted", _("Kartra says that it is deleted (245)")
    NOT_FOUND = "not_found", _("Kartra finds no lead of this id (243)")


class LeadQuerySet(models.QuerySet["Lead"]):
    def of(self, account: Account | int) -> Self:
        return self.filter(account=account)

    def hearsay(self) -> Self:
        """Known from messages alone, which anybody can send who has the address: never read, and in no export."""
        return self.filter(read_at=None, known_from__in=["webhook", "ipn"])


class Lead(models.Model):
    """One lead of one account: identity is Kartra's id, never the email. Written by `leads.mirror` alone.

    `kartra_id` null: the id is not known yet, and then the address is unique in the account. Texts are as Kartra
    gave them; `date_joined` is UTC. `custom_values` is {identifier: text | [[option id, option text], …]}.
    """

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="leads", db_index=False
    )
    kartra_id = models.CharField(_("Kartra id"), max_length=32, null=True, blank=True)
    email = models.TextField(_("email"), blank=True, default="")
    email_key = models.CharField(max_length=320, blank=True, default="", editable=False)

    first_name = models.TextField(_("first name"), blank=True, default="")
    middle_name = models.TextField(_("middle name"), blank=True, default="")
    last_name = models.TextField(_("last name"), blank=True, default="")
    last_name2 = models.TextField(_("second last name"), blank=True, default="")
    username = models.TextField(_("username"), blank=True, default="")
    phone_country_code = models.TextField(_("phone country code"), blank=True, default="")
    phone = models.TextField(_("phone"), blank=True, default="")
    company = models.TextField(_("company"), blank=True, default="")
    address = models.TextField(_("address"), blank=True, default="")
    zip = models.TextField(_("zip"), blank=True, default="")
    city = models.TextField(_("city"), blank=True, default="")
    state = models.TextField(_("state"), blank=True, default="")
    country = models.CharField(_("country"), max_length=100, blank=True, default="")
    ip = models.TextField(_("IP address"), blank=True, default="")
    ip_country = models.TextField(_("country of the IP address"), blank=True, default="")
    lead_picture = models.TextField(_("picture"), blank=True, default="")
    website = models.TextField(_("website"), blank=True, default="")
    facebook = models.TextField(_("Facebook"), blank=True, default="")
    twitter = models.TextField(_("Twitter"), blank=True, default="")
    linkedin = models.TextField(_("LinkedIn"), blank=True, default="")
    instagram = models.TextField(_("Instagram"), blank=True, default="")
    google_plus = models.TextField(_("Google Plus"), blank=True, default="")
    lead_preferred_time_zone = models.TextField(_("preferred time zone"), blank=True, default="")
    sales_tax_id = models.TextField(_("sales tax id"), blank=True, default="")
    business_type = models.TextField(_("business type"), blank=True, default="")
    notes = models.TextField(_("notes"), blank=True, default="")
    source = models.CharField(_("source"), max_length=64, blank=True, default="")
    source_id = models.TextField(_("source id"), blank=True, default="")
    referring_id = models.TextField(_("referring id"), blank=True, default="")
    score = models.IntegerField(_("score"), null=True, blank=True)
    blacklisted = models.BooleanField(_("blacklisted"), null=True, blank=True)
    date_joined = models.DateTimeField(_("date joined"), null=True, blank=True)
    gdpr_lead_status = models.CharField(_("GDPR status"), max_length=16, blank=True, default="")
    gdpr_lead_status_date = models.TextField(_("GDPR status since"), blank=True, default="")
    gdpr_lead_status_ip = models.TextField(_("GDPR status from"), blank=True, default="")
    gdpr_lead_communications = models.CharField(
        _("GDPR communications"), max_length=16, blank=True, default="", help_text=_("Kartra's own value, unread.")
    )
    custom_values = models.JSONField(default=dict, blank=True)
    extra = models.JSONField(default=dict, blank=True, help_text=_("Keys Kartra sent that we do not know."))

    known_since = StampField(_("known since"), auto_now_add=True)
    known_from = models.CharField(_("known from"), max_length=12, blank=True, default="")
    read_at = models.DateTimeField(
        _("as of"), null=True, blank=True, help_text=_("When we last updated all of it from Kartra.")
    )
    dirty_at = models.DateTimeField(_("update due since"), null=True, blank=True)
    absent_at = models.DateTimeField(
        _("absent at"), null=True, blank=True, help_text=_("Kartra has no lead of this address.")
    )
    read_not_before = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("No update before then: one is under way, or the last one failed."),
    )
    orders_read_at = models.DateTimeField(
        _("transactions as of"),
        null=True,
        blank=True,
        help_text=_("When we last updated its transactions and subscriptions."),
    )
    orders_due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("Update its transactions from then on: a message named something new."),
    )
    said_deleted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("A message says that it is deleted: nothing is sent until we have checked."),
    )
    gone_at = models.DateTimeField(_("deleted in Kartra"), null=True, blank=True)
    gone_reason = models.CharField(_("gone reason"), max_length=12, choices=GoneReason, blank=True, default="")

    # When Kartra last told something new of it, for those who ask what changed since: leads/models/changed.py. 0: never marked.
    changed_seq = models.BigIntegerField(default=0, editable=False)
    changed_xid = models.BigIntegerField(default=0, editable=False)

    objects = LeadQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        constraints = [
            models.UniqueConstraint(fields=["account", "kartra_id"], name="leads_lead_one_per_kartra_id"),
            models.UniqueConstraint(
                fields=["account", "email_key"],
                condition=Q(kartra_id=None),
                name="leads_lead_one_per_email_without_id",
            ),
            models.CheckConstraint(
                condition=~Q(kartra_id="") & (Q(kartra_id__isnull=False) | ~Q(email_key="")),
                name="leads_lead_id_or_email",
            ),
            models.CheckConstraint(
                condition=Q(gone_at=None, gone_reason="") | (Q(gone_at__isnull=False) & ~Q(gone_reason="")),
                name="leads_lead_gone_with_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["email_key", "account"], name="leads_lead_email_key"),
            models.Index(fields=["kartra_id"], name="leads_lead_kartra_id"),
            models.Index(fields=["account", "-date_joined"], name="leads_lead_joined"),
            models.Index(fields=["account", "score"], name="leads_lead_score"),
            models.Index(fields=["account", "country"], name="leads_lead_country"),
            models.Index(fields=["account", "phone"], name="leads_lead_phone"),
            models.Index(fields=["account", "read_at"], name="leads_lead_read"),
            models.Index(fields=["account", "orders_read_at"], name="leads_lead_orders_read"),
            models.Index(
                fields=["account"], condition=Q(orders_read_at=None, gone_at=None), name="leads_lead_orders_unread"
            ),
            models.Index(fields=["account", "changed_xid"], name="leads_lead_changed"),
            models.Index(fields=["account", "dirty_at"], condition=Q(dirty_at__isnull=False), name="leads_lead_dirty"),
            models.Index(fields=["account", "gone_at"], condition=Q(gone_at__isnull=False), name="leads_lead_gone"),
        ]

    def __str__(self) -> str:
        return self.name or self.email or gettext("lead %(id)s") % {"id": self.kartra_id}

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.email_key = normal_email(self.email)
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("admin:leads_lead_change", args=[self.pk])

    @property
    def name(self) -> str:
        """First, middle and last name as one text; may be empty."""
        return " ".join(part for part in (self.first_name, self.middle_name, self.last_name) if part)


class LeadEmail(models.Model):
    """An address a lead had, and from when to when we know that it had it."""

    account_path = "lead__account"

    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="emails")
    email = models.TextField()
    email_key = models.CharField(max_length=320, editable=False)
    since = models.DateTimeField(help_text=_("When we first saw it."))
    until = models.DateTimeField(null=True, blank=True, help_text=_("When we saw another instead."))

    class Meta:
        ordering = ["-since"]
        verbose_name = _("lead email")
        verbose_name_plural = _("lead emails")
        constraints = [
            models.UniqueConstraint(
                fields=["lead", "email_key"], condition=Q(until=None), name="leads_leademail_one_open"
            )
        ]
        indexes = [models.Index(fields=["email_key"], name="leads_leademail_key")]

    def __str__(self) -> str:
        return self.email
