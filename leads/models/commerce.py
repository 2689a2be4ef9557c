"""Money: transactions and recurring subscriptions as Kartra reports them."""

from django.db import models
from django.db.models import Q

from leads.models.account import Account
from leads.models.catalogue import Product
from leads.models.lead import Lead


class RecurringSubscription(models.Model):
    """A payment plan. Ids are Kartra's internal subscription id; dates are UTC; texts are Kartra's own."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="recurring_subscriptions")
    kartra_id = models.CharField("Kartra id", max_length=32)
    processor_id = models.CharField(max_length=64, blank=True, default="", help_text="PayPal's own id, for PayPal.")
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, null=True, related_name="recurring_subscriptions")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, blank=True, related_name="plans")
    price_point = models.CharField(max_length=32, blank=True, default="")
    status = models.CharField(max_length=32, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    current_installment = models.PositiveIntegerField(null=True, blank=True)
    installments_left = models.CharField(max_length=32, blank=True, default="")
    recurring_period = models.CharField(max_length=32, blank=True, default="")
    next_payment_at = models.DateTimeField(null=True, blank=True)
    next_payment_amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    affiliate = models.CharField(max_length=200, blank=True, default="")
    jv = models.CharField("JV partner", max_length=200, blank=True, default="")
    raw = models.JSONField(default=dict, blank=True)
    read_at = models.DateTimeField("as of", null=True, blank=True)

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "kartra_id"], name="leads_recurring_one_per_kartra_id"),
            models.CheckConstraint(condition=~Q(kartra_id=""), name="leads_recurring_has_id"),
        ]
        indexes = [models.Index(fields=["account", "status"], name="leads_recurring_status")]

    def __str__(self) -> str:
        return f"subscription {self.kartra_id}"


class Transaction(models.Model):
    """A sale, rebill, refund, failure or cancellation. Amounts are Decimal in the account's own currency (Kartra names none).

    `reported`: only a hint so far; an IPN with the right secret, Kartra's details or an export has not agreed yet.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="transactions")
    kartra_id = models.CharField("Kartra id", max_length=32)
    lead = models.ForeignKey(Lead, on_delete=models.PROTECT, null=True, related_name="transactions")
    type = models.CharField(max_length=32, blank=True, default="", help_text="Kartra's own word.")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, blank=True, related_name="transactions")
    price_point = models.CharField(max_length=32, blank=True, default="")
    quantity = models.PositiveIntegerField(null=True, blank=True)
    full_amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    base_amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    discount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    shipping = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    tax = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    at = models.DateTimeField("date", null=True, blank=True)
    parent_kartra_id = models.CharField("id of the refunded sale", max_length=32, blank=True, default="")
    subscription = models.ForeignKey(
        RecurringSubscription, on_delete=models.PROTECT, null=True, blank=True, related_name="transactions"
    )
    affiliate = models.CharField(max_length=200, blank=True, default="")
    reported = models.BooleanField("not confirmed yet", default=True)
    raw = models.JSONField(default=dict, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "kartra_id"], name="leads_transaction_one_per_kartra_id"),
            models.CheckConstraint(condition=~Q(kartra_id=""), name="leads_transaction_has_id"),
        ]
        indexes = [
            models.Index(fields=["account", "-at"], name="leads_transaction_at"),
            models.Index(fields=["account", "type", "-at"], name="leads_transaction_type"),
            models.Index(
                fields=["account", "parent_kartra_id"],
                condition=~Q(parent_kartra_id=""),
                name="leads_transaction_parent",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type or 'transaction'} {self.kartra_id}"
