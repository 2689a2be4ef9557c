"""How large a request's body may be, by its address and by who sends it, decided before any of it is parsed.

Only the pages that load files take files, from people who may load them; nobody else's bytes reach the disk. Webhook endpoints
keep a limit of their own (`integrations.webhooks`). deploy/ holds the same limits for the proxy in front.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404, resolve

from leads import kinds

KB, MB = 1024, 1024 * 1024
WEBHOOKS = "/webhooks/"
PEOPLE_FILE_MAX_MB = 4
PEOPLE_LIST_MAX_MB = 32
AROUND_A_FILE = MB
"""What a form may hold besides its file."""

UPLOADS = {
    "admin:leads_import_add": "leads.add_import",
    "admin:leads_lead_newcomers": kinds.CREATE.permission,
    "admin:leads_peoplelist_add": "leads.add_peoplelist",
}
"""The pages that take files, and what one must be allowed for it."""
STRANGERS = {"admin:login", "admin_password_reset", "password_reset_confirm"}
"""Pages for those who are not signed in: the small limit holds for everybody there."""


class FilesRefused(Exception):
    """A file stands in a form that takes none."""


class NoFiles(FileUploadHandler):
    """Raises FilesRefused at the first file, before a byte of it is kept."""

    def new_file(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FilesRefused

    def receive_data_chunk(self, raw_data: bytes, start: int) -> NoReturn:
        raise FilesRefused

    def file_complete(self, file_size: int) -> None:
        return None


class BodyLimits:
    """Middleware: 413 for a body that is too large, that does not say how large it is, or that holds a file where none is taken.

    Stands behind the one that knows who is signed in, and before any that reads a form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(WEBHOOKS) and _is_refused(request):
            return _too_large(request)
        return self.get_response(request)


def _is_refused(request: HttpRequest) -> bool:
    if "Transfer-Encoding" in request.headers:
        return True  # no browser sends a form in chunks, and Django would take it for an empty one
    length = _announced(request)
    if not length:
        return False
    page = _page_of(request)
    in_parts = request.content_type == "multipart/form-data"
    if in_parts and (needed := UPLOADS.get(page)) and request.user.has_perm(needed):
        return length > _most_with_file(page)
    if length > settings.STRANGER_MAX_KB * KB and not _may_send_forms(request, page):
        return True
    if length > settings.FORM_MAX_KB * KB:
        return True
    return in_parts and _holds_files(request)


def _announced(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def _page_of(request: HttpRequest) -> str:
    """The name of the page at this address; "" for an address that is none."""
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""


def _most_with_file(page: str) -> int:
    largest = {"admin:leads_import_add": settings.IMPORT_MAX_MB, "admin:leads_peoplelist_add": PEOPLE_LIST_MAX_MB}
    return largest.get(page, PEOPLE_FILE_MAX_MB) * MB + AROUND_A_FILE


def _may_send_forms(request: HttpRequest, page: str) -> bool:
    return page.startswith("admin:") and page not in STRANGERS and bool(request.user.is_authenticated)


def _holds_files(request: HttpRequest) -> bool:
    """Read the form, which is small, with a handler that takes no file."""
    request.upload_handlers = [NoFiles(request)]
    try:
        request.POST  # noqa: B018  read now: later it would be an error on its way through other middleware
    except FilesRefused:
        return True
    return False


def _too_large(request: HttpRequest) -> HttpResponse:
    """The rest of the body is not read."""
    if request.path_info.startswith("/admin/"):
        return render(request, "413.html", status=413)
    return HttpResponse("Too large.\n", status=413, content_type="text/plain")
