"""Pages that say no: to people in the admin in words, to strangers at other addresses nothing at all."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import render


def not_found(request: HttpRequest, exception: Any) -> HttpResponse:
    """404: with a way back under /admin/, elsewhere an empty answer."""
    if request.path.startswith("/admin/"):
        return render(request, "404.html", status=404)
    return HttpResponseNotFound()
