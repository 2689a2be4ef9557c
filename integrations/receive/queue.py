"""Takes deliveries, those that wait and those asked for again, reads them and writes down what became of each.

Bodies are read before the transaction begins; the transaction is short, and one of an account at a time.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, connection as database, transaction
from django.db.models import QuerySet

from integrations import clock
from integrations.kartra import notices
from integrations.kartra.bodies import Unreadable
from integrations.kartra.notices import IpnMessage, Notice
from integrations.kartra.words import Trouble
from integrations.models import Channel, Delivery, DeliveryRemark, DeliveryStatus
from integrations.receive import discard, events, many, payments
from integrations.receive.context import Applied, EventContext
from integrations.receive.newcomers import Held, Newcomers
from integrations.sending.error_messages import remark_of
from leads import forgotten, mirror
from leads.lock_conflicts import passes, wait_a_little
from leads.models import Account, Lead, normal_email
from leads.models.remarks import remark

logger = logging.getLogger(__name__)

BATCH = 50
"""Deliveries read at once, and applied in one transaction if that takes no longer than BATCH_S."""
BATCH_S = 0.25
TRIES = 3
"""How often one delivery may meet other writers before the next ones go on without it; it is applied later."""

Message = Notice | IpnMessage | Unreadable
Read = tuple[Delivery, Message]


def drain(*, until_s: float = 8.0) -> int:
    """Apply what waits, account by account, for about `until_s` seconds. How many deliveries were applied."""
    ends = time.monotonic() + until_s
    done = discard.drain(until_s=until_s)
    put_off: set[int] = set()
    while time.monotonic() < ends:
        waiting = Delivery.objects.waiting().exclude(pk__in=put_off)
        accounts = list(waiting.order_by().values_list("endpoint__connection__account", flat=True).distinct())
        before = done + len(put_off)
        for account_id in accounts:
            of_account = waiting.filter(endpoint__connection__account=account_id)
            done += len(_batch(account_id, list(_with_all(of_account)[:BATCH]), put_off=put_off))
        if done + len(put_off) == before:
            break
    return done


def replay(deliveries: QuerySet[Delivery], *, by: str = "") -> Iterator[tuple[Delivery, Applied]]:
    """Apply these again, in order of arrival, through the same code and against what is known now. Says of each what it
    changed. What was refused because of its size cannot be: most of it was never kept."""
    rows = _with_all(deliveries.filter(truncated=False).exclude(status=DeliveryStatus.DISCARDING)).order_by("pk")
    after = 0
    while batch := list(rows.filter(pk__gt=after)[:BATCH]):
        after = batch[-1].pk
        asked_at = clock.now()
        for delivery in batch:
            delivery.ask_again(asked_at, by)
        for account_id in dict.fromkeys(delivery.endpoint.connection.account_id for delivery in batch):
            mine = [delivery for delivery in batch if delivery.endpoint.connection.account_id == account_id]
            done = _batch(account_id, mine, again=True)
            yield from ((delivery, done[delivery.pk]) for delivery in mine if delivery.pk in done)


def ask_again(deliveries: QuerySet[Delivery], *, by: str = "") -> int:
    """Put these back among what waits, for the worker to apply again. How many."""
    asked_at, number = clock.now(), 0
    not_now = [DeliveryStatus.WAITING, DeliveryStatus.DISCARDING]
    rows = deliveries.filter(truncated=False).exclude(status__in=not_now).order_by("pk")
    after = 0
    while batch := list(rows.filter(pk__gt=after).only("pk", "replays")[:500]):
        after = batch[-1].pk
        for delivery in batch:
            delivery.ask_again(asked_at, by)
            delivery.status, delivery.applied_at = DeliveryStatus.WAITING, None
        number += Delivery.objects.bulk_update(batch, ["replays", "status", "applied_at"])
    return number


def _with_all(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    return deliveries.select_related("endpoint__connection__account")


def _batch(
    account_id: int, deliveries: Sequence[Delivery], *, again: bool = False, put_off: set[int] | None = None
) -> dict[int, Applied]:
    """Apply these deliveries of one account, in as many short transactions as it takes. Empty if another worker is at this
    account (one that is asked for again waits its turn). One that meets other writers time after time is `put_off`."""
    read = [(delivery, _read(delivery)) for delivery in deliveries]
    asked = {delivery.pk: delivery.replays for delivery in deliveries} if again else {}
    done: dict[int, Applied] = {}
    late: set[int] = set() if put_off is None else put_off
    while read:
        try:
            some = _together(account_id, read, again=again)
        except DatabaseError as error:
            if not may_go_on(error):
                raise
            logger.info("A batch of deliveries met other writers; the first is applied alone.")
            read = _afresh(read, asked)
            alone = _alone(account_id, read[0], asked, again=again)
            if alone is None:
                late.add(read[0][0].pk)
                read = read[1:]
                continue
            some = alone
        if not some:
            break
        done |= some
        read = [each for each in read if each[0].pk not in done]
    return done


def _afresh(read: Sequence[Read], asked: Mapping[int, list[Any]]) -> list[Read]:
    """The same deliveries as the database has them: what a transaction that was rolled back wrote on them is not so. `asked`: what
    they are asked for again by, which is not saved yet."""
    rows = {row.pk: row for row in _with_all(Delivery.objects.filter(pk__in=[each.pk for each, _ in read]))}
    for pk, replays in asked.items():
        if pk in rows:
            rows[pk].replays = replays
    return [(rows[each.pk], message) for each, message in read if each.pk in rows]


def may_go_on(error: DatabaseError) -> bool:
    """Whether it was other writers. SQLite that is busy for longer than the time-out is left alone until later."""
    return passes(error) and database.vendor != "sqlite"


def _together(account_id: int, read: Sequence[Read], *, again: bool) -> dict[int, Applied]:
    """The first of these in one transaction, as many as BATCH_S allows."""
    done: dict[int, Applied] = {}
    with transaction.atomic():
        account = _lock(account_id, wait=again)
        if account is None:
            return {}
        waiting = Delivery.objects.waiting().filter(pk__in=[delivery.pk for delivery, _ in read])
        still = (
            discard.not_discarded([delivery for delivery, _ in read])
            if again
            else set(waiting.values_list("pk", flat=True))
        )
        mirror.lock_leads(_leads_of(account, [message for _, message in read]))
        ends, newcomers = time.monotonic() + BATCH_S, Newcomers(clock.now())
        for some in _in_order([each for each in read if each[0].pk in still], account, newcomers):
            done |= some
            if time.monotonic() > ends:
                break
        newcomers.save()
    return done


def _in_order(read: Sequence[Read], account: Account, newcomers: Newcomers) -> Iterator[dict[int, Applied]]:
    """Apply these, as many at once as can be, and say after each step what became of whom."""
    while read:
        some, alone = _first_at_once(read, account, newcomers)
        if some:
            yield some
        read = read[len(some) :]
        for delivery, message in read[:alone]:
            yield {delivery.pk: _apply_and_note(delivery, message, account, newcomers)}
        read = read[alone:]


def _first_at_once(read: Sequence[Read], account: Account, newcomers: Newcomers) -> tuple[dict[int, Applied], int]:
    """Apply the first of these together; and how many of the next are to be applied one by one before that is tried again."""
    run = many.common_ones(read)
    if len(run) < many.FEWEST:
        return {}, len(run) + 1
    at, came, alone = clock.now(), dict(newcomers.more), len(run)
    try:
        with transaction.atomic():
            found = many.first_of(run, account, at, newcomers)
            if len(found) >= many.FEWEST:
                return many.apply_events(found, at), 1
            alone = len(found) + 1
    except Exception as error:  # one of them is of a kind nobody foresaw: applied alone it shows
        if passes(error):
            raise
        logger.exception("Deliveries could not be applied together; they are applied one by one.")
    newcomers.more = came
    return {}, alone


def _leads_of(account: Account, messages: Sequence[Message]) -> list[int]:
    """The leads that these messages are about, so that all are locked at once and in one order."""
    ids, keys = set(), set()
    for message in messages:
        who = message.lead if isinstance(message, Notice) else None
        if isinstance(message, IpnMessage):
            ids.add(message.lead_id)
            keys.add(normal_email(message.lead_email))
        elif who is not None:
            ids.add(who.id)
            keys.add(normal_email(who.email))
    rows = Lead.objects.filter(account=account).order_by()
    by_id = rows.filter(kartra_id__in=ids - {""}).values_list("pk", flat=True)
    return [*by_id, *rows.filter(email_key__in=keys - {""}).values_list("pk", flat=True)]


def _alone(account_id: int, each: Read, asked: Mapping[int, list[Any]], *, again: bool) -> dict[int, Applied] | None:
    """One delivery in a transaction of its own. None where it meets other writers time after time: that says nothing
    about the message, so it goes on waiting."""
    for number in range(TRIES):
        wait_a_little(number)
        try:
            return _together(account_id, _afresh([each], asked), again=again)
        except DatabaseError as error:
            if not may_go_on(error):
                raise
    logger.warning("Delivery %s met other writers %s times; it is applied later.", each[0].pk, TRIES)
    return None


def _lock(account_id: int, *, wait: bool) -> Account | None:
    rows = Account.objects.filter(pk=account_id)
    if database.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(no_key=True, skip_locked=not wait)
    return rows.first()


def _read(delivery: Delivery) -> Message:
    """The message in a delivery's bytes, or why it cannot be read."""
    body = bytes(delivery.body)
    try:
        return notices.read_ipn(body) if delivery.channel == Channel.IPN else notices.read_notice(body)
    except Unreadable as problem:
        return problem
    except Exception as error:  # a body nobody foresaw: keep it, say so, go on with the next
        logger.exception("Delivery %s could not be read.", delivery.pk)
        return Unreadable(Trouble.COULD_NOT_READ, name=type(error).__name__)


def _apply_and_note(delivery: Delivery, message: Message, account: Account, newcomers: Newcomers) -> Applied:
    at = clock.now()
    action = getattr(message, "action", "")
    context = EventContext(delivery, account, at, late=delivery.is_replay, newcomers=newcomers)
    try:
        with transaction.atomic():
            if not delivery.body and delivery.reason == forgotten.REMARK:
                applied = Applied(DeliveryStatus.RECORDED, forgotten.REMARK, delivery.action)
            elif isinstance(message, Unreadable):
                raise message
            elif isinstance(message, IpnMessage):
                applied = payments.apply_ipn(message, context)
            else:
                applied = events.apply_notice(message, context)
    except Unreadable as problem:
        applied = Applied(DeliveryStatus.QUARANTINED, remark_of(problem), action)
    except Held as problem:
        applied = Applied(DeliveryStatus.HELD, problem.remark, action)
    except mirror.Lookalike as problem:
        applied = Applied(DeliveryStatus.QUARANTINED, problem.remark, action)
    except forgotten.LeftOut as problem:  # nothing of this person is kept, the message's own words neither
        applied = Applied(DeliveryStatus.RECORDED, forgotten.REMARK, action)
        problem.note()
        delivery.body, delivery.family = b"", ""
        delivery.save(update_fields=["body"])
    except Exception as error:  # a body nobody foresaw: keep it, say so, go on with the next
        if passes(error):
            raise
        logger.exception("Delivery %s could not be applied.", delivery.pk)
        applied = Applied(
            DeliveryStatus.QUARANTINED,
            remark(DeliveryRemark.NOT_APPLIED, name=type(error).__name__),
            action,
        )
    written = context.journal if applied.lead is not None else []  # else it was rolled back
    delivery.journal = [*delivery.journal, *written]
    _note(delivery, applied, at)
    return applied


def _note(delivery: Delivery, applied: Applied, at: dt.datetime) -> None:
    """Write down what became of it. What it changed when it was first applied stays, beside what each replay changed."""
    fields = ["status", "reason", "action", "family", "secret", "lead", "changed", "applied_at", "journal"]
    if payments.hide_secret(delivery):
        fields.append("body")
    changed = applied.changed[:50]
    if delivery.is_replay:
        became: dict[str, Any] = {"status": applied.status, "reason": applied.reason, "changed": changed}
        delivery.note_replay(at=at.isoformat(), **became)
        changed = [*delivery.changed, *(each for each in changed if each not in delivery.changed)]
        fields.append("replays")
    delivery.status = applied.status
    delivery.reason = applied.reason
    delivery.action = applied.action[:100]
    delivery.lead = applied.lead
    delivery.changed = changed
    delivery.applied_at = at
    delivery.save(update_fields=fields)
