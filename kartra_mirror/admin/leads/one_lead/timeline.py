"""The timeline of one lead: by day, in the parts that the tabs above it show, from today or another day backwards."""

import datetime as dt
from dataclasses import dataclass, replace
from heapq import merge
from itertools import groupby
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _, gettext_lazy

from kartra_mirror.frame.parts import look
from kartra_mirror.ui import trail_links
from leads import kinds
from leads.access import RequestUser
from leads.kind import kinds_by_activity
from leads.labels import STATUS_WORDS, overtaken_words
from leads.models import Activity, ChangeStatus, Lead, LeadChange, Source

TABS = (
    ("all", gettext_lazy("All")),
    ("ties", gettext_lazy("Tags and lists")),
    ("money", gettext_lazy("Money")),
    ("requests", gettext_lazy("Our requests")),
    ("kartra", gettext_lazy("From Kartra")),
)
SHOWN, MOST = 50, 500
PICTURES = {
    "tag": "tag",
    "list": "list",
    "sequence": "seq",
    "points": "star",
    "calendar": "cal",
    "transaction": "money",
    "subscription": "money",
    "membership": "key",
    "create_lead": "plus",
    "update_lead": "pen",
    "changed_in_kartra": "pen",
    "decided": "q",
    "gone": "x",
    "filled_form": "file",
}
"""The picture of a line, by what its kind is about or by its own name."""
MONEY = Q(kind__startswith="payment_") | Q(kind__endswith="_product") | Q(kind="amount_reported")
BAD = ("payment_failed", "payment_chargeback", "gone")


@dataclass(frozen=True)
class Line:
    """One line: what happened, to what, by whom or whence, and what is behind it."""

    at: dt.datetime
    between: dt.datetime | None
    happened: str
    about: str
    plain: bool  # what it is about is a change of a value
    by: str
    why: str
    links: list[trail_links.Link]
    picture: str
    look: str = ""
    badge: Any = ""
    url: str = ""


def tab_of(wanted: str) -> str:
    """The tab of this name, else the first."""
    return wanted if wanted in dict(TABS) else "all"


def of(lead: Lead, user: RequestUser, tab: str, wanted: str = "", until: str = "") -> dict[str, Any]:
    """For the page: the days as [(words, [Line])], and how many to ask for to see more, 0 where that is all. `until`: the last
    day of the reader's that is shown, as 2026-11-30; what is no day means today."""
    rows = min(int(wanted), MOST) if wanted.isdecimal() and len(wanted) < 5 else SHOWN
    rows = max(rows, SHOWN)
    last = _day_of(until)
    ends = timezone.make_aware(dt.datetime.combine(last + dt.timedelta(days=1), dt.time.min)) if last else None
    asked = lead.changes.select_related("requested_by", "run", "superseded_by__requested_by")
    if tab == "requests":
        asked = asked.filter(requested_at__lt=ends) if ends else asked
        lines = [_request(change, user) for change in asked.order_by("-pk")[: rows + 1]]
    else:
        told = lead.activities.select_related("account", "change__run", "change__requested_by").filter(_narrowed(tab))
        told = told.filter(at__lt=ends) if ends else told
        lines = [_line(row, user) for row in told[: rows + 1]]
        if tab == "all":
            lines = list(merge(lines, _failed(asked, user, ends, rows + 1), key=lambda line: line.at, reverse=True))
    more = min(rows * 2, MOST) if len(lines) > rows and rows < MOST else 0
    return {
        "days": _by_day(lines[:rows]),
        "more": more,
        "tabs": TABS,
        "open_tab": tab,
        "until": last,
        "from_there": f"&until={last}" if last else "",
    }


def _day_of(text: str) -> dt.date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return (
        day if day is not None and 1900 <= day.year < 3000 else None
    )  # midnight elsewhere may be beyond what a date can be


def _failed(asked: QuerySet[LeadChange], user: RequestUser, ends: dt.datetime | None, most: int) -> list[Line]:
    """Requests that failed: nothing happened to the lead, so nothing else tells of them. Latest first."""
    found = asked.filter(status=ChangeStatus.REJECTED, **({"settled_at__lt": ends} if ends else {}))
    failed = found.order_by("-settled_at", "-pk")[:most]
    return [replace(_request(change, user), at=change.settled_at) for change in failed if change.settled_at]


def _narrowed(tab: str) -> Q:
    if tab == "ties":
        return Q(kind__in=_kinds_about("tag", "list", "sequence")) | Q(kind__startswith="membership_")
    if tab == "money":
        return Q(kind__in=_kinds_about("transaction", "subscription")) | MONEY
    if tab == "kartra":
        return Q(source__in=[Source.WEBHOOK, Source.IPN, Source.REFRESH, Source.IMPORT])
    return Q()


def _kinds_about(*nouns: str) -> list[str]:
    return [activity for activity, kind in kinds_by_activity().items() if kind.noun in nouns]


def _by_day(lines: list[Line]) -> list[tuple[str, list[Line]]]:
    today = timezone.localdate()
    names = {today: _("Today"), today - dt.timedelta(days=1): _("Yesterday")}
    days = groupby(lines, key=lambda line: timezone.localdate(line.at))
    return [(names.get(day) or date_format(day, "j F Y"), list(found)) for day, found in days]


def _line(row: Activity, user: RequestUser) -> Line:
    happened, _colon, about = row.label.partition(": ")
    change = row.change
    links = trail_links.links(row, user)
    by = str(row.get_source_display())
    if change is not None and change.requested_by:
        by = _("by %(person)s, confirmed by Kartra") if row.source == Source.PUSH else _("by %(person)s")
        by %= {"person": change.requested_by}
    elif links and row.source in (Source.WEBHOOK, Source.IPN, Source.IMPORT):
        by = ""  # the link says it
    kind = kinds_by_activity().get(row.kind)
    look_of_it = "bad" if row.kind in BAD else "warn" if row.kind == "decided" else ""
    picture = _picture(kind, row.kind)
    if kind is not None and kind.noun == "list" and kind.tie is False:
        picture, look_of_it = "door", "bad"
    return Line(
        row.at,
        row.between_from,
        capfirst(happened),
        about,
        isinstance(row.details, dict) and "field" in row.details,
        by,
        change.why if change is not None else "",
        links,
        picture,
        look_of_it,
    )


def _request(change: LeadChange, user: RequestUser) -> Line:
    words = STATUS_WORDS[change.status]
    by = _("by %(person)s") % {"person": change.requested_by} if change.requested_by else ""
    links = trail_links.of_change(change, user)[1:]
    return Line(
        change.requested_at,
        None,
        capfirst(str(change)),
        "",
        False,
        by,
        " · ".join(filter(None, [change.why, change.words])),
        links,
        _picture(kinds.get_kind(change.kind), change.kind),
        look(change.status) if change.status != ChangeStatus.ACCEPTED else "",
        overtaken_words(change) if change.status == ChangeStatus.SUPERSEDED else words,
        change.get_absolute_url() if user.has_perm("leads.view_leadchange") else "",
    )


def _picture(kind: Any, name: str) -> str:
    if name.startswith("payment_") or name.endswith("_product"):
        return "money"
    if name.startswith("membership_"):
        return "key"
    if kind is not None:
        return PICTURES.get(kind.noun) or PICTURES.get(kind.name, "dots")
    return PICTURES.get(name, "dots")
