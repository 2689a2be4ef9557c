"""Leads > Create from a file: the people of a file are read, previewed and created in Kartra as one bulk action.

What the file says is kept in a draft until it starts; like other drafts it goes through a manager where it is too large.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from kartra_mirror.admin.bulk import approvals
from kartra_mirror.admin.data import exports
from kartra_mirror.edge.body_limits import PEOPLE_FILE_MAX_MB
from kartra_mirror.ui import throughput
from kartra_mirror.ui.unfold_adapter import only_own_choices, style
from leads import access, changes, clock, exporting, importing, kinds
from leads.changes import create_many
from leads.changes.create_many import Newcomers
from leads.importing import people_list
from leads.importing.people_list import Person
from leads.labels import NEW_CONTACTS, OWN_IMPORT
from leads.models import Account, Lead, RunDraft
from leads.models.remarks import sentence_of
from leads.models.run import creation_name

BAD_SHOWN = 20
BESIDES = {"tag": kinds.ASSIGN_TAG, "list": kinds.SUBSCRIBE_LIST}
"""Which kind of change a column asks for, besides the creation."""


class PeopleForm(forms.Form):
    """The file, of which account, and why."""

    account = forms.ModelChoiceField(
        Account.objects.filter(connection__isnull=False), label=gettext_lazy("Account"), empty_label=None
    )
    file = forms.FileField(
        label=gettext_lazy("A file of people"),
        help_text=gettext_lazy(
            "CSV with a line of headings: Email, and whatever else is known, such as First name, Phone, Tags or Lists "
            "(several names with ; between them). Up to 5,000 people."
        ),
    )
    why = forms.CharField(label=gettext_lazy("Why (for your colleagues)"), required=False, max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > PEOPLE_FILE_MAX_MB * 1024 * 1024:
            words = _("The file is larger than %(most)s MB. Take fewer people at a time.")
            raise forms.ValidationError(words % {"most": PEOPLE_FILE_MAX_MB})
        return file


def upload(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    """Ask for the file. Nothing is created yet: the answer is a draft with its preview."""
    form = only_own_choices(PeopleForm(request.POST or None, request.FILES or None), request.user)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            found = people_list.read(given["account"], given["file"].file)
        except importing.CannotImport as problem:
            form.add_error("file", str(problem))
        else:
            return redirect(_draft(request, given["account"], found, given["file"].name, given["why"]))
    shown = {"title": _("Create leads from a file"), "opts": Lead._meta, "form": form, **_notice()}
    return TemplateResponse(request, "admin/bulk/create_from_file_upload.html", {**context, **shown})


def _notice() -> dict[str, Any]:
    return {"new_contacts": NEW_CONTACTS, "own_import": OWN_IMPORT}


def _draft(request: HttpRequest, account: Account, found: people_list.PeopleList, file_name: str, why: str) -> RunDraft:
    selection = {
        "people": [[person.line, person.parameters] for person in found.people],
        "file": file_name[-255:],
        "bad": found.bad[:BAD_SHOWN],
        "bad_number": found.bad_number,
        "twice": found.twice,
        "not_read": found.not_read,
    }
    return RunDraft.objects.create(
        created_by=access.signed_in(request.user),
        account=account,
        kind=kinds.CREATE.name,
        selection=selection,
        parameters={"clean": {}, "form": {"why": why}, "people": len(found.people)},
    )


def page(request: HttpRequest, draft: RunDraft) -> HttpResponse:
    """What would be created, and its start. GET changes nothing; starting twice makes one bulk action."""
    account = draft.account
    if account is None or not access.works_in(request.user, account.pk):
        raise PermissionDenied
    people = [Person(line, parameters) for line, parameters in draft.selection["people"]]
    _check(request.user, people)
    found = create_many.sort_people(account, people)
    do = request.POST.get("do", "") if request.method == "POST" else ""
    if do == "start":
        return _start(request, draft, account, people, found)
    if do == "ask":
        return approvals.ask(request, draft, account, reverse("admin:leads_lead_changelist"))
    if do == "refuse":
        return approvals.refuse(request, draft)
    if do == "file":
        return _file(request, draft, account, found)
    return _show(request, draft, account, found)


def _check(user: access.RequestUser, people: list[Person]) -> None:
    """403 unless this person may do every kind of change that the rows ask for."""
    asked = {name for person in people for name in BESIDES if person.parameters.get(name)}
    needed = [kinds.CREATE, *(BESIDES[name] for name in asked)]
    if not all(user.has_perm(kind.permission) for kind in needed):
        raise PermissionDenied


def _show(request: HttpRequest, draft: RunDraft, account: Account, found: Newcomers) -> HttpResponse:
    connection = throughput.connection_of(account)
    why_not = throughput.why_nothing_is_sent(connection)
    number, selection = len(found.new), draft.selection
    warned = {words for person in found.new for words in kinds.warnings(person.parameters, account)}
    context = {
        **admin.site.each_context(request),
        "title": capfirst(creation_name(draft.parameters["people"])),
        "opts": Lead._meta,
        "draft": draft,
        "own": draft.created_by_id == request.user.pk,
        "account": account,
        "found": found,
        "number": number,
        "changes": found.steps,
        "left_out": _left_out(found, selection),
        "bad": [(line, sentence_of(why)) for line, why in selection["bad"]],
        "bad_number": selection["bad_number"],
        "not_read": selection["not_read"],
        "takes": "" if why_not else throughput.about(throughput.seconds_for(number, throughput.speed_of(connection))),
        "warnings": sorted(warned)[:5],
        "too_many": approvals.why_not_alone(request.user, account, number),
        "may_export": request.user.has_perm(access.EXPORT),
        "why_not": why_not,
        **_notice(),
    }
    return TemplateResponse(request, "admin/bulk/create_from_file.html", context)


def _left_out(found: Newcomers, selection: dict[str, Any]) -> list[str]:
    """Who of the file is not created, each as a sentence; only what there is."""
    told = [
        (
            found.known,
            lambda n: ngettext(
                "%(n)s person has a lead in Kartra already.", "%(n)s people have a lead in Kartra already.", n
            ),
        ),
        (
            found.being_created,
            lambda n: ngettext("%(n)s person is being created already.", "%(n)s people are being created already.", n),
        ),
        (
            found.gone,
            lambda n: ngettext(
                "%(n)s person had a lead that is deleted in Kartra; it has to be brought back there.",
                "%(n)s people had a lead that is deleted in Kartra; it has to be brought back there.",
                n,
            ),
        ),
        (
            found.forgotten,
            lambda n: ngettext(
                "%(n)s person left out, asked to be forgotten.", "%(n)s people left out, asked to be forgotten.", n
            ),
        ),
        (
            found.never_touched,
            lambda n: ngettext(
                "%(n)s person is always left out of bulk actions.",
                "%(n)s people are always left out of bulk actions.",
                n,
            ),
        ),
        (
            selection["twice"],
            lambda n: ngettext(
                "%(n)s row names somebody again; the first one counts.",
                "%(n)s rows name somebody again; the first one counts.",
                n,
            ),
        ),
        (selection["bad_number"], lambda n: ngettext("%(n)s row cannot be read.", "%(n)s rows cannot be read.", n)),
    ]
    return [words(number) % {"n": f"{number:,}"} for number, words in told if number]


def _start(
    request: HttpRequest, draft: RunDraft, account: Account, people: list[Person], found: Newcomers
) -> HttpResponse:
    own = draft.created_by_id == request.user.pk
    if not own and not draft.asked_at:
        raise PermissionDenied
    if request.POST.get("mark") != found.mark:
        words = _("This has changed: now %(n)s of these people would be created. Please look again, then start.")
        messages.warning(request, words % {"n": f"{len(found.new):,}"})
        return redirect(draft)
    if not RunDraft.objects.filter(pk=draft.pk, started_at=None).update(started_at=clock.now()):
        draft.refresh_from_db()
        return redirect(draft.run) if draft.run else HttpResponseRedirect(reverse("admin:leads_bulkrun_changelist"))
    run = None
    try:
        run = create_many.create_leads(
            account,
            people,
            by=draft.created_by,
            why=draft.parameters["form"].get("why", ""),
            approved_by=None if own else request.user,
        )
    except changes.CannotRecord as problem:
        messages.error(request, str(problem))
        return redirect(draft)
    finally:
        if run is None:
            RunDraft.objects.filter(pk=draft.pk).update(started_at=None)
    RunDraft.objects.filter(pk=draft.pk).update(run=run, selection={"people": [], "file": draft.selection["file"]})
    words = _('Started: {} in Kartra. <a href="{}">Watch it</a>')
    messages.success(request, format_html(words, run.name, run.get_absolute_url()))
    return HttpResponseRedirect(reverse("admin:leads_lead_changelist") if own else run.get_absolute_url())


def _file(request: HttpRequest, draft: RunDraft, account: Account, found: Newcomers) -> Any:
    """The same people as a file for Kartra's own import."""
    if not request.user.has_perm(access.EXPORT):
        raise PermissionDenied
    told = exporting.told_of_people(account, found.new)
    what = _("new people of the file %(file)s, for Kartra's import") % {"file": draft.selection["file"]}
    exports.write_down(request, account, len(found.new), what)
    return exports.for_kartra(
        request, exporting.KartraFiles(account, told), f"new-leads-{timezone.localdate():%Y-%m-%d}.csv"
    )
