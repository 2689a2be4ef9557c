"""Requested changes: what was wanted, and what became of it."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.text import capfirst

from kartra_mirror.admin.unfold_adapter import ChoicesDropdownFilter, ReadOnlyAdmin, RelatedDropdownFilter
from leads import kinds
from leads.models import ChangeStatus, LeadChange, RunState
from leads.words import STATUS_WORDS


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = "kind", "kind"

    def lookups(self, request, model_admin):  # type: ignore[no-untyped-def]
        return [(kind.name, kind.label) for kind in kinds.ALL.values()]

    def queryset(self, request, queryset):  # type: ignore[no-untyped-def]
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(LeadChange)
class LeadChangeAdmin(ReadOnlyAdmin):
    list_display = ["what", "lead", "became", "kartras_words", "requested_by", "run", "requested_at", "settled_at"]
    list_filter = [("status", ChoicesDropdownFilter), KindFilter, ("account", RelatedDropdownFilter), "run"]
    list_filter_submit = True
    search_fields = ["=lead__kartra_id", "lead__email", "family"]
    list_select_related = ["lead", "requested_by", "run", "account"]
    readonly_fields = ["what", "became", "waits_for", "evidence"]
    fields = [
        "what", "lead", "became", "waits_for", "reason", "code", "message", "run", "requested_by", "why", "requested_at", "settled_at",
        "evidence",
    ]  # fmt: skip

    @admin.display(description="what")
    def what(self, change: LeadChange) -> str:
        return capfirst(str(change))

    @admin.display(description="status", ordering="status")
    def became(self, change: LeadChange) -> str:
        words = STATUS_WORDS[change.status]
        if change.reason and change.reason not in ("already_so",):
            words = f"{words}: {change.get_reason_display()}"
        return format_html('<span class="km-badge km-{}">{}</span>', change.status, words)

    @admin.display(description="Kartra's words")
    def kartras_words(self, change: LeadChange) -> str:
        return f"{change.message} ({change.code})" if change.code else change.message

    @admin.display(description="waits for")
    def waits_for(self, change: LeadChange) -> str:
        """What holds a queued change back."""
        holder = change.held_by()
        if change.run and change.run.state == RunState.PAUSED:
            return f"bulk action {change.run_id} is paused"
        if holder is None:
            return "—"
        if holder.run and holder.run.state == RunState.PAUSED and holder.status == ChangeStatus.WAITING:
            return f"held by bulk action {holder.run_id} ({holder.run}), which is paused"
        return f"held by an earlier request that is {STATUS_WORDS[holder.status]}: {holder}"

    @admin.display(description="what was seen")
    def evidence(self, change: LeadChange) -> str:
        return format_html('<pre class="km-raw">{}</pre>', "\n".join(_lines(change)) or "Nothing yet.")


def _lines(change: LeadChange) -> list[str]:
    """The attempts of a change, one line for each thing that was seen."""
    found = []
    for attempt in change.attempts.select_related("call"):
        found.append(f"Attempt {attempt.pk} in call {attempt.call_id}: {attempt.get_proof_display()}")
        for entry in attempt.evidence:
            rest = ", ".join(f"{key}: {value}" for key, value in entry.items() if key not in ("at", "what") and value)
            found.append(f"  {entry.get('at', '')[:19]}  {entry.get('what', '')}{f' ({rest})' if rest else ''}")
    return found
