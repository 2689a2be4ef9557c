"""What people asked for about their own data: what, of which account, who entered it, until when, what came of it."""

from typing import Any

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, to_the_second
from kartra_mirror.ui.unfold_adapter import ChoicesDropdownFilter, RelatedDropdownFilter
from leads import clock
from leads.erasure.reject_files import FILES
from leads.erasure.texts import OTHERS_LEADS
from leads.models import DataSubjectRequest

BESIDES = {
    FILES: gettext_lazy("files of bad rows"),
    OTHERS_LEADS: gettext_lazy("other leads whose notes named the person"),
    "nobody": gettext_lazy("messages that are linked to no lead"),
    "admin.logentry": gettext_lazy("lines of who did what"),
}
"""What is counted besides the tables whose rows have a name of ours."""


@admin.register(DataSubjectRequest)
class DataSubjectRequestAdmin(ReadOnlyAdmin):
    list_display = ["kind", "account", "whose", "entered", "asked", "due", "done"]
    list_filter = [("kind", ChoicesDropdownFilter), ("account", RelatedDropdownFilter)]
    list_select_related = ["account", "lead", "asked_by"]
    fields = ["kind", "account", "whose", "entered", "asked", "due", "done"]
    readonly_fields = ["whose", "entered", "asked", "due", "done"]
    change_form_after_template = "admin/privacy/request_result.html"

    asked = to_the_second("asked_at", gettext_lazy("asked"))
    done = to_the_second("done_at", gettext_lazy("done"))

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, row: DataSubjectRequest) -> str:
        words = to_the_second("due_at", "")(self, row)
        late = format_html(' <span class="badge bad">{}</span>', _("late")) if row.is_late(clock.about_now()) else ""
        return format_html("{}{}", words, late)

    @admin.display(description=gettext_lazy("whose"))
    def whose(self, row: DataSubjectRequest) -> str:
        """The lead while it is there; of somebody who was erased nothing is told."""
        if row.lead is None:
            return _("erased")
        return format_html('<a class="link" href="{}">{}</a>', row.lead.get_absolute_url(), row.lead)

    @admin.display(description=gettext_lazy("entered by"))
    def entered(self, row: DataSubjectRequest) -> str:
        return str(row.asked_by) if row.asked_by is not None else _("from the command line")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        told = {"counts": counts_in_words(row.counts), "row": row} if row is not None else {}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**told, **(extra_context or {})})
        return answer


def counts_in_words(counts: dict[str, int]) -> list[tuple[Any, int]]:
    """[(what the rows are called, how many)], the most first."""
    found = [(_called(table), number) for table, number in counts.items()]
    return sorted(found, key=lambda each: (-each[1], str(each[0])))


def _called(table: str) -> Any:
    if table in BESIDES:
        return BESIDES[table]
    try:
        return apps.get_model(table)._meta.verbose_name_plural
    except (LookupError, ValueError):
        return table
