"""The page behind the password: a phone is set up there, and its code given. Until then it is the only page there is."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _, gettext_lazy, ngettext
from django_otp import verify_token
from qrcode.main import QRCode

from integrations.models import RecoveryCode, SecondFactor
from kartra_mirror.entry import second_factor
from kartra_mirror.ui.unfold_adapter import style
from leads import access
from leads.clock import now

BEGUN = "second_factor_begun"
"""In the session: the factor that it began to set up. Its key stays in its row, encrypted."""


class CodeForm(forms.Form):
    """A code of the phone, or one of the recovery codes."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=32,
        widget=forms.TextInput({"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}),
    )

    def __init__(self, factor: SecondFactor, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.factor = factor
        self.verified: SecondFactor | None = None
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "code" in cleaned:
            self._verify(cleaned["code"])
        return cleaned

    def _verify(self, code: str) -> None:
        may, why = self.factor.verify_is_allowed()
        if not may and why:
            wait_s = max(1, math.ceil((why["locked_until"] - now()).total_seconds()))
            words = ngettext(
                "Too many wrong codes. Try again in %(n)s second.",
                "Too many wrong codes. Try again in %(n)s seconds.",
                wait_s,
            )
            self.add_error(None, words % {"n": f"{wait_s:,}"})
            return
        self.verified = verify_token(self.factor.user, self.factor.persistent_id, code)
        if self.verified is None:
            self.add_error(None, _("This code is not right, or it was used already. Wait for the next one."))


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Ask for the code, or have the phone set up first. GET changes nothing."""
    user, following = access.signed_in(request.user), _following(request)
    if (
        settings.SECOND_FACTOR == second_factor.OFF
        or not second_factor.is_needed(user)
        or second_factor.is_given(request)
    ):
        return HttpResponseRedirect(following if following != request.path else reverse("admin:index"))
    if request.method == "POST" and "begin" in request.POST:
        _begin(request, user)
        return HttpResponseRedirect(request.get_full_path())
    factor = _factor_here(request, user)
    typed = request.POST if request.method == "POST" and "code" in request.POST else None
    form = CodeForm(factor, typed) if factor is not None else None
    if typed is not None and form is not None and form.is_valid() and form.verified is not None:
        if (answer := _let_in(request, context, form.verified, following)) is not None:
            return answer
        return HttpResponseRedirect(request.get_full_path())
    setting_up = factor is not None and not factor.confirmed and not factor.is_lost
    context |= {
        "title": _("Second step"),
        "factor": factor,
        "form": form,
        "following": following,
        "setting_up": setting_up,
        "picture": picture(factor.address()) if factor is not None and setting_up else None,
    }
    return TemplateResponse(request, "admin/staff/second_factor.html", context)


def _factor_here(request: HttpRequest, user: User) -> SecondFactor | None:
    """The factor that is in use, or the one this very session began to set up. What another session began is nothing here: whoever
    knows the password would else see, and keep, the key that its owner sets up."""
    factor = SecondFactor.objects.filter(user=user).first()
    if factor is None or factor.confirmed or request.session.get(BEGUN) == factor.pk:
        return factor
    return None


def _begin(request: HttpRequest, user: User) -> None:
    """A new key to set a phone up with, for this session alone; never in place of one that is in use."""
    with _alone(user):
        if SecondFactor.objects.filter(user=user, confirmed=True).exists():
            return
        second_factor.take_away(user)
        request.session[BEGUN] = SecondFactor.objects.create(user=user, confirmed=False).pk


def _let_in(request: HttpRequest, context: dict[str, Any], factor: SecondFactor, following: str) -> HttpResponse | None:
    """The code was right. The first one also says that the phone is set up, and recovery codes are shown: this once.

    None: another session has begun anew since, and this key is no longer to be confirmed."""
    if factor.confirmed:
        second_factor.give(request, factor)
        return HttpResponseRedirect(following)
    with _alone(factor.user):
        if not SecondFactor.objects.filter(pk=factor.pk).update(confirmed=True):
            return None
        codes = RecoveryCode.objects.make_anew(factor)
    request.session.pop(BEGUN, None)
    second_factor.give(request, factor)
    record(request, factor.user, _("Set up a second step for signing in."))
    return show_codes(request, context, codes, following)


@contextmanager
def _alone(user: User) -> Iterator[None]:
    """While nobody else begins or confirms a key of this person."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        yield


def show_codes(request: HttpRequest, context: dict[str, Any], codes: list[str], following: str) -> HttpResponse:
    context |= {"title": _("Recovery codes"), "codes": codes, "following": following}
    return TemplateResponse(request, "admin/staff/recovery_codes.html", context)


def record(request: HttpRequest, about: User, words: str) -> None:
    """A line in the admin's log about one of our people."""
    admin.site.get_model_admin(User).log_change(request, about, words)


def picture(text: str) -> dict[str, Any]:
    """A QR code as the path of an SVG, of `size` by `size` dots: nothing that the policy of the page would have to let through."""
    code = QRCode(border=2)
    code.add_data(text)
    code.make(fit=True)
    rows = code.get_matrix()
    dots = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return {"size": len(rows), "path": dots}


def _following(request: HttpRequest) -> str:
    """The page that was asked for; home where it is not ours."""
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    if url_has_allowed_host_and_scheme(asked, {request.get_host()}, require_https=request.is_secure()):
        return asked
    return reverse("admin:index")
