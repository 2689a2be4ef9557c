"""What every kind of change has to say about itself."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from leads.models import Account, Lead, LeadChange

Parameters = Mapping[str, Any]


class UnknownKind(ValueError):
    """No kind of that name."""


class BadParameters(ValueError):
    """What was given for a change cannot be meant. The text is a sentence for the person who gave it."""


@dataclass(frozen=True)
class Parameter:
    """One thing a kind asks for. `field(account)` is its form field; the field's own cleaning decides what is valid."""

    name: str
    field: Callable[[Account], forms.Field]


@dataclass(frozen=True)
class Kind:
    """One kind of change.

    `family(parameters)` is what it is about: changes of one family and lead keep their order. `already_so(leads,
    parameters)` narrows a query of leads to those on which it would change nothing. `sentence(parameters)` says it in
    words ("assign the tag VIP"). `effect(change, at)` writes into the mirror what Kartra has confirmed. `permission` is
    Django's, in full. `inverse` is the kind that takes it back, if any.
    """

    name: str
    label: str
    parameters: tuple[Parameter, ...]
    permission: str
    family: Callable[[Parameters], str]
    sentence: Callable[[Parameters], str]
    already_so: Callable[[QuerySet[Lead], Parameters], QuerySet[Lead]]
    effect: Callable[[LeadChange, dt.datetime], None]
    inverse: str = ""

    def form_fields(self, account: Account) -> dict[str, forms.Field]:
        """The kind's form fields by parameter name, with the account's own choices."""
        return {parameter.name: parameter.field(account) for parameter in self.parameters}

    def clean(self, account: Account, given: Parameters) -> dict[str, Any]:
        """The parameters as they are stored. Raises BadParameters with every complaint in one text."""
        fields = self.form_fields(account)
        unknown = sorted(set(given) - set(fields))
        if unknown:
            raise BadParameters(
                f"{self.label} does not take {', '.join(unknown)}. It takes: {', '.join(fields) or 'nothing'}."
            )
        clean: dict[str, Any] = {}
        complaints: list[str] = []
        for name, field in fields.items():
            try:
                clean[name] = field.clean(given.get(name))
            except forms.ValidationError as error:
                complaints.append(f"{name}: {' '.join(error.messages)}")
        if complaints:
            raise BadParameters(" ".join(complaints))
        return clean


class CatalogueChoice(forms.ChoiceField):
    """A name out of the account's catalogue, as it stands there byte for byte. Names no longer in Kartra are refused."""

    default_error_messages = {
        "required": "Please choose one.",
        "invalid_choice": (
            "“%(value)s” is not in our copy of this account. If it is new in Kartra, update the catalogue from Kartra first."
        ),
    }

    def __init__(self, things: QuerySet[Any], *, label: str) -> None:
        names = list(things.filter(missing_since=None).order_by("name").values_list("name", flat=True))
        super().__init__(label=label, choices=[("", "Choose…"), *((name, name) for name in names)])

    def to_python(self, value: Any) -> str:
        return "" if value in (None, "") else str(value)
