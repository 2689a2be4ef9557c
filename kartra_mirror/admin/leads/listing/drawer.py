"""The drawer in which a filter of the leads list is made: rows of conditions, of which all or any must hold."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from kartra_mirror.admin.leads import segments
from kartra_mirror.admin.leads.listing import conditions, segment_menu
from kartra_mirror.admin.leads.listing.conditions import Making, Place
from kartra_mirror.ui import filter_notes
from kartra_mirror.ui.unfold_adapter import search_media, style
from leads import access, filters
from leads.filters import Names, Part, segments as building

DO = "do"
"""The name of the buttons, and of what they say."""
SHOWING = ("o",)
"""What of the list's address says how it is shown, and stays."""


def page(request: HttpRequest, admin: Any) -> HttpResponse:
    """The drawer as it is after what a button said (`?do=`); in a page of its own where no script asks for it."""
    making = {name: values for name, values in request.GET.lists() if filters.is_parameter(name)}
    order = request.GET.get(DO, "")
    if order == "save":
        query = segments.query_of(segments.conditions_of(request.GET.urlencode()))
        return HttpResponseRedirect(f"{reverse('admin:leads_segment_save')}?{segments.query_of({'query': [query]})}")
    known = set(making)
    if order.startswith("start "):
        making = _of_segment(request, order.removeprefix("start ")) or making
    else:
        making = conditions.changed(making, order)
    accounts = access.accounts_of(request.user)
    fresh = set(making) - known if order.startswith("add ") else set[str]()
    context = {
        "sections": _sections(making, accounts, fresh),
        "every": _by_group(making, "or"),
        "kept": [(name, value) for name in (filters.SEARCH, *SHOWING) for value in request.GET.getlist(name) if value],
        "segments": segment_menu.at_hand(request.user),
        "sales_unread": filter_notes.of_sales(making, request.user),
    }
    if request.headers.get("HX-Request"):
        return TemplateResponse(request, "admin/leads/lead_filters.html", context)
    own = {"opts": admin.opts, "title": _("Filter leads"), "alone": True, "media": search_media()}
    shown = {**admin.admin_site.each_context(request), **own, **context}
    return TemplateResponse(request, "admin/leads/lead_filters_page.html", shown)


def _of_segment(request: HttpRequest, text: str) -> Making:
    """What a segment of the person's accounts holds."""
    segment = segments.shown({"segment": [text]}, request.user)
    if segment is None or not request.user.has_perm("leads.view_segment"):
        return {}
    return building.known_conditions(segment.selection)


def _sections(making: Making, accounts: frozenset[int] | None, fresh: set[str]) -> list[dict[str, Any]]:
    """What must hold, then each or group: [{"title", "rows", "where", "adds", "offers", "switch", "switch_words"}]."""
    names = filters.names_of([making])
    offered: dict[Any, list[tuple[str, str]]] = {None: []}
    by_group: dict[int, list[Place]] = {0: []}
    for place in sorted(conditions.places(making), key=lambda each: each.group):
        by_group.setdefault(place.group[0], []).append(place)
    may_all_hold, found = conditions.numbers_that_may_all_hold(making), []
    for number, places in by_group.items():
        rows: list[dict[str, Any]] = []
        for place in places:
            form = RowForm(place, making, accounts, names, offered)
            rows.append(
                {
                    "place": place,
                    "fields": list(form),
                    "may_turn": conditions.may_turn(making, place),
                    "and": bool(number and rows and rows[-1]["place"].prefix == place.prefix),
                    "fresh": bool(set(place.names()) & fresh),
                }
            )
        where = f"or{number}" if number else "all"
        switch = f"all {number}" if str(number) in may_all_hold else "any" if not number and len(rows) > 1 else ""
        found.append(
            {
                "any": bool(number),
                "rows": rows,
                "where": where,
                "offers": _by_group(making, "" if where == "all" else where),
                "switch": switch,
            }
        )
    return found


def _by_group(making: Making, where: str) -> list[tuple[Any, list[filters.Condition]]]:
    """The conditions that can be added, under the headings of their groups."""
    found: dict[Any, list[filters.Condition]] = {}
    for condition in conditions.offered(making, where):
        found.setdefault(condition.group, []).append(condition)
    return list(found.items())


class RowForm(forms.Form):
    """The inputs of one condition, filled with what was given, which is among the choices however many there are: a choice
    that a form drops would widen the list with the next click. It is shown; `leads.filters` reads."""

    def __init__(
        self,
        place: Place,
        making: Making,
        accounts: frozenset[int] | None,
        names: Names,
        offered: dict[Any, list[tuple[str, str]]],
    ) -> None:
        super().__init__(auto_id="filter_%s", label_suffix="")
        self.place = place
        for part in place.condition.parts:
            if part.vocabulary and part.vocabulary not in offered:
                offered[part.vocabulary] = part.vocabulary.offered(accounts)
            given = [value for value in making.get(self.add_prefix(part.name), ()) if value]
            listed = {value for value, _words in offered[part.vocabulary]}
            chosen = part.told([value for value in given if value not in listed], accounts, names)
            self.fields[part.name] = _field(part, [*offered[part.vocabulary], *chosen.items()])
            if given:
                self.initial[part.name] = given if part.type in ("ids", "texts") else given[-1]
        style(self)

    def add_prefix(self, field_name: str) -> str:
        return f"{self.place.prefix}{self.place.left_out}{field_name}"


def _field(part: Part, choices: list[tuple[str, str]]) -> forms.Field:
    told: dict[str, Any] = {"label": part.label, "required": False, "help_text": part.help_text}
    if part.type in ("ids", "texts"):
        return forms.MultipleChoiceField(choices=choices, widget=forms.SelectMultiple(), **told)
    if part.type == "choice":
        return forms.ChoiceField(choices=[("", "—"), *choices], **told)
    if part.type == "number":
        return forms.IntegerField(**told)
    if part.type == "day":
        return forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), **told)
    return forms.CharField(**told)
