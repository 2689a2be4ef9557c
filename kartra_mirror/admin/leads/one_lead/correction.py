"""The page of one failed change: its form filled in, to be sent corrected or as it is, or the change dismissed."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from integrations.push.settle import remedy
from kartra_mirror.admin.leads.lead_create import say_recorded
from kartra_mirror.admin.leads.one_lead import ask
from leads import access, changes, kinds
from leads.changes import correct
from leads.kind import stored
from leads.labels import NEW_CONTACTS
from leads.models import ChangeStatus, LeadChange


class CorrectionForm(ask.AskForm):
    """The fields of the failed change, holding what was asked for. A field of the lead that is left empty is emptied."""

    def __init__(self, change: LeadChange, data: Any = None) -> None:
        self.change = change
        kind = kinds.get_kind(change.kind)
        super().__init__(kind, change.account, data, initial=dict(change.parameters))
        for name, field in self.fields.items():
            value = self.initial.get(name)
            if isinstance(value, list) and not hasattr(field.widget, "allow_multiple_selected"):
                self.initial[name] = next(iter(value), "")
            if kind.edits and name == "email":
                field.required, field.label, field.help_text = True, _("Email"), ""

    def has_field(self, name: str) -> bool:
        kind = kinds.get_kind(self.change.kind)
        return name in self.change.parameters or not kind.partial

    def given(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        if not self.kind.edits:
            return super().given(cleaned)
        return {name: stored(value) for name, value in cleaned.items()}


def page(request: HttpRequest, pk: int, context: dict[str, Any]) -> HttpResponse:
    """GET shows it, POST sends it, dismisses it, or reads the names from Kartra first."""
    user = request.user
    if not user.has_perm("leads.view_leadchange"):
        raise PermissionDenied
    rows = access.only_mine(LeadChange.objects.filter(pk=pk, status=ChangeStatus.REJECTED), user)
    change = rows.select_related("lead__account", "account", "run", "requested_by").first()
    if change is None:
        raise Http404
    kind = kinds.get_kind(change.kind)
    may_send = user.has_perm(kind.permission) and not kind.money and not change.lead.gone_at
    may_dismiss = correct.may_dismiss(LeadChange.objects.filter(pk=pk), user).exists()
    do = request.POST.get("do", "send")
    if request.method == "POST" and do == "dismiss":
        if not may_dismiss:
            raise PermissionDenied
        if answer := _dismiss(request, change):
            return answer
    sent = request.method == "POST" and do != "dismiss"
    if sent and not may_send:
        raise PermissionDenied
    form = CorrectionForm(change, request.POST if sent else None) if may_send else None
    read, warned = "", []
    if form is not None and sent and do == "catalogue":
        read = ask.read_catalogue(request, change.lead)
        form = CorrectionForm(change, request.POST)
    if form is not None and sent and form.is_valid() and not read:
        warned = kinds.warnings(form.parameters, change.account)
        if (not warned or request.POST.get("confirmed") == "1") and (answer := _send(request, change, form)):
            return answer
    own = {
        "title": _("Correct a failed change"),
        "change": change,
        "kind": kind,
        "form": form,
        "fields": [each for each in form.visible_fields() if each.name != "why"] if form else [],
        "read": read,
        "warned": warned,
        "not_known": bool(form and form.is_bound and ask.names_unknown(form)),
        "remedy": remedy(change.code),
        "dealt_with": correct.dealt_with(change),
        "again": change.retries.order_by("pk").first(),
        "may_dismiss": may_dismiss,
        "who_sends": "" if may_send or user.has_perm(kind.permission) else access.who_may(kind.permission),
        "who_dismisses": "" if may_dismiss else access.who_may(correct.DECIDE),
        "new_contacts": NEW_CONTACTS if kind.creates else "",
    }
    return TemplateResponse(request, "admin/queue/failure.html", {**context, **own})


def _send(request: HttpRequest, change: LeadChange, form: CorrectionForm) -> HttpResponse | None:
    """Ask for it again as it is in the form. None where it may not be asked for; the form says why."""
    try:
        recorded = correct.correct(
            change,
            form.parameters,
            by=request.user,
            why=form.cleaned_data["why"],
            idempotency_key=form.cleaned_data["idempotency_key"] or None,
        )
    except correct.DealtWith as problem:
        messages.warning(request, str(problem))
        return HttpResponseRedirect(reverse("admin:failure", args=[change.pk]))
    except (changes.CannotRecord, kinds.BadParameters) as problem:
        form.add_error(None, str(problem))
        return None
    say_recorded(request, change.account, recorded)
    return HttpResponseRedirect(recorded[0].lead.get_absolute_url())


def _dismiss(request: HttpRequest, change: LeadChange) -> HttpResponse | None:
    why = request.POST.get("why", "").strip()[:500]
    if not why:
        messages.error(request, _("Nothing was dismissed. Give a reason, so that your colleagues know."))
        return None
    try:
        correct.dismiss(change, by=request.user, why=why)
    except correct.DealtWith as problem:
        messages.warning(request, str(problem))
        return HttpResponseRedirect(reverse("admin:failure", args=[change.pk]))
    messages.success(request, _("The failed change was dismissed."))
    return HttpResponseRedirect(reverse("admin:failures"))
