"""The search box of every page: people first, then pages."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from kartra_mirror.frame import menu
from leads import access, filters
from leads.models import Lead

LEADS_SHOWN, PAGES_SHOWN = 8, 4


def found(request: HttpRequest) -> HttpResponse:
    """What is found while somebody types. A whole address, a Kartra id or a phone number finds those people alone."""
    words = request.GET.get("q", "").strip()[:200]
    may_see = request.user.has_perm("leads.view_lead")
    leads: list[Lead] = []
    if words and may_see:
        mine = access.only_mine(
            Lead.objects.only("first_name", "last_name", "email", "phone", "kartra_id"), request.user
        )
        leads = list(filters.search(mine, words).order_by("-pk")[:LEADS_SHOWN])
    pages = [
        {"title": title, "url": url} for title, url in menu.pages(request.user) if words.casefold() in title.casefold()
    ]
    told: dict[str, Any] = {"words": words, "leads": leads, "pages": pages[:PAGES_SHOWN], "may_see": may_see}
    return TemplateResponse(request, "admin/ui/frame/found.html", told)
