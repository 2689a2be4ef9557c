"""Connections: their list and pages, a check before anything is saved, and the sending switch. The form is `connection_form`."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Case, QuerySet, Value, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _, gettext_lazy, ngettext_lazy

from integrations import clock, sandbox_control
from integrations.kartra.errors import KartraError
from integrations.models import Connection, Sending, SendingStop, WebhookEndpoint
from integrations.models.connection import ConnectionQuerySet
from integrations.push import proof_token
from integrations.read import catalogue
from integrations.sending import call_counter, calls, custom_fields, restored, switch
from integrations.setup.connecting import Check, check, check_new_keys, check_text, go_on_with_new_keys, save_keys
from kartra_mirror.admin.kartra import connection_facts, console, deletions
from kartra_mirror.admin.kartra.connection_form import ConnectionForm
from kartra_mirror.ui.unfold_adapter import ModelAdmin
from leads import access
from leads.models import Account
from leads.models.remarks import sentence_of

PERMISSIONS = {
    "on": "integrations.switch_sending",
    "off": "integrations.switch_sending",
    "check": "integrations.change_connection",
    "catalogue": "integrations.change_connection",
    "believe": "integrations.change_connection",
    "safety": "integrations.create_customfield",
    "here": "integrations.switch_sending",
}
"""What may be done with a connection, and the permission for it."""

READ: dict[str, Any] = {
    "tags": ngettext_lazy("%(shown)s tag", "%(shown)s tags", "number"),
    "lists": ngettext_lazy("%(shown)s list", "%(shown)s lists", "number"),
    "sequences": ngettext_lazy("%(shown)s sequence", "%(shown)s sequences", "number"),
    "pages": ngettext_lazy("%(shown)s page", "%(shown)s pages", "number"),
    "custom fields": ngettext_lazy("%(shown)s custom field", "%(shown)s custom fields", "number"),
}
"""How much of each part of the catalogue was read."""

NAMES: dict[str, Any] = {
    "tags": gettext_lazy("tags"),
    "lists": gettext_lazy("lists"),
    "sequences": gettext_lazy("sequences"),
    "pages": gettext_lazy("pages"),
    "custom fields": gettext_lazy("custom fields"),
}

BY_SENDING = Case(
    When(pk__in=SendingStop.objects.standing().of_everything().values("connection"), then=Value(Sending.STOPPED)),
    When(switched_on_at=None, then=Value(Sending.LOOK_ONLY)),
    default=Value(Sending.ON),
)


def _switch_title(connection: Connection, what: str) -> str:
    if what == "off":
        return _("Stop sending")
    return _("Resume sending") if connection.sending == Sending.STOPPED else _("Start sending")


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin):
    form = ConnectionForm
    list_display = ["name", "sending", "why_not", "speed", "checked_at", "test_mode"]
    list_select_related = ["account"]
    change_form_template = "admin/kartra/connection_page.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        return cast(ConnectionQuerySet, super().get_queryset(request)).with_stops()

    def get_fieldsets(
        self, request: HttpRequest, obj: Connection | None = None
    ) -> list[tuple[str | None, dict[str, Any]]]:
        return [
            (None, {"fields": ["name", "app_id", "key", "password"]}),
            (_("How we reach it"), {"fields": ["api_url", "calls_per_second", "test_mode", "time_zone"]}),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Not for those who work in some accounts alone: a new one would be none of theirs."""
        return super().has_add_permission(request) and access.accounts_of(request.user) is None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any) -> type[Any]:
        form: type[Any] = super().get_form(request, obj, change=change, **kwargs)

        class CheckedForm(form):
            checked = getattr(request, "checked", None)

        return CheckedForm

    def changeform_view(
        self,
        request: Any,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Kartra is asked first: Django saves in a transaction, and no answer is waited for in one."""
        if request.method == "POST":
            request.checked = self._check(request, object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _check(self, request: HttpRequest, object_id: str | None) -> Check:
        """What Kartra says of the keys in the form. It is not asked where nothing could be saved."""
        connection = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id is None:
            may = self.has_add_permission(request)
        else:
            may = connection is not None and self.has_change_permission(request, connection)
        if may:
            form = self.get_form(request, connection, change=connection is not None)(request.POST, instance=connection)
            if form.is_valid():
                return check_new_keys(form.trial())
        return Check(False, {})

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        name, zone = form.cleaned_data["name"], form.cleaned_data["time_zone"] or "America/New_York"
        if change:
            account = obj.account
            account.name, account.time_zone = name, zone
            account.save()
        else:
            account = Account.objects.get_or_create(name=name)[0]
            account.time_zone = zone
            account.save()
            obj.account = account
        save_keys(obj)
        if change and go_on_with_new_keys(obj, by=request.user):
            self.message_user(request, _("Sending goes on with the new keys."), messages.SUCCESS)
        WebhookEndpoint.objects.get_or_create(connection=obj, name="Kartra", retired_at=None)
        call_counter.is_copy()  # gives a new installation its mark
        self.message_user(request, check_text(obj.check_result), messages.SUCCESS)

    def response_add(self, request: HttpRequest, obj: Connection, post_url_continue: Any = None) -> HttpResponse:
        """From a new connection on to what comes next: the checklist."""
        older = Connection.objects.filter(pk__lt=obj.pk, api_url=obj.api_url)
        if sandbox_control.is_pretend(obj) and not older.exists():  # the demo's, of which the checklist says nothing
            return HttpResponseRedirect(reverse("admin:integrations_connection_change", args=[obj.pk]))
        return HttpResponseRedirect(f"{reverse('admin:setup')}?connection={obj.pk}")

    @admin.display(description=gettext_lazy("name"))
    def name(self, connection: Connection) -> str:
        return connection.name

    @admin.display(description=gettext_lazy("sending"), ordering=BY_SENDING)
    def sending(self, connection: Connection) -> str:
        return str(connection.sending.label)

    @admin.display(description=gettext_lazy("why nothing is sent"))
    def why_not(self, connection: Connection) -> str:
        return switch.why_not_sending(connection) or "—"

    @admin.display(description=gettext_lazy("calls a second"))
    def speed(self, connection: Connection) -> str:
        return f"{connection.calls_per_second:g}" if connection.calls_per_second else _("no limit")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("console/", view(console.page), name="integrations_connection_console"),
            path("<int:pk>/gone/", view(self.gone_view), name="integrations_connection_gone"),
            path("<int:pk>/do/<slug:what>/", view(self.do_view), name="integrations_connection_do"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        connection = self.get_object(request, object_id)
        extra = {
            "why_not": switch.why_not_sending(connection) if connection else "",
            "not_here": restored.not_here(),
            "checked": check_text(connection.check_result) if connection else "",
            "why_no_reads": sentence_of(connection.reads_stopped_why) if connection else "",
            "may_switch": request.user.has_perm("integrations.switch_sending"),
            "may_prepare": request.user.has_perm("integrations.create_customfield"),
            "endpoints": list(connection.endpoints.standing())
            if connection and request.user.has_perm("integrations.see_webhook_addresses")
            else [],
        }
        if connection is not None:
            extra |= connection_facts.of(connection, clock.now())
        return super().change_view(request, object_id, form_url, {**extra, **(extra_context or {})})

    def gone_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        return deletions.page(request, pk, {**self.admin_site.each_context(request), "opts": self.opts})

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Check, read the catalogue, or switch sending (which asks why first). Only a POST does anything."""
        connection = Connection.objects.select_related("account").filter(pk=pk).first()
        if connection is None or what not in PERMISSIONS:
            raise Http404
        permission = PERMISSIONS[what]
        if not request.user.has_perm(permission):
            raise PermissionDenied
        if request.method != "POST":
            if what not in ("on", "off"):
                return HttpResponseRedirect(connection.get_absolute_url())
            context = {
                **self.admin_site.each_context(request),
                "connection": connection,
                "what": what,
                "opts": self.opts,
                "title": _switch_title(connection, what),
            }
            return TemplateResponse(request, "admin/kartra/connection_switch.html", context)
        words, good = self._do(connection, what, request)
        self.message_user(request, words, messages.SUCCESS if good else messages.ERROR)
        return HttpResponseRedirect(connection.get_absolute_url())

    def _do(self, connection: Connection, what: str, request: HttpRequest) -> tuple[str, bool]:
        if what == "off":
            switch.off(connection, by=request.user, why=request.POST.get("why", "").strip()[:500])
            return _("Sending is stopped. Queued changes wait."), True
        if what == "here":
            done = restored.stay_here()
            return f"{_('This is where the installation is now.')} {done}".strip(), True
        if what == "safety":
            try:
                proof_token.prepare(connection, made_by=request.user)
            except (proof_token.NotPrepared, custom_fields.CannotCreate) as problem:
                return str(problem), False
            except KartraError as error:
                return calls.in_words(error), False
            return _("The safety field is in Kartra; points, sequences and bookings use it from now on."), True
        if what in ("catalogue", "believe"):
            try:
                found = catalogue.read(connection, made_by=request.user, believe=what == "believe")
            except KartraError as error:
                return calls.in_words(error), False
            counted = [READ[name] % {"number": number, "shown": f"{number:,}"} for name, number in found.counts.items()]
            told = {"what": ", ".join(counted) or _("nothing")}
            problems = " ".join(f"{NAMES[name]}: {problem}." for name, problem in found.problems.items())
            return f"{_('Updated from Kartra: %(what)s.') % told} {problems}".strip(), not found.problems
        result = check(connection, made_by=request.user)
        Connection.objects.filter(pk=connection.pk).update(checked_at=clock.now(), check_result=result.said)
        if what == "on":
            if not result.ok:
                return f"{result.text} {_('Sending stays as it was.')}", False
            done = switch.on(connection, by=request.user)
            return f"{_('Sending is on.')} {done or _('Queued changes go out now.')}", True
        return result.text, result.ok
