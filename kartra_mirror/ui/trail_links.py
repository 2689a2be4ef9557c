"""From a line of a lead's timeline to what is behind it: the change and its run, else the message, call or import."""

import re
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from leads.access import RequestUser
from leads.models import Activity

_PAGES = {
    "delivery": ("admin:integrations_delivery_change", "integrations.view_delivery", _("message from Kartra")),
    "call": ("admin:integrations_apicall_change", "integrations.view_apicall", _("call to Kartra")),
    "import": ("admin:leads_import_change", "leads.view_import", _("import")),
}
_CAUSE = re.compile(rf"({'|'.join(_PAGES)}) (\d{{1,18}})")


@dataclass(frozen=True)
class Link:
    """What a line leads to. `url` is empty for what this reader may not open."""

    words: str
    url: str


def link(cause: str, user: RequestUser | None) -> Link | None:
    """The link of a cause as the timeline keeps it ("delivery 12"); None where it names nothing that has a page. Without a
    user it is not asked whether this one may open it: the page itself is."""
    found = _CAUSE.fullmatch(cause)
    if found is None:
        return None
    page, permission, words = _PAGES[found[1]]
    return Link(
        f"{words} {found[2]}", reverse(page, args=[int(found[2])]) if user is None or user.has_perm(permission) else ""
    )


def links(activity: Activity, user: RequestUser) -> list[Link]:
    """Everything behind a line of the timeline, the nearest first. `change` and its run are to be loaded already."""
    found = []
    if activity.change is not None:
        found += of_change(activity.change, user)
    own = link(activity.cause, user)
    return [*found, own] if own else found


def of_change(change: Any, user: RequestUser) -> list[Link]:
    """A change and the run it was part of."""
    may_see = user.has_perm("leads.view_leadchange")
    found = [Link(str(_("requested change")), change.get_absolute_url() if may_see else "")]
    if change.run is not None:
        url = change.run.get_absolute_url() if user.has_perm("leads.view_bulkrun") else ""
        found.append(Link(f"{_('bulk action')} “{change.run}”", url))
    return found
