"""What was found otherwise than we knew it, written into the timeline: changed in Kartra without us.

A read and an export tell it alike: field, was, is, by whom we know, and between when and when it happened.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from leads.mirror.facts import Difference
from leads.models import Activity, Lead, LeadTag, ListSubscription, Source, normal_email

if TYPE_CHECKING:
    from leads.mirror.bulk import Row

KIND = "changed_in_kartra"

NEVER_READ = frozenset({"referring_id", "instagram", "google_plus", "sales_tax_id", "business_type"})
"""Fields that only messages and exports tell."""


def tell(
    found: Iterable[tuple[Lead, Collection[Difference]]],
    *,
    source: Source,
    at: dt.datetime,
    since: dt.datetime | None = None,
    cause: str = "",
) -> None:
    """One line for each difference, save a first word on what no read tells. It happened after `since`, else after the lead
    was last read."""
    Activity.objects.bulk_create(
        (
            Activity(
                account_id=lead.account_id, lead=lead, kind=KIND, at=at, between_from=since or lead.read_at, source=source,
                details=difference.as_details(), cause=cause,
            )
            for lead, differences in found
            for difference in differences
            if difference.was or difference.field not in NEVER_READ
        ),
        batch_size=1000,
    )  # fmt: skip


def of_row(lead: Lead, row: "Row") -> list[Difference]:
    """What a row of an export says otherwise than our copy, asked before it is put there. Of a lead that was never read
    nothing was known for certain, so nothing can have changed."""
    if lead.read_at is None:
        return []
    told: dict[str, tuple[Any, Any]] = {name: (getattr(lead, name), value) for name, value in row.fields.items()}
    if row.email and normal_email(row.email) != normal_email(lead.email):
        told["email"] = (lead.email, row.email)
    for identifier, value in row.custom_values.items():
        told[f"custom.{identifier}"] = (lead.custom_values.get(identifier, ""), value)
    return [Difference(name, was, now) for name, (was, now) in told.items() if _differ(was, now)]


def _differ(was: Any, now: Any) -> bool:
    """Not so: none and none, and the chosen options in an export's own spelling."""
    if was == now or not (was or now):
        return False
    if isinstance(was, list):
        return {str(words) for _, words in was} != {part.strip() for part in re.split("[;,]", str(now)) if part.strip()}
    return True


def of_ties(pairs: Sequence[tuple[Lead, "Row"]]) -> list[tuple[Lead, list[Difference]]]:
    """The tags and lists of these rows that our copy does not have, asked before they are added."""
    known = [(lead, row) for lead, row in pairs if lead.pk is not None and lead.read_at is not None]
    ids = [lead.pk for lead, row in known if row.tags or row.lists]
    if not ids:
        return []
    tags = set(LeadTag.objects.filter(lead__in=ids).values_list("lead", "tag__name"))
    lists = set(ListSubscription.objects.filter(lead__in=ids).values_list("lead", "mailing_list__name"))
    found = []
    for lead, row in known:
        new = [Difference(f"tag {n}", False, True) for n in dict.fromkeys(row.tags) if (lead.pk, n) not in tags]
        new += [Difference(f"list {n}", False, True) for n in dict.fromkeys(row.lists) if (lead.pk, n) not in lists]
        if new:
            found.append((lead, new))
    return found
