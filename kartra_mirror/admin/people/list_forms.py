"""What is typed and uploaded for a list of people."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.edge.body_limits import PEOPLE_LIST_MAX_MB
from kartra_mirror.ui.unfold_adapter import style
from leads.models import Account, PeopleList
from leads.people import newcomers


class NewListForm(forms.Form):
    """The people, of which account, and what the list is called."""

    account = forms.ModelChoiceField(
        Account.objects.filter(connection__isnull=False), label=gettext_lazy("Account"), empty_label=None
    )
    text = forms.CharField(
        label=gettext_lazy("Paste email addresses"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text=gettext_lazy(
            "One a line, or between commas. Names beside them are understood: Ada Moss <ada@example.com>."
        ),
    )
    file = forms.FileField(
        label=gettext_lazy("Or upload a file"),
        required=False,
        help_text=gettext_lazy(
            "CSV or an Excel workbook (.xlsx) with a column of email addresses. Other columns may say more of each person."
        ),
    )
    name = forms.CharField(label=gettext_lazy("Name of the list"), required=False, max_length=180)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        style(self)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > PEOPLE_LIST_MAX_MB * 1024 * 1024:
            words = _("The file is larger than %(most)s MB. Take fewer people at a time.")
            raise forms.ValidationError(words % {"most": PEOPLE_LIST_MAX_MB})
        return file

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        has_text, has_file = bool(cleaned.get("text", "").strip()), bool(cleaned.get("file"))
        if "file" not in self.errors and has_text == has_file:
            words = (
                _("Paste addresses or upload a file.")
                if not has_text
                else _("Paste addresses or upload a file, not both.")
            )
            raise forms.ValidationError(words)
        return cleaned


class ColumnsForm(forms.Form):
    """What each column says of a person who is created."""

    def __init__(self, people_list: PeopleList, data: Any = None) -> None:
        super().__init__(data)
        self.people_list = people_list
        self.headers = newcomers.headers_of(people_list)
        by_header = {header: target for target, header in people_list.mapping.items()}
        choices = [("", _("left out")), *newcomers.targets_of(people_list.account)]
        known = {target for target, _label in choices}
        for number, header in enumerate(self.headers):
            target = by_header.get(header, "")
            label = newcomers.words_of_header(people_list, header)
            self.fields[f"column_{number}"] = forms.ChoiceField(
                choices=choices, label=label, required=False, initial=target if target in known else ""
            )
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kept = {name: header for name, header in self.people_list.mapping.items() if name in ("email", "id")}
        for number, header in enumerate(self.headers):
            target = cleaned.get(f"column_{number}")
            if target and target in kept:
                words = _("%(field)s is chosen for another column already.")
                self.add_error(f"column_{number}", words % {"field": newcomers.label_of(target)})
            elif target:
                kept[target] = header
        self.mapping = kept
        return cleaned

    @property
    def columns(self) -> list[str]:
        """What is taken over as it stands: the names of fields."""
        return [str(dict(field.choices)[field.initial]) for field in self.fields.values() if field.initial]  # type: ignore[attr-defined]
