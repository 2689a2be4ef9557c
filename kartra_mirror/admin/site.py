"""The admin site: what stands around every page, home and the pages beside it, and the guard before pages of one row."""

import functools
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.options import ModelAdmin
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.views import shortcut
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, path
from django.utils.translation import gettext_lazy

from kartra_mirror.admin.staff import lost_input
from kartra_mirror.admin.staff.sign_in import SignInForm
from kartra_mirror.entry import sessions
from kartra_mirror.frame import bands, find, menu, parts_page, sending
from kartra_mirror.ui.unfold_adapter import UnfoldAdminSite

if TYPE_CHECKING:
    pass


class MirrorAdminSite(UnfoldAdminSite):
    site_title = "Kartra Mirror"
    site_header = "Kartra Mirror"
    index_title = gettext_lazy("Home")
    login_form = SignInForm

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from kartra_mirror.admin.home import way_back
        from kartra_mirror.ui.throughput import connections_of

        context = super().each_context(request)
        connections = connections_of(request.user) if request.user.is_authenticated else []
        context["bands"] = [*bands.of(connections), *way_back.band(request, connections)]
        context["sending"] = sending.badge(connections)
        context |= menu.of(request)
        context["may_stop"] = request.user.has_perm("integrations.switch_sending") and any(
            connection.sends for connection in connections
        )
        return context

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from kartra_mirror.admin.bulk import approvals
        from kartra_mirror.admin.home import health, home, last_days, setup, trial_pages
        from kartra_mirror.admin.kartra import stop_all
        from kartra_mirror.admin.leads.one_lead import correction
        from kartra_mirror.admin.queue import decisions, failures
        from kartra_mirror.admin.segments import beside
        from kartra_mirror.admin.staff import factor_page, own_sign_in

        def with_context(view: Any) -> Any:
            return lambda request, **named: view(request, *named.values(), self.each_context(request))

        def at(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_view(view), name=name)

        return [
            at("ui/", with_context(parts_page.page), "parts"),
            at("find/", find.found, "find"),
            at("home/now/", home.now_view, "home_now"),
            at("home/copies/", home.copies_view, "home_copies"),
            at("home/days/", last_days.view, "home_days"),
            at("home/trials/", trial_pages.now_view, "home_trials"),
            at("try/<slug:name>/", trial_pages.try_view, "try"),
            at("setup/", with_context(setup.page), "setup"),
            at("setup/now/", setup.now_view, "setup_now"),
            at("health/", with_context(health.page), "health"),
            at("health/now/", health.now_view, "health_now"),
            at("health/charts/", health.charts_view, "health_charts"),
            at("stop/", with_context(stop_all.page), "stop_all"),
            at("your-sign-in/", with_context(own_sign_in.page), "own_sign_in"),
            at("second-step/", with_context(factor_page.page), "second_factor"),
            at("failed/", with_context(failures.page), "failures"),
            at("failed/csv/", failures.as_csv, "failures_csv"),
            at("failed/<int:pk>/", with_context(correction.page), "failure"),
            at("compare/", with_context(beside.page), "compare"),
            at("approvals/", with_context(approvals.page), "approvals"),
            at("decisions/", with_context(decisions.page), "decisions"),
            at("decisions/<int:pk>/", with_context(decisions.one), "decision"),
            at("r/<int:content_type_id>/<int:object_id>/", self.shortcut_view, "view_on_site"),
            *super().get_urls(),
        ]

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
