"""Forget a person who asked for it: a page that says what goes and what stays, and wants the address typed in."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import SET_NULL, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from kartra_mirror.ui.unfold_adapter import style
from leads import access
from leads.erasure import forget
from leads.models import Activity, DataSubjectRequest, Lead, normal_email
from leads.person.requests import NotInTheFuture

FORGET = "leads.forget_lead"
SHOWN = 20


class AskedForm(forms.Form):
    """When the person asked."""

    asked_on = forms.DateField(
        label=gettext_lazy("When the person asked"),
        help_text=gettext_lazy("The deadline counts from that day."),
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["asked_on"].initial = timezone.localdate
        self.fields["asked_on"].required = False
        style(self)

    def clean_asked_on(self) -> Any:
        asked = self.cleaned_data["asked_on"]
        if asked is not None and asked > timezone.localdate():
            raise forms.ValidationError(_("This day has not come yet."))
        return asked


class ForgetForm(AskedForm):
    """The lead's address, or its id where it has none, typed by hand."""

    typed = forms.CharField(max_length=320)
    everywhere = forms.BooleanField(
        label=gettext_lazy("Forget the person at the other places named above too"), required=False
    )
    field_order = ["everywhere", "asked_on", "typed"]

    def __init__(self, lead: Lead, others: QuerySet[Lead], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = lead.email.strip() or lead.kartra_id or ""
        label = (
            gettext_lazy("Type the email address of this lead") if lead.email.strip() else _("Type the id of this lead")
        )
        self.fields["typed"].label = label
        self.fields["typed"].widget.attrs["autocomplete"] = "off"
        if not others:
            del self.fields["everywhere"]

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if normal_email(typed) != normal_email(self.wanted):
            raise forms.ValidationError(_("That is not %(wanted)s. Nothing was erased.") % {"wanted": self.wanted})
        return typed


def page(request: HttpRequest, lead: Lead, context: dict[str, Any]) -> HttpResponse:
    """GET shows what would go; POST with the address erases. Who did it is written down, not whom."""
    if not request.user.has_perm(FORGET):
        raise PermissionDenied
    others = access.only_mine(forget.elsewhere(lead), request.user)
    form = ForgetForm(lead, others, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            done = forget_all(request, lead, others, form.cleaned_data)
        except (forget.CannotForget, NotInTheFuture) as problem:
            form.add_error(None, str(problem))
        else:
            words = _(
                "Erased. We leave this person out when Kartra or a file names them again. Nothing was deleted "
                "in Kartra."
            )
            messages.success(request, words)
            may_see = request.user.has_perm("leads.view_datasubjectrequest")
            return redirect(done.get_absolute_url() if may_see else "admin:leads_lead_changelist")
    shown = {
        "title": _("Forget this person"),
        "opts": Lead._meta,
        "lead": lead,
        "form": form,
        "goes": _what_goes(lead),
        "others": others[:SHOWN],
    }
    return TemplateResponse(request, "admin/privacy/forget.html", {**context, **shown})


def forget_all(request: HttpRequest, lead: Lead, others: QuerySet[Lead], cleaned: dict[str, Any]) -> DataSubjectRequest:
    """Erase the lead, and where that was ticked first those of the same address elsewhere."""
    for other in list(others) if cleaned.get("everywhere") else []:
        forget.forget(other, by=request.user, asked_on=cleaned["asked_on"])
    return forget.forget(lead, by=request.user, asked_on=cleaned["asked_on"])


def _what_goes(lead: Lead) -> list[tuple[str, int]]:
    """The rows about the lead by what they are, only those that there are; one query for each kind of row."""
    found = []
    for relation in Lead._meta.related_objects:
        if relation.on_delete is SET_NULL:
            continue
        number = relation.related_model._default_manager.filter(**{relation.field.name: lead}).count()
        meta = relation.related_model._meta
        words = str(meta.verbose_name if number == 1 else meta.verbose_name_plural)
        if relation.related_model is Activity:
            words = ngettext("line of the timeline", "lines of the timeline", number)
        if number:
            found.append((words, number))
    return found
