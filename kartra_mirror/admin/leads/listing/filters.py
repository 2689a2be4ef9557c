"""The filter of the leads list as Django's admin has it, how many leads one would show, and its conditions as chips."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import escape, format_html
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.admin.leads import segments
from kartra_mirror.ui.pagination import MOST, counted
from leads import access, filters
from leads.models import Lead


class LeadFilter(admin.ListFilter):
    """All conditions in one; its parameters are those of `leads.filters`."""

    title = "leads"

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
        """None: the page loads them when the drawer is opened."""
        yield from ()


def count(request: HttpRequest, admin: Any) -> HttpResponse:
    """How many leads the conditions in the drawer would show, in words; where a script asks, for its main button too."""
    words = _count(request)
    if not request.headers.get("HX-Request"):
        return HttpResponse(escape(words))
    button = _("Show %(leads)s") % {"leads": words} if words[0].isdigit() else _("Show the leads")
    return HttpResponse(format_html('{}<span id="filter-show" hx-swap-oob="true">{}</span>', words, button))


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
