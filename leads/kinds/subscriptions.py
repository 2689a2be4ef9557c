"""Payment plans: cancel, pause, unpause or change a recurring subscription. One lead at a time, never folded. Refunds are `refunds`."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _, gettext_lazy, gettext_noop

from leads import clock, mirror
from leads.kind import ChangeKind, Parameters, called
from leads.kinds import already_words
from leads.kinds.form_fields import PlainText, WallTime, kartra_number_field, zone_words
from leads.kinds.refunds import MONEY
from leads.models import Account, RecurringSubscription

_PERIODS: dict[str, Any] = {
    "weekly": gettext_lazy("weekly"),
    "every 2 weeks": gettext_lazy("every 2 weeks"),
    "monthly": gettext_lazy("monthly"),
    "every 2 months": gettext_lazy("every 2 months"),
    "quarterly": gettext_lazy("quarterly"),
    "yearly": gettext_lazy("yearly"),
    "every 2 years": gettext_lazy("every 2 years"),
}
_SHORT_PERIODS = ("weekly", "every 2 weeks", "monthly", "every 2 months")
_LONG_PERIODS = ("yearly", "every 2 years")


def _subscription(account: Account) -> dict[str, forms.Field]:
    return {"subscription": kartra_number_field(_("Subscription"))}


def _plan(account: Account, clean: dict[str, Any]) -> RecurringSubscription:
    plan = RecurringSubscription.objects.filter(account=account, kartra_id=clean["subscription"]).first()
    if plan is None:
        raise ValidationError(
            _("Our copy has no subscription %(subscription)s. Update the lead's transactions from Kartra first.")
            % {"subscription": clean["subscription"]}
        )
    return plan


def _check_cancel(account: Account, clean: dict[str, Any]) -> None:
    """Which of Kartra's two commands cancels it, see docs/decisions/0006: it is settled when the wish is recorded."""
    plan = _plan(account, clean)
    clean["named_by"] = "subscription" if plan.read_at else "payment"


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
        "next_payment": WallTime(
            zone=account.zone,
            label=_("Next payment"),
            required=False,
            input_formats=["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"],
            help_text=_("In %(zone)s, as 2027-01-31 15:00.") % {"zone": zone_words(account)},
        ),
        "period": forms.ChoiceField(label=_("Every"), required=False, choices=[("", "—"), *_PERIODS.items()]),
        "later_period": forms.ChoiceField(
            label=_("Later every"),
            required=False,
            choices=[("", "—"), *((name, _PERIODS[name]) for name in _LONG_PERIODS)],
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
        raise ValidationError(_("Say what to change."))
    if bool(clean.get("product_id")) != bool(clean.get("price_point")):
        raise ValidationError(_("Give the product id and the price point, or neither of them."))
    if clean.get("later_period") and clean.get("period") not in _SHORT_PERIODS:
        names = ", ".join(str(_PERIODS[name]) for name in _SHORT_PERIODS)
        raise ValidationError(_("With a later period, “every” is one of: %(names)s.") % {"names": names})
    left = clean.get("installments_left", "").strip().lower()
    if left and left != "until cancelled" and not (left.isdecimal() and int(left) > 0):
        raise ValidationError(_("Installments left is a number, or “until cancelled”."))
    if clean.get("next_payment"):
        naive = dt.datetime.fromisoformat(clean["next_payment"])
        if naive.replace(tzinfo=account.zone) <= clock.now():
            raise ValidationError(
                _("%(next_payment)s is in the past in %(zone)s.")
                % {"next_payment": clean["next_payment"], "zone": zone_words(account)}
            )


def _to(status: str) -> dict[str, Any]:
    """What holds for a kind that brings a plan into this status."""
    return {
        "already_words": already_words.GIVEN,
        "already_so_q": lambda account, parameters: Q(
            Exists(
                RecurringSubscription.objects.filter(
                    lead=OuterRef("pk"), kartra_id=parameters["subscription"], status=status
                )
            )
        ),
        "effect": lambda change, at: mirror.set_plan_status(
            change.lead, change.parameters["subscription"], status, at=at, change=change
        ),
        **_OF_SUBSCRIBER,
    }


def _edited_words(name: str, parameters: Parameters) -> str:
    told = {"lead": name, "id": parameters.get("subscription", ""), "what": _edited(parameters)}
    return _("Subscription %(id)s of %(lead)s is changed: %(what)s.") % told


def _edit_words(parameters: Parameters) -> str:
    words = _("change subscription %(subscription)s: %(what)s")
    return words % {"subscription": parameters.get("subscription", ""), "what": _edited(parameters)}


def _edited(parameters: Parameters) -> str:
    return ", ".join(f"{called(n)} {v}" for n, v in parameters.items() if n != "subscription" and v != "")


_OF_SUBSCRIBER: dict[str, Any] = {
    "applicable_q": lambda leads, p: leads.filter(recurring_subscriptions__kartra_id=p["subscription"]),
    "not_applicable_words": gettext_lazy("This subscription is of another lead."),
    "family": lambda parameters: f"subscription:{parameters['subscription']}",
    "noun": "subscription",
    **MONEY,
}
CANCEL = ChangeKind(
    name="cancel_subscription",
    label=gettext_lazy("Cancel a subscription"),
    permission="leads.cancel_subscription",
    permission_words=gettext_noop("Can cancel subscriptions"),
    groups=("Support", "Manager"),
    fields=_cancelling,
    check=_check_cancel,
    sentence=lambda parameters: (
        _("cancel subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is cancelled.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    activity="subscription_cancelled",
    activity_words=gettext_lazy("subscription cancelled"),
    **_to("Cancelled"),
)
PAUSE = ChangeKind(
    name="pause_subscription",
    label=gettext_lazy("Pause a subscription"),
    permission="leads.pause_subscription",
    permission_words=gettext_noop("Can pause subscriptions"),
    groups=("Support", "Manager"),
    fields=_subscription,
    check=_plan,
    sentence=lambda parameters: (
        _("pause subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is paused.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    inverse="unpause_subscription",
    activity="subscription_paused",
    activity_words=gettext_lazy("subscription paused"),
    **_to("Paused"),
)
UNPAUSE = ChangeKind(
    name="unpause_subscription",
    label=gettext_lazy("Unpause a subscription"),
    permission="leads.unpause_subscription",
    permission_words=gettext_noop("Can unpause subscriptions"),
    groups=("Support", "Manager"),
    fields=_subscription,
    check=_plan,
    sentence=lambda parameters: (
        _("unpause subscription %(subscription)s") % {"subscription": parameters.get("subscription", "")}
    ),
    done_message=lambda name, p: (
        _("Subscription %(id)s of %(lead)s is active again.") % {"lead": name, "id": p.get("subscription", "")}
    ),
    inverse="pause_subscription",
    activity="subscription_active",
    activity_words=gettext_lazy("subscription active"),
    **_to("Active"),
)
EDIT = ChangeKind(
    name="edit_subscription",
    label=gettext_lazy("Change a subscription"),
    permission="leads.edit_subscription",
    permission_words=gettext_noop("Can change subscriptions"),
    groups=("Manager",),
    fields=_editing,
    check=_check_edit,
    sentence=_edit_words,
    done_message=_edited_words,
    effect=lambda change, at: mirror.note_plan_edit(change.lead, change.parameters, at=at, change=change),
    partial=True,
    activity="subscription_changed",
    activity_words=gettext_lazy("subscription changed"),
    **_OF_SUBSCRIBER,
)
KINDS = (CANCEL, PAUSE, UNPAUSE, EDIT)
