"""The buttons below a preview: a draft becomes a run, of all its leads or of the first few, or doubtful leads are read first.

Asking a colleague to start it is `approvals`; the page and what is asked on it is `draft_view`.
"""

from dataclasses import replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _, ngettext

from integrations.notify import notify_worker
from kartra_mirror.admin.bulk import approvals, from_recipe, preview_summary
from kartra_mirror.admin.bulk.draft_forms import READ_FIRST, choices_of, kind_of
from kartra_mirror.ui.lead_fields import check_steps
from kartra_mirror.ui.throughput import connection_of
from leads import changes, clock, kinds, mirror
from leads.changes.create_many import missing_of, with_missing
from leads.changes.preview import doubtful_leads, first_to_change, steps_of
from leads.models import Account, BulkRun, Lead, RunDraft


def answer_to_preview(
    request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead], back: str, do: str
) -> HttpResponse | None:
    """The answer to a button below the preview; None if it was none of them."""
    if do in ("start", "try"):
        check_steps(request, kind_of(draft), draft.parameters["clean"])
    if do == "start":
        return _start(request, draft, account, leads, back)
    if do == "try":
        return _try(request, draft, account, leads)
    if do == "ask":
        return approvals.ask(request, draft, account, back, leads.count() + missing_of(draft.creates_from).number)
    if do == "refuse":
        return approvals.refuse(request, draft)
    if do == "read":
        return _read_doubtful(request, draft, account, leads)
    return None


def _start(request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead], back: str) -> HttpResponse:
    kind, clean = kind_of(draft), draft.parameters["clean"]
    choices = replace(choices_of(draft), read_first=bool(request.POST.get(READ_FIRST)))
    missing = missing_of(draft.creates_from)
    counted = with_missing(changes.preview_change(account, leads, kind, clean, choices), missing)
    if words := preview_summary.what_changed(request.POST.get("mark", ""), counted):
        messages.warning(request, words)
        return redirect(draft)
    if not counted.will_change and not counted.read_first:
        messages.info(request, _("Nothing would change, so nothing was started."))
        return redirect(draft)
    if not RunDraft.objects.filter(pk=draft.pk, started_at=None).update(started_at=clock.now()):
        draft.refresh_from_db()
        return redirect(draft.run) if draft.run else HttpResponseRedirect(reverse("admin:leads_bulkrun_changelist"))
    approved_by = request.user if draft.created_by_id != request.user.pk else None
    run = None
    try:
        run = changes.record_run(
            account,
            leads,
            kind,
            clean,
            by=draft.created_by,
            why=draft.parameters["form"].get("why", ""),
            expected=counted.will_change,
            choices=choices,
            approved_by=approved_by,
            recipe_version=from_recipe.version_of(draft),
            missing=missing,
        )
    except (kinds.BadParameters, changes.CannotRecord) as error:
        messages.error(request, str(error))
        return redirect(draft)
    finally:
        RunDraft.objects.filter(pk=draft.pk).update(run=run, started_at=clock.now() if run else None)
    if draft.parameters.get("mail"):
        BulkRun.objects.filter(pk=run.pk).update(mail_wanted=True)
    if counted.read_first:
        _ring_reader(account)
    number = counted.will_change
    words = ngettext("Started: %(run)s for %(number)s lead.", "Started: %(run)s for %(number)s leads.", number)
    told = words % {"run": run.name, "number": f"{number:,}"}
    messages.success(request, format_html('{} <a href="{}">{}</a>', told, run.get_absolute_url(), _("Watch it")))
    return HttpResponseRedirect(back if approved_by is None else run.get_absolute_url())


def _try(request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead]) -> HttpResponse:
    """A run over the first few; the draft stays, for the others."""
    kind, clean, choices = kind_of(draft), draft.parameters["clean"], choices_of(draft)
    counted = changes.preview_change(account, leads, kind, clean, choices)
    counted = with_missing(counted, missing_of(draft.creates_from))
    if words := preview_summary.what_changed(request.POST.get("mark", ""), counted):
        messages.warning(request, words)
        return redirect(draft)
    if draft.created_by_id != request.user.pk:
        raise PermissionDenied
    first = first_to_change(account, leads, kind, clean, choices, preview_summary.TRY)
    if not RunDraft.objects.filter(pk=draft.pk, started_at=None, tried=None).update(started_at=clock.now()):
        return redirect(draft)
    run = None
    try:
        run = changes.record_run(
            account,
            Lead.objects.filter(pk__in=first),
            kind,
            clean,
            by=request.user,
            choices=choices,
            why=draft.parameters["form"].get("why", ""),
            expected=len(first),
            recipe_version=from_recipe.version_of(draft),
        )
    except (kinds.BadParameters, changes.CannotRecord) as error:
        messages.error(request, str(error))
        return redirect(draft)
    finally:
        RunDraft.objects.filter(pk=draft.pk).update(started_at=None, tried=run)
    return redirect(run)


def _read_doubtful(request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead]) -> HttpResponse:
    """Have those read whose "already so" rests on a copy that is due for an update."""
    doubtful = doubtful_leads(account, leads, steps_of(kind_of(draft), draft.parameters["clean"]))
    number = mirror.mark_all_dirty(doubtful, clock.now())
    _ring_reader(account)
    messages.info(
        request,
        ngettext(
            "%(number)s lead is being updated from Kartra. Look again in a moment: the numbers follow.",
            "%(number)s leads are being updated from Kartra. Look again in a moment: the numbers follow.",
            number,
        )
        % {"number": f"{number:,}"},
    )
    return redirect(draft)


def _ring_reader(account: Account) -> None:
    """There are leads to be read."""
    if connection := connection_of(account):
        notify_worker("refresh_leads", connection.pk)
