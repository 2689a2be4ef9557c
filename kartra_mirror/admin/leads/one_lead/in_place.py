"""Facts of a lead that are edited where they stand: each with what our copy has, its input, and what is wished for it."""

from dataclasses import dataclass
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from kartra_mirror.ui.lead_fields import BESIDES, LEAVING
from leads import kinds
from leads.changes import conflicts
from leads.kinds.writable_fields import CUSTOM
from leads.models import Lead

ALWAYS = ("email", "phone", "company", "city", "country")
"""Shown even while they are empty, so that they can be filled in at once."""
FIRST = ("email", "first_name", "middle_name", "last_name", "last_name2", "phone_country_code", "phone", "company")
ELSEWHERE = ("first_name", "middle_name", "last_name", "last_name2", "phone_country_code", "lead_picture", "ip")
"""Told by the title or by another fact, or seldom asked for: shown while all are edited, and while something is wished."""
IN_FORM = {"form": "edit"}
"""Inputs stand in several sections; all belong to one form."""


@dataclass(frozen=True)
class Fact:
    """One fact. `value` is what is read; without an `input` it cannot be changed. `shown`: not only while all are edited."""

    name: str
    label: str
    value: str
    shown: bool
    wishes: list[dict[str, Any]]
    input: Any = ""
    before: Any = ""
    field: Any = None
    is_open: bool = False


def facts(lead: Lead, form: Any, by_field: dict[str, list[Any]]) -> dict[str, list[Fact]]:
    """The lead's own facts and its custom fields. Of a viewer, for whom there is no form, only what is filled in."""
    fields = form.fields if form is not None else kinds.UPDATE.fields(lead.account)
    found = []
    for name, field in fields.items():
        if name in (*BESIDES, *LEAVING, "clear", "why", "idempotency_key"):
            continue
        value = _words(field, conflicts.value_now(lead, name))
        wishes = by_field.get(name, [])
        label = _("Email") if name == "email" else capfirst(str(field.label or name))
        if name == "phone" and value and lead.phone_country_code:
            value = f"+{lead.phone_country_code} {value}"
        if form is None:
            if value or wishes:
                found.append(Fact(name, label, value, True, wishes))
            continue
        shown = bool(wishes) or name in ALWAYS or (bool(value) and name not in ELSEWHERE)
        bound = form[name]
        changed = form.is_bound and (name in form.changed_data or bool(bound.errors))
        found.append(
            Fact(
                name,
                label,
                value,
                shown or changed,
                wishes,
                bound.as_widget(attrs=IN_FORM),
                bound.as_hidden(attrs=IN_FORM, only_initial=True),
                bound,
                changed,
            )
        )
    own = [each for each in found if not each.name.startswith(CUSTOM)]
    return {
        "contact": sorted(own, key=lambda each: FIRST.index(each.name) if each.name in FIRST else len(FIRST)),
        "custom": [each for each in found if each.name.startswith(CUSTOM)],
    }


def _words(field: Any, value: Any) -> str:
    """A value as it is read: the texts of chosen options."""
    texts = dict(getattr(field, "choices", ()))
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(texts.get(each, each)) for each in values if each not in ("", None))
