"""One's own profile: the zone of times, ending all sessions, another phone, new recovery codes."""

from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from integrations.models import RecoveryCode, SecondFactor
from kartra_mirror.admin.staff import factor_page
from kartra_mirror.entry import second_factor, sessions, time_zones
from kartra_mirror.ui.unfold_adapter import style
from leads import access
from leads.models import StaffPreferences, StaffSessions

WITH_CODE = ("codes", "phone")
"""What asks for a code: else a session that somebody borrowed for a minute would be theirs for good."""


class TimeZoneForm(forms.Form):
    """In which zone pages tell times; empty: as the browser says."""

    time_zone = forms.ChoiceField(label=gettext_lazy("Times are shown in"), required=False)

    def __init__(self, browsers: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        here = _("The zone of this browser: %(zone)s") if browsers else _("The zone of the browser, else %(zone)s")
        names = sorted(time_zones.known_zones() - {"UTC"})
        areas = [
            (area, [(name, name) for name in those]) for area, those in groupby(names, lambda name: name.split("/")[0])
        ]
        first = ("", here % {"zone": browsers or settings.TIME_ZONE})
        self.fields["time_zone"].choices = [first, ("UTC", "UTC"), *areas]  # type: ignore[attr-defined]
        style(self)


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    user = access.signed_in(request.user)
    on = settings.SECOND_FACTOR != second_factor.OFF
    factor = SecondFactor.objects.filter(user=user, confirmed=True).first() if on else None
    form = None
    if factor is not None:
        form = factor_page.CodeForm(factor, request.POST if request.POST.get("do") in WITH_CODE else None)
        form.fields["code"].widget.attrs.pop("autofocus")
    if request.method == "POST":
        answer = _do(request, context, user, form)
        if answer is not None:
            return answer
    context |= {
        "title": _("Your profile"),
        "zone_form": TimeZoneForm(
            time_zones.of_browser(request), initial={"time_zone": StaffPreferences.time_zone_of(user)}
        ),
        "factor": factor,
        "form": form,
        "codes_left": factor.recovery_codes.count() if factor is not None else 0,
        "sessions_end": sessions.idle_words(),
    }
    return TemplateResponse(request, "admin/staff/own_sign_in.html", context)


def _do(
    request: HttpRequest, context: dict[str, Any], user: User, form: factor_page.CodeForm | None
) -> HttpResponse | None:
    """Do what was asked for; None: the code was not right, and the page says so."""
    asked = request.POST.get("do")
    if asked == "sign_out":
        factor_page.record(request, user, _("Ended all sessions."))
        StaffSessions.objects.end_all(user)
        logout(request)
        answer = HttpResponseRedirect(reverse("admin:login"))
        sessions.tell_why(answer, sessions.BY_ONESELF)
        return answer
    if asked == "time_zone":
        return _choose_zone(request, user)
    if asked in WITH_CODE and form is not None:
        if not form.is_valid() or form.verified is None:
            return None
        return _with_code(request, context, form.verified, asked)
    messages.warning(request, _("Nothing was changed."))
    return HttpResponseRedirect(request.path)


def _choose_zone(request: HttpRequest, user: User) -> HttpResponse:
    form = TimeZoneForm(time_zones.of_browser(request), request.POST)
    if not form.is_valid():
        messages.error(request, _("This is no time zone of the list. Nothing was changed."))
        return HttpResponseRedirect(request.path)
    name = form.cleaned_data["time_zone"]
    StaffPreferences.objects.update_or_create(user=user, defaults={"time_zone": name})
    shown = name or time_zones.of_browser(request) or settings.TIME_ZONE
    messages.success(request, _("Times are shown in %(zone)s.") % {"zone": shown})
    return HttpResponseRedirect(request.path)


def _with_code(request: HttpRequest, context: dict[str, Any], factor: SecondFactor, asked: str) -> HttpResponse:
    user = factor.user
    if asked == "codes":
        codes = RecoveryCode.objects.make_anew(factor)
        factor_page.record(request, user, _("Made new recovery codes."))
        return factor_page.show_codes(request, context, codes, reverse("admin:own_sign_in"))
    second_factor.take_away(user)
    factor_page.record(request, user, _("Removed the second step to set up another phone."))
    sessions.end_others(request, user)
    return HttpResponseRedirect(reverse("admin:second_factor"))
