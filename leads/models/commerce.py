"""Money: transactions and recurring subscriptions as Kartra reports them."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext, gettext_lazy as _

from leads.models.account import Account
from leads.models.catalogue import Product
from leads.models.lead import Lead
from leads.models.times import StampField


class RecurringSubscription(models.Model):
    """A payment plan. Ids are Kartra's internal subscription id; dates are UTC; texts are Kartra's own."""

    account_path = "account"

    account = models.ForeignKey(
        Account,
        verbose_name=_("account"),
        on_delete=models.PROTECT,
        related_name="recurring_subscriptions",
        db_index=False,
    )
    kartra_id = models.CharField(_("Kartra id"), max_length=32)
    processor_id = models.CharField(
        _("processor id"), max_length=64, blank=True, default="", help_text=_("PayPal's own id, for PayPal.")
    )
    lead = models.ForeignKey(
        Lead,
        verbose_name=_("lead"),
        on_delete=models.PROTECT,
        null=True,
        related_name="recurring_subscriptions",
        db_index=False,
    )
    product = models.ForeignKey(
        Product, verbose_name=_("product"), on_delete=models.PROTECT, null=True, blank=True, related_name="plans"
    )
    price_point = models.CharField(_("price point"), max_length=32, blank=True, default="")
    status = models.CharField(_("status"), max_length=32, blank=True, default="")
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    current_installment = models.PositiveIntegerField(_("current installment"), null=True, blank=True)
    installments_left = models.CharField(_("installments left"), max_length=32, blank=True, default="")
    recurring_period = models.CharField(_("recurring period"), max_length=32, blank=True, default="")
    next_payment_at = models.DateTimeField(_("next payment at"), null=True, blank=True)
    next_payment_amount = models.DecimalField(
        _("next payment amount"), max_digits=12, decimal_places=2, null=True, blank=True
    )
    affiliate = models.CharField(_("affiliate"), max_length=200, blank=True, default="")
    jv = models.CharField(_("JV partner"), max_length=200, blank=True, default="")
    reported = models.BooleanField(
        _("cancelled, not confirmed yet"),
        default=False,
        db_default=False,
        help_text=_(
            "A message that nobody vouches for says that it is cancelled; Kartra's details have not agreed yet."
        ),
    )
    raw = models.JSONField(_("raw"), default=dict, blank=True)
    read_at = models.DateTimeField(_("as of"), null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        verbose_name = _("recurring subscription")
        verbose_name_plural = _("recurring subscriptions")
        constraints = [
            models.UniqueConstraint(fields=["account", "kartra_id"], name="leads_recurring_one_per_kartra_id"),
            models.CheckConstraint(condition=~Q(kartra_id=""), name="leads_recurring_has_id"),
        ]
        indexes = [
            models.Index(fields=["account", "status"], name="leads_recurring_status"),
            models.Index("lead", Upper("status"), name="leads_recurring_of_lead"),
            models.Index(fields=["-started_at", "-id"], name="leads_recurring_newest"),
        ]

    def __str__(self) -> str:
        return gettext("subscription %(id)s") % {"id": self.kartra_id}

    @property
    def goes_on(self) -> bool:
        """Whether payments may still come: it was not cancelled, and not all are made (`Terminated`)."""
        return self.status.lower() not in ("cancelled", "terminated")

    @property
    def is_charged(self) -> bool:
        """Whether a next payment is due: it goes on and is not paused."""
        return self.goes_on and self.status.lower() != "paused"


class Transaction(models.Model):
    """A sale, rebill, refund, failure or cancellation. Amounts are Decimal, in the account's own currency where none is named
    (Kartra's messages and answers name none).

    `reported`: only a hint so far; an IPN with the right secret, Kartra's details or an export has not agreed yet.
    """

    account_path = "account"

    account = models.ForeignKey(
        Account, verbose_name=_("account"), on_delete=models.PROTECT, related_name="transactions", db_index=False
    )
    kartra_id = models.CharField(_("Kartra id"), max_length=32)
    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), on_delete=models.PROTECT, null=True, related_name="transactions", db_index=False
    )
    type = models.CharField(_("type"), max_length=32, blank=True, default="", help_text=_("Kartra's own word."))
    product = models.ForeignKey(
        Product, verbose_name=_("product"), on_delete=models.PROTECT, null=True, blank=True, related_name="transactions"
    )
    price_point = models.CharField(_("price point"), max_length=32, blank=True, default="")
    quantity = models.PositiveIntegerField(_("quantity"), null=True, blank=True)
    currency = models.CharField(
        _("currency"),
        max_length=8,
        blank=True,
        default="",
        help_text=_(
            "As the export names it: an ISO code, or a sign that several currencies have. Empty: the account's own."
        ),
    )
    full_amount = models.DecimalField(_("full amount"), max_digits=12, decimal_places=2, null=True, blank=True)
    base_amount = models.DecimalField(_("base amount"), max_digits=12, decimal_places=2, null=True, blank=True)
    discount = models.DecimalField(_("discount"), max_digits=12, decimal_places=2, null=True, blank=True)
    shipping = models.DecimalField(_("shipping"), max_digits=12, decimal_places=2, null=True, blank=True)
    tax = models.DecimalField(_("tax"), max_digits=12, decimal_places=2, null=True, blank=True)
    at = models.DateTimeField(_("date"), null=True, blank=True)
    parent_kartra_id = models.CharField(_("id of the refunded sale"), max_length=32, blank=True, default="")
    subscription = models.ForeignKey(
        RecurringSubscription,
        verbose_name=_("subscription"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="transactions",
    )
    affiliate = models.CharField(_("affiliate"), max_length=200, blank=True, default="")
    reported = models.BooleanField(_("not confirmed yet"), default=True)
    raw = models.JSONField(_("raw"), default=dict, blank=True)
    first_seen_at = StampField(_("first seen at"), auto_now_add=True)

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name = _("transaction")
        verbose_name_plural = _("transactions")
        constraints = [
            models.UniqueConstraint(fields=["account", "kartra_id"], name="leads_transaction_one_per_kartra_id"),
            models.CheckConstraint(condition=~Q(kartra_id=""), name="leads_transaction_has_id"),
        ]
        indexes = [
            models.Index(fields=["account", "-at"], name="leads_transaction_at"),
            models.Index(fields=["-at", "-id"], name="leads_transaction_newest"),
            models.Index("lead", Upper("type"), name="leads_transaction_of_lead"),
            models.Index(fields=["account", "type", "-at"], name="leads_transaction_type"),
            models.Index(
                fields=["account", "parent_kartra_id"],
                condition=~Q(parent_kartra_id=""),
                name="leads_transaction_parent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type or gettext('transaction')} {self.kartra_id}"
