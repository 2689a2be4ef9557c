"""The lines of the timeline: one of what happened, and those of what was found otherwise than we knew it. And the journal of a
message: what it wrote and how that was before, by which it can be taken back.

Of what changed in Kartra without us, a read and an export tell alike: field, was, is, by whom we know, and between when and
when it happened.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Model, ProtectedError

from leads.fields import NOT_READ
from leads.kind import get_kind
from leads.mirror.facts import Difference, json_value
from leads.mirror.locks import lock_leads
from leads.models import Activity, Lead, LeadChange, RecurringSubscription, Source, Transaction
from leads.models.changed import mark_changed
from leads.models.membership import Joined

KIND = "changed_in_kartra"


Journal = list[dict[str, Any]]
"""What was written, in order: {"row": model, "key": {column: value}, "was": {column: value}, "now": {…}}. `was` None: the row was
new; `now` None: it was deleted."""


@dataclass(frozen=True)
class ActivityCause:
    """What told us what a line says, if no change of ours did: the primary key of a call, a message or an import."""

    call_id: int | None = None
    delivery_id: int | None = None
    import_job_id: int | None = None
    journal: Journal | None = field(default=None, compare=False)

    def note(
        self,
        model: type[Model],
        key: Mapping[str, Any],
        was: Mapping[str, Any] | None,
        now: Mapping[str, Any] | None,
    ) -> None:
        """Keep how the row of this key was before it was written, if that is kept of this cause."""
        if self.journal is not None:
            entry = {
                name: None if told is None else {column: json_value(value) for column, value in told.items()}
                for name, told in (("was", was), ("now", now))
            }
            self.journal.append({"row": model._meta.model_name, "key": dict(key), **entry})

    def as_fields(self) -> dict[str, int | None]:
        return {"call_id": self.call_id, "delivery_id": self.delivery_id, "import_job_id": self.import_job_id}


NO_CAUSE = ActivityCause()


def columns(model: type[Model]) -> list[str]:
    """The columns of a tie that say how it is, and whence that is known; not whom it ties to what."""
    fields = model._meta.concrete_fields
    return [
        each.attname
        for each in fields
        if not each.primary_key and (each.name in ("change", "activity") or not each.is_relation)
    ]


def record(
    found: Iterable[tuple[Lead, Collection[Difference]]],
    *,
    source: Source,
    at: dt.datetime,
    since: dt.datetime | None = None,
    cause: ActivityCause = NO_CAUSE,
) -> None:
    """Save one line for each difference. The leads are marked as changed by the caller."""
    lines = lines_of(found, source=source, at=at, since=since, cause=cause)
    Activity.objects.bulk_create(lines, batch_size=1000)


def lines_of(
    found: Iterable[tuple[Lead, Collection[Difference]]],
    *,
    source: Source,
    at: dt.datetime,
    since: dt.datetime | None = None,
    cause: ActivityCause = NO_CAUSE,
) -> Iterator[Activity]:
    """One line for each difference, save a first word on what no read tells; not saved. It happened after `since`, else after
    the lead was last read."""
    return (
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


@dataclass(frozen=True)
class Message:
    """A message that is taken back: the primary key of its delivery, when it was applied, and whether its lead was read since."""

    delivery: int
    applied_at: dt.datetime
    read_since: bool


def take_back(lead: Lead, journal: Journal, message: Message) -> int:
    """Undo what a message wrote of a lead, last first: each row as it was before, where it still says what the message wrote, and
    no line of the timeline that is the message's alone. What a read told since, or somebody vouches for, stays. How many were
    taken back. A lead that the message made, or two rows that it made one, stay."""
    with transaction.atomic():
        lock_leads([lead.pk])
        done = sum(_take_back(entry, message) for entry in reversed(journal))
        lines = Activity.objects.filter(delivery=message.delivery, change=None)
        for tie in Joined.__subclasses__():
            of_lead = tie._default_manager.filter(lead=lead)
            lines = lines.exclude(pk__in=of_lead.exclude(activity=None).values("activity"))
        certain = set(Transaction.objects.filter(lead=lead, reported=False).values_list("kartra_id", flat=True))
        told = {
            pk for pk, details in lines.values_list("pk", "details") if details.get("transaction_id") not in certain
        }
        if Activity.objects.filter(pk__in=told).delete()[0] or done:
            mark_changed([lead.pk])
    return done


TOLD_BY_A_READ = frozenset({"leadtag", "listsubscription", "sequenceenrollment", "membershipgrant"})


def _take_back(entry: Mapping[str, Any], message: Message) -> bool:
    if message.read_since and (
        entry["row"] in TOLD_BY_A_READ or (entry["row"] == "lead" and not _no_read_tells(entry))
    ):
        return False
    model: Any = apps.get_model("leads", entry["row"])
    row = model._default_manager.select_for_update(of=("self",)).filter(**entry["key"]).first()
    if entry["now"] is None:
        return row is None and _kept(model(**entry["key"], **_standing(model, entry["was"])))
    if row is None or any(json_value(getattr(row, column)) != told for column, told in entry["now"].items()):
        return False
    if _is_vouched_for(row, message):
        return False
    if entry["was"] is None:
        return model is not Lead and _kept(row, Model.delete)
    for column, value in _standing(model, entry["was"]).items():
        setattr(row, column, value)
    return _kept(row)


def _no_read_tells(entry: Mapping[str, Any]) -> bool:
    return bool(entry["was"]) and entry["was"].keys() <= NOT_READ


def _is_vouched_for(row: Any, message: Message) -> bool:
    """Whether Kartra's own details, its export or a payment message with the right secret told of this money since: a message that
    nobody vouches for makes no sale certain."""
    if isinstance(row, Transaction):
        return not row.reported
    return isinstance(row, RecurringSubscription) and row.read_at is not None and row.read_at >= message.applied_at


def _kept(row: Any, write: Callable[[Any], Any] | None = None) -> bool:
    """Whether the row could be written: what others point at stays, and what somebody else has meanwhile is theirs."""
    try:
        with transaction.atomic():
            row.save() if write is None else write(row)
    except (ProtectedError, IntegrityError):
        return False
    return True


def _standing(model: type[Model], was: Mapping[str, Any]) -> dict[str, Any]:
    """The values of these columns; of rows that are gone meanwhile none."""
    values = {}
    for each in model._meta.concrete_fields:
        if each.attname in was:
            value = each.to_python(was[each.attname])
            other: Any = each.related_model
            gone = other is not None and value is not None and not other._default_manager.filter(pk=value).exists()
            values[each.attname] = None if gone else value
    return values
