"""Form fields that several kinds share. They keep texts byte for byte: nothing is trimmed."""

import datetime as dt
import zoneinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _, gettext_lazy

from leads.models import Account
from leads.models.remarks import sentence_of
from leads.models.row_remark import lookalike
from leads.texts import clean_email, loose_name, same_name, visible


def sendable(text: str) -> None:
    """A text that can be written as UTF-8 form data."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError(_("It holds characters that are no text.")) from None


class PlainText(forms.CharField):
    """A text as it was typed, up to `max_length` characters."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        super().__init__(strip=False, validators=[sendable], **kwargs)


class WallTime(forms.DateTimeField):
    """A day and an hour as the clocks of `zone` show them; an hour that these pass over, or show twice, is refused."""

    def __init__(self, *, zone: zoneinfo.ZoneInfo, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.zone = zone

    def to_python(self, value: Any) -> dt.datetime | None:
        with timezone.override(self.zone):
            found: dt.datetime | None = super().to_python(value)
        return found


class Address(forms.EmailField):
    """An email address, without invisible characters; one that only looks like another is refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=320, **kwargs)

    def to_python(self, value: Any) -> str:
        return clean_email(super().to_python(value))

    def validate(self, value: Any) -> None:
        super().validate(value)
        if words := sentence_of(lookalike(value)):
            raise ValidationError(words)


def _present(things: QuerySet[Any]) -> list[str]:
    return list(things.filter(missing_since=None).order_by("name").values_list("name", flat=True))


NOT_KNOWN = gettext_lazy(
    "“%(value)s” is not in our copy of this account. If it is new in Kartra, update the catalogue from Kartra first."
)


class CatalogueChoice(forms.ChoiceField):
    """A name out of the account's catalogue, as it stands there byte for byte. Names no longer in Kartra are refused."""

    default_error_messages = {"required": gettext_lazy("Please choose one."), "invalid_choice": NOT_KNOWN}

    def __init__(self, things: QuerySet[Any], *, label: Any, required: bool = True, help_text: str = "") -> None:
        choices = [("", _("Choose…")), *((name, visible(name)) for name in _present(things))]
        super().__init__(label=label, choices=choices, required=required, help_text=help_text)

    def to_python(self, value: Any) -> str:
        return "" if value in (None, "") else composed_as(str(value), self.choices)

    def validate(self, value: Any) -> None:
        _check_seen(value, self.choices)
        super().validate(value)


def composed_as(name: str, choices: Any) -> str:
    """The name as the catalogue has it, where only the composition of its letters differs."""
    return next((each for each, _words in choices if each and same_name(each, name)), name)


def _check_seen(name: str, choices: Any) -> None:
    """Say so where a name differs from the catalogue's in what cannot be seen alone."""
    names = [each for each, _words in choices if each]
    if not name or name in names:
        return
    if alike := [each for each in names if loose_name(each) == loose_name(name)]:
        words = _("“%(value)s” is not in our copy of this account; there is “%(alike)s”. ␠ stands for a space.")
        if "␠" not in visible(alike[0]) + visible(name):
            words = _("“%(value)s” is not in our copy of this account; there is “%(alike)s”.")
        raise ValidationError(words % {"value": visible(name), "alike": "”, “".join(map(visible, alike))})


class Several(forms.MultipleChoiceField):
    """Several of the choices: a list, or one text with `;` between them unless one of them is written so."""

    def __init__(self, names: list[tuple[str, str]], **kwargs: Any) -> None:
        self.names = names
        super().__init__(choices=names, required=False, **kwargs)

    def to_python(self, value: Any) -> list[str]:
        if isinstance(value, str) and value:
            whole = ";" not in value or value in [name for name, _ in self.names]
            value = [value] if whole else [part for part in value.split(";") if part]
        return list(dict.fromkeys(super().to_python(value)))


class CatalogueChoices(Several):
    """Several names out of the catalogue."""

    default_error_messages = {"invalid_choice": NOT_KNOWN}

    def __init__(self, things: QuerySet[Any], *, label: Any, help_text: str = "") -> None:
        super().__init__([(name, visible(name)) for name in _present(things)], label=label, help_text=help_text)

    def to_python(self, value: Any) -> list[str]:
        return list(dict.fromkeys(composed_as(name, self.names) for name in super().to_python(value)))

    def validate(self, value: Any) -> None:
        for name in value:
            _check_seen(name, self.names)
        super().validate(value)


class Suggested(forms.TextInput):
    """A text input that offers `names` while one types (a datalist), and takes others too."""

    template_name = "leads/widgets/suggested.html"

    def __init__(self, names: list[str], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.names = names

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        listed = f"{(attrs or {}).get('id') or name}_names"
        context["widget"]["attrs"]["list"] = listed
        context["listed"], context["names"] = listed, self.names
        return context


def zone_words(account: Account) -> str:
    """How the zone of Kartra's dates is named beside a field."""
    return _("Kartra's time (%(time_zone)s)") % {"time_zone": account.time_zone}


def kartra_number_field(label: str) -> forms.Field:
    """The number that Kartra gave to a transaction or subscription."""
    return forms.RegexField(
        r"^\d{1,18}$", label=label, strip=True, error_messages={"invalid": _("Give its number in Kartra.")}
    )
