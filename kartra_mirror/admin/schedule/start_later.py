"""A prepared bulk action that starts at a time: a schedule that happens once, made of the draft, which is gone then."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from kartra_mirror.admin.bulk.draft_forms import kind_of
from kartra_mirror.admin.schedule.schedule_form import LaterForm, readers_zone
from kartra_mirror.ui.lead_fields import check_steps
from leads.filters.selection import AllOf, NoneOf, OnPeopleLists, WithIds, as_json, from_json
from leads.models import PeopleList, Period, RunDraft, Schedule
from leads.schedules import recipes, steering


def page(request: HttpRequest, draft: RunDraft) -> HttpResponse:
    """POST makes the schedule and shows it."""
    can = draft.account is not None and "clean" in draft.parameters and "people" not in draft.selection
    if request.method != "POST" or not can or draft.started_at or draft.account is None:
        return redirect(draft)
    form = LaterForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose a day and a time."))
        return redirect(draft)
    kind, clean = kind_of(draft), draft.parameters["clean"]
    check_steps(request, kind, clean)
    on, at = form.cleaned_data["at"]
    schedule = Schedule(
        account=draft.account,
        name=draft.words[:200],
        steps=recipes.steps_of(kind, clean),  # what was previewed, whatever becomes of a recipe
        choices=draft.parameters.get("choices", {}),
        selection=_selection(draft),
        people_list=draft.creates_from or _list_of(draft),
        creates_missing=draft.creates_from is not None,
        why=draft.parameters.get("form", {}).get("why", ""),
        zone=readers_zone(),
        period=Period.ONCE,
        on=on,
        at=at,
    )
    try:
        steering.save(schedule, by=request.user)
    except steering.CannotSchedule as problem:
        messages.error(request, str(problem))
        return redirect(draft)
    RunDraft.objects.filter(pk=draft.pk, started_at=None).delete()
    messages.success(request, _("It starts by itself then, for the leads who are selected at that time."))
    return redirect(schedule)


def _list_of(draft: RunDraft) -> PeopleList | None:
    """The list whose people the draft is about, if it is about one."""
    pks = [pk for part in from_json(draft.selection).all_parts() if isinstance(part, OnPeopleLists) for pk in part.pks]
    return PeopleList.objects.filter(account=draft.account, pk__in=pks[:1]).first()


def _selection(draft: RunDraft) -> object:
    """Of the draft; but for those on whom it was tried."""
    if draft.tried is None:
        return draft.selection
    done = tuple(draft.tried.changes.values_list("lead", flat=True).distinct())
    return as_json(AllOf((from_json(draft.selection), NoneOf(WithIds(done)))))
