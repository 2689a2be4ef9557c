"""Calls to Kartra: what was said, for whom, what came of it."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy as _

from integrations.kartra.commands import FIRST_ONLY, WITHOUT_LEAD
from integrations.models import ApiCall, Attempt
from integrations.receive import body_text
from integrations.translate import WIRE_FORMATS
from kartra_mirror.ui import trail
from kartra_mirror.ui.admin_bases import ReadOnlyAdmin, ReadOnlyInline, SearchedByLead, said, to_the_second
from kartra_mirror.ui.unfold_adapter import (
    ChoicesDropdownFilter,
    CodeFilter,
    DropdownFilter,
    RangeDateTimeFilter,
    RelatedDropdownFilter,
)
from leads.access import RequestUser

COMMANDS = sorted(
    {command for encoding in WIRE_FORMATS.values() for command in encoding.commands}
    | FIRST_ONLY
    | WITHOUT_LEAD
    | {"get_lead", "retrieve_transactions_from_lead", "retrieve_subscriptions_from_lead"}
)
"""Kartra's names of all that can be said."""


class CommandFilter(DropdownFilter):
    """Calls with this command among their actions."""

    title, parameter_name = _("command"), "command"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [(name, name) for name in COMMANDS]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        name = self.value()
        if not name:
            return queryset
        alone, first, last, between = (
            Q(**{f"commands{how}": text})
            for how, text in (
                ("", name),
                ("__startswith", f"{name}, "),
                ("__endswith", f", {name}"),
                ("__contains", f", {name}, "),
            )
        )
        return queryset.filter(alone | first | last | between)


class AttemptInline(ReadOnlyInline):
    model = Attempt
    verbose_name_plural = _("Requested changes in this call")
    fields = readonly_fields = ("change", "command", "known", "code", said, "looked_again")
    show_change_link = False

    @admin.display(description=_("what is known of it"))
    def known(self, attempt: Attempt) -> str:
        return attempt.get_proof_display()

    looked_again = to_the_second("verify_at", _("looked for again at"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        return super().get_queryset(request).select_related("change")


@admin.register(ApiCall)
class ApiCallAdmin(ReadOnlyAdmin, SearchedByLead):
    list_display = ["claimed", "commands_shown", "whom", "carried", "cause", "outcome", "code", "took", "connection"]
    list_filter = [
        ("claimed_at", RangeDateTimeFilter),
        ("outcome", ChoicesDropdownFilter),
        ("cause", ChoicesDropdownFilter),
        CommandFilter,
        CodeFilter,
        "writes",
        ("connection", RelatedDropdownFilter),
    ]
    list_select_related = ["lead", "connection__account"]
    readonly_fields = ["answer_text", "commands_shown", said, "claimed", "sent", "finished", "took"]
    fields = [
        "claimed",
        "commands_shown",
        "lead",
        "cause",
        "made_by",
        "connection",
        "sent",
        "finished",
        "took",
        "outcome",
        "code",
        said,
        "answer_text",
    ]
    inlines = [AttemptInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiCall]:
        rows: QuerySet[ApiCall] = super().get_queryset(request)
        return rows.prefetch_related(
            Prefetch("attempts", Attempt.objects.select_related("change").order_by("position"))
        )

    claimed = to_the_second("claimed_at", _("taken up at"))
    sent = to_the_second("sent_at", _("sent at"))
    finished = to_the_second("finished_at", _("finished at"))

    def behind(self, row: ApiCall, user: RequestUser) -> Any:
        return trail.of_call(row, user)

    @admin.display(description=_("commands"), ordering="commands")
    def commands_shown(self, call: ApiCall) -> str:
        return call.commands_shown

    @admin.display(description=_("took"), ordering="elapsed_ms")
    def took(self, call: ApiCall) -> str:
        return "—" if call.elapsed_ms is None else gettext("%(number)s ms") % {"number": f"{call.elapsed_ms:,}"}

    @admin.display(description=_("requested changes"))
    def carried(self, call: ApiCall) -> str:
        lines = ((each.change.get_absolute_url(), capfirst(str(each.change))) for each in call.attempts.all())
        return format_html_join("", '<div><a class="link" href="{}">{}</a></div>', lines) or "—"

    @admin.display(description=_("Kartra's answer"))
    def answer_text(self, call: ApiCall) -> str:
        """Kept of calls that write."""
        if not call.answer:
            return "—"
        told = body_text.shown(call.answer.encode("utf-8", "replace"))
        return format_html('<pre class="raw" tabindex="0">{}</pre>', told.pretty or told.raw)
