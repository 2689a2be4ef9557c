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


def causes_of(lead: Any, rows: Sequence[Any]) -> dict[tuple[type, int], str]:
    """The cause, as the timeline keeps it, of rows that join the lead to a thing: the line of the same moment that names the
    thing. {(model, primary key): "delivery 12"}; one query."""
    moments = {row.since for row in rows if row.change_id is None}
    if not moments:
        return {}
    lines = lead.activities.filter(at__in=moments).exclude(cause="").values_list("at", "cause", "details")
    named: dict[tuple[Any, str], str] = {}
    for at, cause, details in lines:
        for value in details.values() if isinstance(details, dict) else ():
            named[at, str(value)] = cause
    found = {(type(row), row.pk): named.get((row.since, _thing(row)), "") for row in rows}
    return {key: cause for key, cause in found.items() if cause}


def _thing(row: Any) -> str:
    """The name of what the row joins the lead to, as a line of the timeline names it."""
    for name in ("tag", "mailing_list", "sequence", "calendar_class", "level"):
        if hasattr(row, name):
            return str(getattr(row, name).name)
    return ""


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
