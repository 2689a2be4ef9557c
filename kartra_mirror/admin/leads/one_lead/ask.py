"""A small form over the page of one lead, for each kind of change that has a button there. What it records is one change."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from integrations.kartra.errors import KartraError
from integrations.read import catalogue
from integrations.sending import calls
from kartra_mirror.admin.leads.lead_create import say_recorded
from kartra_mirror.ui.throughput import connection_of
from kartra_mirror.ui.unfold_adapter import style
from leads import changes, kinds
from leads.kinds.form_fields import CatalogueChoice, Suggested
from leads.models import Account, Lead, SequenceEnrollment

ASKED = {name: kind for name, kind in kinds.IN_BULK.items() if kind.verb}
"""What a lead's page asks for in small forms; fields are changed in place, money on forms of its own."""
TYPED = ("tag", "list")
"""Names that are typed beside the chips."""
STEPS_OFFERED = 100


class AskForm(forms.Form):
    """The kind's own fields and a note. Names are typed with those we know offered; steps are offered as they were seen."""

    def __init__(self, kind: kinds.ChangeKind, account: Account, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial, auto_id=f"{kind.name}_%s")
        self.kind, self.account = kind, account
        self.parameters: dict[str, Any] = {}
        self.fields.update({name: field for name, field in kind.fields(account).items() if self.has_field(name)})
        for name, field in self.fields.items():
            if name in TYPED and isinstance(field, CatalogueChoice):
                choices: Any = field.choices
                field.widget = Suggested([str(each) for each, _words in choices if each])
                field.widget.attrs["autocomplete"] = "off"
                field.error_messages["invalid_choice"] = _("“%(value)s” is not in our copy of this account.")
            elif name == "step":
                field.widget = Suggested(_steps_seen(account), attrs={"inputmode": "numeric"})
        next(iter(self.fields.values())).widget.attrs["autofocus"] = True
        self.fields["idempotency_key"] = forms.CharField(
            max_length=32, required=False, widget=forms.HiddenInput(), initial=uuid.uuid4().hex
        )
        self.fields["why"] = forms.CharField(label=_("Note (seen by your team)"), required=False, max_length=500)
        style(self)

    def has_field(self, name: str) -> bool:
        """Whether the form asks for this parameter of its kind."""
        return True

    def given(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """The parameters out of what was typed."""
        return self.kind.given_in_form(cleaned)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        own = {name: value for name, value in cleaned.items() if name not in ("why", "idempotency_key")}
        try:
            self.parameters = self.kind.clean(self.account, self.given(own))
        except kinds.BadParameters as problem:
            raise forms.ValidationError(problem.words) from None
        return cleaned


def _steps_seen(account: Account) -> list[str]:
    steps = SequenceEnrollment.objects.filter(sequence__account=account).exclude(step="")
    found = steps.order_by("step").values_list("step", flat=True).distinct()[:STEPS_OFFERED]
    return sorted(found, key=lambda step: (len(step), step))


def page(request: HttpRequest, lead: Lead, kind: kinds.ChangeKind) -> HttpResponse:
    """GET shows the form, POST records what it asks for. Without the page's script the answer is the page itself."""
    if not request.user.has_perm(kind.permission):
        raise PermissionDenied
    by_script = from_script(request)
    if request.method != "POST" and not by_script:
        return HttpResponseRedirect(lead.get_absolute_url())
    read, warned = "", []
    if request.method == "POST" and request.POST.get("do") == "catalogue":
        read = read_catalogue(request, lead)
    form = AskForm(kind, lead.account, request.POST or None, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid() and not read:
        warned = kinds.warnings(form.parameters, lead.account)
        if (not warned or request.POST.get("confirmed") == "1") and (answer := _record(request, lead, form)):
            return answer
    if not by_script:
        messages.error(request, " ".join(str(each) for found in form.errors.values() for each in found) or warned[0])
        return HttpResponseRedirect(lead.get_absolute_url())
    context = {
        "lead": lead,
        "kind": kind,
        "form": form,
        "fields": [each for each in form.visible_fields() if each.name != "why"],
        "typed": form[kind.noun] if _is_typed(request, kind) else None,
        "place": request.GET.get("in") or request.POST.get("in", ""),
        "warned": warned,
        "read": read,
        "not_known": names_unknown(form),
    }
    return TemplateResponse(request, "admin/leads/lead_ask.html", context)


def names_unknown(form: AskForm) -> bool:
    """Whether a name was typed that our copy of the catalogue does not have."""
    return any(isinstance(form.fields.get(name), CatalogueChoice) and form.data.get(name) for name in form.errors)


def _is_typed(request: HttpRequest, kind: kinds.ChangeKind) -> bool:
    return kind.noun in TYPED and bool(request.GET.get("in") or request.POST.get("in"))


def _record(request: HttpRequest, lead: Lead, form: AskForm) -> HttpResponse | None:
    """Record it. None where it may not be recorded; the form says why."""
    try:
        recorded = changes.record_changes(
            lead,
            form.kind,
            form.parameters,
            by=request.user,
            why=form.cleaned_data["why"],
            idempotency_key=form.cleaned_data["idempotency_key"] or None,
        )
    except changes.AlreadyRecorded as problem:
        if not from_script(request):
            messages.info(request, str(problem))
    except (changes.CannotRecord, kinds.BadParameters) as problem:
        form.add_error(None, str(problem))
        return None
    else:
        if not from_script(request):
            say_recorded(request, lead.account, recorded)
    return done() if from_script(request) else HttpResponseRedirect(lead.get_absolute_url())


def read_catalogue(request: HttpRequest, lead: Lead) -> str:
    """Have Kartra's names read; what came of it in words."""
    connection = connection_of(lead.account)
    if connection is None:
        return _("This account is not connected to Kartra yet.")
    try:
        found = catalogue.read(connection, made_by=request.user)
    except KartraError as error:
        return calls.in_words(error)
    problems = " ".join(f"{problem}." for problem in found.problems.values())
    return f"{_('The names were updated from Kartra just now.')} {problems}".strip()


def from_script(request: HttpRequest) -> bool:
    """Whether the page asks for a part of itself."""
    return request.headers.get("HX-Request") == "true"


def done() -> HttpResponse:
    """The answer to a small form that was taken: nothing to draw; the page closes it and looks what is new."""
    return HttpResponse(status=204, headers={"HX-Trigger": "lead-changed"})
