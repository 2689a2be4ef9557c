"""One answer of Kartra about a lead, taken into the mirror if the read counts: nothing of a call of ours may be undone by it.

`lead_lookup` owns the question, `refresh` when it is asked, `deletions` what is believed of leads found deleted.
"""

import datetime as dt
from dataclasses import dataclass, replace

from django.db import transaction

from integrations import clock
from integrations.kartra.profile import LeadProfile
from integrations.models import Connection
from integrations.read import deletions, readback
from integrations.read.lead_lookup import Asked, same_address
from integrations.read.schedule import promised, recent_writes
from integrations.translate.profile import facts_of
from leads import mirror, transitions
from leads.lock_conflicts import done_again
from leads.mirror import LeadFacts
from leads.models import Lead, Source


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


def apply_answer(connection: Connection, lead: Lead | None, asked: Asked) -> ReadResult:
    """Write what Kartra said of a lead into the mirror, if the read counts."""
    at = clock.now()
    apply_others(connection, asked)
    if asked.gone is not None:
        if lead is not None:
            deletions.settled(lead)
            mirror.mark_gone(lead, asked.gone, at, source=Source.REFRESH, cause=asked.cause)
            transitions.skip_gone(lead)
        return ReadResult(lead, False, gone=True, applied=True)
    if asked.profile is None:
        if lead is not None and not lead.kartra_id:
            mirror.mark_absent(lead, at)
        elif lead is not None:
            mirror.mark_moved(lead, at, again_at=at + promised())
        return ReadResult(lead, False)
    taken = _take(connection, lead, asked.profile, asked.began_at, asked.cause)
    if taken is None:
        return ReadResult(lead, True, profile=asked.profile)
    return ReadResult(taken.lead, True, applied=True, profile=asked.profile, taken=taken)


def apply_others(connection: Connection, asked: Asked) -> None:
    """What was read of other leads on the way, of those we know: a stranger at an address of ours may be of an account
    that is not ours."""
    for other in asked.others:
        lead = mirror.find(connection.account, kartra_id=other.id)
        if lead is not None and lead.kartra_id == other.id:
            _take(connection, lead, other, asked.began_at, asked.cause)


class _TooSoon(Exception):
    """A call of ours to this lead was open during the read, or ended shortly before it."""


@done_again
def _take(
    connection: Connection, lead: Lead | None, profile: LeadProfile, began_at: dt.datetime, cause: mirror.ActivityCause
) -> mirror.Taken | None:
    """The facts into the mirror, or None and the lead marked to be read again: the read may not undo what a call of ours
    did meanwhile. Looked at last, with the row locked, so that no call can come between."""
    at = clock.now()
    facts = facts_of_answer(connection, lead, profile)
    try:
        with transaction.atomic():
            taken = mirror.apply_facts(
                connection.account, facts, source=Source.REFRESH, at=at, lead=lead, read_began_at=began_at, cause=cause
            )
            if not may_apply(taken.lead, began_at):
                raise _TooSoon
            deletions.settled(taken.lead)
            if readback.may_tell(taken.differences):
                since = lead.read_at if lead is not None else None
                readback.check(connection, taken.lead, facts, since=since, read_at=began_at)
            return taken
    except _TooSoon:
        touched = lead or mirror.find(connection.account, kartra_id=profile.id)
        if touched is not None:
            mirror.mark_dirty(touched, at)
            mirror.put_off([touched.pk], None)
        return None


def facts_of_answer(connection: Connection, lead: Lead | None, profile: LeadProfile) -> LeadFacts:
    """The facts of a read. In test mode Kartra's own domain in an address tells nothing new of the lead's."""
    facts = facts_of(profile, connection.account, authority=True)
    known = lead is not None and lead.email and same_address(connection, facts.email, lead.email)
    if connection.test_mode and known:
        return replace(facts, fields={name: value for name, value in facts.fields.items() if name != "email"})
    return facts


def may_apply(lead: Lead, began_at: dt.datetime) -> bool:
    """Whether a read begun then counts: no call of ours that writes was open during it, or ended shortly before it."""
    return not recent_writes(began_at).filter(lead=lead, sent_at__isnull=False).exists()
