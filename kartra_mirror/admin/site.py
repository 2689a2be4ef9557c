"""The admin site: the band that stands on every page, and home."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, path, reverse

from kartra_mirror.admin.unfold_adapter import UnfoldAdminSite


class MirrorAdminSite(UnfoldAdminSite):
    site_title = "Kartra Mirror"
    site_header = "Kartra Mirror"
    index_title = "Home"

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        context["bands"] = bands() if request.user.is_authenticated else []
        context["may_stop"] = request.user.has_perm("integrations.switch_sending") and something_sends()
        return context

    def get_urls(self) -> list[URLPattern | URLResolver]:
        view = self.admin_view
        return [
            path("stop/", view(self.stop_view), name="stop_all"),
            path("failed/", view(self.failures_view), name="failures"),
            path("failed/csv/", view(self.failures_csv_view), name="failures_csv"),
            path("decisions/", view(self.decisions_view), name="decisions"),
            path("decisions/<int:pk>/", view(self.decision_view), name="decision"),
            *super().get_urls(),
        ]

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Stop all sending, at once."""
        from integrations import switch

        user: Any = request.user
        if not user.has_perm("integrations.switch_sending"):
            raise PermissionDenied
        if request.method == "POST":
            number = switch.off_everywhere(by=user, why="Stopped with “Stop all sending”.")
            words = "All sending is stopped. What is queued waits." if number else "Nothing was being sent."
            messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))

    def failures_view(self, request: HttpRequest) -> HttpResponse:
        from kartra_mirror.admin import failures

        return failures.page(request, self.each_context(request))

    def failures_csv_view(self, request: HttpRequest) -> HttpResponseBase:
        from kartra_mirror.admin import failures

        return failures.as_csv(request)

    def decisions_view(self, request: HttpRequest) -> HttpResponse:
        from kartra_mirror.admin import decisions

        return decisions.page(request, self.each_context(request))

    def decision_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        from kartra_mirror.admin import decisions

        return decisions.one(request, pk, self.each_context(request))

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


def something_sends() -> bool:
    """Whether there is anything that “Stop all sending” would stop."""
    from integrations.models import Connection, Sending

    return Connection.objects.filter(sending=Sending.ON).exists()
