"""Writes many transactions at once into the mirror, as Kartra's transactions export tells them.

The export is Kartra's own record, so it confirms what was only reported. Nothing is ever taken back.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from leads import forgotten
from leads.forgotten import forgotten_among
from leads.lock_conflicts import done_again
from leads.mirror import identity
from leads.mirror.catalogue import get_or_create_named
from leads.mirror.changelog import NO_CAUSE, ActivityCause
from leads.mirror.facts import TransactionFact
from leads.mirror.locks import lock_leads
from leads.mirror.many.rows import Row, Written, write_rows
from leads.mirror.money import AMOUNTS, CENT
from leads.models import (
    Account,
    Activity,
    Lead,
    Product,
    RecurringSubscription,
    Source,
    Transaction,
    normal_email,
)
from leads.models.changed import mark_changed


@dataclass(frozen=True)
class TransactionRow:
    """One transaction as an export tells it, and whose it is. `lead_fields` serves when that lead is new to us."""

    number: int
    fact: TransactionFact
    lead_id: str = ""
    lead_email: str = ""
    lead_fields: Mapping[str, Any] = field(default_factory=dict)


@done_again
def write_transactions(
    account: Account,
    rows: Sequence[TransactionRow],
    *,
    at: dt.datetime,
    dry_run: bool = False,
    cause: ActivityCause = NO_CAUSE,
    believed: bool = True,
) -> Written:
    """Upsert a batch (about 1,000 rows) by Kartra's id in a handful of queries. What a row does not tell is left as it is.
    `believed`: as for `write_rows`, of the leads' ids."""
    written = Written()
    with transaction.atomic():
        whose = {row.number: (row.lead_id, row.lead_email) for row in rows}
        left_out = forgotten_among(account, whose)
        written.refused += [(number, forgotten.REMARK) for number in sorted(left_out)]
        rows = [row for row in rows if row.number not in left_out]
        rows = _whose_id(account, rows, believed, written)
        leads = _leads(account, rows, at, dry_run, written)
        lock_leads(lead.pk for lead in leads.values())
        ids = [row.fact.kartra_id for row in rows]
        standing = Transaction.objects.filter(account=account, kartra_id__in=ids).order_by()
        if connection.features.has_select_for_update:
            standing = standing.order_by("pk").select_for_update(no_key=True)
        known = {row.kartra_id: row for row in standing}
        products, plans = ({}, {}) if dry_run else _things(account, rows, leads)
        new, changed, told = [], [], []
        whose_before = {row.pk: row.lead_id for row in known.values()}
        for row in rows:
            fact = row.fact
            found = known.get(fact.kartra_id)
            was_told = found is not None and bool(found.type)
            transaction_ = found or Transaction(account=account, kartra_id=fact.kartra_id)
            is_new_knowledge = _set(transaction_, row, leads, products, plans, dry_run)
            if not was_told:
                written.created += 1
                written.types[transaction_.type] += 1
                told.append(transaction_)
            elif is_new_knowledge:
                written.updated += 1
            else:
                written.unchanged += 1
            if found is None:
                new.append(transaction_)
            elif not was_told or is_new_knowledge:
                changed.append(transaction_)
        if not dry_run:
            Transaction.objects.bulk_create(new, batch_size=500)
            _update(changed)
            _stubs(account, rows, leads)
            _tell(account, told, at, cause)
            mark_changed([*(row.lead_id for row in (*new, *changed)), *(whose_before[row.pk] for row in changed)])
    return written


def _whose_id(
    account: Account, rows: Sequence[TransactionRow], believed: bool, written: Written
) -> list[TransactionRow]:
    """The rows whose lead can be told, those without an id that is not believed; the others are refused."""
    known = identity.known(account, [(row.lead_id, row.lead_email) for row in rows])
    kept = []
    for row in rows:
        row_identity = known.classify(row.lead_id, row.lead_email)
        both = bool(row.lead_id and row.lead_email)
        written.ids_agree += row_identity.verdict == identity.AGREES
        written.ids_differ += row_identity.verdict == identity.DIFFERS and not row_identity.moved
        if row_identity.verdict == identity.DIFFERS and not (row_identity.moved and believed):
            written.refused.append((row.number, row_identity.problem))
            continue
        unsure = not believed and row.lead_id and row_identity.verdict != identity.AGREES
        kept.append(replace(row, lead_id="") if unsure and (both or row_identity.lead is None) else row)
    return kept


def _whose(row: TransactionRow) -> str:
    return row.lead_id or normal_email(row.lead_email)


def _leads(
    account: Account, rows: Sequence[TransactionRow], at: dt.datetime, dry_run: bool, written: Written
) -> dict[str, Lead]:
    """The leads of the rows by id and by address, made where nobody knew them. Two leads of one address: the transaction
    stays without a lead rather than with a guessed one."""
    found = _known_leads(account, rows)
    missing = {
        _whose(row): Row(row.number, row.lead_id, row.lead_email, row.lead_fields)
        for row in rows
        if _whose(row) and _whose(row) not in found
    }
    if missing:
        made = write_rows(account, list(missing.values()), at=at, dry_run=dry_run)
        written.new_leads = made.created
        if not dry_run:
            found = _known_leads(account, rows)
    return found


def _known_leads(account: Account, rows: Sequence[TransactionRow]) -> dict[str, Lead]:
    ids = {row.lead_id for row in rows if row.lead_id}
    keys = {normal_email(row.lead_email) for row in rows if row.lead_email and not row.lead_id}
    leads = Lead.objects.filter(account=account).only("pk", "kartra_id", "email_key", "gone_at", "account_id")
    found = {str(lead.kartra_id): lead for lead in leads.filter(kartra_id__in=ids)}
    twice = set()
    for lead in leads.filter(email_key__in=keys).order_by("gone_at"):
        other = found.get(lead.email_key)
        if other is not None and (other.gone_at is None) == (lead.gone_at is None):
            twice.add(lead.email_key)
        elif other is None or other.gone_at is not None:
            found[lead.email_key] = lead
    return {key: lead for key, lead in found.items() if key not in twice}


def _things(
    account: Account, rows: Sequence[TransactionRow], leads: Mapping[str, Lead]
) -> tuple[dict[str, Any], dict[str, RecurringSubscription]]:
    """Products by name and payment plans by id, made where they are new."""
    products = get_or_create_named(Product, account, [row.fact.product for row in rows])
    ids = {row.fact.product: row.fact.product_id for row in rows if row.fact.product and row.fact.product_id}
    renamed = [products[name] for name, id in ids.items() if products[name].kartra_id != id]
    for product in renamed:
        product.kartra_id = ids[product.name]
    Product.objects.bulk_update(renamed, ["kartra_id"], batch_size=200)
    whose = {row.fact.subscription_id: leads.get(_whose(row)) for row in rows if row.fact.subscription_id}
    manager = RecurringSubscription.objects
    standing = manager.filter(account=account, kartra_id__in=whose)
    known = set(standing.values_list("kartra_id", flat=True))
    manager.bulk_create(
        [
            RecurringSubscription(account=account, kartra_id=id, lead=whose[id])
            for id in sorted(whose)
            if id not in known
        ],
        ignore_conflicts=True,
    )
    return products, {plan.kartra_id: plan for plan in standing}


def _set(
    row: Transaction,
    told: TransactionRow,
    leads: Mapping[str, Lead],
    products: Mapping[str, Any],
    plans: Mapping[str, RecurringSubscription],
    dry_run: bool,
) -> bool:
    """Put what was told on the row; whether anything is otherwise than before (that it is confirmed now counts too)."""
    fact = told.fact
    values: dict[str, Any] = {
        "type": fact.type,
        "price_point": fact.price_point,
        "quantity": fact.quantity,
        "at": fact.at,
        "currency": fact.currency,
        "parent_kartra_id": fact.parent_kartra_id,
        "affiliate": fact.affiliate,
        **{name: None if (amount := getattr(fact, name)) is None else amount.quantize(CENT) for name in AMOUNTS},
    }
    if not dry_run:
        values["product"], values["subscription"] = products.get(fact.product), plans.get(fact.subscription_id)
    if (lead := leads.get(_whose(told))) is not None:
        values["lead"] = lead
    changed = row.reported
    for name, value in values.items():
        if value in ("", None):
            continue
        is_row = name in ("lead", "product", "subscription")
        if getattr(row, f"{name}_id" if is_row else name) != (value.pk if is_row else value):
            setattr(row, name, value)
            changed = True
    if any(row.raw.get(key) != value for key, value in fact.raw.items()):
        row.raw = {**row.raw, **fact.raw}
        changed = changed or bool(row.pk and not row.type)
    row.reported = False
    return changed


def _update(rows: list[Transaction]) -> None:
    columns = [
        "type",
        "price_point",
        "quantity",
        "at",
        "currency",
        "parent_kartra_id",
        "affiliate",
        "product",
        "subscription",
        "lead",
    ]
    if rows:
        Transaction.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=[*columns, *AMOUNTS, "reported", "raw"],
            batch_size=500,
        )


def _stubs(account: Account, rows: Sequence[TransactionRow], leads: Mapping[str, Lead]) -> None:
    """A refund's sale that nobody told us of stands as a stub until it is told."""
    parents = {row.fact.parent_kartra_id: leads.get(_whose(row)) for row in rows if row.fact.parent_kartra_id}
    Transaction.objects.bulk_create(
        [Transaction(account=account, kartra_id=id, lead=lead) for id, lead in sorted(parents.items())],
        ignore_conflicts=True,
    )


def _tell(account: Account, rows: list[Transaction], at: dt.datetime, cause: ActivityCause) -> None:
    """One line in the timeline for each transaction that is news, unless something told of it before."""
    with_lead = [row for row in rows if row.lead_id and row.type]
    told = set(
        Activity.objects.filter(
            Q(details__transaction_id__in=[row.kartra_id for row in with_lead]),
            account=account,
            lead__in={row.lead_id for row in with_lead},
            kind__startswith="payment_",
        ).values_list("kind", "details__transaction_id")
    )
    lines = []
    for row in with_lead:
        kind = f"payment_{row.type.lower().replace(' ', '_')}"[:64]
        if (kind, row.kartra_id) in told:
            continue
        details = {"transaction_id": row.kartra_id}
        if row.full_amount is not None:
            details["transaction_full_amount"] = f"{row.full_amount:.2f}"
        if row.currency:
            details["currency"] = row.currency
        if row.product is not None:
            details["product_name"] = row.product.name
        lines.append(
            Activity(
                account=account,
                lead=row.lead,
                kind=kind,
                at=row.at or at,
                source=Source.IMPORT,
                details=details,
                **cause.as_fields(),
            )
        )
    Activity.objects.bulk_create(lines, batch_size=500)
