"""From a line of a lead's timeline to what is behind it: the change and its run, else the message, call or import."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.access import RequestUser
from leads.models import Activity

_PAGES: dict[str, tuple[str, str, Any]] = {
    "delivery": ("admin:integrations_delivery_change", "integrations.view_delivery", _("message from Kartra")),
    "call": ("admin:integrations_apicall_change", "integrations.view_apicall", _("call to Kartra")),
    "import_job": ("admin:leads_import_change", "leads.view_import", _("import")),
}


@dataclass(frozen=True)
class Link:
    """What a line leads to. `url` is empty for what this reader may not open."""

    words: str
    url: str


def link(field: str, pk: int, user: RequestUser | None) -> Link:
    """The link to a cause of this field of `Activity`: "call", "delivery" or "import_job". Without a user it is not asked
    whether this one may open it: the page itself is."""
    page, permission, words = _PAGES[field]
    return Link(f"{words} {pk}", reverse(page, args=[pk]) if user is None or user.has_perm(permission) else "")


def of_cause(activity: Activity | None, user: RequestUser | None) -> Link | None:
    """The link to what told a line of the timeline, if that is kept: a call, a message or an import. No query."""
    for field in _PAGES if activity is not None else ():
        pk = getattr(activity, f"{field}_id")
        if pk is not None:
            return link(field, pk, user)
    return None


def links(activity: Activity, user: RequestUser) -> list[Link]:
    """Everything behind a line of the timeline, the nearest first. `change` and its run are to be loaded already."""
    found = []
    if activity.change is not None:
        found += of_change(activity.change, user)
    own = of_cause(activity, user)
    return [*found, own] if own else found


def of_change(change: Any, user: RequestUser) -> list[Link]:
    """A change and the run it was part of."""
    may_see = user.has_perm("leads.view_leadchange")
    found = [Link(str(_("requested change")), change.get_absolute_url() if may_see else "")]
    if change.run is not None:
        url = change.run.get_absolute_url() if user.has_perm("leads.view_bulkrun") else ""
        found.append(Link(f"{_('bulk action')} “{change.run}”", url))
    return found
