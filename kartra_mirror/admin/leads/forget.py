"""Forget a person who asked for it: a page that says what goes and what stays, and wants the address typed in."""

import logging
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations.receive import scrub
from kartra_mirror.ui.unfold_adapter import style
from leads.access import RequestUser, signed_in
from leads.erasure import forget
from leads.models import Account, Activity, Lead, normal_email

logger = logging.getLogger(__name__)

FORGET = "leads.forget_lead"


class ForgetForm(forms.Form):
    """The lead's address, or its id where it has none, typed by hand."""

    typed = forms.CharField(max_length=320)

    def __init__(self, lead: Lead, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = lead.email.strip() or lead.kartra_id or ""
        label = (
            gettext_lazy("Type the email address of this lead") if lead.email.strip() else _("Type the id of this lead")
        )
        self.fields["typed"].label = label
        self.fields["typed"].widget.attrs["autocomplete"] = "off"
        style(self)

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if normal_email(typed) != normal_email(self.wanted):
            raise forms.ValidationError(_("That is not %(wanted)s. Nothing was erased.") % {"wanted": self.wanted})
        return typed


def page(request: HttpRequest, lead: Lead, context: dict[str, Any]) -> HttpResponse:
    """GET shows what would go; POST with the address erases. Who did it is written down, not whom."""
    if not request.user.has_perm(FORGET):
        raise PermissionDenied
    form = ForgetForm(lead, request.POST or None)
    if request.method == "POST" and form.is_valid():
        account = lead.account
        try:
            scrub.erase(lead)
        except forget.CannotForget as problem:
            form.add_error(None, str(problem))
        else:
            _write_down(request.user, account)
            words = _(
                "Erased. The person is left out whenever Kartra or a file names them again. In Kartra nothing was deleted."
            )
            messages.success(request, words)
            return redirect("admin:leads_lead_changelist")
    shown = {"title": _("Forget this person"), "opts": Lead._meta, "lead": lead, "form": form, "goes": _what_goes(lead)}
    return TemplateResponse(request, "admin/leads/forget.html", {**context, **shown})


def _what_goes(lead: Lead) -> list[tuple[str, int]]:
    """The rows about the lead by what they are, only those that there are; one query for each kind of row."""
    found = []
    for relation in Lead._meta.related_objects:
        number = relation.related_model._default_manager.filter(**{relation.field.name: lead}).count()
        meta = relation.related_model._meta
        words = str(meta.verbose_name if number == 1 else meta.verbose_name_plural)
        if relation.related_model is Activity:
            words = ngettext("line of the timeline", "lines of the timeline", number)
        if number:
            found.append((words, number))
    return found


def _write_down(user: RequestUser, account: Account) -> None:
    """That somebody was erased, of which account and by whom; nothing that names them."""
    LogEntry.objects.create(
        user=signed_in(user),
        content_type=ContentType.objects.get_for_model(Lead),
        object_id=None,
        action_flag=DELETION,
        object_repr=_("a person of %(account)s") % {"account": account},
        change_message=_("Erased a person of %(account)s who asked to be forgotten.") % {"account": account},
    )
    logger.info("User %s erased a person of account %s.", user.pk, account.pk)
