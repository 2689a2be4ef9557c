"""From a lead's page back to the list it was opened from, and on to the lead before or after it there."""

import copy
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from leads.models import Lead

KEPT = "_changelist_filters"
"""The list's address within that of a lead, as Django's admin calls it."""
LEADS = "admin:leads_lead_changelist"


def onward(query: QueryDict) -> str:
    """What a link from the list to a lead has behind it, so that the way back is known."""
    return f"?{urlencode({KEPT: query.urlencode()})}" if query else ""


def of(request: HttpRequest, admin: Any, lead: Lead) -> dict[str, str]:
    """{"back": address, "before": address, "after": address}; of a page that was not opened from a list, nothing."""
    kept = request.GET.get(KEPT, "")
    if not kept:
        return {}
    found = {"back": f"{reverse(LEADS)}?{kept}"}
    if request.method != "GET":  # saving leads away from here
        return found
    query = QueryDict(kept, mutable=True)
    page, pks = _around(request, admin, query)
    if lead.pk not in pks:
        return found
    at = pks.index(lead.pk)
    per_page = admin.list_per_page
    first = 0 if page == 1 else 1  # where the page itself begins: on others the last of the page before stands there
    for name, place in (("before", at - 1), ("after", at + 1)):
        if 0 <= place < len(pks):
            number = page + (place - first) // per_page
            query[PAGE_VAR] = str(number)
            if number == 1:
                del query[PAGE_VAR]
            found[name] = f"{reverse('admin:leads_lead_change', args=[pks[place]])}{onward(query)}"
    return found


def _around(request: HttpRequest, admin: Any, query: QueryDict) -> tuple[int, list[int]]:
    """The number of the list's page, and the leads on it with one before and one after, by primary key."""
    listed = copy.copy(request)
    listed.GET = query.copy()  # type: ignore[assignment]
    try:
        shown = admin.get_changelist_instance(listed)
        number = min(max(shown.page_num, 1), shown.paginator.num_pages)
    except (IncorrectLookupParameters, SuspiciousOperation):
        return 1, []
    begin = (number - 1) * admin.list_per_page
    rows = shown.queryset.values_list("pk", flat=True)
    return number, list(rows[max(begin - 1, 0) : begin + admin.list_per_page + 1])
