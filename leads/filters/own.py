"""Filters by the lead itself: account, score, dates, country, source, GDPR status, custom fields."""

import functools
import operator
from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import Q, TextField, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, IContains
from django.utils.translation import gettext_lazy as _

from leads.filters.base import Condition, Given, Part, Unreadable, between, spanned
from leads.filters.choosing import MOST_OCCURRING, WHOLE, Accounts, Choices, Fixed, Name, Occurring
from leads.models import Account, CustomField, CustomValue, Lead

GROUP = _("About the lead")
HOW = [("is", _("is")), ("contains", _("contains")), ("filled", _("is filled in")), ("empty", _("is empty"))]


class AccountNames:
    """The accounts by primary key."""

    def offered(self, accounts: Accounts) -> Choices:
        shown = Account.objects.all() if accounts is None else Account.objects.filter(pk__in=accounts)
        return [(str(pk), name) for pk, name in shown.values_list("pk", "name")]

    def called(self, values: Collection[str]) -> dict[str, Name]:
        shown = Account.objects.filter(pk__in=[int(value) for value in values if WHOLE.fullmatch(value)])
        return {str(pk): Name(name, pk) for pk, name in shown.values_list("pk", "name")}


def _range(field: str, low: str, high: str) -> Any:
    def test(given: Given) -> Q:
        found = Q(**{f"{field}__isnull": False})
        if low in given:
            found &= Q(**{f"{field}__gte": given[low]})
        if high in given:
            found &= Q(**{f"{field}__lte": given[high]})
        return found

    return test


def _score_words(given: Mapping[str, str]) -> str:
    if "score_min" in given and "score_max" in given:
        return _("score %(score_min)s to %(score_max)s") % given
    words = _("score %(score_min)s or more") if "score_min" in given else _("score %(score_max)s or less")
    return words % given


class CustomFields:
    """The custom fields by identifier, which is all that they are called."""

    def offered(self, accounts: Accounts) -> Choices:
        shown = CustomField.objects.all() if accounts is None else CustomField.objects.filter(account__in=accounts)
        names = shown.order_by("identifier").values_list("identifier", flat=True).distinct()
        return [(name, name) for name in names[:MOST_OCCURRING]]

    def called(self, values: Collection[str]) -> dict[str, Name]:
        found = CustomField.objects.filter(identifier__in=values).values_list("identifier", flat=True)
        return {name: Name(name) for name in found}


def _custom(given: Given) -> Q:
    """A custom field's value. Of options their texts and their ids can be given. Raises Unreadable without a field."""
    if "custom" not in given:
        raise Unreadable("custom")
    name, wanted, how = given["custom"], given.get("custom_value", ""), given.get("custom_how", "is")
    stored = Coalesce(CustomValue(name), Value(""), output_field=TextField())
    filled = ~Q(Exact(stored, Value(""))) & ~Q(Exact(stored, Value("[]")))
    if how == "filled":
        return filled
    if how == "empty" or not wanted:
        return ~filled
    test = IContains(stored, wanted) if how == "contains" else Exact(stored, Value(wanted))
    chosen = [
        Q(IContains(stored, text))
        for number in _options(name, wanted, how)
        for text in (f'["{number}",', f"[{number},")
    ]
    return functools.reduce(operator.or_, chosen, Q(test))


def _options(name: str, wanted: str, how: str) -> list[str]:
    """Ids of the field's options that are meant."""
    options = CustomField.objects.filter(identifier=name).values_list("options", flat=True)
    return [
        str(number)
        for number, words in (option for each in options for option in each)
        if wanted in (str(number), str(words)) or (how == "contains" and wanted.casefold() in str(words).casefold())
    ]


def _custom_words(given: Mapping[str, str]) -> str:
    if "custom" not in given:
        raise Unreadable("custom")
    how = given.get("custom_how") or _("is")
    return f"{given['custom']} {how} {given.get('custom_value', '')}".rstrip()


CONDITIONS = (
    Condition(
        "account",
        _("Connection"),
        GROUP,
        (Part("account", _("Any of"), "ids", AccountNames()),),
        lambda given: Q(account__in=given["account"]),
        lambda given: _("of %(account)s") % given,
    ),
    Condition(
        "score",
        _("Score"),
        GROUP,
        (Part("score_min", _("From"), "number", upto="score_max"), Part("score_max", _("to"), "number")),
        _range("score", "score_min", "score_max"),
        _score_words,
    ),
    Condition(
        "joined",
        _("Joined"),
        GROUP,
        (Part("joined_from", _("From"), "day", upto="joined_to"), Part("joined_to", _("to"), "day")),
        lambda given: between("date_joined", given, "joined_from", "joined_to"),
        lambda given: spanned(_("joined"), given, "joined_from", "joined_to"),
    ),
    Condition(
        "country",
        _("Country"),
        GROUP,
        (Part("country", _("Any of"), "texts", Occurring(Lead.objects.all, "country", "account")),),
        lambda given: Q(country__in=given["country"]),
        lambda given: _("from %(country)s") % given,
    ),
    Condition(
        "source",
        _("Source"),
        GROUP,
        (Part("source", _("Any of"), "texts", Occurring(Lead.objects.all, "source", "account")),),
        lambda given: Q(source__in=given["source"]),
        lambda given: _("came by %(source)s") % given,
    ),
    Condition(
        "gdpr",
        _("GDPR status"),
        GROUP,
        (Part("gdpr", _("Any of"), "texts", Occurring(Lead.objects.all, "gdpr_lead_status", "account")),),
        lambda given: Q(gdpr_lead_status__in=given["gdpr"]),
        lambda given: _("GDPR status %(gdpr)s") % given,
    ),
    Condition(
        "custom",
        _("Custom field"),
        GROUP,
        (
            Part("custom", _("Field"), "choice", CustomFields()),
            Part("custom_how", _("How"), "choice", Fixed(HOW)),
            Part("custom_value", _("Value"), "text"),
        ),
        _custom,
        _custom_words,
    ),
)
