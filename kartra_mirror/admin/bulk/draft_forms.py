"""The forms of a bulk action that is being prepared: the fields of each kind chosen, and what is chosen besides."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from kartra_mirror.admin.bulk import field_picks
from kartra_mirror.ui.unfold_adapter import style
from leads import kinds
from leads.changes.preview import Choices
from leads.kind import stored
from leads.models import Account, Lead, RunDraft

FORCE, INCLUDE_LEFT, READ_FIRST = "force", "include_left", "read_first"


class KindForm(forms.Form):
    """The kind's own fields; of a kind that edits fields of leads those that were picked. `alone`: one lead alone is chosen."""

    def __init__(
        self, kind: kinds.ChangeKind, account: Account, *args: Any, alone: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.account = kind, account
        self.parameters: dict[str, Any] = {}
        self.picked: list[str] = []
        self.fields.update(kind.fields(account))
        if kind.edits:
            field_picks.leave_picked(self, alone=alone)
        self.add_more()
        style(self, searched=not kind.edits)

    def add_more(self) -> None:
        """Fields beside the kind's."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        field_picks.check_values(self, cleaned)
        if not self.errors:
            given = {name: value for name, value in cleaned.items() if name != "why"}
            try:
                self.parameters = self.kind.clean(self.account, self.kind.given_in_form(given))
            except kinds.BadParameters as problem:
                raise forms.ValidationError(str(problem)) from None
        return cleaned


class DraftForm(KindForm):
    """The kind's own fields, and the reason."""

    def add_more(self) -> None:
        self.fields["why"] = forms.CharField(
            label=_("Why (for your colleagues)"), required=False, max_length=500, widget=forms.TextInput()
        )


class Drafting:
    """All forms of a draft: of the first kind (with the reason), and of each further kind under a prefix of its own."""

    def __init__(self, draft: RunDraft, account: Account, leads: QuerySet[Lead], data: Any = None) -> None:
        self.account = account
        edits = any(kinds.get_kind(name).edits for name in draft.kinds)
        alone = edits and len(leads.order_by().values("pk")[:2]) == 1
        kept: dict[str, Any] = draft.parameters.get("form", {})
        first, *more = draft.kinds
        self.first = DraftForm(kinds.get_kind(first), account, data, initial=kept, alone=alone)
        self.more = [
            KindForm(
                kinds.get_kind(name),
                account,
                data,
                prefix=str(number),
                initial=_unprefixed(kept, f"{number}-"),
                alone=alone,
            )
            for number, name in enumerate(more, start=2)
        ]
        self.why = self.first.initial.get("why", "")

    @property
    def all(self) -> list[KindForm]:
        return [self.first, *self.more]

    def shown(self, focus: int = 0) -> list[dict[str, Any]]:
        """Each form with its heading and its own fields. The focus has the field that was picked last of the form of this
        number, else the first field of the last form."""
        form = self.all[min(focus or len(self.all), len(self.all)) - 1]
        names = form.picked[-1:] if form.kind.edits else list(form.fields)[:1]
        for name in names:
            form.fields[name].widget.attrs["autofocus"] = True
        return [
            {
                "number": number,
                "kind": form.kind,
                "form": form,
                "fields": [field for field in form if field.name != "why"],
                "picks": field_picks.rows(form) if form.kind.edits else None,
                "prefix": form.add_prefix(""),
            }
            for number, form in enumerate(self.all, start=1)
        ]

    def is_valid(self) -> bool:
        """Whether each is well and all fit together; the complaint is on the first form."""
        valid = [form.is_valid() for form in self.all]  # every one, so that every complaint shows
        if not all(valid):
            return False
        try:
            kind, parameters = self.together()
            kind.clean(self.account, parameters)
        except kinds.BadParameters as problem:
            self.first.add_error(None, str(problem))
            return False
        return True

    def together(self) -> tuple[kinds.ChangeKind, dict[str, Any]]:
        return kinds.together([(form.kind, form.parameters) for form in self.all])

    def typed(self) -> dict[str, Any]:
        """What stands in the inputs, to show it again, and which fields were picked."""
        picked = {form.add_prefix(field_picks.FIELD): form.picked for form in self.all if form.picked}
        if all(form.is_valid() for form in self.all):
            return picked | {
                form.add_prefix(name): stored(value) for form in self.all for name, value in form.cleaned_data.items()
            }
        return picked | {
            form.add_prefix(name): field.widget.value_from_datadict(form.data, {}, form.add_prefix(name))
            for form in self.all
            for name, field in form.fields.items()
        }


def _unprefixed(kept: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in kept.items() if name.startswith(prefix)}


def kind_of(draft: RunDraft) -> kinds.ChangeKind:
    """The kind that the draft starts: its own, or several as one."""
    return kinds.get_kind(draft.kind) if not draft.more else kinds.SEVERAL


def choices_of(draft: RunDraft) -> Choices:
    kept = draft.parameters.get("choices", {})
    return Choices(force=bool(kept.get(FORCE)), include_left=bool(kept.get(INCLUDE_LEFT)))
