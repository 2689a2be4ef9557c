"""The page of one lead: facts and wishes side by side, in tabs. Saving records changes with the values that were seen."""

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy as _

from kartra_mirror.admin.leads import lead_facts, lead_read, outcome_messages
from kartra_mirror.admin.leads.lead_create import say_recorded
from kartra_mirror.ui.lead_fields import BESIDES, LEAVING, check_steps, groups, show_what_may_be_asked
from kartra_mirror.ui.throughput import connection_of
from kartra_mirror.ui.unfold_adapter import style
from leads import changes, kinds
from leads.access import RequestUser
from leads.changes import conflicts
from leads.kinds.writable_fields import CUSTOM, of_profile
from leads.models import OPEN, Account, Lead

TABS = (
    ("glance", _("At a glance")),
    ("profile", _("Profile")),
    ("custom", _("Custom fields")),
    ("ties", _("Tags, lists, sequences, calendars")),
    ("money", _("Money")),
    ("timeline", _("Timeline")),
    ("changes", _("Changes")),
    ("calls", _("Calls")),
)


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
        self.fields["why"] = forms.CharField(label=gettext("Why (for your colleagues)"), required=False, max_length=500)
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
    """GET shows, POST records what was changed. The tab in the address is the one that is open."""
    user = request.user
    may_edit = user.has_perm(kinds.UPDATE.permission) and not lead.gone_at
    form = EditForm(lead.account, lead, request.POST or None) if may_edit else None
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
    if form is not None:
        show_what_may_be_asked(form, user)
    connection = connection_of(lead.account)
    opened = request.POST.get("tab") or request.GET.get("tab", "")
    shown = {
        **context,
        "opts": Lead._meta,
        "title": str(lead),
        "original": lead,
        "lead": lead,
        "tabs": TABS,
        "open_tab": opened if opened in dict(TABS) else "glance",
        "warned": warned,
        "actions": [] if lead.gone_at else _actions(user),
        "may_read": connection is not None,
        "reads_itself": request.method != "POST" and lead_read.reads_itself(lead, connection),
        "sentences": outcome_messages.just_now(lead, user),
        **lead_facts.of(lead, user),
    }
    shown.update(_form_parts(form, shown["by_field"]) if form else {"profile_facts": _plain_profile(lead)})
    return TemplateResponse(request, "admin/leads/lead_page.html", shown)


def _form_parts(form: EditForm, by_field: dict[str, list[Any]]) -> dict[str, Any]:
    """The form's fields as [(title, [(bound field, wishes about it)])] for each tab."""
    found = [(title, [(field, by_field.get(field.name, [])) for field in fields]) for title, fields in groups(form)]
    titles = {
        "Custom fields": "custom_groups",
        "Put on or into": "besides",
        "Take off or out of": "leaving",
        "": "rest",
    }
    parts: dict[str, Any] = {"form": form, "profile_groups": [], **{key: [] for key in titles.values()}}
    for title, fields in found:
        if title in titles:
            parts[titles[title]] = fields
        else:
            parts["profile_groups"].append((title, fields))
    return parts


def _plain_profile(lead: Lead) -> list[tuple[str, Any]]:
    """The profile for those who may not change it."""
    fields = kinds.UPDATE.fields(lead.account)
    names = [name for name in fields if name not in (*BESIDES, *LEAVING, "clear") and not name.startswith(CUSTOM)]
    return [(lead_facts.label(name), value) for name in names if (value := getattr(lead, name)) not in ("", None)]


def _actions(user: RequestUser) -> list[tuple[Any, list[tuple[Any, Any]]]]:
    """What this person may ask for about the lead, by thing: [(thing, [(kind, verb)])]. Each is asked for on the page of a bulk
    action; fields are changed on the lead's own page."""
    found: dict[Any, list[tuple[Any, Any]]] = {}
    for kind in kinds.ALL.values():
        if kind.verb and user.has_perm(kind.permission):
            found.setdefault(str(kind.thing), []).append((kind, kind.verb))
    return list(found.items())
