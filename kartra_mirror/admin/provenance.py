"""Who put a tag, list or sequence on a lead, when and why, as one sentence."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from leads.models import Activity, Source

PURCHASES = ("payment_sale", "buy_product", "payment_rebill")
ENDED = ("unsubscribed", "cancelled")
NEAR_S = 600
"""A purchase so long before is taken for the reason of what Kartra did by itself."""


def purchases_of(lead: Any) -> list[Activity]:
    """The lead's purchases, oldest first; asked once for a page."""
    return list(lead.activities.filter(kind__in=PURCHASES).order_by("at"))


def sentence(row: Any, purchases: Sequence[Activity]) -> str:
    """Of a row that joins the lead to a thing: by a change of ours, by Kartra after a purchase, or found by a read."""
    verb = "taken off" if _ended(row) else "put on"
    change = row.change
    if change is not None:
        who = f" by {change.requested_by}" if change.requested_by else ""
        where = f" in “{change.run}”" if change.run else ""
        why = f", because: {change.why}" if change.why else ""
        return f"{verb}{who}{where} on {_moment(row.since)}{why}"
    bought = _purchase_before(row, purchases)
    if bought is not None:
        seconds = round((row.since - bought.at).total_seconds())
        what = bought.details.get("product_name") or "something"
        return f"put on by Kartra {seconds} s after the purchase of {what} on {_moment(row.since)}"
    if row.source == Source.REFRESH and row.after is None:
        return f"already there when first read on {_moment(row.since)}"
    if row.source == Source.REFRESH:
        return f"found by a read: came between {_moment(row.after)} and {_moment(row.since)}"
    if row.source == Source.IMPORT:
        return f"told by an import on {_moment(row.since)}"
    return f"{verb} in Kartra on {_moment(row.since)} ({row.get_source_display()})"


def _ended(row: Any) -> bool:
    """Whether the row says that the lead left: a list or level no longer active, a sequence or booking that was ended."""
    if hasattr(row, "active"):
        return not row.active
    return getattr(row, "status", "").lower() in ENDED


def _purchase_before(row: Any, purchases: Sequence[Activity]) -> Activity | None:
    """The last purchase at most NEAR_S before; of a tie that a read found, only one inside its interval can be told."""
    if row.source not in (Source.WEBHOOK, Source.IPN) or _ended(row):
        return None
    fitting = [each for each in purchases if dt.timedelta() <= row.since - each.at <= dt.timedelta(seconds=NEAR_S)]
    return fitting[-1] if fitting else None


def _moment(at: dt.datetime) -> str:
    return timezone.localtime(at).strftime("%-d %b %Y %H:%M")
