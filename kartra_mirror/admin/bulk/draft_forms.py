"""The forms of a bulk action that is being prepared: the fields of each kind chosen, and what is chosen besides."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from kartra_mirror.ui.unfold_adapter import style
from leads import kinds
from leads.changes.preview import Choices
from leads.kind import stored
from leads.models import Account, RunDraft

FORCE, INCLUDE_LEFT, READ_FIRST = "force", "include_left", "read_first"


class KindForm(forms.Form):
    """The kind's own fields."""

    def __init__(self, kind: kinds.ChangeKind, account: Account, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.account = kind, account
        self.parameters: dict[str, Any] = {}
        self.fields.update(kind.fields(account))
        self.add_more()
        style(self)

    def add_more(self) -> None:
        """Fields beside the kind's."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
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

    def __init__(self, draft: RunDraft, account: Account, data: Any = None) -> None:
        self.account = account
        kept: dict[str, Any] = draft.parameters.get("form", {})
        first, *more = draft.kinds
        self.first = DraftForm(kinds.get_kind(first), account, data, initial=kept)
        self.more = [
            KindForm(kinds.get_kind(name), account, data, prefix=str(number), initial=_unprefixed(kept, f"{number}-"))
            for number, name in enumerate(more, start=2)
        ]
        self.why = self.first.initial.get("why", "")

    @property
    def all(self) -> list[KindForm]:
        return [self.first, *self.more]

    def shown(self) -> list[dict[str, Any]]:
        """Each form with its heading and its own fields; the first field of the last one has the focus."""
        last = self.all[-1]
        next(iter(last.fields.values())).widget.attrs["autofocus"] = True
        return [
            {"number": number, "kind": form.kind, "form": form, "fields": [f for f in form if f.name != "why"]}
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
        """What stands in the inputs, to show it again."""
        if all(form.is_valid() for form in self.all):
            return {
                form.add_prefix(name): stored(value) for form in self.all for name, value in form.cleaned_data.items()
            }
        return {
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
