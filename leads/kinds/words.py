"""What the parameters of changes are called within a sentence."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from leads.models import Lead

WORDS: dict[str, Any] = {
    "tag": _("tag"),
    "remove_tag": _("tag"),
    "list": _("list"),
    "leave_list": _("list"),
    "points": _("points"),
    "expires_in_days": _("expire after days"),
    "sequence": _("sequence"),
    "leave_sequence": _("sequence"),
    "step": _("step"),
    "calendar": _("calendar"),
    "leave_calendar": _("calendar to leave"),
    "class": _("class"),
    "leave_class": _("class to leave"),
    "date": _("date"),
    "hour": _("hour"),
    "transaction": _("transaction"),
    "subscription": _("subscription"),
    "amount": _("amount"),
    "quantity": _("quantity"),
    "next_payment": _("next payment"),
    "period": _("every"),
    "later_period": _("later every"),
    "installments_left": _("installments left"),
    "tax_percent": _("tax in percent"),
    "product_id": _("product id"),
    "price_point": _("price point"),
}
OF_LEAD = {field.name: field for field in Lead._meta.concrete_fields}


def called(name: str) -> str:
    """A parameter's name for people; a custom field, or what nobody knows, is named as it is."""
    if name in WORDS:
        return str(WORDS[name])
    if name in OF_LEAD:
        return str(OF_LEAD[name].verbose_name)
    return name.removeprefix("custom.").replace("_", " ")
