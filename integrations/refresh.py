"""Reads of leads: one when somebody asks, many by dirtiness and age. A read is the only authority on a lead's state.

A failed read says nothing. Gone is only what Kartra says is deleted (245), or cannot find by its id (243).
"""

import datetime as dt
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations import calls
from integrations.calls import Priority
from integrations.kartra.client import Client
from integrations.kartra.commands import LeadRef
from integrations.kartra.errors import KartraError, Rejected
from integrations.kartra.profile import LeadProfile
from integrations.models import ApiCall, Cause, Connection
from integrations.translate.profile import facts_of
from leads import mirror, runs
from leads.models import GoneReason, Lead, Source

NOT_FOUND = frozenset({"234", "243"})
NOT_BY_ID = frozenset({"206", "234", "236", "243"})
BATCH = 200


@dataclass(frozen=True)
class ReadResult:
    """What a read came to. `found`: Kartra has the lead. `applied`: the mirror now says what was read; if not, a call of
    ours is too recent for the read to count, and it is read again later."""

    lead: Lead | None
    found: bool
    gone: bool = False
    applied: bool = False
    profile: LeadProfile | None = None
    taken: mirror.Taken | None = None


@dataclass(frozen=True)
class Asked:
    """Kartra's own answer about one lead."""

    profile: LeadProfile | None
    began_at: dt.datetime
    gone: GoneReason | None = None


def ask(
    connection: Connection,
    *,
    kartra_id: str,
    email: str,
    cause: Cause,
    priority: Priority,
    lead: Lead | None = None,
    made_by: Any = None,
) -> Asked:
    """Ask Kartra about one lead, by id where this connection can, else by email and the same id. Up to three calls.

    Learns on the way whether `get_lead` takes an id. Raises KartraError when Kartra could not be asked.
    """

    def get(**named: str) -> LeadProfile | None:
        try:
            return calls.read(
                connection, cause=cause, priority=priority, commands="get_lead", lead=lead, made_by=made_by,
                ask=lambda client: client.get_lead(**named),
            )  # fmt: skip
        except Rejected as no:
            if no.code in NOT_BY_ID:
                return None
            raise

    began_at = timezone.now()
    try:
        by_id = bool(kartra_id) and connection.get_lead_by_id is not False
        profile = get(id=kartra_id) if by_id else None
        if profile is not None and profile.id == kartra_id:
            _learn(connection, True)
            return Asked(profile, began_at)
        if email:
            began_at = timezone.now()
            profile = get(email=email)
            if profile is not None and (not kartra_id or profile.id == kartra_id):
                if by_id:
                    _learn(connection, False)
                return Asked(profile, began_at)
        if not kartra_id:
            return Asked(None, began_at)
        exists = calls.read(
            connection, cause=cause, priority=priority, commands="search_lead", lead=lead, made_by=made_by,
            ask=lambda client: client.search_lead(LeadRef(id=kartra_id)),
        )  # fmt: skip
        return Asked(None, began_at, None if exists else GoneReason.NOT_FOUND)
    except Rejected as no:
        if no.code == "245":
            return Asked(None, began_at, GoneReason.DELETED)
        raise


def _learn(connection: Connection, by_id: bool) -> None:
    if connection.pk is not None and connection.get_lead_by_id is not by_id:
        Connection.objects.filter(pk=connection.pk).update(get_lead_by_id=by_id)
    connection.get_lead_by_id = by_id


def read_lead(
    connection: Connection,
    *,
    lead: Lead | None = None,
    kartra_id: str = "",
    email: str = "",
    cause: Cause = Cause.PULL,
    priority: Priority = Priority.PERSON,
    made_by: Any = None,
) -> ReadResult:
    """Read one lead from Kartra into the mirror; new to us or not. Raises KartraError; then nothing has changed."""
    account = connection.account
    lead = lead or mirror.find(account, kartra_id=kartra_id, email=email)
    kartra_id = kartra_id or (lead.kartra_id if lead else "") or ""
    email = email or (lead.email if lead else "")
    asked = ask(
        connection, kartra_id=kartra_id, email=email, cause=cause, priority=priority, lead=lead, made_by=made_by
    )
    return apply_answer(connection, lead, asked)


def apply_answer(connection: Connection, lead: Lead | None, asked: Asked) -> ReadResult:
    """Write what Kartra said of a lead into the mirror, if the read counts."""
    at = timezone.now()
    if asked.gone is not None:
        if lead is not None:
            mirror.mark_gone(lead, asked.gone, at, source=Source.REFRESH)
            runs.skip_gone(lead)
        return ReadResult(lead, False, gone=True, applied=True)
    if asked.profile is None:
        if lead is not None and not lead.kartra_id:
            mirror.mark_absent(lead, at)
        elif lead is not None:
            Lead.objects.filter(pk=lead.pk).update(read_at=F("read_at"), dirty_at=None)
        return ReadResult(lead, False)
    if lead is not None and not may_apply(lead, asked.began_at):
        mirror.mark_dirty(lead, at)
        return ReadResult(lead, True, profile=asked.profile)
    facts = facts_of(asked.profile, connection.account, authority=True)
    taken = mirror.take(
        connection.account, facts, source=Source.REFRESH, at=at, lead=lead, read_began_at=asked.began_at
    )
    return ReadResult(taken.lead, True, applied=True, profile=asked.profile, taken=taken)


def may_apply(lead: Lead, began_at: dt.datetime) -> bool:
    """Whether a read begun then counts: no call of ours that writes was open during it, or began shortly before it."""
    return not _recent_writes(began_at).filter(lead=lead).exists()


def _recent_writes(at: dt.datetime) -> QuerySet[ApiCall]:
    settled = at - dt.timedelta(seconds=settings.VERIFY_SETTLE_S[0])
    return ApiCall.objects.filter(writes=True, sent_at__isnull=False).filter(
        Q(finished_at=None) | Q(sent_at__gt=settled) | Q(finished_at__gt=at)
    )


# --- many


def due(connection: Connection, *, older_than: dt.timedelta | None = None) -> QuerySet[Lead]:
    """Leads that ought to be read: update due, never read, or read too long ago; dirty first, oldest first.

    Not those that a call of ours has just touched: their read would not count yet.
    """
    at = timezone.now()
    within = older_than if older_than is not None else dt.timedelta(hours=settings.REFRESH_WITHIN_H)
    touched = _recent_writes(at).filter(lead=OuterRef("pk"))
    return (
        Lead.objects.filter(account=connection.account_id, gone_at=None)
        .filter(Q(dirty_at__isnull=False) | Q(read_at=None, absent_at=None) | Q(read_at__lt=at - within))
        .filter(~Exists(touched))
        .order_by(F("dirty_at").asc(nulls_last=True), F("read_at").asc(nulls_first=True), "pk")
    )


def drain(
    connection: Connection,
    *,
    until_s: float = 8.0,
    older_than: dt.timedelta | None = None,
    limit: int | None = None,
    on_read: Callable[[int], None] | None = None,
    asking: Connection | None = None,
) -> int:
    """Read what is due for about `until_s` seconds; how many leads were read. Ends early when Kartra cannot be asked.

    `asking`: another connection to the same account to make the calls with.
    """
    asking = asking or connection
    if connection.hold_until and connection.hold_until > timezone.now():
        return 0
    ends = time.monotonic() + until_s
    done = 0
    while time.monotonic() < ends and (limit is None or done < limit):
        room = BATCH if limit is None else min(BATCH, limit - done)
        slots = max(1, min(room, round(asking.rate * 4) if asking.calls_per_second else room))
        leads = list(due(connection, older_than=older_than)[:slots])
        if not leads:
            break
        read, stopped = read_many(connection, leads, asking=asking, on_read=on_read)
        done += read
        if stopped or not read:
            break
    return done


def read_many(
    connection: Connection,
    leads: Iterable[Lead],
    *,
    asking: Connection | None = None,
    cause: Cause = Cause.REFRESH,
    priority: Priority = Priority.REFRESH,
    on_read: Callable[[int], None] | None = None,
) -> tuple[int, KartraError | None]:
    """Read these leads, several calls at once; threads only call, this one writes. (how many, why it stopped early)."""
    asking = asking or connection
    client = calls.client_for(asking)
    done = 0
    stopped: KartraError | None = None
    with ThreadPoolExecutor(settings.REFRESH_READERS, thread_name_prefix="read") as readers:
        waiting = {
            readers.submit(_get, client, asking, lead, priority, lambda: stopped is not None): lead for lead in leads
        }
        for future in as_completed(waiting):
            lead = waiting[future]
            profile, error, began_at, elapsed_s = future.result()
            if began_at is None:
                stopped = stopped or error
                continue
            calls.log(
                asking, cause=cause, commands="get_lead", began_at=began_at, elapsed_s=elapsed_s, error=error, lead=lead
            )
            if error is None and profile is not None and (not lead.kartra_id or profile.id == lead.kartra_id):
                if lead.kartra_id and asking.get_lead_by_id:
                    _learn(asking, True)
                apply_answer(connection, lead, Asked(profile, began_at))
            elif isinstance(error, Rejected) or error is None:
                try:  # not found so, or another lead's address: ask at length
                    read_lead(asking, lead=lead, cause=cause, priority=priority)
                except KartraError as again:
                    stopped = stopped or again
                    continue
            else:
                calls.heed(asking, error)
                stopped = stopped or error
                continue
            done += 1
            if on_read:
                on_read(done)
    return done, stopped


def _get(
    client: Client, asking: Connection, lead: Lead, priority: Priority, stop: Callable[[], bool]
) -> tuple[LeadProfile | None, KartraError | None, dt.datetime | None, float]:
    """One call in a reader's thread: no ORM."""
    try:
        if stop():
            raise calls.NoSlot("", "Stopped before this call.")
        calls.wait_for_slot(asking, priority, wait_s=20)
    except KartraError as error:
        return None, error, None, 0.0
    began_at, began = timezone.now(), time.monotonic()
    try:
        by_id = bool(lead.kartra_id) and (asking.get_lead_by_id is True or not lead.email)
        profile = client.get_lead(id=lead.kartra_id or "") if by_id else client.get_lead(email=lead.email)
        return profile, None, began_at, time.monotonic() - began
    except KartraError as error:
        return None, error, began_at, time.monotonic() - began
