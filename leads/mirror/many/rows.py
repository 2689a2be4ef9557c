"""The rows of an export: the set-based sister of `apply_facts`.

What a row does not tell is left alone; tags and lists it names are added, none is taken away.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from django.db import transaction

from leads import forgotten
from leads.bulk_sql import insert_new, insert_objects
from leads.csv_cells import split
from leads.forgotten import forgotten_among
from leads.lock_conflicts import done_again
from leads.mirror import changelog, identity
from leads.mirror.catalogue import get_or_create_named
from leads.mirror.changelog import NO_CAUSE, ActivityCause
from leads.mirror.facts import Difference, Row, merge_facts
from leads.mirror.locks import lock_leads
from leads.models import (
    Account,
    Lead,
    LeadEmail,
    LeadTag,
    ListSubscription,
    MailingList,
    RowRemark,
    Source,
    Tag,
    normal_email,
)
from leads.models.changed import mark_changed, mark_unsaved
from leads.models.remarks import Remark, remark


@dataclass
class Written:
    """What became of a batch. `refused` is [(line of the file, reason)]; `types` counts created transactions by type,
    `ids_agree` and `ids_differ` rows whose id our copy knows beside their address."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[tuple[int, Remark]] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)
    new_leads: int = 0
    ids_agree: int = 0
    ids_differ: int = 0


@dataclass
class _Known:
    """A lead of the mirror that a row is about, and what the row tells anew (`left_unheard`: lists left that we had not)."""

    lead: Lead
    row: Row
    differences: list[Difference]
    changed: bool
    left_unheard: bool = False


@done_again
def write_rows(
    account: Account,
    rows: Sequence[Row],
    *,
    at: dt.datetime,
    source: Source = Source.IMPORT,
    dry_run: bool = False,
    cause: ActivityCause = NO_CAUSE,
    believed: bool = True,
) -> Written:
    """Upsert a batch (about 1,000 rows) by id and address, in a handful of queries. `believed`: ids that our copy does not
    know are Kartra's; else such a row is about its address alone, and a read tells the id."""
    written = Written()
    with transaction.atomic():
        settled = identity.settled_among(account, rows, believed=believed)
        open_rows = [row for row in rows if row.number not in settled.numbers]
        known_leads = _find(account, open_rows)
        left_out = forgotten_among(account, {row.number: (row.kartra_id, row.email) for row in rows})
        written.ids_agree = settled.agree
        written.unchanged = len(settled.numbers - left_out)
        written.refused += [(number, forgotten.REMARK) for number in sorted(settled.numbers & left_out)]
        new: list[tuple[Lead, Row]] = []
        known: list[_Known] = []
        for row in open_rows:
            row_identity = known_leads.classify(row.kartra_id, row.email)
            written.ids_agree += row_identity.verdict == identity.AGREES
            written.ids_differ += row_identity.verdict == identity.DIFFERS and not row_identity.moved
            lead, problem = row_identity.lead, row_identity.problem
            if row_identity.moved and believed:
                problem = {}
            if not believed and lead is None and row.kartra_id and not problem:
                row = replace(row, kartra_id="")
                if not row.email:
                    problem = remark(RowRemark.UNCHECKED_ID)
            elif not believed and row_identity.verdict == identity.UNKNOWN:
                row = replace(row, kartra_id="")
            if row.number in left_out:
                problem = forgotten.REMARK
            if problem:
                written.refused.append((row.number, problem))
                continue
            if lead is None:
                lead = _made(account, row, source, at)
                new.append((lead, row))
                if row.email:
                    known_leads.by_email[normal_email(row.email)].append(lead)
            else:
                known.append(_put(lead, row, source))
            if row.kartra_id:
                known_leads.by_id[row.kartra_id] = lead
        had = _relations(known)
        for each in known:
            each.differences += _new_ties(each, had)
            each.left_unheard = any((each.lead.pk, "list", name) not in had for name in each.row.left_lists)
        written.created = len(new)
        written.updated = sum(each.changed or bool(each.differences) for each in known)
        written.unchanged += len(known) - written.updated
        if not dry_run:
            _write(account, new, known, at, source, cause)
    return written


def _find(account: Account, rows: Sequence[Row]) -> identity.Known:
    leads = Lead.objects.filter(account=account).order_by()  # SQLite would scan the account to have an order
    ids, keys = {row.kartra_id for row in rows if row.kartra_id}, {normal_email(row.email) for row in rows if row.email}
    of_ids, of_emails = leads.filter(kartra_id__in=ids), leads.filter(email_key__in=keys)  # one OR scans all
    known = [*of_ids.values_list("pk", flat=True), *of_emails.values_list("pk", flat=True)] if rows else []
    if not known:
        return identity.Known()  # all are new
    lock_leads(known)
    return identity.Known.of(leads, [(row.kartra_id, row.email) for row in rows])


@cache
def _blank() -> dict[str, Any]:
    """A lead of which nothing is told, in the order of its columns."""
    return {field.attname: field.get_default() for field in Lead._meta.concrete_fields}


def _made(account: Account, row: Row, source: Source, at: dt.datetime) -> Lead:
    """A lead that our copy has not, as the row tells it. Values in order are put on it in half the time that named ones take."""
    who = {"account_id": account.pk, "kartra_id": row.kartra_id or None, "known_from": source, "dirty_at": at}
    told = {**row.fields, "email": row.email, "email_key": normal_email(row.email)}
    return Lead(*{**_blank(), **told, **who, "custom_values": {**row.custom_values}, "extra": {}}.values())


def _put(lead: Lead, row: Row, source: Source) -> _Known:
    """Put a row on a lead that is known. An export may be older than what we know, so a lead said to be deleted is seen as
    alive only until the read that follows. It vouches for one of whom only messages told."""
    differences = _set(lead, row)
    changed = bool(differences)
    if lead.read_at is None and lead.known_from in (Source.WEBHOOK, Source.IPN):
        lead.known_from, changed = source, True
    if lead.gone_at or lead.absent_at:
        lead.gone_at, lead.gone_reason, lead.absent_at, changed = None, "", None, True
    return _Known(lead, row, differences, changed)


def _set(lead: Lead, row: Row) -> list[Difference]:
    """Put the row's values on the lead; what is otherwise than before."""
    differences = []
    if row.kartra_id and lead.kartra_id != row.kartra_id:
        differences.append(Difference("kartra_id", lead.kartra_id, row.kartra_id))
        lead.kartra_id = row.kartra_id
    told = {**row.fields, "email": row.email}
    differences += merge_facts(lead, told, row.custom_values, same=_same)
    lead.email_key = normal_email(lead.email)
    return differences


def _same(was: Any, value: Any) -> bool:
    """Not otherwise: white space around a text, and chosen options told by their texts alone, as exports do."""
    if isinstance(was, list):
        told = [option[1] for option in value] if isinstance(value, list) else list(split(value))
        return [option[1] for option in was] == told
    return bool(was == value) or (isinstance(was, str) and was.strip() == value)


def _relations(known: list[_Known]) -> dict[tuple[int, str, str], bool]:
    """The tags and lists that these leads have: {(lead, "tag" or "list", name): active}."""
    told = [each for each in known if each.lead.pk and (each.row.tags or each.row.lists or each.row.left_lists)]
    pks = {each.lead.pk for each in told}
    had = {}
    if any(each.row.tags for each in told):
        for lead, name in LeadTag.objects.filter(lead__in=pks).values_list("lead", "tag__name"):
            had[lead, "tag", name] = True
    if any(each.row.lists or each.row.left_lists for each in told):
        rows = ListSubscription.objects.filter(lead__in=pks).values_list("lead", "mailing_list__name", "active")
        for lead, name, active in rows:
            had[lead, "list", name] = active
    return had


def _new_ties(each: _Known, had: Mapping[tuple[int, str, str], bool]) -> list[Difference]:
    pk, row = each.lead.pk, each.row
    if pk is None:
        return []
    new = [("tag", name) for name in row.tags] + [("list", name) for name in row.lists]
    return [Difference(f"{what} {name}", False, True) for what, name in new if (pk, what, name) not in had]


def _write(
    account: Account,
    new: list[tuple[Lead, Row]],
    known: list[_Known],
    at: dt.datetime,
    source: Source,
    cause: ActivityCause,
) -> None:
    made = [lead for lead, _ in new]
    mark_unsaved(made)
    insert_objects(made)
    otherwise = [each for each in known if each.changed or each.differences]
    changed = list({each.lead.pk: each.lead for each in otherwise}.values())
    mark_unsaved(changed)
    for lead in changed:
        lead.dirty_at = lead.dirty_at or at
    update_leads(changed, {name for each in otherwise for name in each.row.fields})
    keep_addresses(made, changed, at)
    pairs = [*new, *((each.lead, each.row) for each in known)]
    _add_tags(account, pairs, at, source)
    _add_lists(account, pairs, at, source)
    mark_changed(each.lead.pk for each in known if each.left_unheard)
    changelog.record(
        [
            (each.lead, [difference for difference in each.differences if difference.field != "kartra_id"])
            for each in otherwise
            if each.lead.read_at is not None  # of a lead that was never read nothing was known for certain
        ],
        source=source,
        at=at,
        cause=cause,
    )


def update_leads(leads: list[Lead], columns: Iterable[str]) -> None:
    """Save these columns of many leads. By upsert on the key, which is some twenty times faster than one CASE per column."""
    always = {"kartra_id", "email", "email_key", "custom_values", "dirty_at", "gone_at", "gone_reason", "absent_at"}
    always |= {"changed_seq", "changed_xid", "known_from"}
    if leads:
        Lead.objects.bulk_create(
            leads,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=sorted(always | set(columns)),
            batch_size=500,
        )


def keep_addresses(made: list[Lead], changed: list[Lead], at: dt.datetime) -> None:
    standing = {row.lead_id: row for row in LeadEmail.objects.filter(lead__in=changed, until=None)}
    over = {
        standing[lead.pk].pk
        for lead in changed
        if lead.pk in standing and standing[lead.pk].email_key != lead.email_key
    }
    LeadEmail.objects.filter(pk__in=over).update(until=at)
    insert_new(
        LeadEmail,
        ["lead", "email", "email_key", "since"],
        (
            (lead.pk, lead.email, lead.email_key, at)
            for lead in [*made, *changed]
            if lead.email_key and (lead.pk not in standing or standing[lead.pk].pk in over)
        ),
    )


def _add_tags(account: Account, pairs: Sequence[tuple[Lead, Row]], at: dt.datetime, source: Source) -> None:
    tags = get_or_create_named(Tag, account, [name for _, row in pairs for name in row.tags])
    insert_new(
        LeadTag,
        ["lead", "tag", "since", "source"],
        ((lead.pk, tags[name].pk, at, source) for lead, row in pairs for name in row.tags),
    )


def _add_lists(account: Account, pairs: Sequence[tuple[Lead, Row]], at: dt.datetime, source: Source) -> None:
    """Lists the row names, and those it says were left. An entry that is there is not touched: whether somebody left a list
    meanwhile, the read that follows tells."""
    lists = get_or_create_named(
        MailingList, account, [name for _, row in pairs for name in (*row.lists, *row.left_lists)]
    )
    insert_new(
        ListSubscription,
        ["lead", "mailing_list", "active", "since", "source"],
        (
            (lead.pk, lists[name].pk, active, at, source)
            for lead, row in pairs
            for name, active in (dict.fromkeys(row.left_lists, False) | dict.fromkeys(row.lists, True)).items()
        ),
    )
