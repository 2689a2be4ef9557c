"""Refunds: give back a sale, whole or in part. One lead at a time, never folded. Payment plans are `subscriptions`."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import mirror
from leads.kind import ChangeKind, Parameters
from leads.kinds.form_fields import kartra_number_field
from leads.models import Account, ChangeStatus, LeadChange, Transaction

WHOLE = "whole"
MOST_AT_ONCE = 50
REFUNDABLE = ("sale", "rebill")


class Amount(forms.Field):
    """An amount of money, or the word "whole". Never empty: an amount that got lost must not refund everything."""

    default_error_messages = {
        "required": gettext_lazy("Give the amount to refund, or “whole”."),
        "invalid": gettext_lazy("Give an amount such as 20.00, or “whole”."),
    }

    def to_python(self, value: Any) -> str:
        text = "" if value is None else str(value).strip()
        if text.lower() == WHOLE or not text:
            return text.lower()
        number = forms.DecimalField(min_value=Decimal("0.01"), max_digits=12, decimal_places=2)
        try:
            return f"{number.clean(text):.2f}"
        except ValidationError:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from None


def _refunding(account: Account) -> dict[str, forms.Field]:
    return {
        "transaction": kartra_number_field(_("Transaction")),
        "amount": Amount(label=_("Amount")),
        "rest": forms.CharField(required=False, widget=forms.HiddenInput()),
    }


def _check_refund(account: Account, clean: dict[str, Any]) -> None:
    """`rest` is what the whole comes to where a part was given back before, for the words; Kartra is told "whole"."""
    clean.pop("rest", None)
    sale = Transaction.objects.filter(account=account, kartra_id=clean["transaction"]).first()
    if sale is None:
        raise ValidationError(
            _(
                "Our copy has no transaction %(transaction)s. Update it from Kartra first (Transactions, Find "
                "in Kartra)."
            )
            % {"transaction": clean["transaction"]}
        )
    if sale.type and sale.type.lower() not in REFUNDABLE:
        raise ValidationError(
            _("Transaction %(kartra_id)s is a %(type)s; only a sale or rebill can be refunded.")
            % {"kartra_id": sale.kartra_id, "type": sale.type}
        )
    if sale.full_amount is None:
        return
    before = given_back(sale)
    if clean["amount"] == WHOLE:
        if 0 < before < sale.full_amount:
            clean["rest"] = f"{sale.full_amount - before:.2f}"
        return
    if Decimal(clean["amount"]) > sale.full_amount - before:
        words = _("%(amount)s is more than the %(paid)s that was paid.")
        if before:
            words = _("%(amount)s is more than the %(paid)s that was paid less the %(before)s already refunded.")
        told = {"amount": clean["amount"], "paid": f"{sale.full_amount:.2f}", "before": f"{before:.2f}"}
        raise ValidationError(words % told)


def left_of(sale: Transaction) -> Decimal | None:
    """What can still be given back of a sale, as far as we know; None where its amount was not told."""
    return None if sale.full_amount is None else max(sale.full_amount - given_back(sale), Decimal(0))


def given_back(sale: Transaction) -> Decimal:
    """What was given back of a sale already, as far as we know."""
    refunds = Transaction.objects.filter(
        account=sale.account_id, parent_kartra_id=sale.kartra_id, type__icontains="refund"
    ).values_list("full_amount", flat=True)
    return sum((abs(amount) for amount in refunds if amount is not None), Decimal(0))


def refund_amounts(account: Account, clean: Parameters) -> tuple[Decimal | None, Decimal]:
    """What a refund comes to (None: not known) and what was given back of its sale before, by anybody or by us.

    What the whole comes to is not known from a message that nobody vouches for: whoever has the address may send one."""
    sale = Transaction.objects.get(account=account, kartra_id=clean["transaction"])
    ours = LeadChange.objects.filter(
        account=account, family=REFUND.family(clean), kind=REFUND.name, status=ChangeStatus.ACCEPTED
    ).values_list("parameters__amount", flat=True)
    confirmed = sum((Decimal(amount) for amount in ours if amount != WHOLE), Decimal(0))
    given = max(given_back(sale), confirmed)
    if clean["amount"] != WHOLE:
        return Decimal(clean["amount"]), given
    whole = None if sale.reported else sale.full_amount
    return (None if whole is None else max(whole - given, Decimal(0))), given


def _refund_words(parameters: Parameters) -> str:
    amount = parameters.get("amount", "")
    words = _("refund %(amount)s of transaction %(transaction)s")
    if amount == WHOLE:
        words = _("refund the whole of transaction %(transaction)s")
        if parameters.get("rest"):
            words = _("refund the remaining %(rest)s of transaction %(transaction)s")
    return words % {
        "amount": amount,
        "rest": parameters.get("rest", ""),
        "transaction": parameters.get("transaction", ""),
    }


def _refunded_words(name: str, parameters: Parameters) -> str:
    told = {"lead": name, "amount": parameters.get("amount", ""), "sale": parameters.get("transaction", "")}
    if parameters.get("rest"):
        told["rest"] = parameters["rest"]
        return _("The remaining %(rest)s of transaction %(sale)s were refunded to %(lead)s.") % told
    if told["amount"] == WHOLE:
        return _("The whole of transaction %(sale)s was refunded to %(lead)s.") % told
    return _("%(amount)s of transaction %(sale)s were refunded to %(lead)s.") % told


MONEY: dict[str, Any] = {
    "money": True,
    "exclusive": True,
    "repeatable": False,
    "max_leads": lambda parameters: MOST_AT_ONCE,
}
"""What holds for every kind that moves money or will."""

REFUND = ChangeKind(
    name="refund_transaction",
    label=gettext_lazy("Refund a sale"),
    permission="leads.refund_transaction",
    permission_words=gettext_noop("Can refund sales"),
    groups=("Support", "Manager"),
    fields=_refunding,
    check=_check_refund,
    sentence=_refund_words,
    done_message=_refunded_words,
    effect=lambda change, at: mirror.note_refund(
        change.lead, change.parameters["transaction"], change.parameters["amount"], at=at, change=change
    ),
    applicable_q=lambda leads, parameters: leads.filter(transactions__kartra_id=parameters["transaction"]),
    not_applicable_words=gettext_lazy("This transaction is of another lead."),
    family=lambda parameters: f"sale:{parameters['transaction']}",
    noun="transaction",
    activity="refund_confirmed",
    activity_words=gettext_lazy("refund confirmed"),
    refund_amounts=refund_amounts,
    **MONEY,
)
KINDS = (REFUND,)
