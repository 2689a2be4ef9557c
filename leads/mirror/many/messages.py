"""Writes what many messages tell of leads: each as `apply_facts`, `set_tag`, `set_list` and `note_sequence_event` write it alone,
all together in a dozen statements.

Whoever calls holds the leads (`lock_leads`), has read them since, and sorted out what is odd: a lead that is deleted, not to be
found or without an id, another address than the one we know, a thing that is new or called otherwise now.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from leads.bulk_sql import update_rows
from leads.fields import NOT_READ
from leads.mirror import changelog
from leads.mirror.changelog import ActivityCause, columns
from leads.mirror.facts import Difference, LeadFacts
from leads.mirror.leads import OF_OUR_COPY, note_columns, set_fields
from leads.mirror.many.rows import keep_addresses, update_leads
from leads.mirror.relations import LEFT
from leads.models import Activity, Lead, LeadTag, ListSubscription, SequenceEnrollment, Source, normal_email
from leads.models.changed import mark_changed, mark_unsaved

TIES: dict[str, tuple[Any, str]] = {
    "tag": (LeadTag, "tag"),
    "list": (ListSubscription, "mailing_list"),
    "sequence": (SequenceEnrollment, "sequence"),
}
"""By noun: the rows that join a lead to such a thing, and which of their columns names the thing."""
LINES = {
    ("tag", True): "tag_assigned",
    ("tag", False): "tag_removed",
    ("list", True): "list_joined",
    ("list", False): "list_left",
    ("sequence", "active"): "sequence_entered",
    ("sequence", LEFT): "sequence_left",
}


@dataclass(frozen=True)
class TieFact:
    """A tag, list or sequence (`noun`) of the account, and how the lead stands to it: on or off, active or not, its status."""

    noun: str
    thing: Any
    name: str
    state: Any


@dataclass
class LeadMessage:
    """What one message tells of a lead; a lead that is not saved is new to us, and the same object where several tell of it.

    `line` is kind and details of a line that is no state. `read`: it is to be read back, whatever the message changes. What the
    message did is written on it: `created`, `differences`, and `changed`, whether the tie was new to us."""

    lead: Lead
    facts: LeadFacts
    cause: ActivityCause
    tie: TieFact | None = None
    line: tuple[str, dict[str, Any]] | None = None
    read: bool = False
    created: bool = False
    differences: list[Difference] = field(default_factory=list)
    changed: bool = False

    @property
    def is_due(self) -> bool:
        """Whether a read has to settle what it changed."""
        told = any(each.field not in NOT_READ for each in self.differences)
        return self.created or self.read or self.changed or told


@dataclass
class _Written:
    """What is to be written of all leads, gathered message by message."""

    new: list[Lead] = field(default_factory=list)
    known: dict[int, Lead] = field(default_factory=dict)
    """Leads that our copy knows, with columns that are otherwise now."""
    columns: set[str] = field(default_factory=set)
    changed: set[int] = field(default_factory=set)
    lines: list[Activity] = field(default_factory=list)
    notes: list[Callable[[], None]] = field(default_factory=list)
    """For the journals, once all ids are known."""
    ties: list[tuple[LeadMessage, Any, Activity]] = field(default_factory=list)
    """Those that are otherwise now: with the row as it was, None for none, and the line that says so."""


def write_messages(messages: Sequence[LeadMessage], *, at: dt.datetime, source: Source) -> None:
    """Write these, in order. No two of them tell of the same tie."""
    written = _Written()
    standing = _standing(messages)
    for message in messages:
        _put(message, written, at, source)
        if message.tie is not None:
            _put_tie(message, message.tie, standing, written, at, source)
        if message.line is not None:
            kind, details = message.line
            written.lines.append(_line(message, kind, details, at, source))
    _save_leads(messages, written, at)
    Activity.objects.bulk_create(written.lines)
    _save_ties(written, at, source)
    for note in written.notes:
        note()


def _put(message: LeadMessage, written: _Written, at: dt.datetime, source: Source) -> None:
    """Put what it tells on the lead, as `apply_facts` does."""
    lead = message.lead
    message.created = lead.pk is None and not any(lead is other for other in written.new)
    before = dict(lead.__dict__)
    lead.kartra_id = message.facts.kartra_id
    message.differences = set_fields(lead, message.facts)
    now = dict(lead.__dict__)
    otherwise = {name for name, value in now.items() if before.get(name) != value}
    if message.created:
        lead.email_key = normal_email(lead.email)
        written.new.append(lead)
    elif lead.pk is not None and otherwise:
        written.known[lead.pk] = lead
        written.columns |= otherwise
    if message.created or otherwise:
        columns_noted = partial(note_columns, lead, before, now, otherwise, message.cause, created=message.created)
        written.notes.append(columns_noted)
    if lead.pk is not None and otherwise - OF_OUR_COPY:
        written.changed.add(lead.pk)
    if lead.pk is not None and lead.read_at is not None:
        found = [(lead, message.differences)]
        written.lines += changelog.lines_of(found, source=source, at=at, since=lead.read_at, cause=message.cause)


def _put_tie(
    message: LeadMessage, tie: TieFact, standing: dict[Any, Any], written: _Written, at: dt.datetime, source: Source
) -> None:
    """Note how the lead stands to the thing, where that is new to us."""
    row = standing.get((tie.noun, message.lead.pk, tie.thing.pk))
    message.changed = _is_new(tie, row)
    if not message.changed:
        return
    line = _line(message, LINES[tie.noun, tie.state], {tie.noun: tie.name}, at, source)
    written.lines.append(line)
    written.ties.append((message, row, line))
    now = {
        "tag": {"since": at, "source": source} if tie.state else None,
        "list": {"active": tie.state, "since": at},
        "sequence": {"status": tie.state, "since": at},
    }[tie.noun]
    model, column = TIES[tie.noun]
    was = None if row is None else {name: getattr(row, name) for name in columns(model)}

    def note() -> None:
        key = {"lead_id": message.lead.pk, f"{column}_id": tie.thing.pk}
        message.cause.note(model, key, was, now)

    written.notes.append(note)


def _is_new(tie: TieFact, row: Any) -> bool:
    """Whether the lead stands otherwise to the thing in this row; None: not at all."""
    if tie.noun == "tag":
        return (row is None) is tie.state
    if tie.noun == "list":
        return row is None or row.active is not tie.state
    return row is None or row.status.lower() != tie.state


def _line(message: LeadMessage, kind: str, details: dict[str, Any], at: dt.datetime, source: Source) -> Activity:
    return Activity(
        account_id=message.lead.account_id,
        lead=message.lead,
        kind=kind,
        at=at,
        source=source,
        details=details,
        **message.cause.as_fields(),
    )


def _standing(messages: Iterable[LeadMessage]) -> dict[tuple[str, int, int], Any]:
    """The ties of which these tell, as they are: {(noun, lead, thing): row}."""
    found: dict[tuple[str, int, int], Any] = {}
    for noun, (model, column) in TIES.items():
        told = [each for each in messages if each.tie is not None and each.tie.noun == noun and each.lead.pk]
        if told:
            things = {each.tie.thing.pk for each in told if each.tie is not None}
            rows = model.objects.filter(lead__in={each.lead.pk for each in told}, **{f"{column}__in": things})
            found |= {(noun, row.lead_id, getattr(row, f"{column}_id")): row for row in rows}
    return found


def _save_leads(messages: Sequence[LeadMessage], written: _Written, at: dt.datetime) -> None:
    due = {id(each.lead): each.lead for each in messages if each.is_due and each.lead.dirty_at is None}
    changed = written.changed | {each.lead.pk for each in messages if each.changed and each.lead.pk}
    saved = [*written.new, *written.known.values()]
    for lead in due.values():
        lead.dirty_at = at
    mark_unsaved(saved)
    Lead.objects.bulk_create(written.new)
    update_leads(list(written.known.values()), written.columns)
    keep_addresses(written.new, [], at)
    others = changed - {lead.pk for lead in saved}
    dirty = {lead.pk for lead in due.values()} - {lead.pk for lead in saved}
    mark_changed(others & dirty, dirty_at=at)
    mark_changed(others - dirty)
    Lead.objects.filter(pk__in=dirty - others).update(dirty_at=at)


def _save_ties(written: _Written, at: dt.datetime, source: Source) -> None:
    """Each joins the lead to the thing, ends that, or says how it is now, with the line that tells of it."""
    for noun, (model, column) in TIES.items():
        new, other, over = [], [], []
        for message, row, line in written.ties:
            tie = message.tie
            if tie is None or tie.noun != noun:
                continue
            if tie.state is False and noun == "tag":
                over.append(row.pk)
                continue
            now = {**_state(tie), "since": at, "source": source, "change": None, "activity": line, "after": None}
            if row is None:
                new.append(model(lead=message.lead, **{column: tie.thing}, **now))
            else:
                for name, value in now.items():
                    setattr(row, name, value)
                other.append(row)
        model.objects.bulk_create(new)
        if over:
            model.objects.filter(pk__in=over).delete()
        update_rows(model, columns(model), other)


def _state(tie: TieFact) -> dict[str, Any]:
    """The columns that say so. At which step it entered a sequence a message tells not."""
    if tie.noun == "list":
        return {"active": tie.state}
    if tie.noun == "sequence":
        return {"status": tie.state} if tie.state == LEFT else {"status": tie.state, "step": ""}
    return {}
