"""What somebody typed and sent after their session had ended: it is not kept, and they are told so, when they are asked to
sign in and on the page to which they come back."""

import functools
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

COOKIE = "not_kept"
KEPT_S = 3600


def words() -> str:
    return _("Your session had ended, so what you entered was not saved. Please enter it again.")


def watched(view: Callable[..., HttpResponseBase]) -> Any:
    """A page of the admin that says so when what was sent to it is lost."""

    @functools.wraps(view)
    def watching(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        signed_in = request.user.is_authenticated
        if request.method == "POST" and not signed_in and request.path != reverse("admin:logout"):
            to_sign_in = HttpResponseRedirect(
                f"{reverse('admin:login')}?{urlencode({REDIRECT_FIELD_NAME: _page_of(request)})}"
            )
            to_sign_in.set_cookie(
                COOKIE, "1", max_age=KEPT_S, httponly=True, samesite="Lax", secure=request.is_secure()
            )
            return to_sign_in
        if not signed_in and request.headers.get("HX-Request"):  # a part of a page: the whole page goes to sign in
            asked_from = urlsplit(request.headers.get("HX-Current-URL", "")).path or reverse("admin:index")
            where = f"{reverse('admin:login')}?{urlencode({REDIRECT_FIELD_NAME: asked_from})}"
            return HttpResponse(status=204, headers={"HX-Redirect": where})
        tell = signed_in and request.method == "GET" and request.COOKIES.get(COOKIE) and not _is_part(request)
        if tell:
            messages.warning(request, words())
        answer = view(request, *args, **kwargs)
        if tell:
            answer.delete_cookie(COOKIE, samesite="Lax")
        return answer

    return watching


def _page_of(request: HttpRequest) -> str:
    """The page on which it was typed: an address that only takes what is sent cannot be come back to."""
    referer = request.headers.get("Referer", "")
    ours = url_has_allowed_host_and_scheme(referer, {request.get_host()}, require_https=request.is_secure())
    parts = urlsplit(referer)
    if not ours or not parts.path.startswith(reverse("admin:index")) or parts.path == reverse("admin:login"):
        return request.get_full_path()
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _is_part(request: HttpRequest) -> bool:
    """Whether a page asks for a part of itself, which shows no message."""
    return request.headers.get("Sec-Fetch-Dest", "document") != "document"
