"""One question to Kartra about one lead: what it holds of it now, or that it is deleted. Writes nothing into the mirror.

Gone is only what Kartra says of the lead's own id: deleted (245), or no lead of this id (243 from `search_lead`).
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from integrations.clock import now
from integrations.kartra import notices
from integrations.kartra.bodies import Unreadable
from integrations.kartra.commands import LeadRef
from integrations.kartra.errors import CommandRefused, OutcomeUnknown, Rejected
from integrations.kartra.profile import LeadProfile
from integrations.kartra.words import Trouble
from integrations.models import ApiCall, Cause, Channel, Connection, Delivery
from integrations.sending import calls
from integrations.sending.calls import Priority
from leads import mirror
from leads.access import Author
from leads.models import GoneReason, Lead, normal_email

NOT_FOUND = frozenset({"234", "243"})
NOT_BY_ID = NOT_FOUND | {"206", "236"}
DELETED = "245"
TEST_MODE_DOMAIN = "kartra.com"
LAST_MESSAGES = 3


@dataclass(frozen=True)
class Asked:
    """Kartra's own answer about one lead. `others`: leads met on the way, who have an address that was this one's. `call`:
    the primary key of the last call's row, if it has one."""

    profile: LeadProfile | None
    began_at: dt.datetime
    gone: GoneReason | None = None
    others: tuple[LeadProfile, ...] = ()
    call: int | None = None

    @property
    def cause(self) -> mirror.ActivityCause:
        """The call, as the cause of what the read leaves in the timeline."""
        return mirror.ActivityCause(call_id=self.call or None)


def ask(
    connection: Connection,
    *,
    kartra_id: str,
    email: str,
    cause: Cause,
    priority: Priority,
    lead: Lead | None = None,
    made_by: Author = None,
) -> Asked:
    """Ask Kartra about one lead, by id where this connection can, else by email and the same id. Up to seven calls.

    Learns on the way whether `get_lead` takes an id. Raises KartraError when Kartra could not be asked, or answered with
    something that is not about this lead.
    """
    question = _Question(connection, cause, priority, lead, made_by)
    began_at = now()
    by_id = bool(kartra_id) and connection.get_lead_by_id is not False
    if by_id:
        try:
            profile = question.get(NOT_BY_ID, id=kartra_id)
        except Rejected as no:
            if no.code == DELETED:
                return Asked(None, began_at, GoneReason.DELETED, call=question.call)
            raise
        if profile is not None and profile.id == kartra_id:
            learn(connection, True)
            return Asked(profile, began_at, call=question.call)
    if not kartra_id:
        return _by_address_alone(connection, question, email)
    others: list[LeadProfile] = []
    for address in question.addresses(email, others):
        began_at = now()
        profile = question.holder_of(address)
        if profile is not None and profile.id == kartra_id:
            if by_id:
                learn(connection, False)
            return Asked(profile, began_at, None, tuple(others), question.call)
        if profile is not None:
            others.append(profile)
    gone = question.gone(kartra_id)
    return Asked(None, began_at, gone, tuple(others), question.call)


def _by_address_alone(connection: Connection, question: "_Question", email: str) -> Asked:
    """About somebody whose id is not known: whoever has this address is it, and nobody else."""
    began_at = now()
    try:
        profile = question.get(NOT_FOUND, email=email)
    except Rejected as no:
        if no.code == DELETED:
            return Asked(None, began_at, GoneReason.DELETED, call=question.call)
        raise
    if profile is not None and not same_address(connection, profile.email, email):
        raise OutcomeUnknown("", Trouble.OTHER_LEAD)
    return Asked(profile, began_at, call=question.call)


class _Question:
    """The calls of one question, each with its row."""

    def __init__(
        self, connection: Connection, cause: Cause, priority: Priority, lead: Lead | None, made_by: Any
    ) -> None:
        self.connection, self.lead = connection, lead
        self.call: int | None = None
        self._how: dict[str, Any] = {
            "cause": cause,
            "priority": priority,
            "lead": lead,
            "made_by": made_by,
            "on_row": self._keep,
        }

    def _keep(self, row: ApiCall) -> None:
        self.call = row.pk

    def get(self, none: frozenset[str], **named: str) -> LeadProfile | None:
        """`get_lead`; None for a refusal with one of the codes `none`."""
        try:
            return calls.read(
                self.connection, commands="get_lead", ask=lambda client: client.get_lead(**named), **self._how
            )
        except Rejected as no:
            if no.code in none:
                return None
            raise

    def holder_of(self, address: str) -> LeadProfile | None:
        """Who has the address now. Deleted (245) is said of whoever had it last, which need not be the lead we ask about.
        An answer without an id cannot be told from anybody's."""
        profile = self.get(NOT_FOUND | {DELETED}, email=address)
        if profile is not None and not profile.id:
            raise OutcomeUnknown("", Trouble.NOT_SAID_WHOSE)
        return profile

    def addresses(self, email: str, others: list[LeadProfile]) -> Iterator[str]:
        """Where the lead may be found: the address we know, then the one that whoever has it now had before (a swap), then those
        that messages told since."""
        if email:
            yield email
        if others:
            other = mirror.find(self.connection.account, kartra_id=others[0].id)
            if other is not None and other.email_key and other.email_key != normal_email(email):
                yield other.email
        if self.lead is not None:
            yield from _told_addresses(self.lead)

    def gone(self, kartra_id: str) -> GoneReason | None:
        """Whether Kartra says of this id that it is deleted or that there is none. An app that may not ask cannot know."""
        try:
            exists = calls.read(
                self.connection,
                commands="search_lead",
                ask=lambda client: client.search_lead(LeadRef(id=kartra_id)),
                **self._how,
            )
        except CommandRefused:
            return None
        except Rejected as no:
            if no.code == DELETED:
                return GoneReason.DELETED
            raise
        return None if exists else GoneReason.NOT_FOUND


def _told_addresses(lead: Lead) -> Iterator[str]:
    """Other addresses that the last messages told of the lead, since it was read: guesses, of which the id is to agree."""
    rows = Delivery.objects.filter(lead=lead, received_at__gt=lead.read_at or lead.known_since).exclude(body=b"")
    seen = {lead.email_key, ""}
    for channel, body in rows.order_by("-pk").values_list("channel", "body")[:LAST_MESSAGES]:
        try:
            told = _address_in(channel, bytes(body))
        except Unreadable:
            continue
        if normal_email(told) not in seen:
            seen.add(normal_email(told))
            yield told


def _address_in(channel: str, body: bytes) -> str:
    if channel == Channel.IPN:
        return notices.read_ipn(body).lead_email
    profile = notices.read_notice(body).lead
    return profile.email if profile is not None else ""


def learn(connection: Connection, by_id: bool) -> None:
    """Keep whether `get_lead` takes an id on this connection; seen on a lead that is there."""
    if connection.pk is not None and connection.get_lead_by_id is not by_id:
        Connection.objects.filter(pk=connection.pk).update(get_lead_by_id=by_id)
    connection.get_lead_by_id = by_id


def same_address(connection: Connection, one: str, other: str) -> bool:
    """Whether two addresses are one. In test mode Kartra replaces the domain, so only what stands before the @ counts."""
    one, other = normal_email(one), normal_email(other)
    if connection.test_mode and f"@{TEST_MODE_DOMAIN}" in one + other:
        return one.rpartition("@")[0] == other.rpartition("@")[0]
    return one == other
