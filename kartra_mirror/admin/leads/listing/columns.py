"""The columns of the leads list: what can be one, and which a person has chosen. The one writer of `LeadListColumns`."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _, gettext_lazy

from leads import access
from leads.fields import BY_NAME, LEAD_FIELDS
from leads.models import CustomField, Lead, LeadListColumns

FIRST = "who"
"""The column that everybody has: the lead's name, which leads to its page."""
USUAL = ("email", "tags", "lists", "country", "score", "as_of")
WORKED_OUT = {"tags": gettext_lazy("Tags"), "lists": gettext_lazy("Lists"), "as_of": gettext_lazy("Checked")}
NOT_SHOWN = frozenset({"notes", "lead_picture", "gdpr_lead_status", "gdpr_lead_communications"})
"""Long texts, and codes that say nothing in a line."""
PLAIN = (*USUAL, *(field.name for field in LEAD_FIELDS if field.name not in (*USUAL, *NOT_SHOWN)))
"""What can be a column, in the order in which columns stand; custom fields come after."""
CUSTOM = "custom:"
MOST = 10
"""So many stand beside the name: more would leave none of them room."""
MOST_CUSTOM = 300
"""So many custom fields are offered."""

Column = str | Callable[[Lead], Any]


class OfCustomField:
    """The column of a custom field, as Django's admin takes one."""

    __name__ = "custom"

    def __init__(self, identifier: str) -> None:
        self.identifier = self.short_description = identifier

    def __call__(self, lead: Lead) -> str:
        value = lead.custom_values.get(self.identifier, "")
        return ", ".join(str(option[1]) for option in value) if isinstance(value, list) else str(value)


def of(request: HttpRequest) -> list[Column]:
    """What this person's list shows, asked once for a request. A custom field that is no more, or is of none of the person's
    accounts, is passed over."""
    found: list[Column] | None = getattr(request, "lead_columns", None)
    if found is None:
        names = _chosen(access.signed_in(request.user))
        known = _still_there(names, request.user)
        found = [FIRST, *(known.get(name, name) for name in names if name in PLAIN or name in known)]
        request.lead_columns = found  # type: ignore[attr-defined]
    return found


def shows_custom(request: HttpRequest) -> bool:
    return any(isinstance(column, OfCustomField) for column in of(request))


def are_usual(columns: Sequence[Column]) -> bool:
    return list(columns) == [FIRST, *USUAL]


def cell(lead: Lead, name: str) -> Any:
    """A plain field as its cell says it."""
    value = getattr(lead, name)
    if isinstance(value, dt.datetime):
        return date_format(localtime(value), "j M Y")
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else value


def page(request: HttpRequest, admin: Any) -> HttpResponse:
    """GET offers the columns, POST keeps those that are ticked and goes back to the list, sorted by what it was sorted by."""
    query = request.POST.get("query", request.GET.urlencode())
    before, user = of(request), access.signed_in(request.user)
    if request.method == "POST":
        wanted = [name for name in request.POST.getlist("column") if "\x00" not in name]
        if "reset" in request.POST:
            LeadListColumns.objects.filter(user=user).delete()
        elif len(wanted) > MOST:
            words = _("At most %(most)s columns have room beside the name. Nothing was changed.")
            messages.error(request, words % {"most": MOST})
        else:
            kept = [name for name, _words in _offered(user, wanted) if name in wanted]
            LeadListColumns.objects.update_or_create(user=user, defaults={"names": kept})
        del request.lead_columns  # type: ignore[attr-defined]
        query = _sorted_as_before(query, before, of(request), len(admin.get_actions(request)) > 0)
        return HttpResponseRedirect(f"{reverse('admin:leads_lead_changelist')}?{query}".rstrip("?"))
    shown = {_name(column) for column in before}
    context = {
        "columns": [{"name": name, "words": words, "on": name in shown} for name, words in _offered(user)],
        "most": MOST,
        "query": query,
        "usual": are_usual(before),
    }
    if request.headers.get("HX-Request"):
        return TemplateResponse(request, "admin/leads/lead_columns.html", context)
    whole = {**admin.admin_site.each_context(request), "opts": admin.opts, "title": _("Columns"), **context}
    return TemplateResponse(request, "admin/leads/lead_columns_page.html", whole)


def _chosen(user: Any) -> list[str]:
    row = LeadListColumns.objects.filter(user=user).first()
    names = USUAL if row is None else row.names
    return [str(name) for name in names][:MOST]


def _name(column: Column) -> str:
    return f"{CUSTOM}{column.identifier}" if isinstance(column, OfCustomField) else str(column)


def _still_there(names: Iterable[str], user: access.RequestUser) -> dict[str, OfCustomField]:
    """Those of the names that are custom fields of the person's accounts. No query where none is one."""
    asked = [name.removeprefix(CUSTOM) for name in names if name.startswith(CUSTOM)]
    if not asked:
        return {}
    rows = access.only_mine(CustomField.objects.filter(identifier__in=asked, missing_since=None), user)
    return {f"{CUSTOM}{name}": OfCustomField(name) for name in rows.values_list("identifier", flat=True)}


def _offered(user: access.RequestUser, wanted: Iterable[str] = ()) -> list[tuple[str, Any]]:
    """What can be chosen, in its order; `wanted` is among it, if it is there at all."""
    rows = access.only_mine(CustomField.objects.filter(missing_since=None), user)
    names = rows.order_by("identifier").values_list("identifier", flat=True).distinct()[:MOST_CUSTOM]
    custom = dict.fromkeys([*(f"{CUSTOM}{name}" for name in names), *_still_there(wanted, user)])
    plain = [(name, WORKED_OUT.get(name) or BY_NAME[name].words) for name in PLAIN]
    return [*plain, *((name, name.removeprefix(CUSTOM)) for name in custom)]


def _sorted_as_before(query: str, before: Sequence[Column], after: Sequence[Column], ticked: bool) -> str:
    """The list's address with the same columns in its sort: Django's admin calls them by their numbers."""
    found = QueryDict(query, mutable=True)
    old, new = ([*[""] * ticked, *map(_name, columns)] for columns in (before, after))
    places = []
    for each in found.get(ORDER_VAR, "").split("."):
        sign, number = ("-", each[1:]) if each.startswith("-") else ("", each)
        if number.isdecimal() and len(number) < 4 and int(number) < len(old) and old[int(number)] in new:
            places.append(f"{sign}{new.index(old[int(number)])}")
    found.pop(ORDER_VAR, None)
    if places:
        found[ORDER_VAR] = ".".join(places)
    return found.urlencode()
