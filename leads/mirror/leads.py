"""Leads themselves: found, taken in, folded, marked."""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet

from leads import forgetting
from leads.mirror.facts import FIELDS, Difference, LeadFacts, Taken
from leads.mirror.ties import set_ties
from leads.models import Account, Activity, GoneReason, Lead, LeadEmail, Source, normal_email
from leads.models.membership import Joined


def find(account: Account, *, kartra_id: str = "", email: str = "") -> Lead | None:
    """The lead of this id; else the one of this email that is known without an id; else, when no id was given, the
    only lead that has the address now. Two leads of one address are never guessed between."""
    if kartra_id:
        found = Lead.objects.filter(account=account, kartra_id=kartra_id).first()
        if found:
            return found
    key = normal_email(email)
    if not key:
        return None
    same_address = Lead.objects.filter(account=account, email_key=key).order_by("pk")
    without_id = same_address.filter(kartra_id=None).first()
    if without_id or kartra_id:
        return without_id
    here = list(same_address.filter(gone_at=None)[:2]) or list(same_address[:2])
    return here[0] if len(here) == 1 else None


def take(
    account: Account,
    facts: LeadFacts,
    *,
    source: Source,
    at: dt.datetime,
    lead: Lead | None = None,
    read_began_at: dt.datetime | None = None,
    cause: str = "",
) -> Taken:
    """Write facts about one lead, making the row if it is new to us.

    `read_began_at` is given for a `get_lead`: the facts are then all there is, `read_at` is set and dirt older than the
    read is cleared; facts of a read begun before the last one applied are dropped. `lead` is the row that was asked
    about. Raises ValueError if the facts name nobody, and LeftOut for a person who asked to be forgotten.
    """
    with transaction.atomic():
        lead = _row_for(account, facts, lead, source)
        created = lead.pk is None
        known_before = not created and lead.read_at is not None
        if read_began_at is not None and lead.read_at is not None and lead.read_at > read_began_at:
            return Taken(lead, False, ())
        since = lead.read_at
        differences = _set_fields(lead, facts)
        if lead.gone_at or lead.absent_at:
            lead.gone_at, lead.gone_reason, lead.absent_at = None, "", None
        if read_began_at is not None:
            lead.read_at = read_began_at
            if lead.dirty_at and lead.dirty_at <= read_began_at:
                lead.dirty_at = None
        lead.save()
        keep_address(lead, at)
        differences += set_ties(lead, facts, source=source, at=at, after=since)
        if known_before:
            _tell(lead, "changed_in_kartra", differences, source=source, at=at, since=since, cause=cause)
        return Taken(lead, created, tuple(differences))


def _row_for(account: Account, facts: LeadFacts, asked: Lead | None, source: Source) -> Lead:
    if not facts.kartra_id and not facts.email and asked is None:
        raise ValueError("The facts name neither an id nor an email address.")
    lead = asked
    if facts.kartra_id and (asked is None or asked.kartra_id != facts.kartra_id):
        lead = find(account, kartra_id=facts.kartra_id, email=facts.email)
        if asked is not None and asked.kartra_id is None:
            # We knew this person by address alone. If the id is known on another row, the two are one person.
            if lead is not None and lead.pk != asked.pk:
                fold(asked, lead)
            else:
                lead = asked
    elif lead is None:
        lead = find(account, kartra_id=facts.kartra_id, email=facts.email)
    if lead is None:
        forgetting.check(account, kartra_id=facts.kartra_id, email=facts.email)
        lead = Lead(account=account, known_from=source)
    elif facts.kartra_id and lead.kartra_id:
        twin = Lead.objects.filter(account=account, kartra_id=None, email_key=normal_email(facts.email)).first()
        if twin and normal_email(facts.email):
            fold(twin, lead)
    if facts.kartra_id:
        lead.kartra_id = facts.kartra_id
    return lead


def fold(twin: Lead, lead: Lead) -> None:
    """Make one of two rows that turned out to be one person: everything of `twin` goes to `lead`."""
    for relation in Lead._meta.related_objects:
        model = relation.related_model
        rows = model._default_manager.filter(**{relation.field.name: twin})
        if issubclass(model, Joined | LeadEmail):
            rows.delete()  # the id's own read tells these anew
        else:
            rows.update(**{relation.field.name: lead})
    twin.delete()


def _set_fields(lead: Lead, facts: LeadFacts) -> list[Difference]:
    differences = []
    for name in FIELDS:
        if name not in facts.fields:
            continue
        told = facts.fields[name]
        if name == "email" and not str(told or "").strip():
            continue  # an empty address never blanks a known one
        if name in ("score", "blacklisted", "date_joined") and told is None:
            continue
        was = getattr(lead, name)
        same = normal_email(was) == normal_email(told) if name == "email" else was == told
        if was != told:
            setattr(lead, name, told)
        if not same:
            differences.append(Difference(name, was, told))
    if facts.custom_values is not None:
        merged = {**lead.custom_values, **facts.custom_values}
        for identifier in sorted(merged):
            was, now = lead.custom_values.get(identifier, ""), merged[identifier]
            if was != now and (was or now):
                differences.append(Difference(f"custom.{identifier}", was, now))
        lead.custom_values = merged
    if facts.extra:
        lead.extra = {**lead.extra, **facts.extra}
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


def _tell(
    lead: Lead,
    kind: str,
    differences: Iterable[Difference],
    *,
    source: Source,
    at: dt.datetime,
    since: dt.datetime | None,
    cause: str,
) -> None:
    Activity.objects.bulk_create(
        Activity(
            account_id=lead.account_id, lead=lead, kind=kind, at=at, between_from=since, source=source,
            details=difference.as_details(), cause=cause,
        )
        for difference in differences
    )  # fmt: skip


def mark_dirty(lead: Lead, at: dt.datetime) -> None:
    """The lead is to be read again soon. The oldest dirt stands."""
    Lead.objects.filter(pk=lead.pk, dirty_at=None).update(dirty_at=at)


def mark_all_dirty(leads: QuerySet[Lead], at: dt.datetime) -> int:
    """These leads are to be read again soon, ahead of those that are only old. How many there are."""
    leads.filter(dirty_at=None, gone_at=None).update(dirty_at=at, absent_at=None)
    return leads.filter(gone_at=None).count()


def mark_gone(lead: Lead, reason: GoneReason, at: dt.datetime, *, source: Source, cause: str = "") -> bool:
    """Kartra says that this lead is deleted. Nothing is removed; its queued changes are the caller's to skip."""
    changed = Lead.objects.filter(pk=lead.pk, gone_at=None).update(gone_at=at, gone_reason=reason, dirty_at=None)
    if changed:
        Activity.objects.create(
            account_id=lead.account_id, lead=lead, kind="gone", at=at, between_from=lead.read_at, source=source,
            details={"reason": reason}, cause=cause,
        )  # fmt: skip
        lead.refresh_from_db(fields=["gone_at", "gone_reason", "dirty_at"])
    return bool(changed)


def mark_absent(lead: Lead, at: dt.datetime) -> None:
    """A read of its address found no lead: the address moved, or was never there."""
    Lead.objects.filter(pk=lead.pk).update(absent_at=at, dirty_at=None)


def compare(lead: Lead | None, facts: LeadFacts) -> list[Difference]:
    """How the mirror and what was read differ. Writes nothing."""
    if lead is None:
        return [Difference("lead", None, facts.kartra_id)]
    with transaction.atomic():
        fresh = Lead.objects.get(pk=lead.pk)
        differences = _set_fields(fresh, facts)
        differences += set_ties(fresh, facts, source=Source.REFRESH, at=fresh.known_since)
        transaction.set_rollback(True)
    return differences
