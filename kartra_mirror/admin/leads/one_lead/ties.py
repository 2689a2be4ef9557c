"""What a lead is tied to, each tie with its story and with what is wished for it: tags, lists, sequences, bookings, memberships."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from kartra_mirror.admin.leads import provenance
from kartra_mirror.ui import trail_links
from leads import kinds
from leads.access import RequestUser
from leads.labels import STATUS_WORDS
from leads.models import Lead, LeadChange
from leads.texts import visible


@dataclass(frozen=True)
class Wish:
    """An open change of a tie, beside it until Kartra agrees. `sign` is a minus where it goes, and a plus before points."""

    change: LeadChange
    sign: str
    name: str
    words: Any


@dataclass(frozen=True)
class Tie:
    """A tie as the page shows it. `past`: it ended, and when; `may_end`: it stands and nobody asked yet to end it."""

    row: Any
    name: str
    story: str
    links: list[trail_links.Link]
    past: str = ""
    may_end: bool = True
    when: str = ""
    more: str = ""


def of(lead: Lead, user: RequestUser, still_open: Sequence[LeadChange]) -> dict[str, Any]:
    """For the page: each sort of tie as [Tie], and `tie_wishes` as {noun: [Wish]}."""
    wishes = _wishes(still_open)
    ending = {noun: {each.name for each in found if each.sign == "−"} for noun, found in wishes.items()}
    purchases = provenance.purchases_of(lead)

    def ties(rows: Any, noun: str, name: Any, **more: Any) -> list[Tie]:
        loaded = rows.select_related("activity", "change__run", "change__requested_by")
        found = []
        for row in loaded:
            called = name(row)
            past = _past(row)
            extra = {key: words(row) for key, words in more.items()}
            may_end = not past and called not in ending.get(noun, ())
            story = provenance.sentence(row, purchases)
            found.append(Tie(row, called, story, _links(row, user), past, may_end, **extra))
        return found

    def when(row: Any) -> str:
        return lead.account.time_of_kartra(row.starts_at) if row.starts_at else _("time not known")

    lists = lead.listsubscriptions.select_related("mailing_list").order_by("-active", "mailing_list__name")
    bookings = lead.calendarenrollments.select_related("calendar_class__calendar").order_by("-starts_at")
    return {
        "tags": ties(lead.leadtags.select_related("tag").order_by("tag__name"), "tag", lambda row: row.tag.name),
        "lists": ties(lists, "list", lambda row: row.mailing_list.name),
        "sequences": ties(
            lead.sequenceenrollments.select_related("sequence").order_by("sequence__name"),
            "sequence",
            lambda row: row.sequence.name,
            more=lambda row: _("Step %(step)s") % {"step": row.step} if row.step else "",
        ),
        "bookings": ties(
            bookings,
            "calendar",
            lambda row: row.calendar_class.calendar.name,
            more=lambda row: row.calendar_class.name,
            when=when,
        ),
        "memberships": ties(
            lead.membershipgrants.select_related("level__membership"),
            "membership",
            lambda row: str(row.level.membership),
            more=lambda row: str(row.level),
        ),
        "tie_wishes": wishes,
    }


def _wishes(still_open: Sequence[LeadChange]) -> dict[str, list[Wish]]:
    found: dict[str, list[Wish]] = {}
    for change in still_open:
        kind = kinds.get_kind(change.kind)
        if kind.noun in ("tag", "list", "sequence", "calendar", "points"):
            name = visible(str(change.parameters.get(kind.noun, "")))
            comes = kind.tie if kind.tie is not None else kind in (kinds.GIVE_POINTS, kinds.SUBSCRIBE_CALENDAR)
            sign = "−" if not comes else "+" if kind.noun == "points" else ""
            wish = Wish(change, sign, name, STATUS_WORDS[change.status])
            found.setdefault(kind.noun, []).append(wish)
    return found


def _past(row: Any) -> str:
    """When a tie ended that is kept though; "" while it stands."""
    if not provenance.has_ended(row):
        return ""
    return _("left %(day)s") % {"day": date_format(timezone.localtime(row.since), "j M Y")}


def _links(row: Any, user: RequestUser) -> list[trail_links.Link]:
    if row.change is not None:
        return trail_links.of_change(row.change, user)
    found = trail_links.of_cause(row.activity, user)
    return [found] if found else []
