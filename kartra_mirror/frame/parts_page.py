"""All parts on one page, for whoever builds pages; with DEBUG alone."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """What `templates/admin/ui/` offers, as it looks."""
    if not settings.DEBUG:
        raise Http404
    more = {"title": _("Parts"), "subtitle": _("Every page is made of these. A new one needs a reason.")}
    return TemplateResponse(request, "admin/ui/parts_page.html", {**context, **more})
