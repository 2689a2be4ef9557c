"""The addresses of what the leads list loads when it is asked for."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from kartra_mirror.admin.leads.listing import columns, drawer, filters, segment_menu

Page = Callable[[HttpRequest, Any], HttpResponse]


def of(admin: Any) -> list[URLPattern]:
    """Of the list of this admin, for those who may see it."""

    def seen(page: Page) -> Any:
        def view(request: HttpRequest) -> HttpResponse:
            if not admin.has_view_permission(request):
                raise PermissionDenied
            return page(request, admin)

        return admin.admin_site.admin_view(view)

    return [
        path("filters/", seen(drawer.page), name="leads_lead_filters"),
        path("count/", seen(filters.count), name="leads_lead_count"),
        path("columns/", seen(columns.page), name="leads_lead_columns"),
        path("segments/", seen(segment_menu.page), name="leads_lead_segments"),
    ]
