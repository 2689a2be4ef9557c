"""Lists of people in the admin: add one, look at it, go on to a bulk action; named, corrected, deleted."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from integrations.notify import notify_worker
from kartra_mirror.admin.bulk import draft_view
from kartra_mirror.admin.people.left_out import left_out_of, selection_of
from kartra_mirror.admin.people.list_forms import ColumnsForm, NewListForm
from kartra_mirror.admin.people.list_page import ListPage
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.unfold_adapter import RelatedDropdownFilter, only_own_choices
from leads import access, importing, kinds
from leads.models import PeopleList, PeopleListRow, PeopleListState
from leads.people import lists


@admin.register(PeopleList)
class PeopleListAdmin(ReadOnlyAdmin):
    list_display = ["name", "account", "rows_read", "state", "created_by", "created_at", "used_at"]
    list_filter = [("account", RelatedDropdownFilter)]
    search_fields = ["name", "file_name"]
    list_select_related = ["account", "created_by"]
    change_list_template = "admin/people/lists.html"
    change_form_template = "admin/people/list_page.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("leads.add_peoplelist"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/do/<slug:what>/", view(self.do_view), name="leads_peoplelist_do"),
            path("<int:pk>/now/", view(self.now_view), name="leads_peoplelist_now"),
            *super().get_urls(),
        ]

    def _list(self, request: HttpRequest, pk: int | str) -> PeopleList:
        if not self.has_view_permission(request):
            raise PermissionDenied
        text = str(pk)
        rows = self.get_queryset(request).select_related("account", "created_by")
        found: PeopleList | None = rows.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if found is None:
            raise Http404
        return found

    def _may(self, request: HttpRequest, people_list: PeopleList, verb: str) -> bool:
        own = people_list.created_by_id == request.user.pk
        return bool(own or request.user.has_perm(f"leads.{verb}_peoplelist"))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Paste or upload. Nothing is sent to Kartra; a worker reads it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = only_own_choices(NewListForm(request.POST or None, request.FILES or None), request.user)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            about = {"name": given["name"], "by": request.user}
            try:
                if given["file"]:
                    made = lists.create(given["account"], given["file"].file, given["file"].name, **about)
                else:
                    made = lists.create_pasted(given["account"], given["text"], **about)
            except importing.CannotImport as problem:
                form.add_error("file" if given["file"] else "text", str(problem))
            else:
                notify_worker("read_people_list", made.pk)
                return redirect(made)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("People from a list"),
            "form": form,
        }
        return TemplateResponse(request, "admin/people/list_add.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who is on it."""
        return self._show(request, self._list(request, object_id), self.change_form_template)

    def now_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The page's own part as it is now, while the list is being read."""
        return self._show(request, self._list(request, pk), "admin/people/list_live.html")

    def _show(
        self, request: HttpRequest, people_list: PeopleList, template: str, columns: ColumnsForm | None = None
    ) -> HttpResponse:
        user = request.user
        may_start = user.has_perm(access.BULK)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": people_list.name,
            "people_list": people_list,
            "page": ListPage(request, people_list),
            "columns": columns or ColumnsForm(people_list),
            "kinds": [kind for kind in kinds.IN_BULK.values() if may_start and user.has_perm(kind.permission)],
            "may_create": user.has_perm(kinds.CREATE.permission),
            "may_change": self._may(request, people_list, "change"),
            "may_delete": self._may(request, people_list, "delete"),
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, template, context)

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Go on to a bulk action; correct a row; match the columns; rename; delete."""
        people_list = self._list(request, pk)
        verbs = {"start": None, "correct": "change", "columns": "change", "rename": "change", "delete": "delete"}
        if what not in verbs:
            raise Http404
        if what == "start" and not request.user.has_perm(access.BULK):
            raise PermissionDenied
        if (verb := verbs[what]) and not self._may(request, people_list, verb):
            raise PermissionDenied
        if what == "delete":
            return self._delete(request, people_list)
        if request.method != "POST":
            return HttpResponseRedirect(people_list.get_absolute_url())
        answer: HttpResponse = {
            "start": self._start,
            "correct": self._correct,
            "columns": self._columns,
            "rename": self._rename,
        }[what](request, people_list)
        return answer

    def _back(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        """To the page as it was looked at."""
        return HttpResponseRedirect(f"{people_list.get_absolute_url()}?{request.GET.urlencode()}".rstrip("?"))

    def _start(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        """A draft of a bulk action on its people; what it does is asked there."""
        if people_list.state == PeopleListState.READING:
            messages.warning(request, _("The list is still being read. Wait until it is, then go on."))
            return self._back(request, people_list)
        kind = request.POST.get("kind", "")
        if kind not in kinds.IN_BULK:
            raise Http404
        lists.match_again(people_list)
        lists.note_use(people_list)
        left_out = left_out_of(people_list, request.POST.getlist("out"))
        return redirect(
            draft_view.new_draft(
                request,
                kinds.get_kind(kind),
                selection_of(people_list, left_out),
                creates_from=people_list if request.POST.get("create") == "1" else None,
            )
        )

    def _correct(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        """A person says which address was meant."""
        number = request.POST.get("row", "")
        pk = number if number.isdecimal() and len(number) < 18 else 0
        row = PeopleListRow.objects.filter(people_list=people_list, pk=pk).first()
        if row is None:
            raise Http404
        try:
            if not lists.correct(row, request.POST.get("email", "")):
                messages.warning(request, _("This row was changed in the meantime. Look at it again."))
        except importing.CannotImport as problem:
            messages.error(request, str(problem))
        else:
            notify_worker("read_people_list", people_list.pk)
        return self._back(request, people_list)

    def _columns(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        form = ColumnsForm(people_list, request.POST)
        if not form.is_valid():
            return self._show(request, people_list, self.change_form_template, form)
        PeopleList.objects.filter(pk=people_list.pk).update(mapping=form.mapping)
        return self._back(request, people_list)

    def _rename(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        try:
            lists.rename(people_list, request.POST.get("name", ""))
        except lists.NameTaken as problem:
            messages.error(request, str(problem))
        return self._back(request, people_list)

    def _delete(self, request: HttpRequest, people_list: PeopleList) -> HttpResponse:
        """GET asks first; POST deletes it. Its leads stay as they are."""
        if request.method == "POST":
            try:
                lists.delete(people_list)
            except lists.InUse as problem:
                messages.warning(request, str(problem))
                return self._back(request, people_list)
            words = _("The list %(name)s is deleted. No lead was touched.") % {"name": people_list.name}
            messages.success(request, words)
            return redirect("admin:leads_peoplelist_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Delete the list %(name)s?") % {"name": people_list.name},
            "people_list": people_list,
        }
        return TemplateResponse(request, "admin/people/list_delete.html", context)
