"""The forms of an import: the file, what its columns are, and how its cells are read."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.ui.unfold_adapter import style
from leads import importing
from leads.models import Account, Import, ImportKind

_LEAVE_OUT = ("", gettext_lazy("— leave out —"))
_DATES = (
    ("", gettext_lazy("Detect it; month first if unclear")),
    ("month", gettext_lazy("3 April: 04/03/2026 (month first)")),
    ("day", gettext_lazy("3 April: 03/04/2026 (day first)")),
)


_SEPARATORS = (
    ("", gettext_lazy("Semicolons (;); a name with a comma in it is a bad row")),
    (";", gettext_lazy("Semicolons (;), whatever else a name holds")),
    (",", gettext_lazy("Commas (,)")),
    ("|", gettext_lazy("Vertical bars (|)")),
)


class UploadForm(forms.Form):
    """The file, what it holds, and of which account."""

    account = forms.ModelChoiceField(Account.objects.all(), label=gettext_lazy("Account"), empty_label=None)
    kind = forms.ChoiceField(label=gettext_lazy("What it holds"), choices=ImportKind.choices)
    file = forms.FileField(
        label=gettext_lazy("The file that Kartra exported"),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        words = _("CSV, up to %(most)s MB. Any encoding and separator. For larger files use the import commands.")
        self.fields["file"].help_text = words % {"most": settings.IMPORT_MAX_MB}
        style(self)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.IMPORT_MAX_MB * 1024 * 1024:
            words = _("The file is larger than %(most)s MB. Use the import commands for it.")
            raise forms.ValidationError(words % {"most": settings.IMPORT_MAX_MB})
        return file


class MatchForm(forms.Form):
    """One choice per column of the file."""

    dates = forms.ChoiceField(label=gettext_lazy("Dates written in numbers"), choices=_DATES, required=False)
    separator = forms.ChoiceField(
        label=gettext_lazy("Between names of tags and lists"), choices=_SEPARATORS, required=False
    )
    clears = forms.BooleanField(
        label=gettext_lazy("Empty cells clear the field"),
        required=False,
        help_text=gettext_lazy("Otherwise empty cells change nothing. An email address is never cleared."),
    )
    currency = forms.CharField(
        label=gettext_lazy("Currency"),
        required=False,
        max_length=3,
        help_text=gettext_lazy("A code such as USD or SEK, for signs that several currencies use ($, kr, ¥)."),
    )

    def __init__(self, job: Import, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.job = job
        custom = importing.custom_targets(job.account, job.kind)
        by_header = {header: target for target, header in job.mapping.items()}
        extra = [target for target in job.mapping if target not in importing.targets(job.kind) and target not in custom]
        choices = [_LEAVE_OUT] + [
            (target, importing.label(job.kind, target)) for target in (*importing.targets(job.kind), *custom, *extra)
        ]
        for number, header in enumerate(job.headers):
            self.fields[f"column_{number}"] = forms.ChoiceField(
                label=header, choices=choices, required=False, initial=by_header.get(header, "")
            )
        for name in ("separator", "clears") if job.kind == ImportKind.TRANSACTIONS else ("currency",):
            del self.fields[name]
        if not self.is_bound:
            self.initial.update({name: job.options[name] for name in job.options if name in self.fields})
            self.initial["dates"] = {None: "", True: "day", False: "month"}[job.day_first]
        style(self)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        mapping: dict[str, str] = {}
        for number, header in enumerate(self.job.headers):
            target = cleaned.get(f"column_{number}")
            if not target:
                continue
            if target in mapping:
                words = importing.label(self.job.kind, target)
                self.add_error(
                    f"column_{number}",
                    _("%(field)s is chosen for the column %(column)s already.")
                    % {"field": words, "column": mapping[target]},
                )
            mapping[target] = header
        self.mapping = mapping
        self.how: dict[str, Any] = {
            "day_first": {"day": True, "month": False}.get(cleaned.get("dates") or ""),
            **{name: cleaned[name] for name in ("separator", "clears", "currency") if name in cleaned},
        }
        return cleaned

    @property
    def of_cells(self) -> list[forms.BoundField]:
        """How cells are read, below the columns."""
        return [self[name] for name in ("dates", "separator", "clears", "currency") if name in self.fields]
