"""The filter of the leads list: every condition of `leads.filters` as inputs, each also as "leave out"."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from kartra_mirror.admin.unfold_adapter import style
from leads import filters, staff
from leads.filters import NOT, Condition, Part
from leads.models import Lead

SHORT = 12
"""Choices up to so many are boxes to tick; more are searched while typing."""


class LeadFilter(admin.ListFilter):
    """All conditions in one; its parameters are those of `leads.filters`."""

    title = "leads"
    template = "admin/leads/lead/filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.given: dict[str, list[str]] = {
            name: params.pop(name) for name in self.expected_parameters() if name in params
        }
        self.accounts = staff.accounts_of(request.user)
        self.used_parameters = dict(self.given)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(filters.PARAMETERS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        return filters.matching(queryset, self.given)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """The conditions by group, each with its inputs; those in use are open."""
        form = FilterForm(self.given, self.accounts)
        groups: dict[str, list[dict[str, Any]]] = {}
        for condition in filters.ALL:
            shown = {
                "label": condition.label,
                "fields": [form[part.name] for part in condition.parts],
                "left_out": [form[f"{NOT}{part.name}"] for part in condition.parts],
                "used": any(part.name in self.given for part in condition.parts),
                "leaves_out": any(f"{NOT}{part.name}" in self.given for part in condition.parts),
            }
            groups.setdefault(condition.group, []).append(shown)
        for title, conditions in groups.items():
            yield {"title": title, "conditions": conditions}


class FilterForm(forms.Form):
    """The inputs of all conditions, filled with what was given. It is shown; `leads.filters` reads."""

    def __init__(self, given: dict[str, list[str]], accounts: frozenset[int] | None) -> None:
        initial = {name: values if len(values) > 1 else values[0] for name, values in given.items() if values}
        super().__init__(initial=initial, auto_id="filter_%s", label_suffix="")
        asked: dict[Any, list[tuple[str, str]]] = {}
        for condition in filters.ALL:
            for part in condition.parts:
                if part.choices and part.choices not in asked:
                    asked[part.choices] = part.choices(accounts)
                choices = asked[part.choices] if part.choices else []
                self.fields[part.name] = _field(condition, part, choices)
                self.fields[f"{NOT}{part.name}"] = _field(condition, part, choices)
                for name in (part.name, f"{NOT}{part.name}"):
                    if name in given and part.type in ("ids", "texts"):
                        self.initial[name] = given[name]
        style(self)


def _field(condition: Condition, part: Part, choices: list[tuple[str, str]]) -> forms.Field:
    told: dict[str, Any] = {"label": part.label, "required": False, "help_text": part.help_text}
    if part.type in ("ids", "texts"):
        boxes = len(choices) <= SHORT
        widget = forms.CheckboxSelectMultiple() if boxes else forms.SelectMultiple(attrs={"style": "width: 100%"})
        return forms.MultipleChoiceField(choices=choices, widget=widget, **told)
    if part.type == "choice":
        return forms.ChoiceField(choices=[("", "—"), *choices], **told)
    if part.type == "number":
        return forms.IntegerField(**told)
    if part.type == "day":
        return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), **told)
    return forms.CharField(**told)
