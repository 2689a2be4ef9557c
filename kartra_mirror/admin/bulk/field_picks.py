"""Changing fields in bulk: a person picks a field and gives its value. Of the many fields a form holds those that were picked."""

from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _, gettext_noop

from kartra_mirror.ui.lead_fields import GROUPS
from leads.fields import WRITABLE
from leads.kinds.writable_fields import CUSTOM

FIELD, CLEAR, EMAIL = "field", "clear", "email"
NOTHING: tuple[Any, ...] = ("", [], None)


def leave_picked(form: Any, *, alone: bool) -> None:
    """Leave the picked fields in the form, in the order of the picks (`picked`), and say which may be picked besides
    (`offered`): the address only where one lead alone is chosen."""
    every = dict(form.fields)
    form.picked = _picked(form, [name for name in every if name != CLEAR])
    form.fields = {name: every[name] for name in [*form.picked, CLEAR]}
    labels = {
        name: str(field.label) for name, field in every.items() if name not in form.picked and _can_be(name, alone)
    }
    form.offered = _in_groups(labels)


def _can_be(name: str, alone: bool) -> bool:
    return name in WRITABLE or name.startswith(CUSTOM) or (alone and name == EMAIL)


def _picked(form: Any, names: list[str]) -> list[str]:
    """What stands in the form, or is given a value in what was sent."""
    if form.is_bound:
        listed, cleared = (form.data.getlist(form.add_prefix(each)) for each in (FIELD, CLEAR))
        given = [name for name in names if any(form.data.getlist(form.add_prefix(name)))]
    else:
        listed, cleared = (form.initial.get(each) or [] for each in (FIELD, CLEAR))
        given = [name for name in names if form.initial.get(name) not in NOTHING]
    return [name for name in dict.fromkeys([*listed, *given, *cleared]) if name in names]


def _in_groups(labels: dict[str, str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """[(title, [(name, label)])], groups without a field left out."""
    left = dict(labels)
    found = [(title, [(name, left.pop(name)) for name in names if name in left]) for title, names in GROUPS]
    found.append((gettext_noop("Custom fields"), list(left.items())))
    return [(title, fields) for title, fields in found if fields]


def check_values(form: Any, cleaned: dict[str, Any]) -> None:
    """Each field that was picked has a value, or is to become empty."""
    for name in form.picked:
        given, emptied = cleaned.get(name) not in NOTHING, name in cleaned.get(CLEAR, [])
        if given and emptied:
            form.add_error(name, _("Give a value or make it empty, not both."))
        elif not given and not emptied and name not in form.errors:
            form.add_error(name, _("Give a value, or remove this field."))


def rows(form: Any) -> list[dict[str, Any]]:
    """The picked fields as a page shows them: [{"field", "can_be_empty", "empty"}]."""
    can_be_empty = {name for name, _label in form.fields[CLEAR].choices}
    empty = form[CLEAR].value() or []
    return [
        {"field": form[name], "can_be_empty": name in can_be_empty, "empty": name in empty}
        for name in form.picked
        if name in form.fields
    ]


def is_pick(do: str) -> bool:
    return do.startswith(("pick-", "unpick-")) and do.count("-") > 1


def number_of(do: str) -> int:
    """Which form of the page the button "pick-2-city" is of."""
    number = do.split("-", 2)[1]
    return int(number) if number.isdecimal() and len(number) < 3 else 1


def changed(data: QueryDict, do: str) -> QueryDict:
    """What was sent, with the button "pick-1-city" or "unpick-1-city" pressed."""
    verb, _number, name = do.split("-", 2)
    number = number_of(do)
    prefix = "" if number == 1 else f"{number}-"
    data = data.copy()
    others = [each for each in data.getlist(prefix + FIELD) if each != name]
    data.setlist(prefix + FIELD, [*others, name] if verb == "pick" else others)
    if verb == "unpick":
        data.pop(prefix + name, None)
        data.setlist(prefix + CLEAR, [each for each in data.getlist(prefix + CLEAR) if each != name])
    return data
