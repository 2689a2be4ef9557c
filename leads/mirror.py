"""The only writer of mirror rows. It writes what Kartra said (read, message, confirmed change, export), never a hope.

Every function is safe to repeat: what is already so is left alone and leaves no trace in the timeline.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from leads.models import (
    Account,
    Activity,
    CustomField,
    GoneReason,
    Lead,
    LeadChange,
    LeadEmail,
    LeadTag,
    ListSubscription,
    MailingList,
    Membership,
    MembershipGrant,
    MembershipLevel,
    Page,
    SequenceEnrollment,
    Source,
    Tag,
    normal_email,
)
from leads.models import Sequence as KartraSequence
from leads.models.catalogue import Thing
from leads.models.membership import Joined

FIELDS: tuple[str, ...] = (
    "email", "first_name", "middle_name", "last_name", "last_name2", "username", "phone_country_code", "phone",
    "company", "address", "zip", "city", "state", "country", "ip", "ip_country", "lead_picture", "website", "facebook",
    "twitter", "linkedin", "instagram", "google_plus", "lead_preferred_time_zone", "sales_tax_id", "business_type",
    "notes", "source", "source_id", "referring_id", "score", "blacklisted", "date_joined", "gdpr_lead_status",
    "gdpr_lead_status_date", "gdpr_lead_status_ip", "gdpr_lead_communications",
)  # fmt: skip
"""The lead's columns that Kartra can tell us, by the names of `Lead`."""


@dataclass(frozen=True)
class MembershipFact:
    """Access to one level of a membership, as told."""

    membership: str
    level: str
    active: bool
    membership_id: str = ""
    level_id: str = ""


@dataclass(frozen=True)
class LeadFacts:
    """What Kartra told of one lead, in the mirror's own shapes. What was not told is absent (a missing key of
    `fields`, None elsewhere); what was told to be empty is there, empty.

    `fields` has keys of FIELDS; `score` int or None, `blacklisted` bool or None, `date_joined` aware UTC or None, the
    rest text. `lists` is {name: active}, `sequences` {name: (step, status)}, `custom_values` as on `Lead`.
    """

    kartra_id: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    custom_values: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] | None = None
    tags: frozenset[str] | None = None
    lists: Mapping[str, bool] | None = None
    sequences: Mapping[str, tuple[str, str]] | None = None
    memberships: tuple[MembershipFact, ...] | None = None

    @property
    def email(self) -> str:
        return str(self.fields.get("email") or "").strip()


@dataclass(frozen=True)
class Difference:
    """One thing that was otherwise in the mirror: {"field": "city", "was": "Bend", "is": "Salem"}."""

    field: str
    was: Any
    now: Any

    def as_details(self) -> dict[str, Any]:
        return {"field": self.field, "was": _plain(self.was), "is": _plain(self.now)}


@dataclass(frozen=True)
class Taken:
    """What taking facts in did: the lead, whether it is new to us, and what was otherwise before."""

    lead: Lead
    created: bool
    differences: tuple[Difference, ...]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, dt.datetime) else value


# --- leads


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
    about. Raises ValueError if the facts name nobody.
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
        _keep_address(lead, at)
        differences += _set_joined(lead, facts, source=source, at=at)
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
                _fold(asked, lead)
            else:
                lead = asked
    elif lead is None:
        lead = find(account, kartra_id=facts.kartra_id, email=facts.email)
    if lead is None:
        lead = Lead(account=account, known_from=source)
    elif facts.kartra_id and lead.kartra_id:
        twin = Lead.objects.filter(account=account, kartra_id=None, email_key=normal_email(facts.email)).first()
        if twin and normal_email(facts.email):
            _fold(twin, lead)
    if facts.kartra_id:
        lead.kartra_id = facts.kartra_id
    return lead


def _fold(twin: Lead, lead: Lead) -> None:
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


def _keep_address(lead: Lead, at: dt.datetime) -> None:
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


# --- what a lead is joined to


def _thing(model: type[Any], account_id: int, name: str) -> Any:
    return model.objects.get_or_create(account_id=account_id, name=name)[0]


def _log(
    lead: Lead,
    kind: str,
    details: dict[str, Any],
    source: Source,
    at: dt.datetime,
    change: LeadChange | None,
    cause: str,
) -> None:
    Activity.objects.create(
        account_id=lead.account_id,
        lead=lead,
        kind=kind,
        at=at,
        source=source,
        details=details,
        change=change,
        cause=cause,
    )


def set_tag(
    lead: Lead,
    name: str,
    on: bool,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None = None,
    cause: str = "",
) -> bool:
    """The lead has (or has not) the tag. True if that was new to us."""
    with transaction.atomic():
        if on:
            tag = _thing(Tag, lead.account_id, name)
            _, changed = LeadTag.objects.get_or_create(
                lead=lead, tag=tag, defaults={"since": at, "source": source, "change": change}
            )
        else:
            changed = bool(LeadTag.objects.filter(lead=lead, tag__name=name).delete()[0])
        if changed:
            _log(lead, "tag_assigned" if on else "tag_removed", {"tag": name}, source, at, change, cause)
    return changed


def set_list(
    lead: Lead,
    name: str,
    active: bool,
    *,
    source: Source,
    at: dt.datetime,
    change: LeadChange | None = None,
    cause: str = "",
) -> bool:
    """The lead is on the list, or has left it. True if that was new to us."""
    with transaction.atomic():
        row = ListSubscription.objects.filter(lead=lead, mailing_list__name=name).first()
        if row is None and not active:
            return False  # it was never on it, and still is not
        if row is None:
            mailing_list = _thing(MailingList, lead.account_id, name)
            ListSubscription.objects.create(
                lead=lead, mailing_list=mailing_list, active=active, since=at, source=source, change=change
            )
        elif row.active == active:
            return False
        else:
            row.active, row.since, row.source, row.change = active, at, source, change
            row.save()
        _log(lead, "list_joined" if active else "list_left", {"list": name}, source, at, change, cause)
    return True


def _set_joined(lead: Lead, facts: LeadFacts, *, source: Source, at: dt.datetime) -> list[Difference]:
    """Make the lead's ties equal to what was told, kind by kind; what was not told is left alone."""
    differences: list[Difference] = []
    if facts.tags is not None:
        differences += _set_tags(lead, facts.tags, source=source, at=at)
    if facts.lists is not None:
        differences += _set_lists(lead, facts.lists, source=source, at=at)
    if facts.sequences is not None:
        differences += _set_sequences(lead, facts.sequences, source=source, at=at)
    if facts.memberships is not None:
        differences += _set_memberships(lead, facts.memberships, source=source, at=at)
    return differences


def _set_tags(lead: Lead, told: Iterable[str], *, source: Source, at: dt.datetime) -> list[Difference]:
    had = dict(LeadTag.objects.filter(lead=lead).values_list("tag__name", "pk"))
    wanted = set(told)
    new = sorted(wanted - set(had))
    lost = sorted(set(had) - wanted)
    tags = things(Tag, lead.account, new)
    LeadTag.objects.bulk_create(
        [LeadTag(lead=lead, tag=tags[name], since=at, source=source) for name in new], ignore_conflicts=True
    )
    if lost:
        LeadTag.objects.filter(pk__in=[had[name] for name in lost]).delete()
    return [Difference(f"tag {n}", False, True) for n in new] + [Difference(f"tag {n}", True, False) for n in lost]


def _set_lists(lead: Lead, told: Mapping[str, bool], *, source: Source, at: dt.datetime) -> list[Difference]:
    had = {row.mailing_list.name: row for row in lead.listsubscriptions.select_related("mailing_list")}
    differences: list[Difference] = []
    lists = things(MailingList, lead.account, [name for name in told if name not in had])
    for name, active in told.items():
        row = had.get(name)
        if row is None:
            ListSubscription.objects.create(lead=lead, mailing_list=lists[name], active=active, since=at, source=source)
            if active:
                differences.append(Difference(f"list {name}", False, True))
        elif row.active != active:
            row.active, row.since, row.source, row.change = active, at, source, None
            row.save()
            differences.append(Difference(f"list {name}", not active, active))
    for name, row in had.items():
        if name not in told and row.active:
            row.active, row.since, row.source, row.change = False, at, source, None
            row.save()
            differences.append(Difference(f"list {name}", True, False))
    return differences


def _set_sequences(
    lead: Lead, told: Mapping[str, tuple[str, str]], *, source: Source, at: dt.datetime
) -> list[Difference]:
    had = {row.sequence.name: row for row in lead.sequenceenrollments.select_related("sequence")}
    differences: list[Difference] = []
    sequences = things(KartraSequence, lead.account, [name for name in told if name not in had])
    for name, (step, status) in told.items():
        row = had.get(name)
        if row is None:
            SequenceEnrollment.objects.create(
                lead=lead, sequence=sequences[name], step=step, status=status, since=at, source=source
            )
            differences.append(Difference(f"sequence {name}", None, f"step {step}, {status}"))
        elif (row.step, row.status) != (step, status):
            differences.append(
                Difference(f"sequence {name}", f"step {row.step}, {row.status}", f"step {step}, {status}")
            )
            row.step, row.status, row.since, row.source, row.change = step, status, at, source, None
            row.save()
    for name in sorted(set(had) - set(told)):
        differences.append(Difference(f"sequence {name}", f"step {had[name].step}, {had[name].status}", None))
        had[name].delete()
    return differences


def _set_memberships(
    lead: Lead, told: Sequence[MembershipFact], *, source: Source, at: dt.datetime
) -> list[Difference]:
    had = {
        (row.level.membership.name, row.level.name): row
        for row in lead.membershipgrants.select_related("level__membership")
    }
    differences: list[Difference] = []
    seen = set()
    for fact in told:
        key = (fact.membership, fact.level)
        seen.add(key)
        row = had.get(key)
        label = f"membership {fact.membership}: {fact.level}"
        if row is None:
            membership = _thing(Membership, lead.account_id, fact.membership or fact.membership_id)
            level, _ = MembershipLevel.objects.get_or_create(
                membership=membership,
                name=fact.level or fact.level_id or "(no level)",
                defaults={"kartra_id": fact.level_id},
            )
            MembershipGrant.objects.get_or_create(
                lead=lead, level=level, defaults={"active": fact.active, "since": at, "source": source}
            )
            differences.append(Difference(label, None, fact.active))
        elif row.active != fact.active:
            row.active, row.since, row.source, row.change = fact.active, at, source, None
            row.save()
            differences.append(Difference(label, not fact.active, fact.active))
    for key in sorted(set(had) - seen):
        if had[key].active:
            had[key].active, had[key].since, had[key].source = False, at, source
            had[key].save()
            differences.append(Difference(f"membership {key[0]}: {key[1]}", True, False))
    return differences


# --- the account's catalogue


def things(model: type[Thing], account: Account, names: Iterable[str]) -> dict[str, Any]:
    """The account's tags (lists, …) of these names, made where they are new: {name: row}."""
    wanted = [name for name in dict.fromkeys(names) if name]
    manager = model._default_manager
    if wanted:
        known = set(manager.filter(account=account, name__in=wanted).values_list("name", flat=True))
        missing = [model(account=account, name=name) for name in wanted if name not in known]
        manager.bulk_create(missing, ignore_conflicts=True)
    return {row.name: row for row in manager.filter(account=account, name__in=wanted)}


def set_catalogue(
    account: Account, model: type[Tag | MailingList | KartraSequence | Page], names: Iterable[str], at: dt.datetime
) -> None:
    """The account has exactly these tags (lists, sequences, pages) now. Others are marked missing, never deleted."""
    told = set(things(model, account, names))
    rows = model._default_manager.filter(account=account)
    rows.filter(name__in=told).exclude(missing_since=None).update(missing_since=None)
    rows.exclude(name__in=told).filter(missing_since=None).update(missing_since=at)


@dataclass(frozen=True)
class CustomFieldFact:
    """A custom field of the account as told; `options` is ((option id, option text), …)."""

    identifier: str
    type: str
    kartra_id: str = ""
    options: tuple[tuple[str, str], ...] = ()


def set_custom_fields(account: Account, fields: Iterable[CustomFieldFact], at: dt.datetime) -> None:
    """The account has exactly these custom fields now."""
    told = set()
    for fact in fields:
        if not fact.identifier:
            continue
        told.add(fact.identifier)
        CustomField.objects.update_or_create(
            account=account,
            identifier=fact.identifier,
            defaults={
                "type": fact.type, "kartra_id": fact.kartra_id, "options": [list(o) for o in fact.options],
                "missing_since": None,
            },
        )  # fmt: skip
    CustomField.objects.filter(account=account, missing_since=None).exclude(identifier__in=told).update(
        missing_since=at
    )


def compare(lead: Lead | None, facts: LeadFacts) -> list[Difference]:
    """How the mirror and what was read differ. Writes nothing."""
    if lead is None:
        return [Difference("lead", None, facts.kartra_id)]
    with transaction.atomic():
        fresh = Lead.objects.get(pk=lead.pk)
        differences = _set_fields(fresh, facts)
        differences += _set_joined(fresh, facts, source=Source.REFRESH, at=fresh.known_since)
        transaction.set_rollback(True)
    return differences
