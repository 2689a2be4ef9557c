"""A bulk action before it starts: the selection becomes a draft, the draft a page that asks and previews, the page a run.

The selection is kept as the leads list's query, or as the ids of one page; never as ids in a form.
"""

import copy
import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst

from integrations import switch
from integrations.models import Connection
from integrations.translate import ENCODINGS
from kartra_mirror.admin.grouping import show_what_may_be_asked
from kartra_mirror.admin.unfold_adapter import style
from leads import changes, kinds
from leads.kinds.base import stored
from leads.models import Account, BulkRun, Lead, RunDraft


def draft_action(kind: kinds.Kind) -> Any:
    """The drop-down action of a kind: remember the selection, then ask on a page of its own."""

    @admin.action(description=f"{kind.label}…")
    def remember(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse:
        selection: dict[str, Any] = {"query": request.GET.urlencode()}
        if request.POST.get("select_across") != "1":
            selection["ids"] = [int(pk) for pk in request.POST.getlist(ACTION_CHECKBOX_NAME) if pk.isdecimal()]
        return redirect(new_draft(request, kind, selection))

    remember.__name__ = kind.name
    return remember


def new_draft(request: HttpRequest, kind: kinds.Kind, selection: dict[str, Any]) -> RunDraft:
    """A draft of this person's own. 403 without the kind's permission."""
    user: Any = request.user
    if not user.has_perm(kind.permission):
        raise PermissionDenied
    return RunDraft.objects.create(created_by=user, kind=kind.name, selection=selection)


class DraftForm(forms.Form):
    """The kind's own fields, and the reason."""

    def __init__(self, kind: kinds.Kind, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.account = kind, account
        self.parameters: dict[str, Any] = {}
        self.fields.update(kind.fields(account))
        self.fields["why"] = forms.CharField(
            label="Why (for your colleagues)", required=False, max_length=500, widget=forms.TextInput()
        )
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            given = {name: value for name, value in cleaned.items() if name != "why"}
            try:
                self.parameters = self.kind.clean(self.account, self.kind.given_in_form(given))
            except kinds.BadParameters as problem:
                raise forms.ValidationError(str(problem)) from None
        return cleaned


def check_steps(request: HttpRequest, kind: kinds.Kind, parameters: dict[str, Any]) -> None:
    """403 unless this person may do every single change that is asked for."""
    user: Any = request.user
    for name, _ in kind.single_steps(parameters):
        if not user.has_perm(kinds.get(name).permission):
            raise PermissionDenied


def selected(request: HttpRequest, draft: RunDraft) -> QuerySet[Lead]:
    """The leads of the draft, as they are now: the list's own query is asked again."""
    if "ids" in draft.selection:
        return Lead.objects.filter(pk__in=draft.selection["ids"])
    listing = copy.copy(request)
    listing.method = "GET"
    listing.GET = QueryDict(draft.selection["query"])
    lead_admin = admin.site.get_model_admin(Lead)
    found: QuerySet[Lead] = lead_admin.get_changelist_instance(listing).get_queryset(listing)
    return Lead.objects.filter(pk__in=found.order_by().values("pk"))


def page(request: HttpRequest, key: Any) -> HttpResponse:
    """Ask, preview, start. GET changes nothing; starting twice makes one run."""
    draft = RunDraft.objects.select_related("run").filter(key=key, created_by=request.user.pk).first()
    if draft is None:
        raise Http404
    kind = kinds.get(draft.kind)
    user: Any = request.user
    if not user.has_perm(kind.permission):
        raise PermissionDenied
    if draft.run is not None:
        return redirect(draft.run)
    leads = selected(request, draft)
    accounts = list(Account.objects.filter(leads__in=leads).distinct().order_by("name")[:3])
    back = f"{reverse('admin:leads_lead_changelist')}?{draft.selection.get('query', '')}".rstrip("?")
    if len(accounts) != 1:
        words = (
            "No leads are chosen any more, so there is nothing to do."
            if not accounts
            else "These leads are of more than one account. Filter by one account first, then choose again."
        )
        messages.warning(request, words)
        return HttpResponseRedirect(back)
    account = accounts[0]
    if request.method == "POST" and request.POST.get("do") == "start" and draft.parameters:
        check_steps(request, kind, draft.parameters["clean"])
        return _start(request, draft, kind, account, leads, back)
    form = DraftForm(kind, account, request.POST or None, initial=draft.parameters.get("form"))
    if request.method == "POST" and form.is_valid():
        check_steps(request, kind, form.parameters)
        shown_again = {name: stored(value) for name, value in form.cleaned_data.items()}
        draft.parameters = {"clean": form.parameters, "form": shown_again}
        draft.save(update_fields=["parameters"])
        return redirect(draft)
    show_what_may_be_asked(form, user)
    shown = _preview(account, leads, kind, draft) if draft.parameters and request.method != "POST" else None
    context = {
        **admin.site.each_context(request),
        "title": kind.label,
        "opts": BulkRun._meta,
        "draft": draft,
        "account": account,
        "form": form,
        "chosen": leads.count(),
        "back": back,
        "preview": shown,
    }
    return TemplateResponse(request, "admin/leads/bulkrun/prepare.html", context)


def _preview(account: Account, leads: QuerySet[Lead], kind: kinds.Kind, draft: RunDraft) -> dict[str, Any]:
    from kartra_mirror.admin.runs import connection_of, seconds_for

    counted = changes.preview(account, leads, kind, draft.parameters["clean"])
    connection = connection_of(account)
    seconds = seconds_for(account, counted.calls)
    return {
        "counted": counted,
        "sentence": capfirst(kind.sentence(draft.parameters["clean"])),
        "seconds": seconds,
        "until": timezone.now() + dt.timedelta(seconds=seconds),
        "mark": _mark(counted),
        "can_be_undone": bool(kind.inverse),
        "warnings": [*kinds.warnings(draft.parameters["clean"]), *_safety(connection, kind)],
        "why_not": switch.why_not_sending(connection)
        if connection
        else "This account has no connection to Kartra yet.",
    }


def _safety(connection: Connection | None, kind: kinds.Kind) -> list[str]:
    """That the safety field would help here, where there is none yet."""
    names = {name for name, encoding in ENCODINGS.items() if encoding.bears_receipt}
    if connection is None or connection.receipt_field or kind.name not in names:
        return []
    return [
        "Should Kartra's answer get lost, we may have to ask you whether it was done. Add the safety field in Kartra (on the "
        "connection's page) and we can tell by ourselves; for points it also saves a read of each lead."
    ]


def _mark(counted: changes.Preview) -> str:
    """What was previewed, so that what starts is that."""
    return f"{counted.total}/{counted.will_change}/{counted.already_so}/{counted.gone}"


def _start(
    request: HttpRequest, draft: RunDraft, kind: kinds.Kind, account: Account, leads: QuerySet[Lead], back: str
) -> HttpResponse:
    counted = changes.preview(account, leads, kind, draft.parameters["clean"])
    if _mark(counted) != request.POST.get("mark"):
        messages.warning(
            request,
            f"Meanwhile the leads have changed: now {counted.will_change:,} of {counted.total:,} would change. "
            "Please look again, then start.",
        )
        return redirect(draft)
    if not RunDraft.objects.filter(pk=draft.pk, started_at=None).update(started_at=timezone.now()):
        draft.refresh_from_db()
        return redirect(draft.run) if draft.run else HttpResponseRedirect(reverse("admin:leads_bulkrun_changelist"))
    try:
        run = changes.record_run(
            account, leads, kind, draft.parameters["clean"], by=request.user,
            why=draft.parameters["form"].get("why", ""), expected=counted.will_change,
        )  # fmt: skip
    except (kinds.BadParameters, changes.CannotRecord) as error:
        RunDraft.objects.filter(pk=draft.pk).update(started_at=None)
        messages.error(request, str(error))
        return redirect(draft)
    RunDraft.objects.filter(pk=draft.pk).update(run=run)
    messages.success(
        request,
        format_html(
            'Started: {} for {} leads. <a href="{}">Watch it</a>',
            run.name,
            f"{counted.will_change:,}",
            run.get_absolute_url(),
        ),
    )
    return HttpResponseRedirect(back)
