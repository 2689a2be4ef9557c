"""Schedules in the admin: the calendar, the page of one, making and changing them, and what is one click."""

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _, ngettext

from kartra_mirror.admin.bulk import approvals
from kartra_mirror.admin.schedule import calendar, start_later
from kartra_mirror.admin.schedule.recipes import sentences
from kartra_mirror.admin.schedule.schedule_form import ScheduleForm, initial_of, moment_in_words, readers_zone
from kartra_mirror.admin.segments import watch_card
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from leads import access, changes, clock
from leads.changes.create_many import with_missing
from leads.models import Occurrence, OccurrenceState, Schedule, ScheduleState
from leads.schedules import due, planning, steering

PAST_SHOWN = 20


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    change_form_template = "admin/schedule/schedule_page.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("leads.add_schedule"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("pause-all/", view(self.pause_all_view), name="leads_schedule_pause_all"),
            path("later/<uuid:key>/", view(self.later_view), name="leads_schedule_later"),
            path("<int:pk>/edit/", view(self.edit_view), name="leads_schedule_edit"),
            path("<int:pk>/do/<slug:what>/", view(self.do_view), name="leads_schedule_do"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What is coming and what was."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Schedule"),
            "may_add": self.has_add_permission(request),
            "watches": watch_card.overview(request.user),
            **calendar.facts(request),
        }
        return TemplateResponse(request, "admin/schedule/calendar.html", context)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """`?recipe=` and `?segment=` are chosen beforehand."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = {name: request.GET.get(name, "") for name in ("recipe", "segment")}
        initial = {name: text for name, text in asked.items() if text.isdecimal() and len(text) < 18}
        initial["zone"] = readers_zone()
        return self._form(request, None, initial, _("New schedule"))

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Change it; it is the person's own then."""
        schedule = self._schedule(request, pk)
        self._check_steers(request, schedule)
        title = _("Change the schedule %(name)s") % {"name": schedule.name}
        return self._form(request, schedule, initial_of(schedule), title)

    def _form(
        self, request: HttpRequest, schedule: Schedule | None, initial: dict[str, Any], title: str
    ) -> HttpResponse:
        form = ScheduleForm(request, schedule, request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            self._check_may(request, form)
            try:
                saved = form.save(by=request.user)
            except steering.CannotSchedule as problem:
                form.add_error(None, str(problem))
            else:
                words = _("Saved. It acts with your rights: what you may not do then, it asks about.")
                self.message_user(request, words, messages.SUCCESS)
                return redirect(saved)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "form": form,
            "schedule": schedule,
        }
        return TemplateResponse(request, "admin/schedule/schedule_form.html", context)

    def _check_may(self, request: HttpRequest, form: ScheduleForm) -> None:
        """403 unless this person may do what it is to do: a schedule is no way to more."""
        given = form.cleaned_data
        account = (form.schedule or given["recipe"]).account
        old = form.schedule
        choices, steps = (old.choices, old.steps) if old else ({}, None)
        asked = Schedule(
            account=account,
            recipe=given["recipe"],
            steps=None if given["recipe"] else steps,
            choices=choices,
            creates_missing=old is not None and old.creates_missing,
        )
        try:
            kind, clean = planning.what_of(asked)
        except planning.Holds:
            return  # saving says why
        if not planning.may(access.user_of(request.user), asked, kind, clean):
            raise PermissionDenied

    def _schedule(self, request: HttpRequest, pk: int | str) -> Schedule:
        text = str(pk)
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("account__connection", "owner", "recipe")
        schedule: Schedule | None = rows.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if schedule is None:
            raise Http404
        return schedule

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a schedule: what, on whom, when; what holds; what was."""
        schedule = self._schedule(request, object_id)
        now, user = clock.now(), request.user
        held = Occurrence.objects.held().filter(schedule=schedule).first()
        said = calendar.selections([schedule])
        past = schedule.occurrences.exclude(state=OccurrenceState.HELD).select_related("schedule", "run")[:PAST_SHOWN]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": schedule.name,
            "schedule": schedule,
            "moment": moment_in_words(schedule),
            "selection": said[schedule.pk],
            "sentences": sentences(schedule.recipe.steps if schedule.recipe else schedule.steps or []),
            "held": held,
            "would": self._would(schedule) if held else None,
            "rows": [calendar.row_of(each, said, now) for each in past],
            "ahead": [{"at": at, "day": calendar.day(at, now)} for at in calendar.ahead(schedule, now)],
            "may_steer": calendar.may_steer(user, schedule),
            "may_start": user.has_perm(access.BULK),
            "own": schedule.owner_id == user.pk,
            "over": schedule.state == ScheduleState.OVER,
            "paused": schedule.state == ScheduleState.PAUSED,
        }
        return TemplateResponse(request, self.change_form_template, context)

    def _would(self, schedule: Schedule) -> changes.Preview | None:
        """What it would do if it were released now; None where that cannot be told."""
        try:
            plan = planning.plan_of(schedule)
        except planning.Holds:
            return None
        counted = changes.preview_change(schedule.account, plan.leads, plan.kind, plan.clean, plan.choices)
        return with_missing(counted, plan.missing)

    def _check_steers(self, request: HttpRequest, schedule: Schedule) -> None:
        if not calendar.may_steer(request.user, schedule):
            raise PermissionDenied

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """One click, always a POST: skip a time or not, pause, resume, release what holds, take it over, delete it."""
        schedule = self._schedule(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(schedule.get_absolute_url())
        try:
            if what == "release":
                return self._release(request, schedule)
            if what == "take-over":
                if not request.user.has_perm(access.BULK):
                    raise PermissionDenied
                steering.take_over(schedule, by=request.user)
                self.message_user(request, _("It is yours now, and acts with your rights."), messages.SUCCESS)
                return HttpResponseRedirect(schedule.get_absolute_url())
            self._check_steers(request, schedule)
            if what == "skip":
                self._skip(request, schedule)
            elif what == "unskip":
                steering.do_not_skip(schedule, self._due_at(request))
            elif what == "pause":
                steering.pause(schedule, by=request.user)
            elif what == "resume":
                steering.resume(schedule)
            elif what == "delete":
                schedule.delete()
                words = _("The schedule %(name)s is deleted. What it started goes on.") % {"name": schedule.name}
                self.message_user(request, words, messages.SUCCESS)
                return redirect("admin:leads_schedule_changelist")
            else:
                raise Http404
        except steering.CannotSchedule as problem:
            self.message_user(request, str(problem), messages.ERROR)
        back = request.POST.get("back") == "calendar"
        return (
            redirect("admin:leads_schedule_changelist") if back else HttpResponseRedirect(schedule.get_absolute_url())
        )

    def _due_at(self, request: HttpRequest) -> dt.datetime:
        """The time that a button is about. 404 for what is none."""
        try:
            found = parse_datetime(request.POST.get("due_at", ""))
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            raise Http404
        return found

    def _skip(self, request: HttpRequest, schedule: Schedule) -> None:
        if not steering.skip(schedule, self._due_at(request), by=request.user):
            words = _("This time cannot be left out: it has started already, or the schedule was changed.")
            self.message_user(request, words, messages.WARNING)

    def _release(self, request: HttpRequest, schedule: Schedule) -> HttpResponse:
        if not request.user.has_perm(access.BULK):
            raise PermissionDenied
        held = Occurrence.objects.held().filter(schedule=schedule).select_related("schedule__account").first()
        if held is None:
            self.message_user(request, _("Nothing of it holds any more."), messages.INFO)
            return HttpResponseRedirect(schedule.get_absolute_url())
        try:
            run = due.release(held, by=request.user)
        except changes.CannotRecord as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return HttpResponseRedirect(schedule.get_absolute_url())
        if run is None:
            self.message_user(request, _("No lead needs it, so nothing was started."), messages.INFO)
            return HttpResponseRedirect(schedule.get_absolute_url())
        return redirect(run)

    def pause_all_view(self, request: HttpRequest) -> HttpResponse:
        """Pause every schedule that this person may pause."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            mine = self.get_queryset(request)
            if not request.user.has_perm("leads.change_schedule"):
                mine = mine.filter(owner=request.user.pk)
            number = steering.pause_all(mine, by=request.user)
            words = ngettext("%(n)s schedule is paused.", "%(n)s schedules are paused.", number) % {"n": f"{number:,}"}
            self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:leads_schedule_changelist"))

    def later_view(self, request: HttpRequest, key: Any) -> HttpResponse:
        """A bulk action that is prepared starts at a time."""
        draft = approvals.find(request, key)
        if draft is None:
            raise Http404
        if not self.has_add_permission(request):
            raise PermissionDenied
        if draft.created_by_id != request.user.pk:  # whoever was asked starts it or declines it, now
            return redirect(draft)
        return start_later.page(request, draft)
