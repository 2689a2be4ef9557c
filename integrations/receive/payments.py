"""Money that Kartra tells of: payment messages (IPN) and the events of payments.

With the right secret key a payment message is Kartra's own word. Anybody else's is reported, until Kartra's details agree.
"""

import hmac
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.kartra import notices
from integrations.kartra.notices import IpnMessage, Notice
from integrations.models import Channel, Delivery, DeliveryRemark, DeliveryStatus, Secret
from integrations.receive import body_text, own_changes
from integrations.receive.context import Applied, EventContext
from integrations.secrets import LostSecret
from integrations.translate import money
from integrations.translate.profile import plain
from leads import kinds, mirror
from leads.mirror import TransactionFact
from leads.models import Activity, Lead, Source, Transaction, normal_email
from leads.models.remarks import Remark, remark


def apply_ipn(message: IpnMessage, context: EventContext) -> Applied:
    """A payment message: who bought, what, and for how much. Nothing of it is applied where its secret key is wrong, or ours cannot
    be opened to be compared."""
    delivery, account, at = context.delivery, context.account, context.at
    action = message.action
    delivery.family = "payment of a plan" if message.of_plan else "single payment"
    if isinstance(delivery.endpoint.ipn_secret, LostSecret):
        return Applied(DeliveryStatus.REFUSED, remark(DeliveryRemark.SECRET_LOST), action)
    delivery.secret = _secret(message, context)
    if delivery.secret == Secret.WRONG:
        return Applied(DeliveryStatus.REFUSED, remark(DeliveryRemark.WRONG_SECRET), action)
    if delivery.secret == Secret.MISSING and _carried_before(context, action):
        return Applied(DeliveryStatus.REFUSED, remark(DeliveryRemark.NO_SECRET), action)
    applied = Applied(DeliveryStatus.APPLIED, action=action)
    if delivery.secret == Secret.MISSING:
        applied.reason = remark(DeliveryRemark.UNVOUCHED)
    lead = mirror.find(account, kartra_id=message.lead_id, email=message.lead_email)
    certain = delivery.secret == Secret.RIGHT
    if lead is None and (message.lead_id or "@" in message.lead_email):
        if not certain:
            context.newcomers.check(delivery)
            context.newcomers.note(delivery)
        lead = mirror.apply_facts(account, _buyer(message), source=Source.IPN, at=at, cause=context.cause).lead
        applied.changed.append(remark(DeliveryRemark.NEW))
    if lead is None:
        return Applied(DeliveryStatus.QUARANTINED, remark(DeliveryRemark.NO_BUYER), action)
    applied.lead = lead
    fact = money.of_fields(message.fields, account, authority=certain, kartra_id=message.transaction_id)
    applied.changed += take(fact, lead, Source.IPN, context)
    if not fact.kartra_id and _note(f"payment_{message.transaction_type}", dict(fact.raw), lead, Source.IPN, context):
        applied.changed.append(remark(DeliveryRemark.PAYMENT_NOTED))
    if _moved(message, lead, context):
        mirror.look_now(lead, at)
    elif applied.changed:
        mirror.mark_dirty(lead, at)
    return applied


def hide_secret(delivery: Delivery) -> bool:
    """Take our own secret key out of what came, which then counts as having carried it. Whether it was there; saves nothing."""
    wanted = delivery.endpoint.ipn_secret.strip()
    if not wanted or isinstance(delivery.endpoint.ipn_secret, LostSecret) or delivery.secret == Secret.WRONG:
        return False
    body = bytes(delivery.body)
    hidden = body_text.without_secret(body, wanted)
    if hidden == body:
        return False
    delivery.body, delivery.secret = hidden, Secret.RIGHT
    return True


def _secret(message: IpnMessage, context: EventContext) -> Secret:
    wanted = context.delivery.endpoint.ipn_secret
    if context.delivery.is_replay and context.delivery.secret == Secret.RIGHT:
        return Secret.RIGHT
    if not wanted:
        return Secret.NONE
    if message.secret_key is None:
        return Secret.MISSING
    given = message.secret_key.strip().encode("utf-8", "replace")
    return Secret.RIGHT if hmac.compare_digest(given, wanted.strip().encode("utf-8", "replace")) else Secret.WRONG


def _carried_before(context: EventContext, action: str) -> bool:
    """Whether an earlier message of this kind came with the right secret key. Which kinds carry it is not documented, so
    a missing one is held against a message only then."""
    earlier = Delivery.objects.filter(
        endpoint=context.delivery.endpoint_id,
        channel=Channel.IPN,
        action=action,
        family=context.delivery.family,
        secret=Secret.RIGHT,
        pk__lt=context.delivery.pk,
    )
    return earlier.exists()


def _buyer(message: IpnMessage) -> mirror.LeadFacts:
    """A buyer who is new to us: name and address. What else a bill says is not the lead's."""
    told = {name: notices.buyer(message.fields, name) for name in ("first_name", "last_name")}
    fields = {"email": message.lead_email[:320], **{name: value for name, value in told.items() if value}}
    return mirror.LeadFacts(kartra_id=message.lead_id, fields=fields)


def _moved(message: IpnMessage, lead: Lead, context: EventContext) -> bool:
    """Whether the message names another address than our copy has, and no read since has settled it."""
    told = normal_email(message.lead_email)
    read_since = lead.read_at is not None and lead.read_at > context.received_at
    return "@" in told and told != lead.email_key and not read_since and not context.late


def apply_event(notice: Notice, lead: Lead, context: EventContext) -> list[Remark | str]:
    """The payment of an outbound event. Nobody vouches for it, so it is reported."""
    fact = money.of_fields(notices.transaction(notice), lead.account, authority=False)
    if not fact.kartra_id:
        noted = _note(notice.action, dict(notice.details), lead, Source.WEBHOOK, context)
        return [remark(DeliveryRemark.PAYMENT_NOTED)] if noted else []
    return take(fact, lead, Source.WEBHOOK, context)


def take(fact: TransactionFact, lead: Lead, source: Source, context: EventContext) -> list[Remark | str]:
    """Write a told transaction; if it is the refund that an unclear change of ours waits for, it proves that."""
    if not fact.kartra_id:
        return []
    known = Transaction.objects.filter(account=lead.account_id, kartra_id=fact.kartra_id)
    before = known.values().first()
    row = mirror.set_transaction(
        lead.account, fact, source=source, at=context.at, lead=lead, cause=context.cause, late=context.late
    )
    named: Remark | str = str(row) if row.type else remark(DeliveryRemark.TRANSACTION, id=row.kartra_id)
    changed = [] if before == known.values().first() else [named]
    if fact.subscription_id and fact.type.casefold() == "cancellation":
        ended = mirror.end_plan(
            lead.account,
            fact.subscription_id,
            context.received_at,
            at=context.at,
            source=source,
            lead=lead,
            cause=context.cause,
            reported=not fact.authority,
        )
        changed += [remark(DeliveryRemark.SUBSCRIPTION_CANCELLED, id=fact.subscription_id)] if ended else []
    if changed and not fact.authority:
        mirror.mark_orders_due(lead, context.at)
    if row.parent_kartra_id and "refund" in row.type.casefold():
        own_changes.confirm_change(
            lead,
            kinds.REFUND.name,
            kinds.REFUND.family({"transaction": row.parent_kartra_id}),
            context,
            fits=lambda given: given["amount"] == "whole" or row.full_amount == _amount(given["amount"]),
        )
    return changed


def _amount(told: Any) -> Decimal | None:
    try:
        return Decimal(told)
    except (InvalidOperation, TypeError):
        return None


def _note(kind: str, details: dict[str, Any], lead: Lead, source: Source, context: EventContext) -> bool:
    """A payment without a number of its own: one line in the timeline. True if it was not there yet."""
    _, new = Activity.objects.get_or_create(
        account=lead.account,
        lead=lead,
        kind=kind[:64],
        source=source,
        delivery=context.delivery,
        defaults={"at": context.at, "details": plain(details)},
    )
    return new
