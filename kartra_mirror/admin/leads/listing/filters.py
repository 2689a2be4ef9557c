"""The filter of the leads list: every condition of `leads.filters` as inputs, each also as "leave out"."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import escape
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.admin.leads import segments
from kartra_mirror.ui.pagination import MOST, counted
from kartra_mirror.ui.unfold_adapter import style
from leads import access, filters
from leads.filters import NOT, Condition, Part
from leads.models import Lead

SHORT = 12
"""Choices up to so many are boxes to tick; more are searched while typing."""


class LeadFilter(admin.ListFilter):
    """All conditions in one; its parameters are those of `leads.filters`."""

    title = "leads"
    template = "admin/leads/lead_filter.html"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.given: dict[str, list[str]] = {
            name: params.pop(name) for name in list(params) if filters.is_parameter(name) and name != filters.SEARCH
        }
        self.accounts = access.accounts_of(request.user)
        self.used_parameters = dict(self.given)

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return list(filters.PARAMETERS)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        return filters.matching(queryset, self.given)

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        """None: the page loads them when the drawer is opened (`groups_of`)."""
        yield from ()


def groups_of(given: dict[str, list[str]], accounts: frozenset[int] | None) -> list[dict[str, Any]]:
    """The conditions by group, each with its inputs; those in use are open."""
    form = FilterForm(given, accounts)
    groups: dict[str, list[dict[str, Any]]] = {}
    for condition in filters.ALL:
        shown = {
            "label": condition.label,
            "fields": [form[part.name] for part in condition.parts],
            "left_out": [form[f"{NOT}{part.name}"] for part in condition.parts],
            "used": any(part.name in given for part in condition.parts),
            "leaves_out": any(f"{NOT}{part.name}" in given for part in condition.parts),
        }
        groups.setdefault(condition.group, []).append(shown)
    return [{"title": title, "conditions": conditions} for title, conditions in groups.items()]


def drawer(request: HttpRequest, admin: Any) -> HttpResponse:
    """The conditions of the drawer as they are given now. Or groups, which have no inputs there, stay as they are."""
    given, accounts = segments.conditions_of(request.GET.urlencode()), access.accounts_of(request.user)
    kept = {name: values for name, values in given.items() if filters.inner(name) != name}
    context = {
        "groups": groups_of(given, accounts),
        "kept": [(name, value) for name, values in kept.items() for value in values],
        "kept_words": [each.words for each in filters.told(kept, accounts)],
    }
    return TemplateResponse(request, "admin/leads/lead_filters_open.html", context)


def count(request: HttpRequest, admin: Any) -> HttpResponse:
    """How many leads the conditions in the drawer would show, in words."""
    return HttpResponse(escape(_count(request)))


def _count(request: HttpRequest) -> str:
    leads = access.only_mine(Lead.objects.all(), request.user)
    wanted = segments.conditions_of(request.GET.urlencode())
    if impossible := filters.why_impossible(wanted):
        return " ".join(impossible)
    number, capped = counted(filters.matching(leads, wanted).order_by(), MOST)
    words = ngettext("%(number)s lead", "%(number)s leads", number) % {"number": f"{number:,}"}
    return _("more than %(leads)s") % {"leads": words} if capped else words


def chips(request: HttpRequest, conditions: dict[str, list[str]]) -> list[dict[str, str]]:
    """[{"words", "without"}]: each condition, and the address of the list without it."""
    found = []
    for each in filters.told(conditions, access.accounts_of(request.user)):
        query = request.GET.copy()
        for name in (*each.parameters, "p"):
            query.pop(name, None)
        found.append({"words": each.words, "without": f"?{query.urlencode()}"})
    return found


class FilterForm(forms.Form):
    """The inputs of all conditions, filled with what was given, which is among the choices however many there are: a choice
    that a form drops would widen the list with the next click. It is shown; `leads.filters` reads."""

    def __init__(self, given: dict[str, list[str]], accounts: frozenset[int] | None) -> None:
        super().__init__(auto_id="filter_%s", label_suffix="")
        names = filters.names_of([given])
        offered: dict[Any, list[tuple[str, str]]] = {None: []}
        for condition in filters.ALL:
            for part in condition.parts:
                if part.vocabulary and part.vocabulary not in offered:
                    offered[part.vocabulary] = part.vocabulary.offered(accounts)
                for name in (part.name, f"{NOT}{part.name}"):
                    listed = {value for value, _words in offered[part.vocabulary]}
                    chosen = part.told([v for v in given.get(name, ()) if v and v not in listed], accounts, names)
                    self.fields[name] = _field(condition, part, [*offered[part.vocabulary], *chosen.items()])
                    if given.get(name):
                        self.initial[name] = given[name] if part.type in ("ids", "texts") else given[name][-1]
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
