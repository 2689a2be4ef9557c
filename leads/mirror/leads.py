"""Leads themselves: found, taken in, folded, compared."""

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction

from leads import forgotten
from leads.fields import BY_NAME
from leads.lock_conflicts import done_again
from leads.mirror import changelog
from leads.mirror.all_relations import differing_relations, set_relations
from leads.mirror.changelog import NO_CAUSE, ActivityCause
from leads.mirror.facts import Difference, LeadFacts, Taken, merge_facts
from leads.models import Account, CalendarEnrollment, Lead, LeadEmail, SegmentMember, Source, WatchEntry, normal_email
from leads.models.changed import mark_changed
from leads.models.membership import Joined
from leads.models.remarks import Remark, sentence_of
from leads.models.row_remark import lookalike

MOST_EXTRA = 400
"""Unknown keys kept on one lead; of more there is no end."""


GONE = ("gone_at", "gone_reason", "absent_at")
"""Columns that go together."""
OF_OUR_COPY = {"read_at", "read_not_before", "dirty_at", "said_deleted_at"}
"""Columns that say how fresh our copy is: nothing that Kartra tells of the lead."""


def find(account: Account, *, kartra_id: str = "", email: str = "") -> Lead | None:
    """The lead of this id; else the one of this email that is known without an id; else, when no id was given, the
    only lead that has the address now. Of a deleted and a living one the living is meant; two living ones are never
    guessed between."""
    if kartra_id:
        found = Lead.objects.filter(account=account, kartra_id=kartra_id).first()
        if found:
            return found
    key = normal_email(email)
    if not key:
        return None
    same_address = Lead.objects.filter(account=account, email_key=key).order_by("pk")
    rows = list(same_address)
    meant = [row for row in rows if row.gone_at is None] or rows
    without_id = next((row for row in meant if row.kartra_id is None), None)
    if kartra_id:
        return without_id
    return without_id or (meant[0] if len(meant) == 1 else None)


class Lookalike(ValueError):
    """An address with characters that only look like others names nobody who is new to us. `remark` says so."""

    def __init__(self, remark: Remark) -> None:
        self.remark = remark
        super().__init__(sentence_of(remark))


@done_again
def apply_facts(account: Account, facts: LeadFacts, *, lead: Lead | None = None, **how: Any) -> Taken:
    """Write facts about one lead, making the row if it is new to us.

    `told_at` is given for a message: when it came. It lifts no mark (deleted, absent) that was made after it.

    `read_began_at` is given for a `get_lead`: the facts are then all there is, `read_at` is set and dirt older than the
    read is cleared; facts of a read begun before the last one applied, or before the lead was found deleted, are dropped.
    `lead` is the row that was asked about. Raises ValueError if the facts name nobody, and LeftOut for a person who asked to
    be forgotten. Two who take the same new lead in at once make one row: the second finds that of the first.
    """
    try:
        with transaction.atomic():
            return _take(account, facts, lead=lead, **how)
    except IntegrityError:
        with transaction.atomic():
            return _take(account, facts, lead=lead, **how)


def _take(
    account: Account,
    facts: LeadFacts,
    *,
    source: Source,
    at: dt.datetime,
    lead: Lead | None,
    read_began_at: dt.datetime | None = None,
    told_at: dt.datetime | None = None,
    cause: ActivityCause = NO_CAUSE,
) -> Taken:
    lead = _row_for(account, facts, _locked(lead), source)
    created = lead.pk is None
    known_before = not created and lead.read_at is not None
    if read_began_at is not None and lead.read_at is not None and lead.read_at > read_began_at:
        return Taken(lead, False, ())
    if read_began_at is not None and lead.gone_at is not None and lead.gone_at > read_began_at:
        return Taken(lead, False, ())  # it was found deleted after this read began
    since, address = lead.read_at, lead.email
    before = dict(lead.__dict__)
    if facts.kartra_id:
        lead.kartra_id = facts.kartra_id
    differences = set_fields(lead, facts)
    marked_at, back = lead.gone_at or lead.absent_at, False
    if marked_at and (told_at is None or told_at > marked_at):
        back = lead.gone_at is not None
        lead.gone_at, lead.gone_reason, lead.absent_at, lead.read_not_before = None, "", None, None
    if any(difference.field == "email" for difference in differences):
        lead.read_not_before = None
    if back and read_began_at is None:
        lead.dirty_at = lead.dirty_at or at  # a message may be late: a read must say so too
    if read_began_at is not None:
        lead.read_at, lead.read_not_before = read_began_at, None
        if lead.said_deleted_at and lead.said_deleted_at <= read_began_at:
            lead.said_deleted_at = None
        if lead.dirty_at and lead.dirty_at <= read_began_at:
            lead.dirty_at = None
    otherwise = {name for name, value in lead.__dict__.items() if before.get(name) != value}
    if created or otherwise:
        lead.save()
        note_columns(lead, before, lead.__dict__, otherwise, cause, created=created)
    if created or read_began_at is not None or normal_email(address) != normal_email(lead.email):
        keep_address(lead, at)
    differences += set_relations(lead, facts, source=source, at=at, after=since)
    if created or differences or otherwise - OF_OUR_COPY:
        mark_changed([lead.pk])
    if back:
        changelog.add_activity(lead, "back", {}, source, at, None, cause)
    if known_before:
        changelog.record([(lead, differences)], source=source, at=at, since=since, cause=cause)
    return Taken(lead, created, tuple(differences))


def note_columns(
    lead: Lead,
    before: dict[str, Any],
    after: dict[str, Any],
    changed: set[str],
    cause: ActivityCause,
    *,
    created: bool,
) -> None:
    """Into the journal of a message: how each column was."""
    key = {"id": lead.pk}
    if created:
        cause.note(Lead, key, None, {"read_at": None})
        return
    names = sorted(changed - OF_OUR_COPY)
    for group in [[name for name in names if name in GONE], *([name] for name in names if name not in GONE)]:
        if group:
            was, now = ({name: kept.get(name) for name in group} for kept in (before, after))
            cause.note(Lead, key, was, now)


def _locked(lead: Lead | None) -> Lead | None:
    """The row as it is now, locked: what was asked about was loaded before the call, and others have written since."""
    if lead is None:
        return None
    return Lead.objects.select_for_update(no_key=True).filter(pk=lead.pk).first()


def _row_for(account: Account, facts: LeadFacts, asked: Lead | None, source: Source) -> Lead:
    if not facts.kartra_id and not facts.email and asked is None:
        raise ValueError("The facts name neither an id nor an email address.")
    lead = asked
    if facts.kartra_id and (asked is None or asked.kartra_id != facts.kartra_id):
        lead = _locked(find(account, kartra_id=facts.kartra_id, email=facts.email))
        if asked is not None and asked.kartra_id is None:
            # We knew this person by address alone. If the id is known on another row, the two are one person.
            if lead is not None and lead.pk != asked.pk:
                merge_leads(asked, lead)
            else:
                lead = asked
    elif lead is None:
        lead = _locked(find(account, kartra_id=facts.kartra_id, email=facts.email))
    if lead is None:
        if not facts.kartra_id and (odd := lookalike(facts.email)):
            raise Lookalike(odd)
        forgotten.check(account, kartra_id=facts.kartra_id, email=facts.email)
        lead = Lead(account=account, known_from=source)
    elif facts.kartra_id and lead.kartra_id:
        twin = Lead.objects.filter(account=account, kartra_id=None, email_key=normal_email(facts.email)).first()
        if twin and normal_email(facts.email):
            merge_leads(twin, lead)
    return lead


ONE_EACH: dict[Any, str] = {SegmentMember: "segment", WatchEntry: "watch"}
"""Of these a lead has one row for each of what stands here."""


def merge_leads(twin: Lead, lead: Lead) -> None:
    """Make one of two rows that turned out to be one person: everything of `twin` goes to `lead`."""
    for relation in Lead._meta.related_objects:
        model = relation.related_model
        rows = model._default_manager.filter(**{relation.field.name: twin})
        if model is CalendarEnrollment:
            _move_bookings(twin, lead)
        if model in ONE_EACH:
            of_both = list(model._default_manager.filter(lead=lead).values_list(ONE_EACH[model], flat=True))
            rows.filter(**{f"{ONE_EACH[model]}__in": of_both}).delete()
        if issubclass(model, Joined | LeadEmail):
            rows.delete()  # the id's own read tells these anew
        else:
            rows.update(**{relation.field.name: lead})
    twin.delete()
    mark_changed([lead.pk])


def _move_bookings(twin: Lead, lead: Lead) -> None:
    """Bookings go to the lead too: no read tells them."""
    for row in CalendarEnrollment.objects.filter(lead=twin):
        same = CalendarEnrollment.objects.filter(lead=lead, calendar_class=row.calendar_class, starts_at=row.starts_at)
        if not same.filter(booking_id__in=["", row.booking_id]).exists():
            CalendarEnrollment.objects.filter(pk=row.pk).update(lead=lead)


def set_fields(lead: Lead, facts: LeadFacts) -> list[Difference]:
    """Put what was told of its own columns on the lead, unsaved; what is otherwise than before."""
    told = {name: value for name, value in facts.fields.items() if value is not None or BY_NAME[name].value == "text"}
    differences = merge_facts(lead, told, facts.custom_values, whole=facts.custom_whole)
    if facts.extra:
        room = MOST_EXTRA - len(lead.extra)
        new = [name for name in facts.extra if name not in lead.extra]
        lead.extra = {
            **lead.extra,
            **{name: facts.extra[name] for name in facts.extra if name not in new[max(room, 0) :]},
        }
    return differences


def keep_address(lead: Lead, at: dt.datetime) -> None:
    """Note the address the lead has now, and until when it had the one before."""
    key = normal_email(lead.email)
    if not key:
        return
    standing = list(lead.emails.filter(until=None))
    if any(row.email_key == key for row in standing):
        return
    for row in standing:
        row.until = at
        row.save(update_fields=["until"])
    LeadEmail.objects.create(lead=lead, email=lead.email, email_key=key, since=at)


def compare(lead: Lead | None, facts: LeadFacts) -> list[Difference]:
    """How the mirror and what was read differ. Writes nothing."""
    if lead is None:
        return [Difference("lead", None, facts.kartra_id)]
    fresh = Lead.objects.get(pk=lead.pk)
    gone = [Difference("deleted", True, False)] if fresh.gone_at else []
    return [*gone, *set_fields(fresh, facts), *differing_relations(fresh, facts)]
