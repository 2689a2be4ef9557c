"""The admin site: the band that stands on every page, and home."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from kartra_mirror.admin.unfold_adapter import UnfoldAdminSite


class MirrorAdminSite(UnfoldAdminSite):
    site_title = "Kartra Mirror"
    site_header = "Kartra Mirror"
    index_title = "Home"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["bands"] = bands() if request.user.is_authenticated else []
        return context

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from kartra_mirror.admin.home import facts

        return super().index(request, {**facts(request), **(extra_context or {})})


def bands() -> list[dict[str, str]]:
    """What everybody must know on every page: pretend Kartra, test mode, look-only, stopped, a question. One query."""
    from integrations import gone, switch
    from integrations.models import Connection, Sending

    found: list[dict[str, str]] = []
    sandbox = urlsplit(settings.SANDBOX_URL).netloc
    for connection in Connection.objects.select_related("account", "sending_by"):
        if urlsplit(connection.api_url).netloc == sandbox:
            words = f"{connection.name}: this is a pretend Kartra. Nothing here reaches a real person."
            found.append({"level": "pretend", "words": words})
        if connection.test_mode:
            words = f"{connection.name}: the app is in Kartra's test mode. No mail goes to leads made through it."
            found.append({"level": "pretend", "words": words})
        if why := switch.why_not_sending(connection):
            level = "stopped" if connection.sending == Sending.STOPPED else "held"
            found.append({"level": level, "words": why})
        if why := gone.question(connection):
            url = reverse("admin:integrations_connection_gone", args=[connection.pk])
            found.append({"level": "held", "words": f"{connection.name}: {why}", "url": url, "link": "Look and decide"})
        if why := switch.why_commands_wait(connection):
            found.append({"level": "held", "words": why})
    return found
