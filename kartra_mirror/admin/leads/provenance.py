"""Who put a tag, list or sequence on a lead, when and why, as one sentence."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from leads.models import Activity, Source

PURCHASES = ("payment_sale", "buy_product", "payment_rebill")
ENDED = ("unsubscribed", "cancelled")
NEAR_S = 600
"""A purchase so long before is told beside what came from Kartra. Whether it is the reason, nobody knows."""


def purchases_of(lead: Any) -> list[Activity]:
    """The lead's purchases, oldest first; asked once for a page."""
    return list(lead.activities.filter(kind__in=PURCHASES).order_by("at"))


def sentence(row: Any, purchases: Sequence[Activity]) -> str:
    """Of a row that joins the lead to a thing: by a change of ours, told by Kartra, or found by a read."""
    when, change = _moment(row.since), row.change
    if change is not None:
        words = _("added%(who)s%(where)s on %(when)s%(why)s")
        if has_ended(row):
            words = _("removed%(who)s%(where)s on %(when)s%(why)s")
        return words % {
            "who": _(" by %(person)s") % {"person": change.requested_by} if change.requested_by else "",
            "where": _(" in “%(run)s”") % {"run": change.run} if change.run else "",
            "when": when,
            "why": _(", because: %(why)s") % {"why": change.why} if change.why else "",
        }
    bought = _purchase_before(row, purchases)
    if bought is not None:
        return _(
            "added in Kartra on %(when)s (%(source)s); %(what)s was bought %(seconds)s s before, which may or "
            "may not be why"
        ) % {
            "seconds": round((row.since - bought.at).total_seconds()),
            "what": bought.details.get("product_name") or _("something"),
            "when": when,
            "source": row.get_source_display(),
        }
    if row.source == Source.REFRESH and row.after is None:
        return _("already there at the first update on %(when)s") % {"when": when}
    if row.source == Source.REFRESH:
        words = _("found by an update: came between %(first)s and %(last)s")
        return words % {"first": _moment(row.after), "last": when}
    if row.source == Source.IMPORT:
        return _("by an import on %(when)s") % {"when": when}
    words = (
        _("removed in Kartra on %(when)s (%(source)s)")
        if has_ended(row)
        else _("added in Kartra on %(when)s (%(source)s)")
    )
    return words % {"when": when, "source": row.get_source_display()}


def has_ended(row: Any) -> bool:
    """Whether the row says that the lead left: a list or level no longer active, a sequence or booking that was ended."""
    if hasattr(row, "active"):
        return not row.active
    return getattr(row, "status", "").lower() in ENDED


def _purchase_before(row: Any, purchases: Sequence[Activity]) -> Activity | None:
    """The last purchase at most NEAR_S before; of a tie that a read found, only one inside its interval can be told."""
    if row.source not in (Source.WEBHOOK, Source.IPN) or has_ended(row):
        return None
    fitting = [each for each in purchases if dt.timedelta() <= row.since - each.at <= dt.timedelta(seconds=NEAR_S)]
    return fitting[-1] if fitting else None


def _moment(at: dt.datetime) -> str:
    return date_format(timezone.localtime(at), "j M Y H:i")
