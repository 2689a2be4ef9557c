"""The admin site: the band on every page, home and the pages beside it, and the guard before pages of one row."""

import functools
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.staff import lost_input
from kartra_mirror.admin.staff.sign_in import SignInForm
from kartra_mirror.entry import sessions
from kartra_mirror.ui.unfold_adapter import UnfoldAdminSite

if TYPE_CHECKING:
    from integrations.models import Connection


class MirrorAdminSite(UnfoldAdminSite):
    site_title = "Kartra Mirror"
    site_header = "Kartra Mirror"
    index_title = gettext_lazy("Home")
    login_form = SignInForm

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from kartra_mirror.ui.throughput import connections_of

        context = super().each_context(request)
        connections = connections_of(request.user) if request.user.is_authenticated else []
        context["bands"] = bands(connections)
        context["may_stop"] = request.user.has_perm("integrations.switch_sending") and any(
            connection.sends for connection in connections
        )
        return context

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from kartra_mirror.admin.home import demo_tasks, health, home, setup
        from kartra_mirror.admin.queue import decisions, failures
        from kartra_mirror.admin.staff import factor_page, own_sign_in

        def with_context(view: Any) -> Any:
            return lambda request, **named: view(request, *named.values(), self.each_context(request))

        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_view(view), name=name)

        return [
            at("home/now/", home.now_view, "home_now"),
            at("home/copies/", home.copies_view, "home_copies"),
            at("try/<slug:name>/", demo_tasks.fault_view, "try"),
            at("setup/", with_context(setup.page), "setup"),
            at("setup/now/", setup.now_view, "setup_now"),
            at("health/", with_context(health.page), "health"),
            at("health/now/", health.now_view, "health_now"),
            at("health/charts/", health.charts_view, "health_charts"),
            at("stop/", self.stop_view, "stop_all"),
            at("your-sign-in/", with_context(own_sign_in.page), "own_sign_in"),
            at("second-step/", with_context(factor_page.page), "second_factor"),
            at("failed/", with_context(failures.page), "failures"),
            at("failed/csv/", failures.as_csv, "failures_csv"),
            at("decisions/", with_context(decisions.page), "decisions"),
            at("decisions/<int:pk>/", with_context(decisions.one), "decision"),
            at("r/<int:content_type_id>/<int:object_id>/", self.shortcut_view, "view_on_site"),
            *super().get_urls(),
        ]

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """Stop all sending, at once."""
        from integrations.models import Connection, StopRemark
        from integrations.sending import switch
        from leads import access
        from leads.models.remarks import remark

        if not request.user.has_perm("integrations.switch_sending"):
            raise PermissionDenied
        if request.method == "POST":
            mine = access.only_mine(Connection.objects.all(), request.user)
            number = switch.off_everywhere(by=request.user, why=remark(StopRemark.STOPPED_ALL), among=mine)
            words = _("All sending is stopped. What is queued waits.") if number else _("Nothing was being sent.")
            messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))

    def shortcut_view(self, request: HttpRequest, content_type_id: int, object_id: int) -> HttpResponseBase:
        """To the page of a row of any table; there is none unless the row is of the person's accounts."""
        from leads import access

        kind = ContentType.objects.filter(pk=content_type_id).first()
        model = kind.model_class() if kind is not None else None
        if model is None or not access.only_mine(model._default_manager.filter(pk=object_id), request.user).exists():
            raise Http404
        return shortcut(request, content_type_id, object_id)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        from kartra_mirror.admin.home.home import facts

        return super().index(request, {**facts(request), **(extra_context or {})})

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        return lost_input.watched(super().admin_view(_of_own_accounts(view), cacheable))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and request.COOKIES.get(lost_input.COOKIE):
            messages.warning(request, lost_input.words())
        if request.method == "GET" and (why := sessions.words_of(request.COOKIES.get(sessions.COOKIE))):
            messages.info(request, why)
        return super().login(request, extra_context)


def _of_own_accounts(view: Any) -> Any:
    """Before a page of one row: 404 unless the row is of an account in which the person works. Lists narrow themselves."""
    owner = getattr(view, "__self__", None)
    if not isinstance(owner, ModelAdmin):
        return view

    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        from leads import access

        named = kwargs.get("pk", kwargs.get("object_id"))
        if named is not None and access.accounts_of(request.user) is not None:
            text = str(named)
            rows = access.only_mine(owner.model._default_manager.all(), request.user)
            if not (text.isdecimal() and len(text) < 18 and rows.filter(pk=text).exists()):
                raise Http404
        answer: HttpResponseBase = view(request, *args, **kwargs)
        return answer

    return guarded


def bands(connections: "list[Connection]") -> list[dict[str, str]]:
    """What everybody must know on every page: pretend Kartra, test mode, look-only, stopped, a question. A fixed number of queries."""
    from integrations import sandbox_control
    from integrations.models import Sending
    from integrations.read import deletions
    from integrations.sending import restored, switch

    found: list[dict[str, str]] = []
    if connections and (why := restored.not_here()):
        found.append({"level": "stopped", "words": why})
    for connection in connections:
        if sandbox_control.is_pretend(connection):
            words = _("%(name)s is on this machine: nothing here reaches a real person.")
            found.append({"level": "pretend", "words": words % {"name": connection.name}})
        if connection.test_mode:
            words = _("%(name)s: the app is in Kartra's test mode. No mail goes to leads made through it.")
            found.append({"level": "pretend", "words": words % {"name": connection.name}})
        if why := switch.why_not_sending(connection):
            level = "stopped" if connection.sending == Sending.STOPPED else "held"
            found.append({"level": level, "words": why})
        if why := deletions.question(connection):
            url = reverse("admin:integrations_connection_gone", args=[connection.pk])
            found.append(
                {"level": "held", "words": f"{connection.name}: {why}", "url": url, "link": _("Look and decide")}
            )
        if why := switch.why_commands_wait(connection):
            found.append({"level": "held", "words": why})
    return found
