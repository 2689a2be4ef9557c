"""The page of one lead: facts and wishes side by side, and the timeline. Saving records changes with the values that were seen."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext

from kartra_mirror.admin.leads import lead_facts, lead_read, outcome_messages
from kartra_mirror.admin.leads.lead_create import say_recorded
from kartra_mirror.admin.leads.listing import beside
from kartra_mirror.admin.leads.one_lead import ask, in_place
from kartra_mirror.ui.lead_fields import BESIDES, LEAVING, check_steps, show_what_may_be_asked
from kartra_mirror.ui.throughput import connection_of
from kartra_mirror.ui.unfold_adapter import style
from leads import changes, kinds
from leads.access import RequestUser
from leads.changes import conflicts
from leads.kinds.writable_fields import of_profile
from leads.models import OPEN, Account, Lead

ICONS = {"tag": "tag", "list": "list", "sequence": "seq", "points": "star", "calendar": "cal"}
"""The picture of an action, by what it is about."""
MOST_DIRECT = 3
"""So many plans have their actions in the menu of a lead; those of more stand beside each plan alone."""


class EditForm(forms.Form):
    """Every field of the lead that can be written, holding what our copy has, and what else may be wanted for the lead.

    The values that were shown travel with the form, so that only what the person changed becomes a change.
    """

    def __init__(self, account: Account, lead: Lead, data: Any = None) -> None:
        super().__init__(data, auto_id="edit_%s")
        self.account, self.lead = account, lead
        self.parameters: dict[str, Any] = {}
        self.baseline: dict[str, Any] = {}
        self.kind = kinds.UPDATE
        for name, field in self.kind.fields(account).items():
            if name == "clear":
                continue
            self.fields[name] = field
            if name == "email" or name not in (*BESIDES, *LEAVING):
                field.show_hidden_initial = True
                self.initial[name] = conflicts.value_now(lead, name)
                if isinstance(self.initial[name], list) and not isinstance(field, forms.MultipleChoiceField):
                    self.initial[name] = next(iter(self.initial[name]), "")
        self.fields["email"].label = gettext("Email")
        self.fields["email"].help_text = ""
        self.fields["idempotency_key"] = forms.CharField(
            max_length=32, required=False, widget=forms.HiddenInput(), initial=uuid.uuid4().hex
        )
        self.fields["why"] = forms.CharField(label=gettext("Note (seen by your team)"), required=False, max_length=500)
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        changed = {name: cleaned[name] for name in self.changed_data if name not in ("why", "idempotency_key")}
        profile = of_profile(changed)
        besides = {
            name: value for name, value in changed.items() if name not in profile and value not in ("", [], None)
        }
        given = {**profile, **self.kind.given_in_form(besides)}
        if not given:
            raise forms.ValidationError(gettext("Nothing was changed."))
        try:
            self.parameters = self.kind.clean(self.account, given)
        except kinds.BadParameters as problem:
            raise forms.ValidationError(str(problem)) from None
        for name in profile:
            field = self.fields[name]
            shown = field.to_python(self._hidden_initial(name))
            self.baseline[name] = [shown, *_wished(self.lead, name)]
        return cleaned

    def _hidden_initial(self, name: str) -> Any:
        bound = self[name]
        return self.fields[name].hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)


def _wished(lead: Lead, name: str) -> list[Any]:
    """Values of a field that are on their way already: another wish after them is no conflict."""
    open_edits = lead.changes.filter(kind__in=[kinds.UPDATE.name, kinds.CREATE.name], status__in=OPEN)
    return [change.parameters[name] for change in open_edits if name in change.parameters]


def page(request: HttpRequest, lead: Lead, context: dict[str, Any]) -> HttpResponse:
    """GET shows, POST records what was changed. The tab in the address says which part of the timeline is shown."""
    user = request.user
    form = _form(request, lead, request.POST or None)
    warned: list[str] = []
    if request.method == "POST" and form is not None and form.is_valid():
        check_steps(request, form.kind, form.parameters)
        warned = kinds.warnings(form.parameters, lead.account)
        if not warned or request.POST.get("confirmed") == "1":
            try:
                recorded = changes.record_changes(
                    lead,
                    form.kind,
                    form.parameters,
                    by=user,
                    why=form.cleaned_data["why"],
                    baseline=form.baseline,
                    idempotency_key=form.cleaned_data["idempotency_key"] or None,
                )
                say_recorded(request, lead.account, recorded)
                return HttpResponseRedirect(lead.get_absolute_url())
            except changes.AlreadyRecorded as problem:
                messages.info(request, str(problem))
                return HttpResponseRedirect(lead.get_absolute_url())
            except (changes.CannotRecord, kinds.BadParameters) as problem:
                form.add_error(None, str(problem))
    elif request.method == "POST" and form is not None:
        messages.error(request, gettext("Nothing was requested; please look at the marked fields."))
    shown = {**context, **_shown(request, lead, form), "warned": warned}
    return TemplateResponse(request, "admin/leads/lead_page.html", shown)


def parts(request: HttpRequest, lead: Lead) -> HttpResponse:
    """What an open page asks for again and again: its parts as they are now; nothing where they are as it has them."""
    if request.GET.get("was") == lead_facts.mark(lead):
        return HttpResponse(status=204)
    shown = {**_shown(request, lead, _form(request, lead, None)), "anew": True}
    return TemplateResponse(request, "admin/leads/lead_parts.html", shown)


def _form(request: HttpRequest, lead: Lead, data: Any) -> EditForm | None:
    may_edit = request.user.has_perm(kinds.UPDATE.permission) and not lead.gone_at
    return EditForm(lead.account, lead, data) if may_edit else None


def _shown(request: HttpRequest, lead: Lead, form: EditForm | None) -> dict[str, Any]:
    """The context of the page and of its parts."""
    user = request.user
    mark = lead_facts.mark(lead)  # before what it stands for is read: what comes meanwhile is shown by the next look
    if form is not None:
        show_what_may_be_asked(form, user)
    connection = connection_of(lead.account)
    known = lead_facts.of(lead, user, *(request.GET.get(name, "") for name in ("tab", "rows", "until")))
    if kept := request.GET.get(beside.KEPT):
        known["from_there"] += f"&{urlencode({beside.KEPT: kept})}"
    return {
        "opts": Lead._meta,
        "title": str(lead),
        "kept": (beside.KEPT, kept),
        "original": lead,
        "lead": lead,
        "frame_tabs": None,  # those of the lists of sales are not about this lead
        "mark": mark,
        "form": form,
        "place": ", ".join(part for part in (lead.city, lead.country) if part),
        "may_ask": set() if lead.gone_at else {name for name, k in ask.ASKED.items() if user.has_perm(k.permission)},
        "actions": [] if lead.gone_at else _actions(user),
        "plans_in_menu": known["subscriptions"][:MOST_DIRECT],
        "may_read": connection is not None,
        "reads_itself": request.method != "POST" and lead_read.reads_itself(lead, connection),
        "sentences": outcome_messages.just_now(lead, user),
        **known,
        **in_place.facts(lead, form, known["by_field"]),
    }


def _actions(user: RequestUser) -> list[list[tuple[Any, str]]]:
    """What this person may ask for about the lead, by thing: [[(kind, its picture)]]."""
    found: dict[str, list[tuple[Any, str]]] = {}
    for kind in ask.ASKED.values():
        if user.has_perm(kind.permission):
            found.setdefault(kind.noun, []).append((kind, ICONS.get(kind.noun, "dots")))
    return list(found.values())
