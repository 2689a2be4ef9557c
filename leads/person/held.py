"""All that is held of a person, of whichever app, with when it came and from where: for them to read and to take along.

Reads only, a fixed number of queries however many rows there are. What computers alone need (keys of comparison, counters)
is left out, secrets are never among it.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Field, Model, QuerySet
from django.utils.translation import gettext_lazy

from leads import clock
from leads.access import Author
from leads.fields import FIELDS
from leads.labels import STATUS_WORDS
from leads.models import (
    Activity,
    BulkRun,
    CalendarClass,
    CalendarEnrollment,
    DataSubjectRequest,
    Lead,
    LeadChange,
    LeadEmail,
    LeadTag,
    ListSubscription,
    MailingList,
    MembershipGrant,
    MembershipLevel,
    PeopleListRow,
    Product,
    RecurringSubscription,
    RequestKind,
    RunDraft,
    Segment,
    SegmentMember,
    Sequence,
    SequenceEnrollment,
    Tag,
    Transaction,
    WatchEntry,
)
from leads.models.remarks import RemarkField, sentence_of
from leads.person import parts, places, requests
from leads.person.naming import Person, person_of
from leads.person.parts import Section

Ways = Mapping[str, Callable[[Any], Any]]
"""What is told of a row besides its columns: {name: how}."""

CALLED = (get_user_model(), BulkRun, Tag, MailingList, Sequence, CalendarClass, MembershipLevel, Product, Segment)
"""What is told by its name; of other rows, which are sections themselves, the number."""
NEVER = frozenset(
    {
        "account",
        "lead",
        "email_key",
        "changed_seq",
        "changed_xid",
        "idempotency_key",
        "read_not_before",
        "digest",
        "body",
    }
)
ABOUT_THE_COPY = (
    "known_from",
    "known_since",
    "read_at",
    "orders_read_at",
    "absent_at",
    "said_deleted_at",
    "gone_at",
    "gone_reason",
)
"""Fields of the lead that say how we know it."""


@dataclass(frozen=True)
class Held:
    """What is held of one person at one moment."""

    lead: Lead
    at: dt.datetime
    sections: list[Section]

    @property
    def counts(self) -> dict[str, int]:
        return {section.name: len(section.rows) for section in self.sections if section.rows}

    def as_json(self) -> str:
        told = {
            "account": str(self.lead.account),
            "kartra_id": self.lead.kartra_id,
            "as_of": self.at.isoformat(),
            "sections": [
                {"name": each.name, "title": str(each.words), "rows": each.rows} for each in self.sections if each.rows
            ],
        }
        return json.dumps(told, ensure_ascii=False, indent=1)


def export_person(lead: Lead, *, by: Author = None, asked_on: dt.date | None = None) -> tuple[Held, DataSubjectRequest]:
    """All that is held of a lead; that it was taken out, and by whom, is written down without a word of it."""
    request = requests.begin(RequestKind.EXPORT, lead, by=by, asked_on=asked_on)
    held = held_of(lead)
    requests.finish(request, held.counts, by=by)
    return held, request


def held_of(lead: Lead) -> Held:
    person = person_of(lead, parts.known_by(lead))
    sections = [*_own(lead), *(each for part in parts.PARTS for each in part.held(lead, person)), *_named(person)]
    return Held(lead, clock.now(), sections)


def _own(lead: Lead) -> list[Section]:
    """The rows of the lead itself and those that hang on it."""
    level = {"membership": lambda row: str(row.level.membership)}
    calendar = {"calendar": lambda row: str(row.calendar_class.calendar)}
    change: Ways = {"what": str, "became": lambda row: str(STATUS_WORDS[row.status]), "told": lambda row: row.words}
    line = {"what": lambda row: row.label}
    entry = {"segment": lambda row: str(row.watch.segment)}
    own: list[tuple[type[Model], Any, tuple[str, ...], Ways]] = [
        (LeadEmail, gettext_lazy("Addresses"), (), {}),
        (LeadTag, gettext_lazy("Tags"), (), {}),
        (ListSubscription, gettext_lazy("Lists"), (), {}),
        (SequenceEnrollment, gettext_lazy("Sequences"), (), {}),
        (CalendarEnrollment, gettext_lazy("Bookings"), ("calendar_class__calendar",), calendar),
        (MembershipGrant, gettext_lazy("Memberships"), ("level__membership",), level),
        (Transaction, gettext_lazy("Transactions"), (), {}),
        (RecurringSubscription, gettext_lazy("Subscriptions"), (), {}),
        (LeadChange, gettext_lazy("Requested changes"), (), change),
        (Activity, gettext_lazy("Timeline"), ("account",), line),
        (DataSubjectRequest, gettext_lazy("Requests of the person"), (), {}),
        (SegmentMember, gettext_lazy("Watched segments that the lead is in"), (), {}),
        (WatchEntry, gettext_lazy("Watched segments that the lead entered"), ("watch__segment",), entry),
    ]
    found = [
        Section(model._meta.label_lower, words, told(model._default_manager.filter(lead=lead), joined, more))
        for model, words, joined, more in own
    ]
    return [Section("leads.lead", gettext_lazy("The lead"), _fields(lead)), *found]


def _fields(lead: Lead) -> list[dict[str, Any]]:
    """Every field that holds something: its value, since when it is known to be so and from where."""
    lines = Activity.objects.filter(lead=lead, details__has_key="field").order_by("at")
    last = {field: (at, source) for field, at, source in lines.values_list("details__field", "at", "source")}
    fields: dict[str, Any] = {name: Lead._meta.get_field(name) for name in ("kartra_id", *FIELDS, *ABOUT_THE_COPY)}
    values = [(name, str(field.verbose_name), plain(getattr(lead, name))) for name, field in fields.items()]
    values += [(f"custom.{name}", name, plain(value)) for name, value in sorted(lead.custom_values.items())]
    values += [(f"extra.{name}", name, plain(value)) for name, value in sorted(lead.extra.items())]
    first = (lead.known_since, lead.known_from)
    return [
        {
            "field": name,
            "name": words,
            "value": value,
            "since": plain(last.get(name, first)[0]),
            "source": last.get(name, first)[1],
            "as_of": plain(lead.read_at),
        }
        for name, words, value in values
        if value not in (None, "", [], {})
    ]


def _named(person: Person) -> list[Section]:
    """Rows of others, and of people who work here, that name the person."""
    return [
        Section(
            "leads.importreject",
            gettext_lazy("Bad rows of imports"),
            [
                {"file": row.file.file_name, "line": row.line, "reason": row.words, "cells": row.cells}
                for row in places.rejects(person)
            ],
        ),
        Section(
            "leads.segment",
            gettext_lazy("Segments"),
            [
                {"name": row.name, "selection": row.selection, "created_at": plain(row.created_at)}
                for row in places.segments(person)
            ],
        ),
        Section(
            "leads.recipe",
            gettext_lazy("Recipes"),
            [
                {"name": row.name, "steps": row.steps, "note": row.note, "created_at": plain(row.created_at)}
                for row in places.recipes(person)
            ],
        ),
        Section(
            "leads.schedule",
            gettext_lazy("Schedules"),
            [
                {"name": row.name, "steps": row.steps, "why": row.why, "created_at": plain(row.created_at)}
                for row in places.schedules(person)
            ],
        ),
        Section(
            "leads.rundraft",
            gettext_lazy("Drafts of bulk actions"),
            [_draft(row, person) for row in places.drafts(person)],
        ),
        Section(
            "leads.peoplelistrow",
            gettext_lazy("Rows of lists of people"),
            [_list_row(row) for row in _list_rows(person)],
        ),
        Section(
            "admin.logentry",
            gettext_lazy("Lines of who did what"),
            [
                {"at": plain(row.action_time), "by": str(row.user), "what": row.change_message}
                for row in places.log_lines(person)
            ],
        ),
    ]


def _list_rows(person: Person) -> list[PeopleListRow]:
    own = places.list_rows(person).select_related("people_list").order_by("pk")
    return [*own, *places.list_rows_of_others(person)]


def _list_row(row: PeopleListRow) -> dict[str, Any]:
    return {
        "list": row.people_list.name,
        "file": row.people_list.file_name,
        "line": row.line,
        "written": row.written,
        "columns": row.values,
        "reading": str(row.get_state_display()),
        "created_at": plain(row.people_list.created_at),
    }


def _draft(draft: RunDraft, person: Person) -> dict[str, Any]:
    """What a draft says of the person; of a list of people, this one alone."""
    people = draft.selection.get("people")
    own = [each[1] for each in people if person.is_in(each[1])] if people else draft.parameters
    filtered = draft.listed if people else draft.selection
    return {"what": str(draft.words), "filtered_by": filtered, "typed": own, "created_at": plain(draft.created_at)}


def told(rows: QuerySet[Any], joined: tuple[str, ...] = (), more: Ways | None = None) -> list[dict[str, Any]]:
    """The rows with every field that people may read, by name; `more` is told besides. One query."""
    fields = [field for field in rows.model._meta.concrete_fields if field.name not in NEVER]
    called = [field.name for field in fields if field.is_relation and issubclass(field.related_model, CALLED)]
    asked = rows.select_related(*called, *joined) if called or joined else rows
    return [
        {
            **{name: plain(value(row)) for name, value in (more or {}).items()},
            **{field.name: _value(row, field, called) for field in fields if _is_told(row, field)},
        }
        for row in asked
    ]


def _is_told(row: Any, field: "Field[Any, Any]") -> bool:
    return getattr(row, field.attname) not in (None, "", [], {})


def _value(row: Any, field: "Field[Any, Any]", called: list[str]) -> Any:
    if field.name in called:
        return str(getattr(row, field.name))
    value = getattr(row, field.attname)
    return sentence_of(value) if isinstance(field, RemarkField) else plain(value)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value if isinstance(value, str | int | float | bool | list | dict) or value is None else str(value)
