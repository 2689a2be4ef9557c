"""Segments in the admin: a filter of the leads list under a name, shared; from there to its leads or to a bulk action."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.admin.bulk import draft_view, from_recipe
from kartra_mirror.admin.segments import segment_delete, watch_card, watch_page
from kartra_mirror.ui import pagination
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.unfold_adapter import ChangeList, RelatedDropdownFilter, style
from leads import access, filters, kinds
from leads.changes import moved_names
from leads.filters import CannotResolve, Names, segments as building
from leads.filters.selection import InSegments
from leads.models import Account, Recipe, Segment

LEADS = "admin:leads_lead_changelist"


def conditions_of(query: str) -> dict[str, list[str]]:
    """The filter's part of the leads list's query, without what only pages, sorts or is empty."""
    given = QueryDict(query)
    found = {name: [v for v in given.getlist(name) if v] for name in given if filters.is_parameter(name)}
    return {name: values for name, values in sorted(found.items()) if values}


def query_of(conditions: dict[str, list[str]]) -> str:
    query = QueryDict(mutable=True)
    for name, values in conditions.items():
        query.setlist(name, values)
    return query.urlencode()


def _words(segment: Segment, names: Names | None = None) -> list[str]:
    """Who is in it, with names of its own account alone."""
    try:
        conditions = building.conditions_of(segment.selection)
    except CannotResolve:
        return [_("a filter that cannot be read, so no lead matches")]
    return filters.in_words(conditions, frozenset({segment.account_id}), names)


class NotSaved(ValueError):
    """The segment cannot be saved like this. The text is a sentence; `may_replace` where a tick would help."""

    def __init__(self, words: str, *, may_replace: bool = False) -> None:
        super().__init__(words)
        self.may_replace = may_replace


class SegmentList(ChangeList):
    """The rows of a page share the names that their conditions need."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = self.result_list = list(self.result_list)
        names = filters.names_of([building.known_conditions(row.selection) for row in rows])
        for row in rows:
            row.names = names


class SegmentForm(forms.Form):
    """A name, and the account where there are several."""

    name = forms.CharField(max_length=200, label=gettext_lazy("Name of the segment"))

    def __init__(self, accounts: list[Account], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(accounts) > 1:
            self.fields["account"] = forms.ChoiceField(
                choices=[(each.pk, each.name) for each in accounts], label=_("Account")
            )
        style(self)


@admin.register(Segment)
class SegmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "what", "account", "created_by", "updated_at"]
    list_filter = [("account", RelatedDropdownFilter)]
    search_fields = ["name"]
    list_select_related = ["account", "created_by"]
    change_form_template = "admin/leads/segment_page.html"

    @admin.display(description=gettext_lazy("who is in it"))
    def what(self, segment: Segment) -> str:
        return "; ".join(_words(segment, getattr(segment, "names", None))) or _("every lead of the account")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SegmentList

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("save/", view(self.save_view), name="leads_segment_save"),
            path("<int:pk>/do/<slug:what>/", view(self.do_view), name="leads_segment_do"),
            path("<int:pk>/watch/", view(self.watch_view), name="leads_segment_watch"),
            *super().get_urls(),
        ]

    def _may(self, request: HttpRequest, verb: str) -> bool:
        return bool(request.user.has_perm(f"leads.{verb}_segment"))

    def save_view(self, request: HttpRequest) -> HttpResponse:
        """Save the filter of the leads list (`?query=`) under a name; under a name that is taken, in its place."""
        if not self._may(request, "add"):
            raise PermissionDenied
        query = request.POST.get("query", request.GET.get("query", ""))
        conditions = conditions_of(query)
        if not conditions:
            messages.warning(request, _("Nothing is filtered, so there is nothing to save. Filter the leads first."))
            return redirect(LEADS)
        accounts = list(access.only_mine(Account.objects.all(), request.user))
        if not accounts:
            raise PermissionDenied
        chosen = [each for each in accounts if conditions.get("account") == [str(each.pk)]]
        accounts = chosen or accounts
        form = SegmentForm(accounts, request.POST or None)
        if request.method == "POST" and form.is_valid():
            account = Account.objects.get(pk=form.cleaned_data.get("account", accounts[0].pk))
            try:
                found = self._save(request, account, form.cleaned_data["name"].strip(), conditions)
            except NotSaved as problem:
                form.add_error("name", str(problem))
                if problem.may_replace:
                    form.fields["replace"] = forms.BooleanField(required=False, label=_("Replace what it holds"))
            else:
                return HttpResponseRedirect(f"{reverse(LEADS)}?segment={found.pk}")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Save as a segment"),
            "form": form,
            "query": query,
            "words": filters.in_words(conditions, access.accounts_of(request.user)),
            "back": f"{reverse(LEADS)}?{query}",
        }
        return TemplateResponse(request, "admin/leads/segment_save.html", context)

    def _save(self, request: HttpRequest, account: Account, name: str, conditions: dict[str, list[str]]) -> Segment:
        """The segment as it is stored now. Raises NotSaved."""
        taken = Segment.objects.filter(account=account, name__iexact=name).first()
        if taken is not None:
            return self._replace(request, taken, conditions)
        try:
            building.check_new(conditions)
            with transaction.atomic():
                made = Segment.objects.create(
                    account=account,
                    name=name,
                    selection=building.as_kept(conditions),
                    created_by=access.user_of(request.user),
                )
        except building.CannotHold as problem:
            raise NotSaved(str(problem)) from None
        except IntegrityError:  # somebody took the name at the same moment
            raise NotSaved(_("There is a segment of this name. Choose another name.")) from None
        self.message_user(
            request, _("Saved. The segment %(name)s is there for everybody now.") % {"name": name}, messages.SUCCESS
        )
        return made

    def _replace(self, request: HttpRequest, taken: Segment, conditions: dict[str, list[str]]) -> Segment:
        if not (taken.created_by_id == request.user.pk or self._may(request, "change")):
            raise NotSaved(_("There is a segment of this name, and it is a colleague's. Choose another name."))
        if not request.POST.get("replace"):
            words = _("There is a segment of this name. Choose another, or tick below to replace that one.")
            raise NotSaved(words, may_replace=True)
        try:
            taken.selection = building.as_kept(building.refined(taken, conditions))
        except building.CannotHold as problem:
            raise NotSaved(str(problem)) from None
        taken.save()
        self.message_user(
            request, _("The segment %(name)s holds what you see now.") % {"name": taken.name}, messages.SUCCESS
        )
        return taken

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page of a segment: who is in it, how many now, what to do with them."""
        segment = self._segment(request, object_id)
        user = request.user
        conditions = building.known_conditions(segment.selection)
        number, more = pagination.counted(filters.of_segment(segment), self.paginator.most)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": segment.name,
            "segment": segment,
            "words": _words(segment),
            "number": number,
            "more": more,
            "moved": moved_names.in_conditions(conditions, access.accounts_of(user)),
            "card": watch_card.card(user, segment),
            "kinds": [k for k in kinds.IN_BULK.values() if user.has_perm(k.permission) and user.has_perm(access.BULK)],
            "recipes": self._recipes(request, segment),
            "as_filter": f"{reverse(LEADS)}?{query_of(conditions)}",
            "may_delete": self._may(request, "delete") or segment.created_by_id == user.pk,
            "may_change": self._may(request, "change") or segment.created_by_id == user.pk,
        }
        return TemplateResponse(request, self.change_form_template, context)

    def watch_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What happens when somebody enters it."""
        context = {**self.admin_site.each_context(request), "opts": self.opts}
        return watch_page.page(request, self._segment(request, pk), context)

    def _segment(self, request: HttpRequest, pk: int | str) -> Segment:
        text = str(pk)
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related("account", "created_by")
        segment: Segment | None = rows.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if segment is None:
            raise Http404
        return segment

    def _recipes(self, request: HttpRequest, segment: Segment) -> list[Recipe]:
        if not request.user.has_perm(access.BULK):
            return []
        return [each for each in from_recipe.usable(request) if each.account_id == segment.account_id]

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Begin a bulk action on its leads, rename it, delete it."""
        segment = self._segment(request, pk)
        owns = segment.created_by_id == request.user.pk
        if what == "delete":
            if not (owns or self._may(request, "delete")):
                raise PermissionDenied
            return segment_delete.page(request, segment, {**self.admin_site.each_context(request), "opts": self.opts})
        if request.method != "POST":
            return HttpResponseRedirect(segment.get_absolute_url())
        if what == "start" and request.POST.get("kind") in kinds.IN_BULK:
            kind, chosen = kinds.get_kind(request.POST["kind"]), InSegments((segment.pk,))
            return redirect(draft_view.new_draft(request, kind, chosen, listed=f"segment={segment.pk}"))
        if what == "start" and (recipe := from_recipe.named(request, request.POST.get("kind", ""))):
            if recipe not in self._recipes(request, segment):
                raise PermissionDenied
            listed = f"segment={segment.pk}"
            return redirect(from_recipe.new_draft(request, recipe, InSegments((segment.pk,)), listed=listed))
        if what == "rename":
            if not (owns or self._may(request, "change")):
                raise PermissionDenied
            return self._rename(request, segment)
        raise Http404

    def _rename(self, request: HttpRequest, segment: Segment) -> HttpResponse:
        name = request.POST.get("name", "").strip()[:200]
        try:
            with transaction.atomic():
                if name:
                    segment.name = name
                    segment.save()
        except IntegrityError:
            self.message_user(request, _("There is another segment called %(name)s.") % {"name": name}, messages.ERROR)
        return HttpResponseRedirect(segment.get_absolute_url())


def shown(conditions: dict[str, list[str]], user: access.RequestUser) -> Segment | None:
    """The segment that the leads list shows, where it is one alone."""
    keys = conditions.get("segment", [])
    if len(keys) != 1 or not keys[0].isdecimal() or len(keys[0]) > 17:
        return None
    return access.only_mine(Segment.objects.filter(pk=keys[0]), user).first()
