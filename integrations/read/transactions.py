"""Reads of money: a lead's transactions and recurring subscriptions, one transaction. Kartra's lists carry no amounts, so
details are read one by one, each in its turn at the speed limit.
"""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations import clock
from integrations.kartra.billing import SubscriptionDetails, TransactionDetails, TransactionEntry
from integrations.kartra.commands import LeadRef
from integrations.kartra.errors import KartraError, Rejected
from integrations.models import Cause, Connection
from integrations.sending import calls
from integrations.sending.calls import Priority
from integrations.translate import money as translate
from integrations.translate.profile import plain
from leads import forgotten, mirror
from leads.access import Author
from leads.models import Lead, Source, Transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MoneyRead:
    """What a read of a lead's money came to. `details` of `transactions` were read now, or known for certain before.
    `without_id`: what Kartra listed without an id, as it came; it is kept in the lead's timeline."""

    transactions: int
    details: int
    subscriptions: int
    without_id: tuple[Mapping[str, Any], ...] = ()


def _ref(lead: Lead) -> LeadRef:
    return LeadRef(id=lead.kartra_id or "", email="" if lead.kartra_id else lead.email)


def listed(
    connection: Connection, lead: Lead, *, cause: Cause, priority: Priority, made_by: Author = None
) -> list[TransactionEntry]:
    """The lead's transactions as Kartra lists them. Raises KartraError."""
    return calls.read(
        connection,
        cause=cause,
        priority=priority,
        commands="retrieve_transactions_from_lead",
        lead=lead,
        made_by=made_by,
        ask=lambda client: client.retrieve_transactions_from_lead(_ref(lead)),
    )


def details_of(
    connection: Connection,
    transaction_id: str,
    *,
    cause: Cause,
    priority: Priority,
    lead: Lead | None = None,
    made_by: Author = None,
) -> TransactionDetails:
    """Kartra's details of one transaction. Raises KartraError (Rejected 247: there is none)."""
    return calls.read(
        connection,
        cause=cause,
        priority=priority,
        commands="get_transaction_details",
        lead=lead,
        made_by=made_by,
        ask=lambda client: client.get_transaction_details(transaction_id=transaction_id),
    )


def plan_details(
    connection: Connection,
    subscription_id: str,
    *,
    cause: Cause,
    priority: Priority,
    lead: Lead | None = None,
    made_by: Author = None,
) -> SubscriptionDetails:
    """Kartra's details of one payment plan. Raises KartraError (Rejected 248: there is none)."""
    return calls.read(
        connection,
        cause=cause,
        priority=priority,
        commands="get_subscription_details",
        lead=lead,
        made_by=made_by,
        ask=lambda client: client.get_subscription_details(subscription_id=subscription_id),
    )


def read(
    connection: Connection,
    lead: Lead,
    *,
    limit: int | None = None,
    cause: Cause = Cause.PULL,
    priority: Priority = Priority.PERSON,
    made_by: Author = None,
) -> MoneyRead:
    """Read the lead's transactions and subscriptions into the mirror, with details of those not known for certain.

    `limit`: details of at most so many transactions, the highest ids first (Kartra's order is not documented). Raises
    KartraError; what was read by then stays.
    """
    account = connection.account
    how: dict[str, Any] = {"cause": cause, "priority": priority, "made_by": made_by}
    everything = listed(connection, lead, **how)
    entries = [entry for entry in everything if entry.id]
    entries.sort(key=lambda entry: (len(entry.id), entry.id), reverse=True)
    at = clock.now()
    wanted = entries if limit is None else entries[:limit]
    certain = Transaction.objects.filter(account=account, kartra_id__in=[e.id for e in wanted], reported=False)
    known = set(certain.exclude(type="").values_list("kartra_id", flat=True))
    for entry in reversed(wanted):
        if entry.id not in known:
            _read_one(connection, lead, entry, how)
    for entry in entries[len(wanted) :]:
        mirror.set_transaction(account, translate.of_entry(entry), source=Source.REFRESH, at=at, lead=lead)
    plans = calls.read(
        connection,
        cause=cause,
        priority=priority,
        commands="retrieve_subscriptions_from_lead",
        lead=lead,
        made_by=made_by,
        ask=lambda client: client.retrieve_subscriptions_from_lead(_ref(lead)),
    )
    for plan in plans:
        if plan.id:
            mirror.set_subscription(account, translate.of_subscription_entry(plan), at=at, lead=lead)
            facts = plan_details(connection, plan.id, lead=lead, **how)
            mirror.set_subscription(account, translate.of_subscription(facts, account), at=clock.now(), lead=lead)
    unnumbered = [entry.raw for entry in everything if not entry.id] + [plan.raw for plan in plans if not plan.id]
    without_id = tuple(plain(dict(raw)) for raw in unnumbered)
    mirror.note_orders_without_id(lead, [translate.of_unnumbered(raw) for raw in without_id], at)
    if limit is None:
        mirror.mark_orders_read(lead, at)
    return MoneyRead(len(entries), len(wanted), len([plan for plan in plans if plan.id]), without_id)


def _read_one(connection: Connection, lead: Lead, entry: TransactionEntry, how: dict[str, Any]) -> None:
    account = connection.account
    details = details_of(connection, entry.id, lead=lead, **how)
    fact = translate.of_details(details, account)
    if not fact.type:  # the details of a sale need not name the type; the list does
        mirror.set_transaction(account, translate.of_entry(entry), source=Source.REFRESH, at=clock.now(), lead=lead)
    mirror.set_transaction(account, fact, source=Source.REFRESH, at=clock.now(), lead=lead)


def read_transaction(
    connection: Connection, transaction_id: str, *, store: bool = True, made_by: Author = None
) -> Transaction | None:
    """Ask Kartra for one transaction and keep it in the mirror. None: Kartra has none of this id. Not stored, the row is
    not saved either."""
    try:
        details = details_of(connection, transaction_id, cause=Cause.PULL, priority=Priority.PERSON, made_by=made_by)
    except Rejected as no:
        if no.code == "247":
            return None
        raise
    account = connection.account
    fact = translate.of_details(details, account)
    lead = mirror.find(account, kartra_id=details.lead_id)
    if not store:
        product = fact.product
        row = Transaction(
            account=account, kartra_id=fact.kartra_id, type=fact.type, full_amount=fact.full_amount, lead=lead
        )
        row.raw = {"product_name": product}
        return row
    if lead is None and details.lead_id:
        email = str(details.raw.get("lead_email") or details.raw.get("buyer_email") or "")[:320]
        facts = mirror.LeadFacts(kartra_id=details.lead_id, fields={"email": email})
        with contextlib.suppress(forgotten.LeftOut):  # the sale is kept, the buyer's name is not
            lead = mirror.apply_facts(account, facts, source=Source.REFRESH, at=clock.now()).lead
            mirror.mark_dirty(lead, clock.now())
    return mirror.set_transaction(account, fact, source=Source.REFRESH, at=clock.now(), lead=lead)


def read_after(connection: Connection, lead: Lead) -> None:
    """After a confirmed change of money: read the lead's money again, so that the refund or the plan's new state shows."""
    try:
        read(connection, lead, cause=Cause.REFRESH, priority=Priority.VERIFY)
    except KartraError as error:
        logger.warning(
            "The money of lead %s could not be read after a change of it: %s", lead.pk, error.code or "no answer"
        )


def new_since(
    connection: Connection, lead: Lead, known: Sequence[str], *, cause: Cause, priority: Priority
) -> list[TransactionDetails] | None:
    """Details of the lead's refunds that are not among the ids known before; None where Kartra lists some without an id, so
    that it cannot be told. Raises KartraError."""
    entries = listed(connection, lead, cause=cause, priority=priority)
    if not all(entry.id for entry in entries):
        return None
    fresh = [e for e in entries if e.id not in known and "refund" in e.type.lower()]
    return [details_of(connection, entry.id, cause=cause, priority=priority, lead=lead) for entry in fresh]
