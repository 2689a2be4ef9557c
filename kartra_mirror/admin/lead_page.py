"""The page of one lead: facts and wishes side by side, in tabs. Saving records changes with the values that were seen."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse

from integrations.models import ApiCall, Cause
from kartra_mirror.admin import provenance
from kartra_mirror.admin.grouping import BESIDES, LEAVING, groups, show_what_may_be_asked
from kartra_mirror.admin.lead_create import say_recorded
from kartra_mirror.admin.prepare import check_steps
from kartra_mirror.admin.runs import connection_of
from kartra_mirror.admin.unfold_adapter import style
from leads import changes, decisions, kinds
from leads.kinds.profile import CUSTOM, of_profile
from leads.models import OPEN, Account, ChangeStatus, CustomField, Lead, LeadChange, Reason
from leads.words import STATUS_WORDS

SHOWN = 50

TABS = (
    ("profile", "Profile"),
    ("custom", "Custom fields"),
    ("ties", "Tags, lists, sequences, calendars"),
    ("money", "Money"),
    ("timeline", "Timeline"),
    ("changes", "Changes"),
    ("calls", "Calls"),
)

LOOK_ONLY = (
    "username", "instagram", "ip_country", "source", "source_id", "referring_id", "score", "blacklisted", "date_joined",
    "gdpr_lead_status", "gdpr_lead_status_date", "gdpr_lead_status_ip", "gdpr_lead_communications", "notes",
)  # fmt: skip
"""Facts that Kartra does not let us change."""

GDPR_STATUS = {
    "0": "GDPR is switched off for the account", "1": "not subject to GDPR", "2": "accepted", "3": "not accepted",
    "4": "unknown (the place could not be determined)", "5": "pending",
}  # fmt: skip


class EditForm(forms.Form):
    """Every field of the lead that can be written, holding what our copy has, and what else may be wanted for the lead.

    The values that were shown travel with the form, so that only what the person changed becomes a change.
    """

    def __init__(self, account: Account, lead: Lead, data: Any = None) -> None:
        super().__init__(data, auto_id="edit_%s")
        self.account, self.lead = account, lead
        self.parameters: dict[str, Any] = {}
        self.seen: dict[str, Any] = {}
        self.kind = kinds.get("update_lead")
        for name, field in self.kind.fields(account).items():
            if name == "clear":
                continue
            self.fields[name] = field
            if name == "email" or name not in (*BESIDES, *LEAVING):
                field.show_hidden_initial = True
                self.initial[name] = decisions.value_now(lead, name)
                if isinstance(self.initial[name], list) and not isinstance(field, forms.MultipleChoiceField):
                    self.initial[name] = next(iter(self.initial[name]), "")
        self.fields["email"].label = "Email"
        self.fields["email"].help_text = ""
        self.fields["why"] = forms.CharField(label="Why (for your colleagues)", required=False, max_length=500)
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        changed = {name: cleaned[name] for name in self.changed_data if name != "why"}
        profile = of_profile(changed)
        besides = {
            name: value for name, value in changed.items() if name not in profile and value not in ("", [], None)
        }
        given = {**profile, **self.kind.given_in_form(besides)}
        if not given:
            raise forms.ValidationError("Nothing was changed.")
        try:
            self.parameters = self.kind.clean(self.account, given)
        except kinds.BadParameters as problem:
            raise forms.ValidationError(str(problem)) from None
        for name in profile:
            field = self.fields[name]
            shown = field.to_python(self._hidden_initial(name))
            self.seen[name] = [shown, *_wished(self.lead, name)]
        return cleaned

    def _hidden_initial(self, name: str) -> Any:
        bound = self[name]
        return self.fields[name].hidden_widget().value_from_datadict(self.data, self.files, bound.html_initial_name)


def _wished(lead: Lead, name: str) -> list[Any]:
    """Values of a field that are on their way already: another wish after them is no conflict."""
    open_edits = lead.changes.filter(kind__in=["update_lead", "create_lead"], status__in=OPEN)
    return [change.parameters[name] for change in open_edits if name in change.parameters]


def page(request: HttpRequest, lead: Lead, context: dict[str, Any]) -> HttpResponse:
    """GET shows, POST records what was changed. The tab in the address is the one that is open."""
    user: Any = request.user
    may_edit = user.has_perm(kinds.get("update_lead").permission) and not lead.gone_at
    form = EditForm(lead.account, lead, request.POST or None) if may_edit else None
    warned: list[str] = []
    if request.method == "POST" and form is not None and form.is_valid():
        check_steps(request, form.kind, form.parameters)
        warned = kinds.warnings(form.parameters)
        if not warned or request.POST.get("confirmed") == "1":
            try:
                recorded = changes.record_all(
                    lead, form.kind, form.parameters, by=user, why=form.cleaned_data["why"], seen=form.seen
                )
                say_recorded(request, lead.account, recorded)
                return HttpResponseRedirect(lead.get_absolute_url())
            except (changes.CannotRecord, kinds.BadParameters) as problem:
                form.add_error(None, str(problem))
    elif request.method == "POST" and form is not None:
        messages.error(request, "Nothing was requested; please look at the marked fields.")
    if form is not None:
        show_what_may_be_asked(form, user)
    opened = request.POST.get("tab") or request.GET.get("tab", "")
    shown = {
        **context,
        "opts": Lead._meta,
        "title": str(lead),
        "lead": lead,
        "tabs": TABS,
        "open_tab": opened if opened in dict(TABS) else "profile",
        "warned": warned,
        "kinds": [kind for kind in kinds.IN_BULK.values() if user.has_perm(kind.permission)],
        "may_read": connection_of(lead.account) is not None,
        **_wishes(lead),
        **_facts(lead),
        **_ties(lead),
        **_money(lead, user),
    }
    shown.update(_form_parts(form, shown["by_field"]) if form else {"profile_facts": _plain_profile(lead)})
    return TemplateResponse(request, "admin/leads/lead/page.html", shown)


def _form_parts(form: EditForm, by_field: dict[str, list[LeadChange]]) -> dict[str, Any]:
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
    fields = kinds.get("update_lead").fields(lead.account)
    names = [name for name in fields if name not in (*BESIDES, *LEAVING, "clear") and not name.startswith(CUSTOM)]
    return [(_label(name), value) for name in names if (value := getattr(lead, name)) not in ("", None)]


def _label(name: str) -> str:
    words = str(getattr(Lead._meta.get_field(name), "verbose_name", name)).replace("gdpr", "GDPR")
    return words[:1].upper() + words[1:]


def _wishes(lead: Lead) -> dict[str, Any]:
    """The lead's changes; those that are open by the field they are about; conflicts."""
    rows = list(lead.changes.select_related("requested_by", "run").order_by("-pk")[:SHOWN])
    still_open = list(lead.changes.filter(status__in=OPEN).select_related("requested_by", "run").order_by("pk")[:SHOWN])
    by_field: dict[str, list[LeadChange]] = {}
    options = {
        f"{CUSTOM}{each.identifier}": each.options for each in CustomField.objects.filter(account=lead.account_id)
    }
    for change in still_open:
        if change.family == "profile":
            for name, value in change.parameters.items():
                change_for_field = _at_field(change, lead, name, value, options)
                by_field.setdefault(name, []).append(change_for_field)
    return {
        "wishes": [(change, STATUS_WORDS[change.status]) for change in rows],
        "open_wishes": [(change, STATUS_WORDS[change.status]) for change in still_open if change.family != "profile"],
        "by_field": by_field,
        "to_decide": [c for c in still_open if c.status == ChangeStatus.UNDECIDED],
    }


def _at_field(change: LeadChange, lead: Lead, name: str, value: Any, options: dict[str, list[Any]]) -> Any:
    """What is shown beside a field about a wish: its value, its state, and whether Kartra holds something else by now."""
    names = {str(number): str(words) for number, words in options.get(name, [])}
    return {
        "change": change,
        "value": ", ".join(names.get(str(each), str(each)) for each in (value if isinstance(value, list) else [value])),
        "words": STATUS_WORDS[change.status],
        "conflict": change.reason == Reason.CONFLICT and name in decisions.conflicts_of(lead, change),
    }


def _facts(lead: Lead) -> dict[str, Any]:
    return {
        "facts": [
            (_label(name), _said(name, value)) for name in LOOK_ONLY if (value := getattr(lead, name)) not in ("", None)
        ],
        "custom_facts": [
            (identifier, ", ".join(str(option[1]) for option in value) if isinstance(value, list) else value)
            for identifier, value in sorted(lead.custom_values.items())
            if value
        ],
        "extra": sorted(lead.extra.items()),
        "addresses": lead.emails.all()[:10],
        "timeline": lead.activities.select_related("account", "change__run", "change__requested_by")[:SHOWN],
        "calls": ApiCall.objects.filter(lead=lead).exclude(writes=False, cause=Cause.REFRESH).select_related("made_by")[:SHOWN],
    }  # fmt: skip


def _said(name: str, value: Any) -> Any:
    if name == "gdpr_lead_status":
        return f"{value}: {GDPR_STATUS.get(str(value), 'not documented')}"
    if name == "gdpr_lead_communications":
        return f"{value} (Kartra's own value; its pages contradict each other about what it means)"
    if name == "blacklisted":
        return "yes: Kartra sends no mail to this address" if value else "no"
    return value


def _ties(lead: Lead) -> dict[str, Any]:
    purchases = provenance.purchases_of(lead)

    def told(rows: Any) -> list[tuple[Any, str]]:
        rows = rows.select_related("change__run", "change__requested_by")
        return [(row, provenance.sentence(row, purchases)) for row in rows]

    return {
        "tags": told(lead.leadtags.select_related("tag").order_by("tag__name")),
        "lists": told(lead.listsubscriptions.select_related("mailing_list").order_by("-active", "mailing_list__name")),
        "sequences": told(lead.sequenceenrollments.select_related("sequence").order_by("sequence__name")),
        "bookings": [
            (row, words, lead.account.time_of_kartra(row.starts_at) if row.starts_at else "time not told")
            for row, words in told(
                lead.calendarenrollments.select_related("calendar_class__calendar").order_by("-starts_at")
            )
        ],
        "memberships": told(lead.membershipgrants.select_related("level__membership")),
    }


def _money(lead: Lead, user: Any) -> dict[str, Any]:
    """Transactions with the refunds of each, subscriptions, and what this person may do with them."""
    rows = list(lead.transactions.select_related("product", "subscription")[:200])
    refunds: dict[str, list[Any]] = {}
    for row in rows:
        if row.parent_kartra_id:
            refunds.setdefault(row.parent_kartra_id, []).append(row)
    return {
        "transactions": [(row, refunds.get(row.kartra_id, [])) for row in rows],
        "subscriptions": lead.recurring_subscriptions.select_related("product")[:SHOWN],
        "may": {
            name: user.has_perm(kinds.get(name).permission)
            for name in (
                "refund_transaction", "cancel_subscription", "pause_subscription", "unpause_subscription", "edit_subscription",
            )
        },
    }  # fmt: skip
