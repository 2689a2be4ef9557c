"""Loading Kartra's exports in the admin: upload, match the columns, look, load, and the result with its bad rows. What is typed
is read by `import_forms`."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from integrations.notify import notify_worker
from kartra_mirror.admin.data.import_forms import MatchForm, UploadForm
from kartra_mirror.ui import coverage
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin
from kartra_mirror.ui.downloads import csv_response
from kartra_mirror.ui.unfold_adapter import ChoicesDropdownFilter, RelatedDropdownFilter, only_own_choices
from leads import importing
from leads.importing import ids, words
from leads.models import Import, ImportKind, ImportReject, ImportState, Source

REJECTS_SHOWN = 20
SAMPLE_SHOWN = 60
IDS = ("kartra", "not-kartra")
"""What a person may say of a file's ids."""
LOOKS = {
    ImportState.CHECKING: "wait",
    ImportState.LOADING: "wait",
    ImportState.FINISHED: "good",
    ImportState.STOPPED: "bad",
}
"""The colour of a state's badge; none is grey."""


def _absent(job: Import) -> int:
    """How many leads that came new with a file of leads are not in Kartra, as far as it was asked by now."""
    new = job.account.leads.filter(known_from=Source.IMPORT, known_since__gte=job.created_at)
    return new.filter(absent_at__isnull=False, kartra_id=None, gone_at=None).count()


def progress_of(job: Import) -> dict[str, Any]:
    """How far an import is, as its page polls it."""
    return {
        "state": job.state,
        "state_words": job.get_state_display(),
        "look": LOOKS.get(ImportState(job.state), ""),
        "step": 3 if job.state in (ImportState.CHECKING, ImportState.CHECKED) else 4,
        "is_going": job.is_going,
        "percent": job.percent,
        "rows": job.rows,
        "rejected": job.rejected,
        "sentence": words.outcome(job),
    }


@admin.register(Import)
class ImportAdmin(ReadOnlyAdmin):
    list_display = ["file_name", "kind", "account", "state", "rows", "rejected", "created_by", "created_at"]
    list_filter = [
        ("kind", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
        ("account", RelatedDropdownFilter),
    ]
    search_fields = ["file_name"]
    list_select_related = ["account", "created_by"]
    change_list_template = "admin/data/import_list.html"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("leads.add_import"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/match/", view(self.match_view), name="leads_import_match"),
            path("<int:pk>/do/<slug:what>/", view(self.do_view), name="leads_import_do"),
            path("<int:pk>/progress/", view(self.progress_view), name="leads_import_progress"),
            path("<int:pk>/rejected.csv", view(self.rejects_view), name="leads_import_rejects"),
            path("total/<int:account>/", view(self.total_view), name="leads_import_total"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        totals = [(account, coverage.in_words(account)) for account in coverage.totals(request.user)]
        return super().changelist_view(request, {"totals": totals, **(extra_context or {})})

    def total_view(self, request: HttpRequest, account: int) -> HttpResponse:
        """Kartra's own total of an account."""
        return coverage.page(request, account, self.admin_site.each_context(request))

    def _job(self, request: HttpRequest, pk: int | str, *, may_load: bool = False) -> Import:
        if not (self.has_add_permission(request) if may_load else self.has_view_permission(request)):
            raise PermissionDenied
        text = str(pk)
        jobs = Import.objects.select_related("account", "created_by")
        job = jobs.filter(pk=text).first() if text.isdecimal() and len(text) < 18 else None
        if job is None:
            raise Http404
        return job

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Upload a file. Nothing is imported yet."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, initial={"kind": request.GET.get("kind")})
        only_own_choices(form, request.user)
        if request.method == "POST" and form.is_valid():
            file, kind = form.cleaned_data["file"], ImportKind(form.cleaned_data["kind"])
            try:
                job = importing.create(
                    form.cleaned_data["account"], kind, file.file, file.name, by=request.user, keep=True
                )
            except importing.CannotImport as problem:
                form.add_error("file", str(problem))
            else:
                return HttpResponseRedirect(reverse("admin:leads_import_match", args=[job.pk]))
        return self._page(request, "upload", {"title": _("Import a file that Kartra exported"), "form": form})

    def match_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Say what each column is, then have the file checked."""
        job = self._job(request, pk, may_load=True)
        if not job.kept or job.state not in (ImportState.NEW, ImportState.CHECKED):
            return HttpResponseRedirect(job.get_absolute_url())
        form = MatchForm(job, request.POST or None)
        file = importing.open_kept(job)
        if request.method == "POST" and form.is_valid():
            try:
                importing.match(job, form.mapping, **form.how)
                importing.check(job, file)
            except importing.CannotImport as problem:
                form.add_error(None, str(problem))
            else:
                notify_worker("load_file", job.pk)
                return HttpResponseRedirect(job.get_absolute_url())
        samples = importing.samples(job, file)
        rows = [
            (form[f"column_{number}"], [cells[number][:SAMPLE_SHOWN] for cells in samples if number < len(cells)])
            for number in range(len(job.headers))
        ]
        more = {"title": str(job), "job": job, "form": form, "columns": rows}
        return self._page(request, "match", more)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """How far it is; what the check found; what came of it."""
        job = self._job(request, object_id)
        if job.state == ImportState.NEW and job.kept and self.has_add_permission(request):
            return HttpResponseRedirect(reverse("admin:leads_import_match", args=[job.pk]))
        return self._page(request, "page", self._facts(request, job))

    def _facts(self, request: HttpRequest, job: Import) -> dict[str, Any]:
        return {
            "title": str(job),
            "job": job,
            "progress": progress_of(job),
            "rejects": ImportReject.objects.filter(file=job).order_by("line")[:REJECTS_SHOWN],
            "remarks": words.remarks(job),
            "ids_problem": "" if job.has_ended else ids.problem(job, sample=False),
            "ids_unsure": ids.verdict(job.options) == ids.UNSURE,
            "ids_people": ids.people(job.options),
            "mapping": [(header, importing.label(job.kind, target)) for target, header in job.mapping.items()],
            "left_out": [header for header in job.headers if header not in job.mapping.values()],
            "may_load": self.has_add_permission(request),
            "absent": _absent(job),
        }

    def do_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Start loading, or cancel, or say whose the ids are. Only a POST does anything; a second one does nothing."""
        job = self._job(request, pk, may_load=True)
        if what not in ("start", "cancel", *IDS):
            raise Http404
        if request.method == "POST" and what in IDS:
            self._say_ids(request, job, what)
        elif request.method == "POST":
            done = importing.cancel(job) if what == "cancel" else self._start(request, job)
            if done and what == "start":
                notify_worker("load_file", job.pk)
            if not done:  # what was done, the page says by itself, for as long as it is so
                words_ = _("Nothing was changed: this import is %(state)s.") % {"state": job.get_state_display()}
                self.message_user(request, words_, messages.WARNING)
        return HttpResponseRedirect(job.get_absolute_url())

    def _start(self, request: HttpRequest, job: Import) -> bool:
        try:
            return job.state == ImportState.CHECKED and importing.start(job)
        except importing.CannotImport as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return False

    def _say_ids(self, request: HttpRequest, job: Import, said: str) -> None:
        """Keep what was said; where the column is left out, the file is checked again."""
        try:
            done = importing.say_ids(job, said) and (said == "kartra" or importing.check(job, importing.open_kept(job)))
        except importing.CannotImport as problem:
            self.message_user(request, str(problem), messages.ERROR)
            return
        if done and said == "not-kartra":
            notify_worker("load_file", job.pk)
            self.message_user(request, _("The column is left out. The file is being checked again."), messages.SUCCESS)

    def progress_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What the page asks for again and again."""
        return TemplateResponse(request, "admin/data/import_live.html", self._facts(request, self._job(request, pk)))

    def rejects_view(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The bad rows as a file, with their lines and reasons."""
        job = self._job(request, pk, may_load=True)
        self.log_change(request, job, str(_("Downloaded its bad rows.")))
        return csv_response(importing.reject_lines(job), f"import-{job.pk}-rejected.csv")

    def _page(self, request: HttpRequest, name: str, more: dict[str, Any]) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, **more}
        return TemplateResponse(request, f"admin/data/import_{name}.html", context)
