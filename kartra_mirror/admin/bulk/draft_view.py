"""A bulk action before it starts: the selection becomes a draft, the draft a page that asks and previews.

What is kept is a selection, made of the leads list's address or of the ticks of one page; never ids in a form. The buttons
below the preview are `draft_start`.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.admin.bulk import approvals, field_picks, from_recipe, preview_names, preview_summary
from kartra_mirror.admin.bulk.draft_forms import FORCE, INCLUDE_LEFT, Drafting, choices_of, kind_of
from kartra_mirror.admin.bulk.draft_start import answer_to_preview
from kartra_mirror.ui import filter_notes
from kartra_mirror.ui.lead_fields import check_steps, show_what_may_be_asked
from kartra_mirror.ui.selection import leads_of_draft, of_list, of_ticks
from leads import access, changes, kinds
from leads.changes import create_many, moved_names
from leads.filters import CannotResolve, Selection
from leads.filters.selection import OnPeopleLists, as_json, from_json
from leads.models import Account, BulkRun, Lead, PeopleList, RunDraft

MOST_KINDS = 8
LISTS = {name for name, kind in kinds.IN_BULK.items() if kind.opted_out_q}
"""Kinds that can put somebody on a list again."""


def draft_action(kind: kinds.ChangeKind) -> Any:
    """The drop-down action of a kind: remember the selection, then ask on a page of its own."""

    @admin.action(description=format_lazy("{}…", kind.label))
    def remember(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Lead]) -> HttpResponse:
        try:
            everybody = request.POST.get("select_across") == "1"
            chosen = of_list(request.GET) if everybody else of_ticks(request.POST.getlist(ACTION_CHECKBOX_NAME))
        except CannotResolve as problem:
            messages.warning(request, str(problem))
            return HttpResponseRedirect(request.get_full_path())
        return redirect(new_draft(request, kind, chosen, listed=request.GET.urlencode()))

    remember.__name__ = kind.name
    return remember


def new_draft(
    request: HttpRequest,
    kind: kinds.ChangeKind,
    selection: Selection,
    *,
    listed: str = "",
    creates_from: PeopleList | None = None,
) -> RunDraft:
    """A draft of this person's own; `listed`: the query of the list on which they were chosen; `creates_from`: the list whose
    missing people are created first. 403 without the permissions for it."""
    _check_kinds(request, [kind.name, *([kinds.CREATE.name] if creates_from else [])])
    return RunDraft.objects.create(
        created_by=access.signed_in(request.user),
        kind=kind.name,
        selection=as_json(selection),
        listed=listed,
        creates_from=creates_from,
    )


def page(request: HttpRequest, draft: RunDraft) -> HttpResponse:
    """Ask, preview, start. GET changes nothing; starting twice makes one run."""
    _check_kinds(request, [*draft.kinds, *([kinds.CREATE.name] if draft.creates_from_id else [])])
    back = _back(draft)
    try:
        leads = leads_of_draft(request, draft)
        missing = create_many.missing_of(draft.creates_from)
    except (CannotResolve, changes.CannotRecord) as problem:
        messages.warning(request, str(problem))
        return HttpResponseRedirect(back)
    accounts = list(Account.objects.filter(leads__in=leads).distinct().order_by("name")[:3])
    if draft.creates_from and missing.number and not accounts:
        accounts = [draft.creates_from.account]
    if len(accounts) != 1:
        words = (
            _("No leads are chosen any more, so there is nothing to do.")
            if not accounts
            else _("These leads are of more than one account. Filter by one account first, then choose again.")
        )
        messages.warning(request, words)
        return HttpResponseRedirect(back)
    account = accounts[0]
    own = draft.created_by_id == request.user.pk
    do = request.POST.get("do", "") if request.method == "POST" else ""
    if "clean" in draft.parameters and (answer := answer_to_preview(request, draft, account, leads, back, do)):
        return answer
    if request.method == "POST" and not own:
        raise PermissionDenied
    if do == "recipe" and (recipe := from_recipe.named(request, request.POST.get("recipe", ""))):
        if recipe.account_id == account.pk:
            from_recipe.put_into(request, draft, recipe)
        return redirect(draft)
    if field_picks.is_pick(do):
        return _pick(request, draft, account, leads, do)
    if request.method == "GET" and "clean" in draft.parameters and request.GET.get("group") in preview_names.WORDS:
        return _names(request, draft, account, leads)
    drafting = Drafting(draft, account, leads, request.POST or None)
    if do == "add" or do.startswith("remove-"):
        _change_kinds(request, draft, drafting, do)
        return redirect(draft)
    if request.method == "POST" and drafting.is_valid():
        _keep(request, draft, drafting)
        return redirect(f"{draft.get_absolute_url()}#preview")
    return _show(request, draft, drafting, account, leads, back, missing)


def _back(draft: RunDraft) -> str:
    """Where its leads were chosen: on a list of people, or on the leads list."""
    try:
        parts = list(from_json(draft.selection).all_parts())
    except CannotResolve:
        parts = []
    if lists := [part for part in parts if isinstance(part, OnPeopleLists)]:
        return reverse("admin:leads_peoplelist_change", args=[lists[0].pks[0]])
    return f"{reverse('admin:leads_lead_changelist')}?{draft.listed}".rstrip("?")


def _check_kinds(request: HttpRequest, names: list[str]) -> None:
    if not all(request.user.has_perm(kinds.get_kind(name).permission) for name in names):
        raise PermissionDenied


def _change_kinds(request: HttpRequest, draft: RunDraft, drafting: Drafting, do: str) -> None:
    """Add a kind to the draft or take a further one away; what was typed and ticked stays."""
    typed = drafting.typed()
    name = request.POST.get("kind", "")
    if do == "add" and name in kinds.IN_BULK and len(draft.kinds) < MOST_KINDS:
        _check_kinds(request, [name])
        draft.more = [*draft.more, name]
    number = do.removeprefix("remove-")
    if number.isdecimal() and 2 <= int(number) <= len(draft.kinds):
        gone = int(number)
        draft.more = [each for place, each in enumerate(draft.more, start=2) if place != gone]
        typed = closed_up(typed, gone)
    draft.parameters = {"form": typed, **ticked(request, request.POST)}
    draft.save(update_fields=["more", "parameters"])


def _names(request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead]) -> HttpResponse:
    """All of one group of the preview, by name."""
    group = request.GET["group"]
    shown = preview_names.page_of_group(
        account, leads, kind_of(draft), draft.parameters["clean"], choices_of(draft), group, request.GET.get("page")
    )
    number = shown.paginator.count
    words = ngettext("%(number)s lead: %(words)s", "%(number)s leads: %(words)s", number)
    context = {
        **admin.site.each_context(request),
        "title": words % {"number": f"{number:,}", "words": preview_names.WORDS[group]},
        "opts": BulkRun._meta,
        "draft": draft,
        "group": group,
        "shown": shown,
    }
    return TemplateResponse(request, "admin/bulk/draft_names.html", context)


def _pick(request: HttpRequest, draft: RunDraft, account: Account, leads: QuerySet[Lead], do: str) -> HttpResponse:
    """Put a field into the form of one kind, or take it out. A page with a script gets that form alone, and the draft is not
    touched; what was previewed stays until a new preview is asked for."""
    typed = Drafting(draft, account, leads, field_picks.changed(request.POST, do)).typed()
    draft.parameters = {"form": typed, **ticked(request, request.POST)}
    if request.headers.get("HX-Request") != "true":
        draft.save(update_fields=["parameters"])
        return redirect(draft)
    number = field_picks.number_of(do)
    parts = Drafting(draft, account, leads).shown(number)
    part = next((each for each in parts if each["number"] == number and each["picks"] is not None), None)
    if part is None:
        raise Http404
    show_what_may_be_asked(part["form"], request.user)
    return TemplateResponse(request, "admin/bulk/draft_picks.html", {"part": part, "draft": draft})


def ticked(request: HttpRequest, ticks: Mapping[str, Any]) -> dict[str, Any]:
    """The ticks below the kinds, as a draft keeps them; those that this person may set."""
    include_left = bool(ticks.get(INCLUDE_LEFT)) and request.user.has_perm("leads.resubscribe_list")
    return {
        "choices": {FORCE: bool(ticks.get(FORCE)), INCLUDE_LEFT: include_left},
        "mail": bool(ticks.get("mail") and getattr(request.user, "email", "") and settings.MAIL_IS_SET_UP),
    }


def closed_up(typed: dict[str, Any], gone: int) -> dict[str, Any]:
    """What was typed, with the places behind the one taken away moved up by one."""
    found = {}
    for name, value in typed.items():
        number, dash, rest = name.partition("-")
        if not (dash and number.isdecimal()):
            found[name] = value
        elif int(number) != gone:
            found[f"{int(number) - (int(number) > gone)}-{rest}"] = value
    return found


def _keep(request: HttpRequest, draft: RunDraft, drafting: Drafting) -> None:
    """Remember what was asked for, to preview it. 403 where a single change of it is not permitted."""
    kind, clean = drafting.together()
    clean = kind.clean(drafting.account, clean)
    check_steps(request, kind, clean)
    draft.parameters = {"clean": clean, "form": drafting.typed(), **ticked(request, request.POST)}
    draft.account = drafting.account
    draft.asked_at = draft.refused_at = draft.refused_by = None
    draft.refused_why = ""
    draft.save(update_fields=["account", "parameters", "asked_at", "refused_at", "refused_by", "refused_why"])


def _show(
    request: HttpRequest,
    draft: RunDraft,
    drafting: Drafting,
    account: Account,
    leads: QuerySet[Lead],
    back: str,
    missing: create_many.Missing,
) -> HttpResponse:
    user = request.user
    for form in drafting.all:
        show_what_may_be_asked(form, user)
    if request.method == "POST":
        draft.parameters = {**draft.parameters, **ticked(request, request.POST)}
    kind, choices = kind_of(draft), choices_of(draft)
    previewed = "clean" in draft.parameters and request.method != "POST"
    shown = preview_summary.of(account, leads, kind, draft.parameters["clean"], choices, missing) if previewed else None
    chosen = shown["counted"].total if shown else leads.count() + missing.number
    listed = dict(QueryDict(draft.listed).lists())
    context = {
        **admin.site.each_context(request),
        "title": kind.label if not draft.more else _("Several actions in one"),
        "opts": BulkRun._meta,
        "draft": draft,
        "own": draft.created_by_id == user.pk,
        "account": account,
        "form": drafting.first,
        "parts": drafting.shown(),
        "addable": [each for each in kinds.IN_BULK.values() if user.has_perm(each.permission)],
        "may_add": len(draft.kinds) < MOST_KINDS,
        "recipes": [each for each in from_recipe.usable(request) if each.account_id == account.pk],
        "choices": choices,
        "already": kinds.already_words_of(draft.kinds),
        "may_include_left": bool(LISTS & set(draft.kinds)) and user.has_perm("leads.resubscribe_list"),
        "may_be_mailed": bool(getattr(user, "email", "") and settings.MAIL_IS_SET_UP),
        "mail": draft.parameters.get("mail"),
        "chosen": chosen,
        "back": back,
        "of_list": not back.startswith(reverse("admin:leads_lead_changelist")),
        "missing": missing,
        "preview": shown,
        "zone": timezone.get_current_timezone_name(),
        "sales_unread": filter_notes.of_sales(listed, user) if shown else "",
        "second_profiles": filter_notes.of_second_profiles(listed, user) if shown else "",
        "moved": moved_names.in_conditions(listed, access.accounts_of(user)) if shown else [],
        "try_number": 0 if approvals.why_not_alone(user, account, preview_summary.TRY) else preview_summary.TRY,
        "too_many": approvals.why_not_alone(user, account, chosen),
        "may_approve": approvals.may_approve(user),
    }
    return TemplateResponse(request, "admin/bulk/draft_page.html", context)
