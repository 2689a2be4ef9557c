"""A new password without the old one: asked for by mail address, chosen behind the link in the mail or the invitation."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import views
from django.contrib.auth.forms import PasswordResetForm
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.utils.translation import gettext as _

from kartra_mirror import mails
from kartra_mirror.entry import password_links
from kartra_mirror.ui.unfold_adapter import style


class AskForm(PasswordResetForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)


class _SiteContext:
    """What the layout of the sign-in page wants."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        request = self.request  # type: ignore[attr-defined]
        return {**admin.site.each_context(request), "can_mail": mails.are_set_up(), **context}


class AskView(_SiteContext, views.PasswordResetView):
    """Ask for the mail address; the answer is the same whether somebody has it or not."""

    form_class = AskForm
    template_name = "admin/staff/password_ask.html"

    def form_valid(self, form: Any) -> HttpResponse:
        password_links.ask(self.request, form.cleaned_data["email"])
        return self.render_to_response(self.get_context_data(form=form, sent=mails.are_set_up()))


class ChooseView(_SiteContext, views.PasswordResetConfirmView):
    """Choose the password and be signed in."""

    template_name = "admin/staff/password_choose.html"
    post_reset_login = True
    post_reset_login_backend = "kartra_mirror.entry.backend.StaffBackend"
    success_url = reverse_lazy("admin:index")

    def get_form(self, form_class: Any = None) -> Any:
        return style(super().get_form(form_class))

    def form_valid(self, form: Any) -> HttpResponse:
        answer = super().form_valid(form)
        messages.success(self.request, _("Your password is set, and you are signed in."))
        return answer
