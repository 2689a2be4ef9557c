"""What Kartra confirmed of our own changes to a lead itself: that it exists, its fields, its points, its money."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from leads.kind import get_kind
from leads.mirror.changelog import add_activity
from leads.mirror.leads import keep_address, merge_leads
from leads.mirror.locks import lock_leads
from leads.models import Account, CustomField, Lead, LeadChange, LeadEmail, Source, normal_email
from leads.models.changed import mark_changed, mark_unsaved

CUSTOM = "custom."

READ_BACK_FIRST = 20
READ_BACK_EVERY = 50
"""Of a bulk edit of custom fields, which Kartra ignores without a word where it has none of that name: so many leads are read
back at first, and then one in so many; all of them once one shows that it came to nothing."""


def create_placeholder(account: Account, email: str, at: dt.datetime) -> Lead:
    """The row of an address that somebody means to create in Kartra. It says nothing but the address, and that no lead of
    it is known there."""
    lead, made = Lead.objects.get_or_create(
        account=account,
        kartra_id=None,
        email_key=normal_email(email),
        defaults={"email": email.strip(), "known_from": Source.STAFF, "absent_at": at},
    )
    if made:
        mark_changed([lead.pk])
        keep_address(lead, at)
    return lead


def create_placeholders(account: Account, emails: Sequence[str], at: dt.datetime) -> dict[str, int]:
    """The rows of many addresses that somebody means to create, by the address as it is compared: their primary keys."""
    by_key = dict(sorted((normal_email(email), email.strip()) for email in emails))
    rows = Lead.objects.filter(account=account, kartra_id=None, email_key__in=by_key)
    known = set(rows.values_list("email_key", flat=True))
    new = [
        Lead(account=account, email=email, email_key=key, known_from=Source.STAFF, absent_at=at)
        for key, email in by_key.items()
        if key not in known
    ]
    mark_unsaved(new)
    made = Lead.objects.bulk_create(new)
    LeadEmail.objects.bulk_create(
        LeadEmail(lead=lead, email=lead.email, email_key=lead.email_key, since=at) for lead in made
    )
    return dict(rows.values_list("email_key", "pk"))


def attach_kartra_id(lead: Lead, kartra_id: str, at: dt.datetime) -> Lead:
    """The lead of this row has this id in Kartra. If the id is known on another row the two are one person; the row that
    stays is returned."""
    with transaction.atomic():
        found = Lead.objects.filter(account=lead.account_id, kartra_id=kartra_id).exclude(pk=lead.pk)
        lock_leads([lead.pk, *found.values_list("pk", flat=True)])
        known = found.first()
        if known is not None and lead.kartra_id is None:
            merge_leads(lead, known)
            return known
        if known is not None:
            return lead
        Lead.objects.filter(pk=lead.pk).update(kartra_id=kartra_id, absent_at=None, dirty_at=at)
        mark_changed([lead.pk])
        lead.refresh_from_db()
    return lead


def set_profile(lead: Lead, told: Mapping[str, Any], *, at: dt.datetime, change: LeadChange) -> None:
    """Kartra took these fields of ours ("city", "email", "custom.shirt_size" with option ids). What it may ignore without a
    word shows in the next read, so the lead is to be read where that can be."""
    with transaction.atomic():
        fresh = Lead.objects.select_for_update(no_key=True).get(pk=lead.pk)
        differences = []
        for name, value in told.items():
            if name.startswith(CUSTOM):
                identifier = name.removeprefix(CUSTOM)
                is_now = _custom_value(fresh.account, identifier, value)
                was = fresh.custom_values.get(identifier, "")
                fresh.custom_values = {**fresh.custom_values, identifier: is_now}
            else:
                was, is_now = getattr(fresh, name), value
                setattr(fresh, name, value)
            if was != is_now and (was or is_now):
                differences.append({"field": name, "was": was, "is": is_now})
        kind = get_kind(change.kind)
        if kind.creates:
            fresh.absent_at = None
        ignored = any(may_be_ignored(name, value) for name, value in told.items())
        if kind.creates or (ignored and _is_sample(change)):
            fresh.dirty_at = fresh.dirty_at or at
        fresh.save()
        keep_address(fresh, at)
        if kind.creates:
            add_activity(fresh, kind.activity, {}, Source.PUSH, at, change)
        for details in differences if not kind.creates else ():
            add_activity(fresh, kind.activity, details, Source.PUSH, at, change)


def may_be_ignored(name: str, value: Any) -> bool:
    """Whether Kartra may say Success to this value and leave the field as it is: a custom field that it does not have, an
    address that another lead has, an empty text."""
    return name.startswith(CUSTOM) or name == "email" or value in ("", None)


def _is_sample(change: LeadChange) -> bool:
    """Whether the lead of a confirmed edit is read back: always for a single one; of a bulk action the first ones and some of
    the others."""
    if change.run_id is None or change.pk % READ_BACK_EVERY == 0:
        return True
    later = LeadChange.objects.filter(run=change.run_id).order_by("pk").values_list("pk", flat=True)
    first_unread = later[READ_BACK_FIRST : READ_BACK_FIRST + 1]
    return not any(change.pk >= pk for pk in first_unread)


def _custom_value(account: Account, identifier: str, value: Any) -> Any:
    """A custom value in the mirror's own shape: text, or [[option id, option text], …]."""
    field = CustomField.objects.filter(account=account, identifier=identifier).first()
    options = {str(number): words for number, words in field.options} if field else {}
    if isinstance(value, list):
        return [[number, options.get(number, "")] for number in value]
    if options:
        return [[value, options.get(value, "")]] if value else []
    return value


def add_points(lead: Lead, points: int, *, at: dt.datetime, change: LeadChange) -> None:
    """Kartra gave (or took, if negative) so many points. Whether its scores fall below zero is not documented: where ours
    does, the lead is to be read."""
    with transaction.atomic():
        lock_leads([lead.pk])
        Lead.objects.filter(pk=lead.pk, score__isnull=False).update(score=F("score") + points)
        if points < 0:
            Lead.objects.filter(pk=lead.pk, score__lt=0, dirty_at=None).update(dirty_at=at)
        details: dict[str, Any] = {"points": abs(points)}
        if change.parameters.get("expires_in_days"):
            details["expires_in_days"] = change.parameters["expires_in_days"]
        add_activity(lead, get_kind(change.kind).activity, details, Source.PUSH, at, change)


def note_plan_edit(lead: Lead, told: Any, *, at: dt.datetime, change: LeadChange) -> None:
    """Kartra confirmed a change of the plan; its new values come with the next read of it."""
    details = {name: value for name, value in told.items() if value != ""}
    add_activity(lead, "subscription_changed", details, Source.PUSH, at, change)


def note_refund(lead: Lead, kartra_id: str, amount: str, *, at: dt.datetime, change: LeadChange) -> None:
    """Kartra confirmed a refund. The refund's own transaction comes by a read or a message."""
    add_activity(lead, "refund_confirmed", {"transaction": kartra_id, "amount": amount}, Source.PUSH, at, change)
