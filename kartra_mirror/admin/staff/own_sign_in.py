"""One's own sign-in: end all sessions, another phone, new recovery codes."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.models import RecoveryCode, SecondFactor
from kartra_mirror.admin.staff import factor_page
from kartra_mirror.entry import second_factor, sessions
from leads import access
from leads.models import StaffSessions


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    user = access.signed_in(request.user)
    on = settings.SECOND_FACTOR != second_factor.OFF
    factor = SecondFactor.objects.filter(user=user, confirmed=True).first() if on else None
    if request.method == "POST":
        return _do(request, context, user, factor)
    context |= {
        "title": _("Your sign-in"),
        "factor": factor,
        "codes_left": factor.recovery_codes.count() if factor is not None else 0,
        "sessions_end": sessions.idle_words(),
    }
    return TemplateResponse(request, "admin/staff/own_sign_in.html", context)


def _do(request: HttpRequest, context: dict[str, Any], user: User, factor: SecondFactor | None) -> HttpResponse:
    asked = request.POST.get("do")
    if asked == "sign_out":
        factor_page.record(request, user, _("Ended all sessions."))
        StaffSessions.objects.end_all(user)
        logout(request)
        answer = HttpResponseRedirect(reverse("admin:login"))
        sessions.tell_why(answer, sessions.BY_ONESELF)
        return answer
    if asked == "codes" and factor is not None:
        codes = RecoveryCode.objects.make_anew(factor)
        factor_page.record(request, user, _("Made new recovery codes."))
        return factor_page.show_codes(request, context, codes, reverse("admin:own_sign_in"))
    if asked == "phone" and factor is not None:
        second_factor.take_away(user)
        factor_page.record(request, user, _("Took the second step away to set up another phone."))
        return HttpResponseRedirect(reverse("admin:second_factor"))
    messages.warning(request, _("Nothing was changed."))
    return HttpResponseRedirect(request.path)
