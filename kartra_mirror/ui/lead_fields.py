"""How the many fields of a lead are laid out on a page, in groups a person would look for, and what a person may ask for there."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.translation import gettext_noop

from leads import kinds
from leads.access import RequestUser
from leads.fields import LEAD_FIELDS
from leads.kinds.writable_fields import CUSTOM

GROUPS = tuple(
    (group, tuple(field.name for field in LEAD_FIELDS if field.group == group))
    for group in dict.fromkeys(field.group for field in LEAD_FIELDS if field.group)
)
BESIDES = ("tag", "points", "expires_in_days", "list", "sequence", "step", "calendar", "class", "date", "hour")
LEAVING = ("remove_tag", "leave_list", "leave_sequence", "leave_calendar", "leave_class")
NEEDED = {field: kind for kind in kinds.ALL.values() for field in kind.beside}
"""Which kind of change a field besides the lead's own asks for."""


def show_what_may_be_asked(form: Any, user: RequestUser) -> None:
    """Leave out the fields that ask for kinds of change this person may not do. Call it after the form was cleaned, so
    that what is sent all the same is refused, not overlooked."""
    if form.kind.steps is None:
        return
    for name in [name for name in form.fields if name in NEEDED]:
        if not user.has_perm(NEEDED[name].permission):
            del form.fields[name]


def groups(form: Any) -> list[tuple[str, list[Any]]]:
    """The form's visible fields as [(title, bound fields)], every one in exactly one group. Templates translate the titles,
    by which a page knows the groups."""
    left = {field.name: field for field in form.visible_fields()}

    def taken(names: Iterable[str]) -> list[Any]:
        return [left.pop(name) for name in names if name in left]

    found = [(title, taken(names)) for title, names in GROUPS]
    found.append((gettext_noop("Custom fields"), taken([name for name in left if name.startswith(CUSTOM)])))
    found.append((gettext_noop("Empty fields"), taken(["clear"])))
    found.append((gettext_noop("Add"), taken(BESIDES)))
    found.append((gettext_noop("Remove"), taken(LEAVING)))
    found.append(("", list(left.values())))
    return [(title, fields) for title, fields in found if fields]


def check_steps(request: HttpRequest, kind: kinds.ChangeKind, parameters: dict[str, Any]) -> None:
    """403 unless this person may do every single change that is asked for."""
    if not all(request.user.has_perm(each) for each in kinds.permissions(kind, parameters)):
        raise PermissionDenied
