"""The fields of a lead that Kartra takes, and the inputs that they are typed into: its own, by Kartra's names, and the custom ones."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from leads.fields import LEAD_FIELDS, WRITABLE, LeadField
from leads.kind import Parameters
from leads.kinds.form_fields import PlainText, Several
from leads.models import (
    Account,
    CustomField,
    CustomFieldType,
    Lead,
)

CUSTOM = "custom."
"""Custom fields are parameters of this prefix and their identifier."""


def _text_field(lead_field: LeadField) -> forms.Field:
    column: Any = Lead._meta.get_field(lead_field.name)
    field = PlainText(
        label=capfirst(str(column.verbose_name)), help_text=lead_field.help_text, max_length=column.max_length
    )
    if lead_field.name == "business_type":
        field.validators.append(RegexValidator(r"^\d{1,9}$", _("Give a number.")))
    return field


class _OneOption(forms.ChoiceField):
    """One option of a custom field: its id, or its text where only one option has it. Stored as Kartra's option id."""

    default_error_messages = {"invalid_choice": gettext_lazy("“%(value)s” is not one of its options in our copy.")}

    def __init__(self, field: CustomField) -> None:
        options = [(str(number), str(words)) for number, words in field.options]
        super().__init__(label=field.identifier, choices=[("", "—"), *options], required=False)

    def to_python(self, value: Any) -> str:
        return "" if value in (None, "") else _option_id(str(value), self.choices)


class _SomeOptions(Several):
    """Any options of a custom field, stored as a list of Kartra's option ids."""

    default_error_messages = {"invalid_choice": gettext_lazy("“%(value)s” is not one of its options in our copy.")}

    def __init__(self, field: CustomField) -> None:
        options = [(str(number), str(words)) for number, words in field.options]
        super().__init__(options, label=field.identifier, widget=forms.CheckboxSelectMultiple())

    def to_python(self, value: Any) -> list[str]:
        return list(dict.fromkeys(_option_id(text.strip(), self.names) for text in super().to_python(value)))


def _option_id(text: str, choices: Any) -> str:
    if any(text == number for number, _words in choices):
        return text
    same = [number for number, words in choices if number and words == text]
    return str(same[0]) if len(same) == 1 else text


def _custom_field(field: CustomField) -> forms.Field:
    """The input of a custom field, by its type. A type nobody has documented is a text."""
    if field.type in (CustomFieldType.DROP_DOWN, CustomFieldType.RADIO_BUTTON):
        return _OneOption(field)
    if field.type == CustomFieldType.CHECKBOX:
        return _SomeOptions(field)
    widget = forms.Textarea(attrs={"rows": 3}) if field.type == CustomFieldType.TEXT_AREA else forms.TextInput()
    return PlainText(label=field.identifier, widget=widget)


def profile_fields(account: Account) -> dict[str, forms.Field]:
    """Every field of a lead that can be written, its email apart."""
    found = {field.name: _text_field(field) for field in LEAD_FIELDS if field.is_writable}
    for each in CustomField.objects.filter(account=account, missing_since=None):
        found[f"{CUSTOM}{each.identifier}"] = _custom_field(each)
    return found


def field_holds_several(account: Account, name: str) -> bool:
    fields = CustomField.objects.filter(account=account, type=CustomFieldType.CHECKBOX)
    return name.startswith(CUSTOM) and fields.filter(identifier=name.removeprefix(CUSTOM)).exists()


def of_profile(parameters: Parameters) -> dict[str, Any]:
    """The lead's own fields among the parameters."""
    return {
        name: value
        for name, value in parameters.items()
        if name == "email" or name in WRITABLE or name.startswith(CUSTOM)
    }
