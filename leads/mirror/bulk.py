"""Writes many leads at once into the mirror: the set-based sister of `take`, for exports of Kartra.

What a row does not tell is left alone; tags and lists it names are added, none is taken away.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from leads import forgetting
from leads.mirror import drift
from leads.mirror.catalogue import things
from leads.mirror.facts import Difference
from leads.models import (
    Account,
    Lead,
    LeadEmail,
    LeadTag,
    ListSubscription,
    MailingList,
    Source,
    Tag,
    normal_email,
)


@dataclass(frozen=True)
class Row:
    """One lead as an export tells it. `number` is its line in the file. `fields` has columns of `Lead` it tells."""

    number: int
    kartra_id: str = ""
    email: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    custom_values: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass
class Written:
    """What became of a batch. `refused` is [(row, reason)]."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[tuple[Row, str]] = field(default_factory=list)


def write_rows(
    account: Account, rows: Sequence[Row], *, at: dt.datetime, source: Source = Source.IMPORT, dry_run: bool = False
) -> Written:
    """Upsert a batch (about 1,000 rows) by id, then by address, in a handful of queries."""
    written = Written()
    with transaction.atomic():
        by_id, by_email = _known(account, rows)
        left_out = forgetting.forgotten_among(account, {row.number: (row.kartra_id, row.email) for row in rows})
        new: list[tuple[Lead, Row]] = []
        touched: list[tuple[Lead, Row, bool]] = []
        drifted: list[tuple[Lead, list[Difference]]] = []
        for row in rows:
            lead, problem = _match(row, by_id, by_email)
            if row.number in left_out:
                problem = forgetting.WORDS
            if problem:
                written.refused.append((row, problem))
                continue
            if lead is None:
                lead = Lead(account=account, known_from=source)
                _set(lead, row)
                lead.dirty_at = at
                new.append((lead, row))
                if row.kartra_id:
                    by_id[row.kartra_id] = lead
                by_email[normal_email(row.email)].append(lead)
            else:
                drifted.append((lead, drift.of_row(lead, row)))
                touched.append((lead, row, _set(lead, row)))
        written.created = len(new)
        written.updated = sum(changed for _, _, changed in touched)
        written.unchanged = len(touched) - written.updated
        if not dry_run:
            drifted += drift.of_ties([(lead, row) for lead, row, _ in touched])
            drift.tell(drifted, source=source, at=at)
            _write(account, new, touched, at, source, written)
    return written


def _known(account: Account, rows: Sequence[Row]) -> tuple[dict[str, Lead], dict[str, list[Lead]]]:
    leads = Lead.objects.filter(account=account)
    by_id = {
        lead.kartra_id: lead for lead in leads.filter(kartra_id__in={row.kartra_id for row in rows if row.kartra_id})
    }
    by_email: dict[str, list[Lead]] = defaultdict(list)
    by_pk = {lead.pk: lead for lead in by_id.values()}
    for lead in leads.filter(email_key__in={normal_email(row.email) for row in rows if row.email}):
        by_email[lead.email_key].append(by_pk.get(lead.pk, lead))
    return {str(key): lead for key, lead in by_id.items()}, by_email


def _match(row: Row, by_id: dict[str, Lead], by_email: dict[str, list[Lead]]) -> tuple[Lead | None, str]:
    """The lead a row is about, or None for a new one; and why it cannot be told, if so."""
    same_address = by_email.get(normal_email(row.email), []) if row.email else []
    if row.kartra_id:
        if row.kartra_id in by_id:
            return by_id[row.kartra_id], ""
        without_id = [lead for lead in same_address if lead.kartra_id is None]
        return (without_id[0] if without_id else None), ""
    if len(same_address) > 1:
        here = [lead for lead in same_address if lead.gone_at is None]
        if len(here) != 1:
            return None, "Two leads of our copy have this address; give the lead's id in a column of its own."
        same_address = here
    return (same_address[0] if same_address else None), ""


def _set(lead: Lead, row: Row) -> bool:
    """Put the row's values on the lead; whether anything is otherwise than before."""
    changed = False
    if row.kartra_id and lead.kartra_id != row.kartra_id:
        lead.kartra_id, changed = row.kartra_id, True
    if row.email and normal_email(lead.email) != normal_email(row.email):
        lead.email, changed = row.email, True
    lead.email_key = normal_email(lead.email)
    for name, value in row.fields.items():
        if getattr(lead, name) != value:
            setattr(lead, name, value)
            changed = True
    merged = {**lead.custom_values, **row.custom_values}
    if merged != lead.custom_values:
        lead.custom_values, changed = merged, True
    return changed


def _write(
    account: Account,
    new: list[tuple[Lead, Row]],
    touched: list[tuple[Lead, Row, bool]],
    at: dt.datetime,
    source: Source,
    written: Written,
) -> None:
    Lead.objects.bulk_create([lead for lead, _ in new], batch_size=500)
    changed = [lead for lead, _, is_changed in touched if is_changed]
    columns = {name for _, row, is_changed in touched if is_changed for name in row.fields}
    for lead in changed:
        lead.dirty_at = lead.dirty_at or at
    Lead.objects.bulk_update(
        changed, sorted(columns | {"kartra_id", "email", "email_key", "custom_values", "dirty_at"}), batch_size=200
    )
    _keep_addresses([lead for lead, _ in new] + changed, at)
    pairs = [*new, *((lead, row) for lead, row, _ in touched)]
    _add_tags(account, pairs, at, source)
    _add_lists(account, pairs, at, source)


def _keep_addresses(leads: list[Lead], at: dt.datetime) -> None:
    standing = {row.lead_id: row for row in LeadEmail.objects.filter(lead__in=leads, until=None)}
    over = [
        standing[lead.pk].pk for lead in leads if lead.pk in standing and standing[lead.pk].email_key != lead.email_key
    ]
    LeadEmail.objects.filter(pk__in=over).update(until=at)
    LeadEmail.objects.bulk_create(
        LeadEmail(lead=lead, email=lead.email, email_key=lead.email_key, since=at)
        for lead in leads
        if lead.email_key and (lead.pk not in standing or standing[lead.pk].pk in over)
    )


def _add_tags(account: Account, pairs: Sequence[tuple[Lead, Row]], at: dt.datetime, source: Source) -> None:
    tags = things(Tag, account, [name for _, row in pairs for name in row.tags])
    LeadTag.objects.bulk_create(
        (
            LeadTag(lead=lead, tag=tags[name], since=at, source=source)
            for lead, row in pairs
            for name in dict.fromkeys(row.tags)
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )


def _add_lists(account: Account, pairs: Sequence[tuple[Lead, Row]], at: dt.datetime, source: Source) -> None:
    lists = things(MailingList, account, [name for _, row in pairs for name in row.lists])
    ListSubscription.objects.bulk_create(
        (
            ListSubscription(lead=lead, mailing_list=lists[name], active=True, since=at, source=source)
            for lead, row in pairs
            for name in dict.fromkeys(row.lists)
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )
