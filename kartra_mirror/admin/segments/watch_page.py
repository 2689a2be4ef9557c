"""The page of a watched segment: what happens when somebody enters, and who did."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy, ngettext

from integrations.notify import notify_worker
from kartra_mirror.admin.segments import watch_card
from kartra_mirror.ui.unfold_adapter import style
from leads import access, clock, watching
from leads.models import Recipe, Segment, Watch, WatchEntry

SHOWN = 50
MOST = 1_000_000


class WatchForm(forms.Form):
    """Who is told and what is started."""

    by_notice = forms.BooleanField(required=False, label=gettext_lazy("Show it on my home page"))
    by_mail = forms.BooleanField(required=False, label=gettext_lazy("Send me a mail"))
    by_alert = forms.BooleanField(
        required=False,
        label=gettext_lazy("Post to the alert address"),
        help_text=gettext_lazy("How many entered and a link, no names."),
    )
    recipe = forms.ModelChoiceField(
        Recipe.objects.none(),
        required=False,
        empty_label=gettext_lazy("Nothing is started"),
        label=gettext_lazy("Start a recipe for those who enter, once per person"),
    )
    daily_ceiling = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST,
        label=gettext_lazy("At most so many leads a day"),
        help_text=gettext_lazy("Whoever is over it waits for the next day. Empty: any number."),
    )

    def __init__(
        self, user: access.RequestUser, segment: Segment, watch: Watch | None, data: QueryDict | None = None
    ) -> None:
        told = {name: getattr(watch, name) for name in self.base_fields} if watch else {"by_notice": True}
        super().__init__(data, initial=told)
        recipes = Recipe.objects.filter(account=segment.account_id).order_by("name")
        self.fields["recipe"].queryset = recipes  # type: ignore[attr-defined]
        if not settings.MAIL_IS_SET_UP or not getattr(user, "email", ""):
            del self.fields["by_mail"]
        if not settings.ALERT_URL:
            del self.fields["by_alert"]
        if not user.has_perm(access.BULK) or not recipes.exists():
            del self.fields["recipe"], self.fields["daily_ceiling"]
        style(self)


def page(request: HttpRequest, segment: Segment, context: dict[str, Any]) -> HttpResponse:
    """GET shows it; POST sets it up, pauses it, lets it go on or ends it."""
    user = request.user
    if not watch_card.may_see(user):
        raise PermissionDenied
    watch = watch_card.watch_of(segment)
    may_set = watch_card.may_set(user, watch)
    form = WatchForm(user, segment, watch, request.POST if request.POST.get("do") == "save" else None)
    if request.method == "POST":
        if not may_set:
            raise PermissionDenied
        if _done(request, segment, watch, form):
            return HttpResponseRedirect(_url(segment))
    rows = WatchEntry.objects.filter(watch=watch).select_related("lead", "run") if watch else WatchEntry.objects.none()
    more = {
        "title": _("When somebody enters %(segment)s") % {"segment": segment.name},
        "segment": segment,
        "card": watch_card.card(user, segment),
        "form": form if may_set else None,
        "entries": list(rows[:SHOWN]),
        "shown": SHOWN,
        "may_see_runs": user.has_perm("leads.view_bulkrun"),
    }
    return TemplateResponse(request, "admin/segments/watch_page.html", {**context, **more})


def _url(segment: Segment) -> str:
    return reverse("admin:leads_segment_watch", args=[segment.pk])


def _done(request: HttpRequest, segment: Segment, watch: Watch | None, form: WatchForm) -> bool:
    """Do what a button says. False where the form is to be shown again, with what is wrong."""
    user, do = request.user, request.POST.get("do", "")
    try:
        if do == "save":
            if not form.is_valid():
                return False
            made = watching.set_watch(segment, owner=user, **form.cleaned_data)
            notify_worker("look_at_watch", made.pk)
            messages.success(request, _("Saved. You answer for it from now on."))
        elif watch is not None and do == "pause":
            watching.pause_by(watch, user, clock.now())
            messages.success(request, _("Paused. Whoever enters meanwhile waits."))
        elif watch is not None and do in ("resume", "resume_without"):
            number = watching.leave_out_waiting(watch) if do == "resume_without" else 0
            watching.resume(watch, user)
            notify_worker("look_at_watch", watch.pk)
            words = ngettext("%(n)s lead who waited is left out.", "%(n)s leads who waited are left out.", number)
            messages.success(
                request, words % {"n": f"{number:,}"} if number else _("It goes on. You answer for it now.")
            )
        elif watch is not None and do == "seen":
            Watch.objects.filter(pk=watch.pk, owner=user.pk).update(seen_at=clock.now())
        elif watch is not None and do == "stop":
            watching.stop_watching(watch)
            messages.success(request, _("It is not watched any more. No lead was touched."))
    except watching.CannotWatch as problem:
        if do == "save":
            form.add_error(None, str(problem))
            return False
        messages.error(request, str(problem))
    return True
