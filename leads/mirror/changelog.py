"""The lines of the timeline: one of what happened, and those of what was found otherwise than we knew it.

Of what changed in Kartra without us, a read and an export tell alike: field, was, is, by whom we know, and between when and
when it happened.
"""

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from leads.fields import NOT_READ
from leads.kind import get_kind
from leads.mirror.facts import Difference
from leads.models import Activity, Lead, LeadChange, Source
from leads.models.changed import mark_changed

KIND = "changed_in_kartra"


@dataclass(frozen=True)
class ActivityCause:
    """What told us what a line says, if no change of ours did: the primary key of a call, a message or an import."""

    call_id: int | None = None
    delivery_id: int | None = None
    import_job_id: int | None = None

    def as_fields(self) -> dict[str, int | None]:
        return {"call_id": self.call_id, "delivery_id": self.delivery_id, "import_job_id": self.import_job_id}


NO_CAUSE = ActivityCause()


def record(
    found: Iterable[tuple[Lead, Collection[Difference]]],
    *,
    source: Source,
    at: dt.datetime,
    since: dt.datetime | None = None,
    cause: ActivityCause = NO_CAUSE,
) -> None:
    """One line for each difference, save a first word on what no read tells. It happened after `since`, else after the lead
    was last read. The leads are marked as changed by the caller."""
    Activity.objects.bulk_create(
        (
            Activity(
                account_id=lead.account_id,
                lead=lead,
                kind=KIND,
                at=at,
                between_from=since or lead.read_at,
                source=source,
                details=difference.as_details(),
                **cause.as_fields(),
            )
            for lead, differences in found
            for difference in differences
            if difference.was or difference.field not in NOT_READ
        ),
        batch_size=1000,
    )


def add_activity(
    lead: Lead,
    kind: str,
    details: dict[str, Any],
    source: Source,
    at: dt.datetime,
    change: LeadChange | None,
    cause: ActivityCause = NO_CAUSE,
) -> Activity:
    """Put one line into the lead's timeline, and mark it as changed. Of a change it is the line that its kind names, and no
    other."""
    if change is not None and kind != get_kind(change.kind).activity:
        raise ValueError(f"{change.kind} leaves no line {kind} in the timeline")
    mark_changed([lead.pk])
    return Activity.objects.create(
        account_id=lead.account_id,
        lead=lead,
        kind=kind,
        at=at,
        source=source,
        details=details,
        change=change,
        **cause.as_fields(),
    )
