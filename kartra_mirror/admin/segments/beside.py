"""Two sets of leads side by side: how many are in both, only in the one, only in the other, each a filter of the leads list."""

from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from kartra_mirror.admin.segments import sets
from kartra_mirror.admin.segments.sets import Set
from kartra_mirror.ui import costly
from kartra_mirror.ui.unfold_adapter import style
from leads import access, filters
from leads.filters import CannotResolve, segments as building
from leads.models import Lead


class BesideForm(forms.Form):
    """Which two."""

    def __init__(self, user: access.RequestUser, one: Set | None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered = sets.choices(user, one.row.account if one else None)
        for name, label in (("one", _("Compare")), ("other", _("With"))):
            choices: list[Any] = [("", _("Choose a segment, list or tag")), *offered]
            self.fields[name] = forms.ChoiceField(choices=choices, label=label)
        style(self)


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """`?one=segment-5&other=list-7`; without a second one it asks for it. 404 for what the person may not see."""
    if not request.user.has_perm("leads.view_lead"):
        raise PermissionDenied
    one, other = (_named(request, name) for name in ("one", "other"))
    form = BesideForm(request.user, one, initial={"one": one.key if one else "", "other": other.key if other else ""})
    why_not = _why_not(one, other)
    more = {
        "title": _("Compare two sets of leads"),
        "form": form,
        "one": one,
        "other": other,
        "why_not": why_not,
        "parts": _counted(one, other) if one and other and not why_not else [],
    }
    return TemplateResponse(request, "admin/segments/beside.html", {**context, **more})


def _named(request: HttpRequest, name: str) -> Set | None:
    key = request.GET.get(name, "")
    found = sets.named(key, request.user)
    if key and found is None:
        raise Http404
    return found


def _why_not(one: Set | None, other: Set | None) -> str:
    if one is None or other is None:
        return ""
    if one.key == other.key:
        return _("These are the same. Choose another one to compare it with.")
    if one.row.account_id != other.row.account_id:
        return _("These are of two accounts, so no lead can be in both. Choose two of one account.")
    for each in (one, other):
        if each.noun == "segment" and not _is_understood(each):
            return _("%(set)s has a filter that cannot be read. Save it again first.") % {"set": each.title}
    return ""


def _is_understood(segment: Set) -> bool:
    try:
        building.conditions_of(segment.row.selection)
        filters.members(segment.row)
    except (CannotResolve, filters.Unreadable):
        return False
    return True


def _counted(one: Set, other: Set) -> list[dict[str, Any]]:
    """[{"look", "words", "number", "url", "at", "width"}], the widths in percent of all three."""
    wanted = sets.parts(one, other)
    numbers = costly.kept(f"beside-{_of_now(one)}-{_of_now(other)}", partial(_numbers, one, wanted))
    words = {
        "one": _("only in %(set)s") % {"set": one.name},
        "both": _("in both"),
        "other": _("only in %(set)s") % {"set": other.name},
    }
    looks, at, total, found = {"one": "wait", "both": "good", "other": "warn"}, 0.0, sum(numbers.values()), []
    for name, told in words.items():
        query = QueryDict(mutable=True)
        for parameter, values in wanted[name].items():
            query.setlist(parameter, values)
        width = numbers[name] * 100 / total if total else 0.0
        url = f"{reverse('admin:leads_lead_changelist')}?{query.urlencode()}"
        found.append(
            {"look": looks[name], "words": told, "number": numbers[name], "url": url, "at": at, "width": width}
        )
        at += width
    return found


def _of_now(each: Set) -> str:
    """A segment that was saved anew is another one."""
    changed = each.row.updated_at.timestamp() if each.noun == "segment" else ""
    return f"{each.key}-{changed}"


def _numbers(one: Set, wanted: Any) -> dict[str, int]:
    """How many leads each has. One query for each, and one for each catalogue that is named."""
    leads = Lead.objects.filter(account=one.row.account_id).order_by()
    return {name: filters.matching(leads, conditions).count() for name, conditions in wanted.items()}
