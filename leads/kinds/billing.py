"""Money: give back a sale, cancel, pause, unpause or change a recurring subscription. One lead at a time, never folded."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from leads import clock, mirror
from leads.kind import ChangeKind, Parameters, called
from leads.kinds.form_fields import PlainText, zone_words
from leads.models import Account, ChangeStatus, Lead, LeadChange, RecurringSubscription, Transaction

WHOLE = "whole"
PERIODS: dict[str, Any] = {
    "weekly": gettext_lazy("weekly"),
    "every 2 weeks": gettext_lazy("every 2 weeks"),
    "monthly": gettext_lazy("monthly"),
    "every 2 months": gettext_lazy("every 2 months"),
    "quarterly": gettext_lazy("quarterly"),
    "yearly": gettext_lazy("yearly"),
    "every 2 years": gettext_lazy("every 2 years"),
}
SHORT_PERIODS = ("weekly", "every 2 weeks", "monthly", "every 2 months")
LONG_PERIODS = ("yearly", "every 2 years")
MOST_AT_ONCE = 50
REFUNDABLE = ("sale", "rebill")


class Amount(forms.Field):
    """An amount of money, or the word "whole". Never empty: an amount that got lost must not refund everything."""

    default_error_messages = {
        "required": gettext_lazy("Say how much is to be given back, or “whole”."),
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


def _id_field(label: str) -> forms.Field:
    return forms.RegexField(
        r"^\d{1,18}$", label=label, strip=True, error_messages={"invalid": _("Give its number in Kartra.")}
    )


def _refunding(account: Account) -> dict[str, forms.Field]:
    return {
        "transaction": _id_field(_("Transaction")),
        "amount": Amount(label=_("Amount")),
        "rest": forms.CharField(required=False, widget=forms.HiddenInput()),
    }


def _check_refund(account: Account, clean: dict[str, Any]) -> None:
    """`rest` is what the whole comes to where a part was given back before, for the words; Kartra is told "whole"."""
    clean.pop("rest", None)
    sale = Transaction.objects.filter(account=account, kartra_id=clean["transaction"]).first()
    if sale is None:
        raise ValidationError(
            _("Our copy has no transaction %(transaction)s. Read it from Kartra first (Transactions, Find in Kartra).")
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
            words = _("%(amount)s is more than the %(paid)s that was paid less the %(before)s given back already.")
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
    """What a refund comes to (None: not known) and what was given back of its sale before, by anybody or by us."""
    sale = Transaction.objects.get(account=account, kartra_id=clean["transaction"])
    ours = LeadChange.objects.filter(
        account=account, family=REFUND.family(clean), kind=REFUND.name, status=ChangeStatus.ACCEPTED
    ).values_list("parameters__amount", flat=True)
    confirmed = sum((Decimal(amount) for amount in ours if amount != WHOLE), Decimal(0))
    given = max(given_back(sale), confirmed)
    if clean["amount"] != WHOLE:
        return Decimal(clean["amount"]), given
    return (None if sale.full_amount is None else max(sale.full_amount - given, Decimal(0))), given


def _subscription(account: Account) -> dict[str, forms.Field]:
    return {"subscription": _id_field(_("Subscription"))}


def _plan(account: Account, clean: dict[str, Any]) -> RecurringSubscription:
    plan = RecurringSubscription.objects.filter(account=account, kartra_id=clean["subscription"]).first()
    if plan is None:
        raise ValidationError(
            _("Our copy has no subscription %(subscription)s. Read the lead's transactions from Kartra first.")
            % {"subscription": clean["subscription"]}
        )
    return plan


def _check_cancel(account: Account, clean: dict[str, Any]) -> None:
    """Which of Kartra's two commands cancels it, see docs/decisions/0006: it is settled when the wish is recorded."""
    plan = _plan(account, clean)
    clean["named_by"] = "subscription" if plan.read_at else "payment"


def _check_plan(account: Account, clean: dict[str, Any]) -> None:
    _plan(account, clean)


def _cancelling(account: Account) -> dict[str, forms.Field]:
    return {
        **_subscription(account),
        "named_by": forms.ChoiceField(
            choices=[("", ""), ("subscription", ""), ("payment", "")], required=False, widget=forms.HiddenInput()
        ),
    }


def _editing(account: Account) -> dict[str, forms.Field]:
    def number(label: str, low: int, high: int, help_text: str = "") -> forms.Field:
        return forms.IntegerField(label=label, min_value=low, max_value=high, required=False, help_text=help_text)

    return {
        **_subscription(account),
        "amount": forms.DecimalField(
            label=_("Amount"), min_value=Decimal("1.00"), max_value=Decimal("9999.99"), decimal_places=2, required=False
        ),
        "quantity": number(_("Quantity"), 1, 9999),
        "next_payment": forms.DateTimeField(
            label=_("Next payment"),
            required=False,
            input_formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            help_text=_("In %(zone)s, as 2027-01-31 15:00.") % {"zone": zone_words(account)},
        ),
        "period": forms.ChoiceField(label=_("Every"), required=False, choices=[("", "—"), *PERIODS.items()]),
        "later_period": forms.ChoiceField(
            label=_("Later every"),
            required=False,
            choices=[("", "—"), *((name, PERIODS[name]) for name in LONG_PERIODS)],
            help_text=_("Recurring installments only; then “every” can be weekly to every 2 months."),
        ),
        "installments_left": PlainText(
            label=_("Installments left"), help_text=_("A number, or “until cancelled”."), max_length=20
        ),
        "tax_percent": forms.DecimalField(
            label=_("Tax in percent"), min_value=0, max_value=100, decimal_places=4, required=False
        ),
        "product_id": number(_("Product id"), 1, 10**15, _("Together with the price point.")),
        "price_point": number(_("Price point"), 1, 10**6),
    }


def _check_edit(account: Account, clean: dict[str, Any]) -> None:
    _plan(account, clean)
    if len([value for name, value in clean.items() if name != "subscription" and value != ""]) == 0:
        raise ValidationError(_("Say what is to change."))
    if bool(clean.get("product_id")) != bool(clean.get("price_point")):
        raise ValidationError(_("Give the product id and the price point, or neither of them."))
    if clean.get("later_period") and clean.get("period") not in SHORT_PERIODS:
        names = ", ".join(str(PERIODS[name]) for name in SHORT_PERIODS)
        raise ValidationError(_("With a later period, “every” is one of: %(names)s.") % {"names": names})
    opted_out_q = clean.get("installments_left", "").strip().lower()
    if opted_out_q and opted_out_q != "until cancelled" and not (opted_out_q.isdecimal() and int(opted_out_q) > 0):
        raise ValidationError(_("Installments left is a number, or “until cancelled”."))
    if clean.get("next_payment"):
        naive = dt.datetime.fromisoformat(clean["next_payment"])
        if naive.replace(tzinfo=account.zone) <= clock.now():
            raise ValidationError(
                _("%(next_payment)s is in the past in %(zone)s.")
                % {"next_payment": clean["next_payment"], "zone": zone_words(account)}
            )


def _buyer(leads: QuerySet[Lead], parameters: Parameters) -> QuerySet[Lead]:
    return leads.filter(transactions__kartra_id=parameters["transaction"])


def _subscriber(leads: QuerySet[Lead], parameters: Parameters) -> QuerySet[Lead]:
    return leads.filter(recurring_subscriptions__kartra_id=parameters["subscription"])


def _refunded(change: LeadChange, at: dt.datetime) -> None:
    mirror.note_refund(change.lead, change.parameters["transaction"], change.parameters["amount"], at=at, change=change)


def _status(status: str) -> Any:
    def confirmed(change: LeadChange, at: dt.datetime) -> None:
        mirror.set_plan_status(change.lead, change.parameters["subscription"], status, at=at, change=change)

    return confirmed


def _in_status(status: str) -> Any:
    def already(leads: QuerySet[Lead], parameters: Parameters) -> QuerySet[Lead]:
        return leads.filter(
            recurring_subscriptions__kartra_id=parameters["subscription"], recurring_subscriptions__status=status
        )

    return already


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
        return _("The remaining %(rest)s of transaction %(sale)s were given back to %(lead)s.") % told
    if told["amount"] == WHOLE:
        return _("The whole of transaction %(sale)s was given back to %(lead)s.") % told
    return _("%(amount)s of transaction %(sale)s were given back to %(lead)s.") % told


def _edited_words(name: str, parameters: Parameters) -> str:
    told = {"lead": name, "id": parameters.get("subscription", ""), "what": _edited(parameters)}
    return _("Subscription %(id)s of %(lead)s is changed: %(what)s.") % told


def _edit_words(parameters: Parameters) -> str:
    words = _("change subscription %(subscription)s: %(what)s")
    return words % {"subscription": parameters.get("subscription", ""), "what": _edited(parameters)}


def _edited(parameters: Parameters) -> str:
    return ", ".join(f"{called(n)} {v}" for n, v in parameters.items() if n != "subscription" and v != "")


_OF_BUYER: dict[str, Any] = {
    "applicable_q": _buyer,
    "not_applicable_words": gettext_lazy("This transaction is of another lead."),
    "family": lambda parameters: f"sale:{parameters['transaction']}",
}
_OF_SUBSCRIBER: dict[str, Any] = {
    "applicable_q": _subscriber,
    "not_applicable_words": gettext_lazy("This subscription is of another lead."),
    "family": lambda parameters: f"subscription:{parameters['subscription']}",
}
_MONEY: dict[str, Any] = {
    "money": True,
    "exclusive": True,
    "repeatable": False,
    "max_leads": lambda parameters: MOST_AT_ONCE,
}

REFUND = ChangeKind(
    name="refund_transaction",
    label=gettext_lazy("Refund a sale"),
    permission="leads.refund_transaction",
    fields=_refunding,
    check=_check_refund,
    sentence=_refund_words,
    done_message=_refunded_words,
    effect=_refunded,
    **_OF_BUYER,
    **_MONEY,
)
CANCEL = ChangeKind(
    name="cancel_subscription",
    label=gettext_lazy("Cancel a subscription"),
    permission="leads.cancel_subscription",
    fields=_cancelling,
    check=_check_cancel,
    sentence=lambda parameters: (
        _("cancel subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is cancelled.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    already_so=_in_status("Cancelled"),
    effect=_status("Cancelled"),
    **_OF_SUBSCRIBER,
    **_MONEY,
)
PAUSE = ChangeKind(
    name="pause_subscription",
    label=gettext_lazy("Pause a subscription"),
    permission="leads.pause_subscription",
    fields=_subscription,
    check=_check_plan,
    sentence=lambda parameters: (
        _("pause subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is paused.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    already_so=_in_status("Paused"),
    effect=_status("Paused"),
    inverse="unpause_subscription",
    **_OF_SUBSCRIBER,
    **_MONEY,
)
UNPAUSE = ChangeKind(
    name="unpause_subscription",
    label=gettext_lazy("Unpause a subscription"),
    permission="leads.unpause_subscription",
    fields=_subscription,
    check=_check_plan,
    sentence=lambda parameters: (
        _("unpause subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is active again.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    already_so=_in_status("Active"),
    effect=_status("Active"),
    inverse="pause_subscription",
    **_OF_SUBSCRIBER,
    **_MONEY,
)
EDIT = ChangeKind(
    name="edit_subscription",
    label=gettext_lazy("Change a subscription"),
    permission="leads.edit_subscription",
    fields=_editing,
    check=_check_edit,
    sentence=_edit_words,
    done_message=_edited_words,
    effect=lambda change, at: mirror.note_plan_edit(change.lead, change.parameters, at=at, change=change),
    partial=True,
    **_OF_SUBSCRIBER,
    **_MONEY,
)
KINDS = (REFUND, CANCEL, PAUSE, UNPAUSE, EDIT)
