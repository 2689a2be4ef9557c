"""Filters by the lead itself: account, score, dates, country, source, GDPR status, custom fields."""

import functools
import operator
from collections.abc import Mapping
from typing import Any

from django.db.models import Q, TextField, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, IContains

from leads.filters.base import Accounts, Choices, Condition, Given, Part, between, distinct, fixed, span
from leads.models import Account, CustomField, Lead

GROUP = "About the lead"
HOW = [("is", "is"), ("contains", "contains"), ("filled", "is filled in"), ("empty", "is empty")]


def _accounts(accounts: Accounts) -> Choices:
    shown = Account.objects.all() if accounts is None else Account.objects.filter(pk__in=accounts)
    return [(str(pk), name) for pk, name in shown.values_list("pk", "name")]


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
        return f"score {given['score_min']} to {given['score_max']}"
    return f"score {given['score_min']} or more" if "score_min" in given else f"score {given['score_max']} or less"


def _custom_fields(accounts: Accounts) -> Choices:
    shown = CustomField.objects.all() if accounts is None else CustomField.objects.filter(account__in=accounts)
    names = shown.order_by("identifier").values_list("identifier", flat=True).distinct()
    return [(name, name) for name in names[:300]]


def _custom(given: Given) -> Q:
    """A custom field's value. Of options their texts and their ids can be given."""
    if "custom" not in given:
        return Q(pk__in=[])
    name, wanted, how = given["custom"], given.get("custom_value", ""), given.get("custom_how", "is")
    stored = Coalesce(KeyTextTransform(name, "custom_values"), Value(""), output_field=TextField())
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
    return f"{given.get('custom', '?')} {given.get('custom_how', 'is')} {given.get('custom_value', '')}".rstrip()


CONDITIONS = (
    Condition(
        "account", "Connection", GROUP, (Part("account", "Any of", "ids", _accounts),),
        lambda given: Q(account__in=given["account"]), lambda given: f"of {given['account']}",
    ),
    Condition(
        "score", "Score", GROUP, (Part("score_min", "From", "number"), Part("score_max", "to", "number")),
        _range("score", "score_min", "score_max"), _score_words,
    ),
    Condition(
        "joined", "Joined", GROUP, (Part("joined_from", "From", "day"), Part("joined_to", "to", "day")),
        lambda given: between("date_joined", given, "joined_from", "joined_to"),
        lambda given: f"joined{span(given, 'joined_from', 'joined_to')}",
    ),
    Condition(
        "country", "Country", GROUP, (Part("country", "Any of", "texts", distinct(Lead.objects.all, "country", "account")),),
        lambda given: Q(country__in=given["country"]), lambda given: f"from {given['country']}",
    ),
    Condition(
        "source", "Source", GROUP, (Part("source", "Any of", "texts", distinct(Lead.objects.all, "source", "account")),),
        lambda given: Q(source__in=given["source"]), lambda given: f"came by {given['source']}",
    ),
    Condition(
        "gdpr", "GDPR status", GROUP,
        (Part("gdpr", "Any of", "texts", distinct(Lead.objects.all, "gdpr_lead_status", "account")),),
        lambda given: Q(gdpr_lead_status__in=given["gdpr"]), lambda given: f"GDPR status {given['gdpr']}",
    ),
    Condition(
        "custom", "Custom field", GROUP,
        (
            Part("custom", "Field", "choice", _custom_fields), Part("custom_how", "How", "choice", fixed(HOW)),
            Part("custom_value", "Value", "text"),
        ),
        _custom, _custom_words,
    ),
)  # fmt: skip
